"""The compiled functions of servers and memories against plain Python models of the same rules."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim import compiled
from memsim.engine.memory import CACHE, DRAM, SHARED, Memory, empty_memory, lines_by_age, owner, read, write
from memsim.engine.servers import BUSY, FREE_AT, PAGE_SEGMENTS, SERVER_WORDS, scatter, serve, serve_banks

Pieces = list[tuple[int, int]]

# ---- servers ----


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=30), st.integers(0, 2))
def test_a_server_is_first_come_first_served_and_never_idle_while_someone_waits(
    gaps: list[tuple[int, int]], number: int
) -> None:
    words = np.zeros((3, SERVER_WORDS), dtype=np.int64)
    head, end = 0, 0
    for gap, service in gaps:
        head += gap
        start = serve(words.reshape(-1), number * SERVER_WORDS, head, service)
        assert start == max(head, end)
        end = start + service
    assert words[number].tolist()[:2] == [end, sum(service for _, service in gaps)]
    assert (FREE_AT, BUSY) == (0, 1)
    assert not np.delete(words, number, axis=0).any()


# ---- banks ----


class Banks:
    """Banks behind ports, chunk by chunk: what each is busy with, in Python's own integers."""

    def __init__(self, first: int, ports: int, per_port: int, chunk: int, num: int, den: int, latency: int) -> None:
        self.row = (first, ports, per_port, chunk, num, den, latency)
        self.first, self.ports, self.per_port, self.chunk = first, ports, per_port, chunk
        self.num, self.den, self.latency = num, den, latency
        self.free_at = [0] * ports * per_port
        self.busy = [0] * ports * per_port

    def serve(self, port: int, segment: int, size: int, head: int) -> tuple[int, int]:
        """Earliest start and latest end."""
        loads = [0] * self.per_port
        origin = scatter(segment, self.ports * self.per_port) // self.ports % self.per_port
        for number, begin in enumerate(range(0, size, self.chunk)):
            loads[(origin + number) % self.per_port] += min(self.chunk, size - begin)
        assert sum(loads) == size
        starts, ends = [], []
        for bank, load in enumerate(loads, port * self.per_port):
            if load:
                service = math.ceil(load * self.den / self.num)
                starts.append(max(head, self.free_at[bank]))
                self.free_at[bank] = starts[-1] + service
                self.busy[bank] += service
                ends.append(self.free_at[bank])
        return min(starts), max(ends)


rates = st.tuples(st.sampled_from([1, 64, 100]), st.integers(1, 50), st.integers(1, 7))
"""Chunk, and bytes a tick as num / den."""


@given(
    st.integers(1, 3),
    st.integers(1, 9),
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(1, 5000), st.integers(0, 30), st.integers(0, 2)), max_size=20
    ),
    rates,
)
def test_banks_serve_chunk_by_chunk(
    ports: int, per_port: int, requests: list[tuple[int, int, int, int]], rate: tuple[int, int, int]
) -> None:
    model = Banks(1, ports, per_port, *rate, 0)
    row = np.array(model.row, dtype=np.int64)
    free_at, busy = np.zeros((2, ports * per_port + 2), dtype=np.int64)
    head = 0
    for segment, size, gap, port in requests:
        head += gap
        expected = model.serve(port % ports, segment, size, head)
        assert serve_banks(row, free_at, busy, port % ports, segment, size, head) == expected
    assert free_at.tolist() == [0, *model.free_at, 0]
    assert busy.tolist() == [0, *model.busy, 0]


@pytest.mark.parametrize("ways", [2, 4, 12, 16, 32, 80])
def test_an_address_map_uses_all_ways_alike_and_repeats_by_pages(ways: int) -> None:
    page = [scatter(i, ways) for i in range(PAGE_SEGMENTS)]
    counts = np.bincount(page, minlength=ways)
    mean = PAGE_SEGMENTS / ways
    assert len(counts) == ways
    assert counts.min() > 0.8 * mean and counts.max() < 1.2 * mean
    for pages in (1, 2, 1000):
        assert [scatter(pages * PAGE_SEGMENTS + i, ways) for i in range(PAGE_SEGMENTS)] == page


