"""What is in the cache when a program begins: by hand, against the same kernel run twice, and what is refused."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from memsim.engine import simulate
from memsim.engine.cached import fill_cache
from memsim.engine.compile_plan import make_plan
from memsim.engine.difference import first_difference
from memsim.engine.hardware import Hardware
from memsim.engine.memory import CACHE, CAPACITY, DIRTY, PARTITION, PARTITIONS, SEGMENT, VALID, line_numbers
from memsim.engine.result import Result
from memsim.engine.running import Running
from memsim.engine.servers import PER_PORT, PORTS, port_of
from memsim.engine.simulate import ENGINES, run_plan
from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import Program, parse
from tests.engine.machines import plain_chip

TILE = 16 * 16 * 4
"""Bytes of a tile, which is a segment."""
AGAIN = [("X", False), ("Y", True)]


def chip_with(capacity: int, partitions: int = 1, **changes: Any) -> Chip:
    """One core behind a cache of so many tiles."""
    ports = {"at": [["0 mm", "0 mm"], ["9 mm", "0 mm"]], "partition_latency": "20 cycles"} if partitions > 1 else {}
    cache = {
        "capacity": f"{capacity * TILE} B",
        "slices": partitions,
        "bandwidth": "32 B/cycle",
        "latency": "11 cycles",
        "interleave": "64 B",
        "partitions": partitions,
    }
    return plain_chip(1, cache=cache | ports, **changes)


def copies(tiles: int, kernels: int = 1) -> Program:
    """Y is X, some times over."""
    kernel = f"""
    kernel k{{0}} blocks (b 1) {{{{
      ring a sram fp32 [16, 16] depth 4
      queue load {{{{ loop i {tiles} {{{{ load a <- X[i * 16, 0] }}}} }}}}
      queue store {{{{ loop i {tiles} {{{{ store Y[i * 16, 0] <- a pop a }}}} }}}}
    }}}}"""
    tensors = "".join(f"tensor {name} dram fp32 [{16 * tiles}, 16]\n" for name in "XY")
    return parse(f"program copies\n{tensors}" + "".join(kernel.format(i) for i in range(kernels)))


def moved(result: Result, access: str) -> dict[str, int]:
    """Bytes that the DRAM read or wrote, by operation; the end included."""
    found: dict[str, int] = {}
    for key, amount in result.energy.counts.items():
        if (key.part, key.access) == ("dram", access):
            found[key.operation] = found.get(key.operation, 0) + amount // 8
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_what_fits_is_hit_and_never_written_back(engine: str) -> None:
    found = simulate(copies(8), chip_with(16), engine=engine, cached=AGAIN)
    assert moved(found, "read") == moved(found, "write") == {}
    cold = simulate(copies(8), chip_with(16), engine=engine)
    assert moved(cold, "read") == {"load": 8 * TILE} and moved(cold, "write") == {"final_write_back": 8 * TILE}
    assert found.ticks < cold.ticks
    clean = simulate(copies(8), chip_with(16), engine=engine, cached=[("X", False)])
    assert moved(clean, "read") == {} and moved(clean, "write") == {"final_write_back": 8 * TILE}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_does_not_fit_is_as_in_the_second_of_two_runs(engine: str) -> None:
    tiles, chip = 200, chip_with(16)
    once = simulate(copies(tiles), chip, engine=engine, cached=AGAIN)
    twice = simulate(copies(tiles, kernels=2), chip, engine=engine)
    first, second = (kernel.end - kernel.begin for kernel in twice.run.kernels)
    (kernel,) = once.run.kernels
    assert kernel.end - kernel.begin == pytest.approx(second, rel=0.01)
    assert first < second  # the first finds nothing that must be written back
    assert moved(once, "read") == {"load": tiles * TILE}
    written = moved(once, "write")
    assert sum(written.values()) == tiles * TILE
    assert written["write_back"] >= (tiles - 4) * TILE  # but for tiles that the loads are ahead


def test_a_preset_streams_as_it_does_the_second_time() -> None:
    chip = Chip.preset("v100_sxm")
    text = """
    program stream
    tensor X dram fp32 [65536, 1024]
    tensor Y dram fp32 [65536, 1024]
    {0}"""
    kernel = """kernel k{0} occupancy 2 blocks (b 160) {{
      ring a sram fp32 [4, 1024] depth 2
      queue load {{ loop i 103 {{ load a <- X[i * 640 + b * 4, 0] clip }} }}
      queue store {{ loop i 103 {{ store Y[i * 640 + b * 4, 0] <- a clip pop a }} }}
    }}
    """
    once = simulate(parse(text.format(kernel.format(0))), chip, cached=AGAIN)
    twice = simulate(parse(text.format(kernel.format(0) + kernel.format(1))), chip)
    ticks = [run.end - run.begin for result in (once, twice) for run in result.run.kernels]
    assert ticks[0] == pytest.approx(ticks[2], rel=0.02)
    assert sum(moved(once, "write").values()) == pytest.approx(65536 * 4096, rel=0.001)


def test_a_dirty_tensor_that_is_only_read_is_written_back_when_it_leaves() -> None:
    text = """
    program reads
    tensor X dram fp32 [640, 16]
    tensor Z dram fp32 [64, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue load { loop i 40 { load a <- X[i * 16, 0] } }
      queue use { loop i 40 { pop a } }
    }"""
    for engine in ENGINES:
        dirty, clean = (
            simulate(parse(text), chip_with(8), engine=engine, cached=[("Z", state)]) for state in (True, False)
        )
        assert moved(dirty, "write") == {"write_back": 4 * TILE} and moved(clean, "write") == {}
        assert dirty.ticks == clean.ticks + 4 * TILE // 8  # the channel's time


def filled(program: Program, chip: Chip, cached: list[tuple[str, bool]]) -> list[tuple[int, int, int, int]]:
    """(partition, segment, bytes, dirty bytes) of each line, the oldest of each partition first."""
    plan = make_plan(program, chip)
    memory = Hardware(plan).empty_memory()
    fill_cache(memory, plan, cached)
    numbers = line_numbers(memory)
    return [tuple(row) for row in memory.lines[numbers][:, [PARTITION, SEGMENT, VALID, DIRTY]].tolist()]


def streamed(program: Program, chip: Chip, cached: list[tuple[str, bool]]) -> list[list[tuple[int, bool]]]:
    """Segments that a cache of each partition keeps of a stream, by brute force: the newest last."""
    plan = make_plan(program, chip)
    memory = Running(Hardware(plan)).memory
    passing = []
    for order, (name, dirty) in enumerate(cached):
        layout = plan.layouts[name]
        count = layout.tensor.shape[0] // layout.segment_shape[0]
        passing += [((i + 0.5) / count, order, layout.base + i, dirty) for i in range(count)]
    partitions = int(memory.cache[PARTITIONS])  # each has one port here
    kept: list[OrderedDict[int, bool]] = [OrderedDict() for _ in range(partitions)]
    for _, _, segment, dirty in sorted(passing):
        home = port_of(segment, partitions, int(memory.banks[CACHE, PORTS] * memory.banks[CACHE, PER_PORT]))
        reader = (segment * 40503 % 65536) * partitions // 65536
        for place in {home} if dirty else {home, reader}:
            kept[place][segment] = dirty
            while len(kept[place]) * TILE > memory.cache[CAPACITY]:
                kept[place].popitem(last=False)
    return [list(lines.items()) for lines in kept]


@pytest.mark.parametrize("partitions", [1, 2])
@pytest.mark.parametrize("tiles", [3, 24, 500])
def test_the_newest_are_kept_side_by_side_in_the_order_of_addresses(tiles: int, partitions: int) -> None:
    text = f"""
    program three
    tensor X dram fp32 [{16 * tiles}, 16]
    tensor Y dram fp32 [{32 * tiles}, 16]
    tensor W dram fp32 [64, 16]
    kernel k blocks (b 1) {{
      ring a sram fp32 [16, 16]
      queue load {{ load a <- X[16, 0] load a <- Y[16, 0] load a <- W[16, 0] }}
      queue use {{ pop a pop a pop a }}
    }}"""
    chip, cached = chip_with(32, partitions), [("X", False), ("W", False), ("Y", True)]
    lines = filled(parse(text), chip, cached)
    expected = streamed(parse(text), chip, cached)
    for partition, kept in enumerate(expected):
        here = [line[1:] for line in lines if line[0] == partition]
        assert here == [(segment, TILE, TILE * dirty) for segment, dirty in kept]


def test_layers_find_what_is_cached_of_each() -> None:
    tensors = "".join(f"tensor W{i} dram fp32 [64, 16]\n" for i in range(40))
    kernels = "".join(
        f"""kernel k{i} blocks (b 1) {{
          ring a sram fp32 [16, 16]
          queue load {{ loop i 4 {{ load a <- W{i}[i * 16, 0] }} }}
          queue use {{ loop i 4 {{ pop a }} }}
        }}
        """
        for i in range(40)
    )
    plan = make_plan(parse(f"program layers\ntensor never dram fp32 [16, 16]\n{tensors}{kernels}"), chip_with(64))
    cached = [("never", True), *((f"W{i}", False) for i in (5, 6, 7, 30))]
    reference = run_plan(plan, engine="simpy", cached=cached)
    fast = run_plan(plan, engine="fast", cached=cached)
    assert first_difference(reference, fast) is None
    hits = [not kernel.tally.fetched.any() for kernel in fast.run.kernels]
    assert [i for i, hit in enumerate(hits) if hit] == [5, 6, 7]  # the thirtieth has left by its turn


@pytest.mark.parametrize(
    ("cached", "changes", "message"),
    [
        ([("Z", False)], {}, r"no tensor 'Z' in dram.*X, Y"),
        ([("X", False), ("X", True)], {}, "tensor X is named twice"),
        (["X"], {}, r"an entry is \(tensor, dirty\), found 'X'"),
        ([("X", 1)], {}, r"an entry is \(tensor, dirty\), found \('X', 1\)"),
        ([("X", True)], {"cache.write_back": False}, "writes through"),
        (AGAIN, {"cache": None}, "has no cache"),
    ],
)
def test_what_cannot_be_cached_is_refused(cached: Any, changes: dict[str, Any], message: str) -> None:
    chip = plain_chip() if changes == {"cache": None} else chip_with(16).replace(changes)
    with pytest.raises(MemsimError, match=f"(?s){message}"):
        simulate(copies(4), chip, cached=cached)
