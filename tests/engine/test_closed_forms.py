"""Cases in which time has a closed form, derived here by hand from the parts of `plain_chip`."""

from __future__ import annotations

import pytest

from memsim.hierarchy import Chip
from memsim.isa import Program, ProgramBuilder, parse
from tests.engine.machines import DMA, DRAM, HOP, LAUNCH, plain_chip, run

WAY = DMA + HOP + DRAM + HOP  # latency of a load: issue, request through the crossbar, memory, and back through it
TILE = 16 * 16 * 4  # bytes of an fp32 tile
DRAM_TICKS, LINK_TICKS = TILE // 8, TILE // 16


def stream(tiles: int, depth: int) -> Program:
    p = ProgramBuilder("stream")
    x = p.tensor("X", "fp32", (16 * tiles, 16))
    with p.kernel("k", grid={"b": 1}) as k:
        a = k.ring("a", "sram", "fp32", (16, 16), depth=depth)
        with k.queue("load"), k.loop("i", tiles) as i:
            a.load(x[i * 16, 0])
        with k.queue("use"), k.loop("i", tiles):
            a.pop()
    return p.build(verify=False)


def matmul(steps: int, depth: int = 2, blocks: int = 1, store: bool = True) -> Program:
    """``blocks`` independent products of a 16x(16*steps) by a (16*steps)x16 matrix."""
    p = ProgramBuilder("matmul")
    a_ = p.tensor("A", "fp32", (16 * blocks, 16 * steps))
    b_ = p.tensor("B", "fp32", (16 * steps, 16 * blocks))
    c_ = p.tensor("C", "fp32", (16 * blocks, 16 * blocks))
    with p.kernel("k", grid={"y": blocks}) as k:
        (y,) = k.coordinates
        a = k.ring("a", "sram", "fp32", (16, 16), depth=depth)
        b = k.ring("b", "sram", "fp32", (16, 16), depth=depth)
        c = k.ring("c", "reg", "fp32", (16, 16))
        with k.queue("load"), k.loop("i", steps) as i:
            a.load(a_[y * 16, i * 16])
            b.load(b_[i * 16, y * 16])
        with k.queue("compute"):
            c.fill(0)
            with k.loop("i", steps):
                c.mma(a, b)
                a.pop()
                b.pop()
            c.push()
        with k.queue("store"):
            if store:
                c_[y * 16, y * 16].store(c)
            c.pop()
    return p.build(verify=False)


@pytest.mark.parametrize("tiles", [1, 2, 7])
def test_a_single_stream_takes_its_latency_plus_the_slowest_service_for_each_tile(tiles: int) -> None:
    assert run(stream(tiles, depth=4), plain_chip()).ticks == LAUNCH + WAY + tiles * DRAM_TICKS


@pytest.mark.parametrize("tiles", [1, 3])
def test_without_double_buffering_each_tile_waits_for_the_one_before(tiles: int) -> None:
    # a slot of depth 1 is free when its tile has been popped on arrival, so the whole way is paid each time
    assert run(stream(tiles, depth=1), plain_chip()).ticks == LAUNCH + tiles * (WAY + DRAM_TICKS)


def test_two_cores_on_one_channel_take_twice_as_long_as_one() -> None:
    p = ProgramBuilder("two")
    x = p.tensor("X", "fp32", (16 * 8, 16))
    with p.kernel("k", grid={"b": 2}) as k:
        (block,) = k.coordinates
        a = k.ring("a", "sram", "fp32", (16, 16), depth=4)
        with k.queue("load"), k.loop("i", 4) as i:
            a.load(x[block * 64 + i * 16, 0])
        with k.queue("use"), k.loop("i", 4):
            a.pop()
    assert run(p.build(verify=False), plain_chip(2)).ticks == LAUNCH + WAY + 8 * DRAM_TICKS