def test_one_way_needs_no_map() -> None:
    assert {scatter(i, 1) for i in range(100)} == {0}


# ---- memories, and the cache in front of the DRAM ----

SEGMENTS = 10
BASES = (0, 4, 5)
"""First segments of three tensors."""


class Cached:
    """A DRAM of one bank behind a cache of one slice: what `memsim.engine.memory` does, with a dictionary."""

    def __init__(self, capacity: int, write_back: bool, dram: Banks, cache: Banks) -> None:
        self.capacity, self.write_back, self.dram, self.cache = capacity, write_back, dram, cache
        self.lines: OrderedDict[int, list[int]] = OrderedDict()  # segment -> [valid, dirty, ready], oldest first
        self.left, self.through = [0] * len(BASES), [0] * len(BASES)

    def read(self, segment: int, size: int, tick: int) -> tuple[int, int, int]:
        """Ticks of the first and last byte, and what was fetched."""
        begin, end = self.cache.serve(0, segment, size, tick)
        filled, first, missing = self.lines.get(segment, [0, 0, 0])[2], begin, self.keep(segment, size, False, tick)
        if missing:
            start, done = self.dram.serve(0, segment, missing, begin)
            filled = max(filled, done + self.dram.latency)
            if missing == size:
                first = start + self.dram.latency
            if size <= self.capacity:
                self.lines[segment][2] = filled
        elif filled > tick:  # on its way: it is not there before it has arrived
            first = max(first, filled)
        return first + self.cache.latency, max(end, filled) + self.cache.latency, missing

    def write(self, segment: int, size: int, tick: int) -> None:
        """What happens behind the slices."""
        self.keep(segment, size, self.write_back, tick)
        if not self.write_back:
            self.hand_on(self.through, segment, size, tick)

    def keep(self, segment: int, size: int, dirty: bool, tick: int) -> int:
        """Bytes that are missing; the segment becomes the newest."""
        if size > self.capacity:
            if dirty:
                self.hand_on(self.left, segment, size, tick)
            return size
        line = self.lines.setdefault(segment, [0, 0, 0])
        self.lines.move_to_end(segment)
        missing = max(0, size - line[0])
        line[0] += missing
        line[1] = max(line[1], size) if dirty else line[1]
        while sum(valid for valid, _, _ in self.lines.values()) > self.capacity:
            oldest, (_, owed, _) = self.lines.popitem(last=False)
            if owed:
                self.hand_on(self.left, oldest, owed, tick)
        return missing

    def hand_on(self, to: list[int], segment: int, size: int, tick: int) -> None:
        """Bytes that the DRAM takes."""
        self.dram.serve(0, segment, size, tick)
        to[max(i for i, base in enumerate(BASES) if base <= segment)] += size


def compiled_memory(dram: Banks, cache: Banks, capacity: int, write_back: bool) -> Memory:
    rows = np.zeros((3, 7), dtype=np.int64)
    rows[DRAM], rows[CACHE] = dram.row, cache.row
    return empty_memory(rows, 2, SEGMENTS, np.array(BASES, dtype=np.int64), capacity, write_back)


accesses = st.lists(
    st.tuples(st.booleans(), st.integers(0, SEGMENTS - 1), st.integers(1, 120), st.integers(0, 40)), max_size=60
) | st.lists(
    st.tuples(st.booleans(), st.integers(0, 3), st.integers(1, 120), st.integers(0, 40)), min_size=20, max_size=60
)
"""Whether it writes, segment, bytes, ticks since the one before."""


