"""Stack distances: by their definition, and as the hits of LRU caches."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.caches import CacheSpec, empty_caches, hits_by_capacity, miss_ratio_curve, run, stack_distances

TRACES = st.lists(st.integers(0, 40), max_size=200)


def by_definition(trace: list[int], weight: dict[int, int] | None = None) -> list[int]:
    found = []
    for i, item in enumerate(trace):
        before = [j for j in range(i) if trace[j] == item]
        between = set(trace[before[-1] + 1 : i]) if before else set()
        found.append(sum(weight[x] if weight else 1 for x in between) if before else -1)
    return found


@settings(max_examples=80, deadline=None)
@given(TRACES)
def test_a_distance_is_the_number_of_other_items_since(trace: list[int]) -> None:
    assert stack_distances(trace).tolist() == by_definition(trace)


@settings(max_examples=40, deadline=None)
@given(TRACES, st.lists(st.integers(1, 1000), min_size=41, max_size=41))
def test_items_may_have_weights(trace: list[int], weights: list[int]) -> None:
    weight = dict(enumerate(weights))
    assert stack_distances(trace, weights=[weight[i] for i in trace]).tolist() == by_definition(trace, weight)


def test_times_are_renumbered_in_a_long_trace_of_few_items() -> None:
    trace = np.random.default_rng(0).integers(0, 7, 3000).tolist()
    assert stack_distances(trace).tolist() == by_definition(trace)


@settings(max_examples=40, deadline=None)
@given(TRACES, st.integers(1, 45))
def test_they_are_the_hits_of_a_fully_associative_cache(trace: list[int], lines: int) -> None:
    spec = CacheSpec(16 * lines, line=16, sector=16, ways=lines)
    hits = run(empty_caches(spec), [16 * a for a in trace], size=1).hits
    table = hits_by_capacity(stack_distances(trace))
    assert table[min(lines, len(table) - 1)] == hits


@settings(max_examples=40, deadline=None)
@given(TRACES, st.integers(1, 6), st.integers(1, 5))
def test_within_sets_they_are_those_of_a_set_associative_one(trace: list[int], sets: int, ways: int) -> None:
    spec = CacheSpec(16 * sets * ways, line=16, sector=16, ways=ways)
    addresses = [16 * a + 3 for a in trace]
    distances = stack_distances(addresses, line=16, sets=sets)
    assert ((distances >= 0) & (distances < ways)).sum() == run(empty_caches(spec), addresses, size=1).hits


def test_the_curve_of_a_cycle_is_a_cliff() -> None:
    curve = miss_ratio_curve(list(range(10)) * 10, [0, 1, 9, 10, 11, 100])
    assert np.allclose(curve, [1, 1, 1, 0.1, 0.1, 0.1])
    assert miss_ratio_curve([], [1]).tolist() == [1.0]
