"""The compiled cache model: against a naive one, and against what policies must do by definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.caches import HINTS, CacheSpec, classify_misses, empty_caches, flush, run
from memsim.errors import MemsimError
from memsim.hierarchy.memories import Cache, L1Cache
from tests.caches.naive import NaiveCache

SPECS = st.builds(
    lambda line, cut, ways, sets, slices, **rest: CacheSpec(
        capacity=line * ways * sets * slices, line=line, sector=line // cut, ways=ways, slices=slices, **rest
    ),
    line=st.sampled_from([16, 64, 96]),
    cut=st.sampled_from([1, 2, 4]),
    ways=st.integers(1, 5),
    sets=st.integers(1, 6),
    slices=st.integers(1, 3),
    write_back=st.booleans(),
    write_allocate=st.booleans(),
    hashed_sets=st.booleans(),
)
TRACES = st.lists(st.tuples(st.integers(0, 4000), st.booleans(), st.integers(0, 2)), max_size=120)


def columns(trace: list[tuple[int, bool, int]]) -> tuple[list[int], dict[str, Any]]:
    return [a for a, _, _ in trace], {"writes": [w for _, w, _ in trace], "hints": [h for _, _, h in trace]}


@settings(max_examples=150, deadline=None)
@given(SPECS, TRACES, st.integers(1, 130))
def test_it_counts_as_lists_and_dictionaries_do(spec: CacheSpec, trace: list[Any], size: int) -> None:
    naive = NaiveCache(spec)
    for address, write, hint in trace:
        naive.access(address, size, write, HINTS[hint])
    addresses, rest = columns(trace)
    caches = empty_caches(spec)
    got = run(caches, addresses, size=size, **rest)
    assert {k: v for k, v in got._asdict().items() if v} == {k: v for k, v in naive.count.items() if v}
    naive.flush()
    assert flush(caches).bytes_written_back == naive.count["bytes_written_back"]


@settings(max_examples=60, deadline=None)
@given(SPECS, TRACES, st.sampled_from(["lru", "plru", "random"]), st.integers(1, 70))
def test_bytes_are_conserved_whatever_the_policy(spec: CacheSpec, trace: list[Any], policy: str, size: int) -> None:
    spec = CacheSpec(**{**_fields(spec), "policy": policy})
    addresses, rest = columns(trace)
    caches = empty_caches(spec)
    run(caches, addresses, size=size, **rest)
    counts = flush(caches)
    assert counts.bytes_fetched == counts.sectors_fetched * spec.sector
    assert counts.hits + counts.misses == counts.accesses
    assert counts.bytes_read + counts.bytes_written == size * len(trace)
    sectors = {s for a, w, _ in trace if w for s in range(a // spec.sector, (a + size - 1) // spec.sector + 1)}
    touched = {s for a, _, _ in trace for s in range(a // spec.sector, (a + size - 1) // spec.sector + 1)}
    if spec.write_back and spec.write_allocate and not any(h == 2 for _, _, h in trace):
        assert counts.bytes_handed_on == 0
        assert len(sectors) * spec.sector <= counts.bytes_written_back  # each dirty byte leaves, at least once,
        if counts.evictions == 0:
            assert counts.bytes_written_back == len(sectors) * spec.sector  # and without evictions once
    if not spec.write_back:
        assert (counts.bytes_handed_on, counts.bytes_written_back) == (counts.bytes_written, 0)
    if counts.evictions == 0 and not any(h == 2 for _, _, h in trace):
        assert counts.sectors_fetched <= len(touched)


def _fields(spec: CacheSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in CacheSpec.__slots__}


def hits(policy: str, trace: list[int], ways: int = 4, **more: Any) -> int:
    spec = CacheSpec(16 * ways, line=16, sector=16, ways=ways, policy=policy)
    return run(empty_caches(spec), [16 * a for a in trace], size=1, **more).hits


def test_a_cycle_one_line_too_long_never_hits_under_lru_but_does_under_the_others() -> None:
    trace = list(range(5)) * 50
    assert hits("lru", trace) == 0
    assert 0 < hits("plru", trace) < 200
    assert 0 < hits("random", trace) < 200


def test_tree_plru_by_hand() -> None:
    # after 0 1 2 3 the root points left, its left node to way 0; a use of way 0 points both away, to way 2
    assert hits("plru", [0, 1, 2, 3, 0, 4, 2]) == 1
    assert hits("plru", [0, 1, 2, 3, 0, 4, 1]) == 2


def test_a_tree_of_ways_that_are_no_power_of_two_uses_each_of_them() -> None:
    for ways in (3, 5, 6, 7, 12):
        assert hits("plru", list(range(ways)) * 3, ways=ways) == 2 * ways
        assert hits("plru", list(range(100)), ways=ways) == 0


def test_random_replacement_of_a_long_cycle_hits_as_a_fixed_point_says() -> None:
    # a line stays through each miss with 1 - 1/lines: h = exp(-(1 - h) footprint / lines)
    lines, footprint = 1024, 1280
    spec = CacheSpec(lines * 16, line=16, sector=16, ways=lines, policy="random")
    caches, lap = empty_caches(spec), np.arange(footprint) * 16
    before = run(caches, np.tile(lap, 20)).hits
    share = (run(caches, np.tile(lap, 20)).hits - before) / (20 * footprint)
    expected = 0.5
    for _ in range(100):
        expected = np.exp(-(1 - expected) * footprint / lines)
    assert share == pytest.approx(expected, abs=0.02)


def test_a_line_that_streams_leaves_first_and_one_that_bypasses_is_not_kept() -> None:
    trace = [0, 1, 2, 9, 3, 4, 0, 1, 2]  # 9 streams through four ways: 3 takes its place, then 4 that of 0
    stream = [int(a == 9) for a in trace]
    assert hits("lru", trace, hints=stream) == hits("lru", [a for a in trace if a != 9])
    assert hits("lru", [*trace[:5], 0, 1, 2], hints=[*stream[:5], 0, 0, 0]) == 3
    assert hits("lru", [9, 9, 9], hints=[2, 2, 2]) == 0


def test_misses_wait_when_all_mshrs_are_taken_and_join_the_line_that_is_on_its_way() -> None:
    spec = CacheSpec(1 << 14, line=64, sector=32, mshrs=2)
    apart = run(empty_caches(spec), [0, 64, 128, 192], interval=1, miss_ticks=10)
    assert (apart.stalls, apart.stall_ticks, apart.merged) == (
        1,
        8,
        0,
    )  # the third waits from 2 to 10; then both are back
    together = run(empty_caches(spec), [0, 32, 4, 36], interval=1, miss_ticks=10)
    assert (together.sector_misses, together.merged, together.stalls) == (1, 3, 0)
    late = run(empty_caches(spec), [0, 32], interval=20, miss_ticks=10)
    assert late.merged == 0


def test_slices_share_a_contiguous_buffer_evenly_whatever_their_number() -> None:
    for slices, sets in ((3, 5), (40, 7), (80, 10)):
        spec = CacheSpec(slices * sets * 4 * 128, slices=slices, ways=4)
        lap = np.arange(spec.lines) * 128
        assert run(empty_caches(spec), np.concatenate([lap, lap]), size=1).hits == spec.lines


def test_misses_have_three_causes() -> None:
    spec = CacheSpec(4 * 64, line=64, sector=64, ways=1)
    assert classify_misses(spec, [0, 256, 0, 256]) == (2, 0, 2)  # two lines of one set
    assert classify_misses(spec, [64 * i for i in range(5)] * 2) == (5, 5, -3)  # direct-mapped beats LRU on a cycle


def test_specs_of_the_parts_of_a_chip() -> None:
    cache = Cache(capacity="40 MiB", slices=80, bandwidth="1 B/cycle", partitions=2, ways=16, at=[("0 mm", "0 mm")] * 2)
    spec = CacheSpec.of_cache(cache)
    assert (spec.capacity, spec.slices, spec.lines * spec.line) == (20 << 20, 40, 20 << 20)
    l1 = CacheSpec.of_l1(L1Cache(capacity="156 KiB", latency="36 cycles"))
    assert l1.lines * l1.line == 156 << 10
    assert not l1.write_back


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"policy": "fifo"}, "no replacement policy 'fifo'"),
        ({"sector": 48}, "not cut into"),
        ({"capacity": 100}, "hold no whole set"),
        ({"ways": 64, "policy": "plru"}, "a tree of 64 ways"),
        ({"mshrs": 0}, "mshrs is 0"),
    ],
)
def test_mistakes_are_told(values: dict[str, Any], cause: str) -> None:
    with pytest.raises(MemsimError, match=cause):
        CacheSpec(**{"capacity": 1 << 16, **values})


def test_a_trace_with_a_negative_address_is_refused() -> None:
    with pytest.raises(MemsimError, match="negative"):
        run(empty_caches(CacheSpec(1 << 16)), [-1])
    with pytest.raises(MemsimError, match="differ in length"):
        run(empty_caches(CacheSpec(1 << 16)), [1, 2], writes=[True])
