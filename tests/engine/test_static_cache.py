"""What the cache will do, told before running, against what it did."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.engine.compile_plan import make_plan
from memsim.engine.result import Result
from memsim.engine.simulate import run_plan
from memsim.engine.static_cache import CacheTraffic, cache_traffic
from memsim.hierarchy import Chip
from memsim.isa import parse
from memsim.isa.model import Program
from tests.engine.machines import plain_chip
from tests.engine.twins import numbered_cases

TILE = 16 * 16 * 4


def cached(cores: int = 1, capacity: str = "4 KiB", **changes: Any) -> Chip:
    cache = {"capacity": capacity, "slices": 1, "bandwidth": "32 B/cycle", "latency": "11 cycles", "interleave": "64 B"}
    return plain_chip(cores, cache=cache).replace(changes)


def moved(result: Result) -> tuple[int, int]:
    """Bytes that the DRAM sent and took, final write-back included."""
    counts = result.energy.counts.items()
    dram = [(key.access, n // 8) for key, n in counts if key.part == "dram" and key.access in ("read", "write")]
    return sum(n for access, n in dram if access == "read"), sum(n for access, n in dram if access == "write")


def check(program: Program, chip: Chip) -> CacheTraffic:
    told = cache_traffic(program, chip)
    assert told is not None
    read, written = moved(run_plan(make_plan(program, chip), engine="simpy"))
    assert told.fetched_bytes[0] <= read <= told.fetched_bytes[1], told
    assert told.stored_bytes[0] <= written <= told.stored_bytes[1], told
    return told


def loads(rows: str, times: int, blocks: int = 1) -> Program:
    return parse(f"""
    program loads
    tensor X dram fp32 [4096, 16]
    kernel k blocks (b {blocks}) {{
      ring a sram fp32 [16, 16] depth 2
      queue load {{ loop i {times} {{ load a <- X[{rows}, 0] }} }}
      queue use {{ loop i {times} {{ pop a }} }}
    }}""")


@pytest.mark.parametrize(
    ("rows", "times", "fetched"),
    [("i % 4 * 16", 12, 4), ("i % 5 * 16", 15, 15), ("i * 16", 20, 20), ("i // 2 * 16", 40, 20), ("0", 9, 1)],
)
def test_one_queue_is_told_exactly(rows: str, times: int, fetched: int) -> None:
    told = check(loads(rows, times), cached())
    assert told.exact
    assert told.fetched_bytes[0] == fetched * TILE
    assert told.hit_bytes == ((times - fetched) * TILE,) * 2


def test_stack_distances_tell_other_capacities() -> None:
    program = loads("i % 6 * 16 + i // 6 * 32", 60)
    told = check(program, cached())
    assert [capacity for capacity, _ in told.curve] == [512, 1024, 2048, 4096, 8192, 16384, 32768]
    for capacity, fetched in told.curve:
        other = check(program, cached(capacity=f"{capacity} B"))
        assert (other.exact, other.fetched_bytes[0]) == (True, fetched)


def test_blocks_that_follow_each_other_on_one_core_are_one_queue() -> None:
    assert check(loads("(i + b) % 5 * 16", 10, blocks=4), cached()).exact


def test_several_cores_are_bounded_unless_everything_fits() -> None:
    program = loads("(i + b) % 5 * 16", 10, blocks=4)
    told = check(program, cached(2))
    assert told.fetched_bytes == (5 * TILE, 40 * TILE)
    assert "several queues" in told.reason
    told = check(program, cached(2, "8 KiB"))
    assert told.fetched_bytes == (5 * TILE, 5 * TILE)
    assert "fits" in told.reason


def test_stores_are_written_back_once_a_lap() -> None:
    program = parse("""
    program stores
    tensor Y dram fp32 [4096, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [16, 16] depth 2
      queue make { loop i 10 { fill a 1 push a } }
      queue store { loop i 10 { store Y[i * 16, 0] <- a pop a } }
    }
    kernel l blocks (b 1) {
      ring a sram fp32 [16, 16] depth 2
      queue load { loop i 10 { load a <- Y[144 - i * 16, 0] } }
      queue use { loop i 10 { pop a } }
    }""")
    told = check(program, cached())
    assert told.exact
    assert told.fetched_bytes[0] == 6 * TILE  # the last four are still there
    assert told.stored_bytes == (10 * TILE, 10 * TILE)
    through = check(program, cached(**{"cache.write_back": False}))
    assert through.stored_bytes == (10 * TILE, 10 * TILE)


def test_ports_that_are_not_equally_far_leave_the_order_open() -> None:
    at = {"cache.at": [["0.5 mm", "0.5 mm"], ["8.5 mm", "0.5 mm"]], "cache.slices": 2, "network.topology": "mesh"}
    told = check(loads("i % 30 * 16", 60), cached(9, **at))
    assert not told.exact
    assert "not equally far" in told.reason


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 3), st.integers(1, 4), st.integers(1, 12), st.integers(1, 40), st.integers(400, 9000), st.booleans()
)
def test_random_walks_of_one_queue_are_told_exactly(
    step: int, slow: int, lap: int, times: int, capacity: int, partitions: bool
) -> None:
    halves = {"cache.partitions": 2, "cache.slices": 2, "cache.at": [["0 mm", "0 mm"], ["1 mm", "0 mm"]]}
    chip = cached(capacity=f"{2 * capacity} B", **(halves if partitions else {}))
    told = check(loads(f"(i * {step} + i // {slow}) % {lap} * 16", times), chip)
    assert told.exact
    if told.curve:
        assert dict(told.curve)[2 * capacity] == told.fetched_bytes[0]


def test_a_chip_without_a_cache_has_no_traffic() -> None:
    assert cache_traffic(loads("0", 1), plain_chip()) is None


def test_what_is_too_long_to_follow_is_bounded_by_its_counts() -> None:
    told = cache_traffic(loads("i % 200 * 16", 10**9), cached())
    assert told is not None
    assert told.fetched_bytes == (0, 10**9 * TILE)


def test_random_programs_keep_to_what_was_told() -> None:
    found = []
    for _, case in numbered_cases(range(150)):
        if case.chip.cache is not None and case.chip.dram.part is None:
            found.append(check(case.program, case.chip))
    assert sum(told.exact for told in found) >= 5
    assert sum(not told.exact for told in found) >= 5