@given(st.integers(1, 400), st.booleans(), accesses)
def test_the_cache_is_least_recently_used_waits_for_fills_and_writes_back(
    capacity: int, write_back: bool, requests: list[tuple[bool, int, int, int]]
) -> None:
    dram, cache = Banks(0, 1, 1, 64, 3, 2, 50), Banks(1, 1, 1, 64, 40, 1, 4)
    model = Cached(capacity, write_back, dram, cache)
    memory = compiled_memory(dram, cache, capacity, write_back)
    tick = 0
    for writes, segment, size, gap in requests:
        tick += gap
        words = np.array([-1, segment, size], dtype=np.int64)
        if writes:
            taken = cache.serve(0, segment, size, tick)[1]
            model.write(segment, size, tick)
            assert write(memory, DRAM, 0, words, 1, 1, tick) == taken
        else:
            assert read(memory, DRAM, 0, words, 1, 1, tick) == model.read(segment, size, tick)
        assert lines_by_age(memory).tolist() == [[number, *line] for number, line in model.lines.items()]
        assert sum(valid for valid, _, _ in model.lines.values()) <= capacity
    assert memory.written_back.tolist() == model.left
    assert memory.written_through.tolist() == model.through
    assert memory.free_at.tolist() == dram.free_at + cache.free_at
    assert memory.busy.tolist() == dram.busy + cache.busy


@given(st.integers(100, 400), st.lists(st.integers(0, SEGMENTS - 1), max_size=60))
def test_bytes_written_have_left_the_cache_or_are_dirty_in_it(capacity: int, segments: list[int]) -> None:
    """Each segment is written whole, 30 bytes, and so often as it has come in anew it must leave."""
    memory = compiled_memory(Banks(0, 1, 1, 64, 1, 1, 0), Banks(1, 1, 1, 64, 1, 1, 0), capacity, True)
    entered = 0
    for segment in segments:
        entered += 0 if segment in lines_by_age(memory)[:, 0] else 30
        write(memory, DRAM, 0, np.array([segment, 30], dtype=np.int64), 0, 1, 0)
    dirty = int(lines_by_age(memory)[:, 2].sum())
    assert int(memory.written_back.sum()) + dirty == entered
    assert int(memory.busy[0]) == entered - dirty  # a byte a tick


@given(
    st.sampled_from([DRAM, SHARED]),
    st.lists(
        st.tuples(
            st.booleans(), st.lists(st.tuples(st.integers(0, 99), st.integers(1, 900)), min_size=1), st.integers(0, 9)
        ),
        max_size=12,
    ),
    rates,
)
def test_without_a_cache_all_pieces_are_served_at_once(
    role: int, requests: list[tuple[bool, Pieces, int]], rate: tuple[int, int, int]
) -> None:
    banks = Banks(0, 2, 3, *rate, 11)
    rows = np.zeros((3, 7), dtype=np.int64)
    rows[role] = banks.row
    memory = empty_memory(rows, 6, 100, np.zeros(1, dtype=np.int64), 0, True)
    tick = 0
    for writes, pieces, gap in requests:
        tick += gap
        served = [banks.serve(1, segment, size, tick) for segment, size in pieces]
        first, last = min(begin for begin, _ in served), max(end for _, end in served)
        words = np.array([0, *(word for piece in pieces for word in piece)], dtype=np.int64)
        if writes:
            assert write(memory, role, 1, words, 1, len(pieces), tick) == last
        else:
            assert read(memory, role, 1, words, 1, len(pieces), tick) == (first + 11, last + 11, 0)
    assert memory.free_at.tolist() == banks.free_at
    assert len(lines_by_age(memory)) == 0


def test_the_owner_of_a_segment() -> None:
    memory = compiled_memory(Banks(0, 1, 1, 64, 1, 1, 0), Banks(1, 1, 1, 64, 1, 1, 0), 1, True)
    assert [owner(memory, segment) for segment in range(7)] == [0, 0, 0, 0, 1, 2, 2]


# ---- compilation ----


def test_where_nothing_can_be_written_functions_are_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that is read-only, and a user without a home: numba refuses to cache."""
    real, asked = compiled.njit, []

    def refusing(**options: object) -> object:
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(compiled, "njit", refusing)
    halved = compiled.compiled(lambda x: x // 2)
    assert halved(9) == 4
    assert asked == [{"cache": True, "error_model": "numpy"}, {"error_model": "numpy"}]
    assert compiled.inlined(lambda x: x // 3)(9) == 3
    assert asked[-1] == {"error_model": "numpy", "forceinline": True}
