"""The jitted resource functions against plain Python models of the same rules."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memsim.engine.servers import DIRTY, VALID, cache_state, cache_touch, scatter, serve, serve_banks


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=30))
def test_a_server_is_first_come_first_served_and_never_idle_while_someone_waits(gaps: list[tuple[int, int]]) -> None:
    free_at, busy = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    head, end = 0, 0
    for gap, service in gaps:
        head += gap
        start = serve(free_at, busy, 0, head, service)
        assert start == max(head, end)
        end = start + service
    assert free_at[0] == end
    assert busy[0] == sum(service for _, service in gaps)


@given(
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 5000), st.integers(0, 30)), max_size=20),
    st.sampled_from([1, 64, 100]),
    st.tuples(st.integers(1, 50), st.integers(1, 7)),
)
def test_banks_serve_chunk_by_chunk(
    banks: int, requests: list[tuple[int, int, int]], chunk: int, rate: tuple[int, int]
) -> None:
    free_at, busy = np.zeros(banks + 2, dtype=np.int64), np.zeros(banks + 2, dtype=np.int64)
    expected = [0] * banks
    head = 0
    for segment, size, gap in requests:
        head += gap
        loads = [0] * banks
        origin = scatter(segment, banks)
        for number, first in enumerate(range(0, size, chunk)):
            loads[(origin + number) % banks] += min(chunk, size - first)
        assert sum(loads) == size
        starts, ends = [], []
        for bank, load in enumerate(loads):
            if load:
                start = max(head, expected[bank])
                expected[bank] = start + -(-load * rate[1] // rate[0])
                starts.append(start)
                ends.append(expected[bank])
        found = serve_banks(free_at, busy, 1, banks, 1, segment, size, chunk, *rate, head)
        assert found == (min(starts), max(ends))
    assert free_at.tolist() == [0, *expected, 0]


@given(
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 120), st.booleans()), max_size=60)
    | st.lists(st.tuples(st.integers(0, 3), st.integers(1, 120), st.booleans()), min_size=20, max_size=60),
)
def test_the_cache_is_least_recently_used_and_conserves_dirty_bytes(
    capacity: int, accesses: list[tuple[int, int, bool]]
) -> None:
    lru, lines, used = cache_state(10)
    evicted = np.zeros(23, dtype=np.int64)
    model: OrderedDict[int, list[int]] = OrderedDict()  # segment -> [valid, dirty], oldest first
    for segment, size, write in accesses:
        leaving: list[tuple[int, int]] = []
        if size > capacity:
            expected = (0, size)
            if write:
                leaving.append((segment, size))
        else:
            line = model.setdefault(segment, [0, 0])
            expected = (min(size, line[0]), size - min(size, line[0]))
            line[0] = max(line[0], size)
            line[1] = max(line[1], size) if write else line[1]
            model.move_to_end(segment)
            while sum(valid for valid, _ in model.values()) > capacity:
                oldest, (_, dirty) = model.popitem(last=False)
                if dirty:
                    leaving.append((oldest, dirty))
        assert cache_touch(lru, lines, used, capacity, segment, size, write, evicted) == expected
        assert [(evicted[2 * i + 1], evicted[2 * i + 2]) for i in range(evicted[0])] == leaving
        assert used[0] == sum(valid for valid, _ in model.values()) <= capacity
        for i in range(10):
            assert [lines[VALID, i], lines[DIRTY, i]] == model.get(i, [0, 0])


def test_scatter_spreads_evenly() -> None:
    counts = np.bincount([scatter(i, 16) for i in range(16_000)], minlength=16)
    assert counts.min() > 900 and counts.max() < 1100