def test_a_slow_port_is_the_bottleneck_of_a_stream() -> None:
    chip = plain_chip(1, **{"core.sram.bandwidth": "4 B/cycle"})
    assert run(stream(5, depth=4), chip).ticks == LAUNCH + WAY + 5 * (TILE // 4)


def test_a_slow_link_is_the_bottleneck_of_a_stream() -> None:
    chip = plain_chip(1, **{"network.link_bandwidth": "2 B/cycle"})
    assert run(stream(5, depth=4), chip).ticks == LAUNCH + WAY + 5 * (TILE // 2)


def fast_memory(**changes: str) -> Chip:
    return plain_chip(1, **{"dram.bandwidth": "4096 B/cycle", "network.link_bandwidth": "4096 B/cycle", **changes})


@pytest.mark.parametrize("steps", [1, 4, 33])
def test_a_double_buffered_product_is_bound_by_its_unit(steps: int) -> None:
    # b's first tile is issued one cycle after a's, and takes one tick of service; then one product each 16 ticks;
    # the result is there 5 ticks later; it leaves through the crossbar at one tick of service
    first = LAUNCH + WAY + 1 + 1
    done = first + 16 * steps + 5
    stored = done + DMA + HOP + 1
    result = run(matmul(steps, depth=20), fast_memory())
    assert result.ticks == stored
    assert result.bounds.set_index("bound").loc["critical path", "time_s"] <= result.time_s


def test_a_product_that_is_bound_by_memory_takes_two_tiles_a_step() -> None:
    steps = 9
    result = run(matmul(steps, depth=20), plain_chip())
    last_b = LAUNCH + WAY + 2 * steps * DRAM_TICKS
    assert result.ticks == last_b + 16 + 5 + DMA + HOP + DRAM_TICKS


def test_waves_of_blocks_that_do_not_divide_by_the_cores() -> None:
    chip = plain_chip(2, **{"dram.bandwidth": "4096 B/cycle", "network.link_bandwidth": "4096 B/cycle"})
    one, two, three = (run(matmul(40, depth=20, blocks=n), chip).ticks - LAUNCH for n in (1, 2, 3))
    assert two - one <= 2  # the second core adds at most its place in line
    assert 2 * one - 2 <= three <= 2 * one + 2  # the third block is a second wave


def test_a_pipeline_of_copies_runs_at_the_pace_of_its_slowest_stage() -> None:
    # load -> r0 -> copy -> r1 -> copy -> r2 ..: the port passes each tile in (write) and out (read) at each stage
    stages, tiles = 3, 10
    p = ProgramBuilder("pipe")
    x = p.tensor("X", "fp32", (16 * tiles, 16))
    with p.kernel("k", grid={"b": 1}) as k:
        rings = [k.ring(f"r{i}", "sram", "fp32", (16, 16), depth=2) for i in range(stages)]
        with k.queue("load"), k.loop("i", tiles) as i:
            rings[0].load(x[i * 16, 0])
        for number in range(1, stages):
            with k.queue(f"copy{number}"), k.loop("i", tiles):
                rings[number].copy(rings[number - 1])
                rings[number - 1].pop()
        with k.queue("use"), k.loop("i", tiles):
            rings[-1].pop()
    result = run(p.build(verify=False), plain_chip())
    # no port bandwidth is given: copies take their DMA latency only, and DRAM sets the pace
    assert result.ticks == LAUNCH + WAY + tiles * DRAM_TICKS + (stages - 1) * DMA


def test_an_accumulating_product_issues_each_interval_but_a_reader_waits_for_the_latency() -> None:
    p = ProgramBuilder("chain")
    with p.kernel("k", grid={"b": 1}) as k:
        a = k.ring("a", "reg", "fp32", (16, 16))
        c = k.ring("c", "reg", "fp32", (16, 16))
        d = k.ring("d", "reg", "fp32", (16, 16))
        with k.queue("q"):
            a.fill(1)
            c.fill(0)
            with k.loop("i", 10):
                c.mma(a, a)
            d.set("cast", c)
    vector = 16 * 16 // 16
    # fill a, fill c (one unit), c's latency of 2, ten products, the latency of 5, one cast
    expected = LAUNCH + 2 * vector + 2 + 10 * 16 + 5 + vector
    assert run(p.build(verify=False), plain_chip()).ticks == expected


def test_operands_in_a_slow_sram_hold_a_product_back() -> None:
    # per 16x16x16 step the unit reads two tiles of 1,024 bytes from sram: at 32 B/cycle that is 64 cycles, not 16
    p = ProgramBuilder("port")
    with p.kernel("k", grid={"b": 1}) as k:
        a = k.ring("a", "sram", "fp32", (16, 16))
        c = k.ring("c", "reg", "fp32", (16, 16))
        with k.queue("q"):
            a.fill(1)
            c.fill(0)
            with k.loop("i", 10):
                c.mma(a, a)
    chip = plain_chip(1, **{"core.sram.bandwidth": "32 B/cycle"})
    # fill a is held by the port too: 1,024 bytes at 32 B/cycle; fill c takes 16 and its latency 2
    expected = LAUNCH + 32 + 16 + 2 + 10 * 64
    assert run(p.build(verify=False), chip).ticks == expected


def test_a_quick_port_leaves_the_unit_its_interval() -> None:
    p = ProgramBuilder("port")
    with p.kernel("k", grid={"b": 1}) as k:
        a = k.ring("a", "sram", "fp32", (16, 16))
        with k.queue("q"):
            a.fill(1)
    assert run(p.build(verify=False), plain_chip(1, **{"core.sram.bandwidth": "4096 B/cycle"})).ticks == LAUNCH + 16


def test_the_limit_in_flight_paces_a_stream() -> None:
    chip = plain_chip(1, **{"core.dma.max_transfers": 1})
    assert run(stream(4, depth=4), chip).ticks == LAUNCH + 4 * (WAY + DRAM_TICKS)
    chip = plain_chip(1, **{"core.dma.max_bytes": f"{TILE} B"})
    assert run(stream(4, depth=4), chip).ticks == LAUNCH + 4 * (WAY + DRAM_TICKS)


def test_kernels_run_one_after_another() -> None:
    p = ProgramBuilder("three")
    for name in ("k0", "k1", "k2"):
        with p.kernel(name, grid={"b": 1}) as k:
            a = k.ring("a", "reg", "fp32", (16, 16))
            with k.queue("q"):
                a.fill(0)
    result = run(p.build(verify=False), plain_chip())
    assert result.ticks == 3 * (LAUNCH + 16)
    assert result.kernels["start_s"].tolist() == pytest.approx([0, 116e-9, 232e-9])


def test_a_clock_whose_period_is_no_whole_picosecond_loses_nothing() -> None:
    chip = plain_chip(1, clock="3 GHz", **{"dram.bandwidth": "24 GB/s", "network.link_bandwidth": "48 GB/s"})
    result = run(stream(7, depth=4), chip)
    assert result.ticks == LAUNCH + WAY + 7 * DRAM_TICKS
    assert result.tick_s * 3_000_000_000 == 1


def test_a_product_that_does_not_accumulate_waits_for_the_one_before() -> None:
    p = ProgramBuilder("again")
    with p.kernel("k", grid={"b": 1}) as k:
        a = k.ring("a", "reg", "fp32", (16, 16))
        c = k.ring("c", "reg", "fp32", (16, 16))
        with k.queue("q"):
            a.fill(1)
            with k.loop("i", 3):
                c.mma(a, a, accumulate=False)
    assert run(p.build(verify=False), plain_chip()).ticks == LAUNCH + 16 + 2 + 3 * 16 + 2 * 5


def test_an_open_slot_is_rewritten_when_a_transfer_has_read_it() -> None:
    p = ProgramBuilder("rewrite")
    with p.kernel("k", grid={"b": 1}) as k:
        a = k.ring("a", "reg", "fp32", (16, 16))
        s = k.ring("s", "sram", "fp32", (16, 16))
        with k.queue("q"):
            a.fill(1)
            s.copy(a)
            a.fill(2)
        with k.queue("use"):
            s.pop()
    chip = plain_chip(1, **{"core.reg.bandwidth": "4 B/cycle"})
    assert run(p.build(verify=False), chip).ticks == LAUNCH + TILE // 4 + 2 + DMA + TILE // 4 + TILE // 4


def test_the_limit_in_bytes_may_be_reached_and_not_passed() -> None:
    two = run(stream(4, depth=4), plain_chip(1, **{"core.dma.max_transfers": 2})).ticks
    assert run(stream(4, depth=4), plain_chip(1, **{"core.dma.max_bytes": f"{2 * TILE} B"})).ticks == two
    one = LAUNCH + 4 * (WAY + DRAM_TICKS)
    assert run(stream(4, depth=4), plain_chip(1, **{"core.dma.max_bytes": f"{2 * TILE - 1} B"})).ticks == one > two


def test_the_critical_path_is_launch_the_shortest_way_and_the_products() -> None:
    def bound(chip: Chip) -> float:
        bounds = run(matmul(8, blocks=chip.core_count), chip).bounds.set_index("bound")
        return float(bounds.loc["critical path", "time_s"])

    assert bound(plain_chip()) == pytest.approx((LAUNCH + WAY + 8 * 16) * 1e-9)
    row = plain_chip(3, **{"network.topology": "mesh"})  # the DRAM is at the first core, a hop each way
    assert bound(row) == pytest.approx((LAUNCH + DMA + 2 * HOP + DRAM + 8 * 16) * 1e-9)


def test_every_operand_of_a_product_is_charged_to_its_own_memory() -> None:
    p = ProgramBuilder("energy")
    with p.kernel("k", grid={"b": 1}) as k:
        a = k.ring("a", "sram", "fp32", (16, 8))
        b = k.ring("b", "reg", "fp32", (8, 16))
        c = k.ring("c", "reg", "fp32", (16, 16))
        with k.queue("q"):
            a.fill(1)
            b.fill(1)
            c.fill(0)
            c.mma(a, b)
    energies = {"core.reg.read_energy": 1, "core.reg.write_energy": 10, "core.sram.read_energy": 100}
    energies["core.sram.write_energy"] = 1000
    native = {"core.matrix.native.fp32": [8, 16, 4, 1]}
    frame = run(p.build(verify=False), plain_chip(1, **energies, **native)).energy.frame()
    moved = frame[(frame["operation"] == "mma") & (frame["part"] != "matrix")]
    # 2 x 1 x 2 native steps, each of 8 x 4 elements of a, 4 x 16 of b, and 8 x 16 of c there and back
    assert moved.set_index(["part", "tensor", "access"])["energy_pj"].to_dict() == {
        ("sram", "(a)", "read"): 4 * 8 * 4 * 32 * 100,
        ("reg", "(b)", "read"): 4 * 4 * 16 * 32 * 1,
        ("reg", "(c)", "read"): 4 * 8 * 16 * 32 * 1,
        ("reg", "(c)", "write"): 4 * 8 * 16 * 32 * 10,
    }


@pytest.mark.parametrize("clock", ["1 GHz", "3 GHz"])
def test_utilisation_is_work_over_what_the_peak_does_in_this_time(clock: str) -> None:
    result = run(matmul(8, blocks=3), plain_chip(2, clock=clock))
    assert result.mfu == pytest.approx(3 * 8 * 2 * 16**3 / (2 * 512 * result.cycles))  # two units of 512 a cycle
    moved = 3 * (2 * 8 + 1) * TILE
    assert result.dram_bytes == moved
    assert result.mbu == pytest.approx(moved / (8 * result.cycles))


def test_the_critical_path_counts_products_of_tiles_that_another_block_loads() -> None:
    text = """
    program shared
    tensor A dram fp32 [16, 64]
    kernel k blocks (x 2) cluster (2) {
      ring a sram fp32 [16, 16]
      ring c reg fp32 [16, 16]
      queue load { loop lead 1 - x { loop i 4 { load a to (0 : 2) <- A[0, i * 16] } } }
      queue compute { fill c 0  loop i 4 { mma c += a a  pop a } }
    }"""
    result = run(parse(text), plain_chip(2))
    ticks = result.bounds.set_index("bound").loc["critical path", "time_s"] / float(result.tick_s)
    assert round(ticks) == LAUNCH + WAY + 4 * 16
    assert result.ticks >= round(ticks)
