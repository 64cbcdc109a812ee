"""Accesses of tile programs beside counts in closed form, and beside lists written by hand."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
import pytest
from hypothesis import event, given

from memsim.engine.compile_plan import make_plan
from memsim.engine.hardware import Hardware
from memsim.engine.static_cache import _feeders, cache_traffic
from memsim.errors import MemsimError
from memsim.isa import Gather, Instruction, Load, Program, Region, Store, analyze, interpret, parse, verify
from memsim.isa.model import ring_written, transfer_target
from memsim.isa.sites import reads_of, sites_of
from memsim.isa.touches import touches
from memsim.locality.accesses import Accesses
from memsim.locality.diagnosis import diagnose
from memsim.locality.tile_accesses import memories, tile_accesses
from tests.engine.machines import plain_chip
from tests.engine.test_static_cache import cached, loads
from tests.isa.kernels import matmul
from tests.strategies import inputs_for, least_cores, programs


def moved(accesses: Accesses) -> tuple[int, int]:
    """Bytes read and written."""
    sizes = accesses.weights[accesses.items]
    return int(sizes[~accesses.writes].sum()), int(sizes[accesses.writes].sum())


def sized(accesses: Accesses) -> list[tuple[int, int, bool]]:
    """Items numbered by first use, with their sizes, and whether they are written."""
    numbers: dict[int, int] = {}
    return [
        (numbers.setdefault(item, len(numbers)), int(accesses.weights[item]), bool(writes))
        for item, writes in zip(accesses.items.tolist(), accesses.writes.tolist(), strict=True)
    ]


def counted(program: Program, role: str) -> tuple[int, int]:
    """Bytes read and written by closed counts: regions as far as they lie in their tensors, slots whole."""
    read = written = 0
    for site, execution in zip(sites_of(program), analyze(program).executions, strict=True):
        instruction, times = site.instruction, execution.count
        rings = [site.group.ring(name) for name in reads_of(instruction)]
        read += sum(ring.tile_bytes for ring in rings if ring.memory == role) * times
        filled, target = ring_written(instruction), transfer_target(instruction)
        if filled is not None and site.group.ring(filled).memory == role:
            written += site.group.ring(filled).tile_bytes * times
        if target is not None and site.target_ring(target).memory == role:
            blocks = math.prod(count for _, count in target.blocks or ())
            written += site.target_ring(target).tile_bytes * blocks * times
        if isinstance(instruction, Load | Gather) and program.tensor(instruction.src.tensor).role == role:
            read += execution.bytes
        if isinstance(instruction, Store) and program.tensor(instruction.dst.tensor).role == role:
            written += execution.bytes
    return read, written


@given(programs())
def test_bytes_are_those_of_the_closed_forms(program: Program) -> None:
    chip = plain_chip(program.cores or least_cores(program))
    for role in memories(program):
        expected = counted(program, role)
        if sum(expected):
            event(f"{role} compared")
            assert moved(tile_accesses(program, chip, role=role)) == expected, role


def runs(stream: list[tuple[bool, int]]) -> list[tuple[bool, int]]:
    """Bytes read and written by turns."""
    return [(writes, sum(size for _, size in part)) for writes, part in groupby(stream, key=lambda entry: entry[0])]


@given(programs())
def test_the_order_is_that_of_the_interpreter(program: Program) -> None:
    cores = program.cores or least_cores(program)
    stream: list[tuple[bool, int]] = []

    def observer(kernel: str, group: str, block: int, queue: str, instruction: Instruction, size: int) -> None:
        region = instruction.dst if isinstance(instruction, Store) else getattr(instruction, "src", None)
        if isinstance(region, Region) and program.tensor(region.tensor).role == "dram" and size:
            stream.append((isinstance(instruction, Store), size))

    interpret(program, inputs_for(program), cores=cores, observer=observer)
    if not stream:
        return
    found = tile_accesses(program, plain_chip(cores), role="dram")
    told = [(writes, size) for _, size, writes in sized(found)]
    assert runs(told) == runs(stream)
    ends = np.cumsum([size for _, size in told]).tolist()
    assert {*np.cumsum([size for _, size in stream]).tolist()} <= {*ends}  # no item straddles two instructions


def test_slots_are_filled_and_read_whole() -> None:
    program = matmul(12, 8, 8, (8, 8, 8)).build()
    assert moved(tile_accesses(program, role="dram")) == (4 * (12 * 8 + 2 * 64), 4 * 12 * 8)
    assert moved(tile_accesses(program, role="sram")) == (4 * 4 * 64, 4 * 4 * 64)


def naive_dram(m: int, n: int, k: int, tile: tuple[int, int, int]) -> list[tuple[tuple[str, int, int], int, bool]]:
    """Tiles that a product of one block after another uses: loads of A and B by turns, then the store of C."""
    tm, tn, tk = tile
    used = []
    for y in range(0, m, tm):
        for x in range(0, n, tn):
            for i in range(0, k, tk):
                used.append((("A", y, i), 4 * min(tm, m - y) * min(tk, k - i), False))
                used.append((("B", i, x), 4 * min(tk, k - i) * min(tn, n - x), False))
            used.append((("C", y, x), 4 * min(tm, m - y) * min(tn, n - x), True))
    return used


@pytest.mark.parametrize("sizes", [(32, 32, 32), (20, 24, 36), (8, 40, 3)])
@pytest.mark.parametrize("depth", [1, 3])
def test_tiles_of_a_matrix_product(sizes: tuple[int, int, int], depth: int) -> None:
    tile = (8, 16, 12)
    program = matmul(*sizes, tile, depth=depth).build()
    expected = naive_dram(*sizes, tile)
    numbers: dict[object, int] = {}
    told = [(numbers.setdefault(name, len(numbers)), size, writes) for name, size, writes in expected]
    assert sized(tile_accesses(program, role="dram")) == told


def test_slots_of_rings() -> None:
    program = matmul(8, 8, 24, (8, 8, 8), depth=2).build()
    a0, b0, a1, b1 = (0, 256), (1, 256), (2, 256), (3, 256)
    expected = [(*slot, True) for slot in (a0, b0, a1, b1)]  # then the load waits
    expected += [(*slot, False) for slot in (a0, b0, a1, b1)]  # two products, and the compute waits
    expected += [(*slot, True) for slot in (a0, b0)] + [(*slot, False) for slot in (a0, b0)]
    assert sized(tile_accesses(program, role="sram")) == expected
    c = [writes for _, _, writes in sized(tile_accesses(program, role="reg"))]
    assert c == [True, False, True, False, True, False, True, False]  # fill; three products; store


BLOCKS = """
program p
tensor X dram fp32 [64]
kernel k occupancy {occupancy} blocks (b 4) {{
  ring t sram fp32 [16] depth 1
  queue load {{ load t <- X[b*16] }}
  queue use {{ pop t }}
}}"""


def test_blocks_of_a_core_take_the_same_slots() -> None:
    one = parse(BLOCKS.format(occupancy=1))
    assert [item for item, _, _ in sized(tile_accesses(one, role="sram"))] == [0, 0, 0, 0]
    assert [item for item, _, _ in sized(tile_accesses(one, plain_chip(2), role="sram"))] == [0, 1, 0, 1]
    two = parse(BLOCKS.format(occupancy=2))
    assert [item for item, _, _ in sized(tile_accesses(two, role="sram"))] == [0, 1, 0, 1]


def test_one_core() -> None:
    program, chip = parse(BLOCKS.format(occupancy=1)), plain_chip(2)
    for core in (0, 1):
        found = tile_accesses(program, chip, role="dram", core=core)
        assert sized(found) == [(0, 64, False), (1, 64, False)]
        assert found.name == f"p, core {core}"
    with pytest.raises(MemsimError, match="there is no core 2"):
        tile_accesses(program, chip, core=2)


def single(tensor: str, body: str, ring: str = "fp32 [6]") -> Program:
    program = parse(f"""
    program p cores 1
    tensor X {tensor}
    kernel k blocks (b 1) {{
      ring t sram {ring} depth 8
      queue load {{ {body} }}
      queue use {{ loop i {body.count("load")} {{ pop t }} }}
    }}""")
    verify(program)
    return program


def test_regions_that_overlap_share_items() -> None:
    found = tile_accesses(single("dram fp32 [10]", "load t <- X[0] load t <- X[4] load t <- X[0]"), role="dram")
    assert sized(found) == [(0, 16, False), (1, 8, False), (1, 8, False), (2, 16, False), (0, 16, False), (1, 8, False)]
    assert diagnose(found).footprint == 40


def test_strided_regions_are_single_elements() -> None:
    found = tile_accesses(single("dram fp32 [12]", "load t <- X[0:6:2] load t <- X[6]"), role="dram")
    assert [item for item, _, _ in sized(found)] == [0, 1, 2, 3, 4, 5, 3, 6, 4, 7, 5, 8]
    assert {size for _, size, _ in sized(found)} == {4}


def test_regions_in_two_dimensions() -> None:
    found = tile_accesses(
        single("dram fp32 [4, 6]", "load t <- X[0:2, 0:3] load t <- X[0:2, 2:3] load t <- X[1:2, 3:3]", "fp32 [2, 3]"),
        role="dram",
    )
    # rows are cut at 0, 1, 2, 3; columns at 0, 2, 3, 5, 6
    assert [size // 4 for _, size, _ in sized(found)] == [2, 1, 2, 1, 1, 2, 1, 2, 2, 1, 2, 1]
    assert [item for item, _, _ in sized(found)] == [0, 1, 2, 3, 1, 4, 3, 5, 5, 6, 7, 8]
    assert diagnose(found).footprint == 4 * (5 + 6 + 3)


def test_each_core_has_its_own_tensors() -> None:
    program = parse("""
    program p cores 2
    tensor X sram fp32 [4]
    kernel k blocks (b 4) {
      ring t reg fp32 [4] depth 1
      queue load { load t <- X[0] }
      queue use { pop t }
    }""")
    assert [item for item, _, _ in sized(tile_accesses(program, role="sram"))] == [0, 1, 0, 1]


def test_the_curve_is_that_of_the_cache_of_the_engine() -> None:
    program = loads("i % 6 * 16 + i // 6 * 32", 60)
    told = cache_traffic(program, cached())
    assert told is not None
    found = diagnose(tile_accesses(program, role="dram"))
    for capacity, fetched in told.curve:
        assert found.miss_ratio(capacity) * found.volume == pytest.approx(fetched)


def test_memories_are_far_ones_first() -> None:
    program = matmul(8, 8, 8, (8, 8, 8)).build()
    assert memories(program) == ("dram", "sram", "reg")
    assert tile_accesses(program).noun == "tile of dram"
    assert tile_accesses(program, role="reg").noun == "tile of reg of a core"


def test_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    program = matmul(8, 8, 24, (8, 8, 8)).build()
    with pytest.raises(MemsimError, match="nothing of it lies in shared"):
        tile_accesses(program, role="shared")
    monkeypatch.setattr("memsim.isa.touches.MOST_STEPS", 10)
    with pytest.raises(MemsimError, match="19 instructions run, and at most 10 are followed"):
        tile_accesses(program, role="dram")
    with pytest.raises(MemsimError, match="11 instructions run, and at most 10"):
        tile_accesses(program, role="dram", core=0)


def test_too_many_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    program = single("dram fp32 [12]", "load t <- X[0:6:2] load t <- X[6]")
    monkeypatch.setattr("memsim.locality.accesses.MOST_ACCESSES", 11)
    with pytest.raises(MemsimError, match="12 accesses, and at most 11"):
        tile_accesses(program)


def test_a_long_program_takes_one_core() -> None:
    text = BLOCKS.format(occupancy=1).replace("b 4", "b 1000001").replace("[64]", "[16000016]")
    with pytest.raises(MemsimError, match="2,000,002 instructions run, and at most 2,000,000 are followed") as raised:
        tile_accesses(parse(text), plain_chip(2))
    assert "--core" in str(raised.value)


@pytest.mark.parametrize("distribution", ["sequential", "uniform"])
def test_gathers_take_the_rows_of_the_engine(distribution: str) -> None:
    gather = f"gather e <- W[8:29, 0:16] by ids distribution {distribution}"
    program = parse(f"""
    program p
    tensor W dram fp32 [64, 16]
    tensor I dram int32 [8]
    kernel k blocks (b 3) {{
      ring ids sram int32 [8] depth 1
      ring e sram fp32 [8, 16] depth 2
      queue load {{ load ids <- I[0]  loop i 3 {{ {gather} {gather} }}  pop ids }}
      queue use {{ loop i 6 {{ pop e }} }}
    }}""")
    verify(program)
    chip = cached()  # segments of 64 bytes: a row of W each
    plan = make_plan(program, chip)
    feeders = _feeders(Hardware(plan), plan.kernels[0])
    expected = [{segment for segment, _ in access.pieces()} for feeder in feeders for access in feeder.accesses]
    gathers = touches(program, "dram").regions[1:]
    rows = sorted(row for region in gathers for row in zip(region.times, region.starts, strict=True))
    told = [{start for _, (start, _) in rows[i : i + 8]} for i in range(0, len(rows), 8)]
    found = [part for part in expected if len(part) > 1]
    row, segment = min(map(min, told)), min(map(min, found))
    assert [{at - row for at in part} for part in told] == [{at - segment for at in part} for part in found]


CLUSTER = """
program p
tensor X dram fp32 [64]
kernel k blocks (b 4) cluster (2) {
  ring t sram fp32 [16] depth 1
  ring s sram fp32 [16] depth 1
  queue load { load t <- X[b*16] }
  queue turn { send s to (b//2*2 + 1 - b%2) <- t  pop t }
  queue use { pop s }
}"""


def test_one_core_of_a_cluster() -> None:
    """Blocks 0 and 2 run on core 0, 1 and 3 on core 1; each sends its tile to the other of its cluster."""
    program, chip = parse(CLUSTER), plain_chip(2)
    assert sized(tile_accesses(program, chip, role="dram", core=0)) == [(0, 64, False), (1, 64, False)]
    both = tile_accesses(program, chip, role="sram")
    assert len(both) == 4 * 3  # filled by the load, read, and sent
    assert diagnose(both).items == 4
    one = tile_accesses(program, chip, role="sram", core=1)
    assert len(one) == 2 * 3
    assert [writes for _, _, writes in sized(one)] == [True, False, True] * 2
