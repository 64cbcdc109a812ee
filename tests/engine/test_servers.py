"""The compiled functions of servers and memories against plain Python models of the same rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim import compiled
from memsim.engine.memory import CROSSED, DRAM, WRITTEN_BACK, Memory, lines_by_age, owner, read, write
from memsim.engine.servers import (
    BUSY,
    FREE_AT,
    PAGE_SEGMENTS,
    SERVER_WORDS,
    page_of,
    port_of,
    scatter,
    serve,
    serve_banks,
    serve_bytes,
)
from tests.engine.memories import ROLES, Banks, Caches, compiled_memory, counted, spread

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


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5000)), min_size=1, max_size=30),
    st.integers(1, 700),
    st.integers(1, 9),
)
def test_a_link_loses_nothing_to_rounding(gaps: list[tuple[int, int]], num: int, den: int) -> None:
    words, model = np.zeros(SERVER_WORDS, dtype=np.int64), Banks(0, 1, 1, 1, num, den, 0)
    head = 0
    for gap, size in gaps:
        head += gap
        start, service = serve_bytes(words, 0, head, size, num, den)
        assert start == model.occupy(0, size, head)
        assert start + service == model.free_at[0] == words[FREE_AT]
    assert words[BUSY] == model.busy[0]
    together = sum(size for _, size in gaps) * den
    words[:] = 0
    for _, size in gaps:
        start, service = serve_bytes(words, 0, 0, size, num, den)
    assert start + service == -(-together // num) == words[BUSY]


# ---- banks ----


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
    free_at, busy, spare = np.zeros((3, ports * per_port + 2), dtype=np.int64)
    head = 0
    for segment, size, gap, port in requests:
        head += gap
        expected = model.serve(port % ports, segment, size, head)
        assert serve_banks(row, free_at, busy, spare, port % ports, segment, size, head) == expected
    assert free_at.tolist() == [0, *model.free_at, 0]
    assert busy.tolist() == [0, *model.busy, 0]


@pytest.mark.parametrize("ways", [2, 3, 4, 12, 16, 32, 80, 96, 128])
def test_an_address_map_uses_all_ways_alike_and_repeats_by_pages(ways: int) -> None:
    page = [scatter(i, ways) for i in range(PAGE_SEGMENTS)]
    assert page == [spread(i, ways) for i in range(PAGE_SEGMENTS)]
    once = page_of(ways)
    counts = np.bincount(page[:once], minlength=ways)
    assert len(counts) == ways
    assert counts.max() - counts.min() <= (once % ways > 0)
    for pages in (1, 2, 1000):
        assert [scatter(pages * once + i, ways) for i in range(once)] == page[:once]


@pytest.mark.parametrize("ways", [2, 4, 12, 16, 32, 40, 80, 128])
def test_neighbours_and_steps_meet_all_ways_soon(ways: int) -> None:
    shares = []
    for step in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16):
        most = []
        for first in range(0, page_of(ways), 7):
            counts = np.bincount([scatter(first + i * step, ways) for i in range(4 * ways)], minlength=ways)
            most.append(counts.max() / 4)  # 1: evenly; as many as there are ways: all on the same
        shares.append(np.mean(most))
    assert max(shares) <= 2.1 and np.mean(shares) < 1.45 and shares[0] <= 1.5  # of most that one way gets


@pytest.mark.parametrize(("ports", "each"), [(1, 4), (2, 2), (4, 1), (2, 40), (10, 8), (8, 16), (3, 5)])
def test_ports_and_the_banks_behind_them_are_used_alike(ports: int, each: int) -> None:
    banks = ports * each
    once = page_of(banks)
    pairs = [(port_of(i, ports, banks), scatter(i, banks) % each) for i in range(once)]
    counts = np.zeros((ports, each))
    for pair in pairs:
        counts[pair] += 1
    assert counts.max() - counts.min() <= (once % banks > 0)
    assert port_of(once + 7, ports, banks) == port_of(7, ports, banks)


def test_one_way_needs_no_map() -> None:
    assert {scatter(i, 1) for i in range(100)} == {0}


# ---- memories, and the cache in front of the DRAM ----

SEGMENTS = 10
BASES = (0, 4, 5)
"""First segments of three tensors."""


def few(segments: int, least: int) -> st.SearchStrategy[list[tuple[bool, int, int, int, int]]]:
    """Accesses of some segments."""
    access = st.tuples(
        st.booleans(), st.integers(0, segments - 1), st.integers(1, 120), st.integers(0, 40), st.integers(0, 2)
    )
    return st.lists(access, min_size=least, max_size=60)


accesses = few(SEGMENTS, 0) | few(4, 20)
"""Whether it writes, segment, bytes, ticks since the one before, and whose core it is."""


def check_accesses(model: Caches, requests: list[tuple[bool, int, int, int, int]]) -> None:
    """The compiled memory does what the model does, access by access."""
    memory, cores = model.memory(SEGMENTS), len(model.partitions)
    tick = 0
    for writes, segment, size, gap, core in requests:
        tick += gap
        words = np.array([-1, segment, size, 1], dtype=np.int64)
        if writes:
            assert write(memory, DRAM, model.home(segment), words, 1, 1, tick) == model.write(segment, size, tick)
        else:
            port = model.port_of(segment, core % cores)
            assert read(memory, DRAM, port, words, 1, 1, tick) == model.read(core % cores, segment, size, tick)
        assert lines_by_age(memory).tolist() == model.lines()
        for lines in model.partitions:
            assert sum(line.valid for line in lines.values()) <= model.capacity
    assert counted(memory) == model.counts
    banks = [model.dram, model.slices, *([model.way] if model.way else [])]
    assert memory.free_at.tolist() == [tick for bank in banks for tick in bank.free_at]
    assert memory.busy.tolist() == [ticks for bank in banks for ticks in bank.busy]


@given(st.integers(1, 400), st.booleans(), accesses)
def test_the_cache_is_least_recently_used_waits_for_fills_and_writes_back(
    capacity: int, write_back: bool, requests: list[tuple[bool, int, int, int, int]]
) -> None:
    dram, cache = Banks(0, 1, 1, 64, 3, 2, 50), Banks(1, 1, 1, 64, 40, 1, 4)
    check_accesses(Caches(capacity, write_back, dram, cache, bases=BASES), requests)


@given(
    st.sampled_from([1, 40, 100, 130, 10_000]),
    st.booleans(),
    st.sampled_from([(2, 1), (2, 2), (3, 1)]),
    st.sampled_from([0, 1, 23]),
    st.sampled_from([(1, 3), (7, 2), (10**6, 1)]),
    accesses,
)
@settings(max_examples=200)
def test_partitions_keep_copies_of_what_is_at_home_in_another(
    capacity: int,
    write_back: bool,
    shape: tuple[int, int],
    latency: int,
    rate: tuple[int, int],
    requests: list[tuple[bool, int, int, int, int]],
) -> None:
    (partitions, ports) = shape
    slices = Banks(1, partitions * ports, 2, 64, 40, 1, 4)
    way = Banks(1 + len(slices.free_at), partitions, 1, 1, *rate, latency)
    check_accesses(Caches(capacity, write_back, Banks(0, 1, 1, 64, 3, 2, 50), slices, way, BASES), requests)


def one_by_one(capacity: int, partitions: int = 1, write_back: bool = True) -> Memory:
    """A DRAM and caches that move a byte a tick, and never wait."""
    slices = Banks(1, partitions, 1, 64, 1, 1, 0)
    way = Banks(1 + partitions, partitions, 1, 1, 1, 1, 0) if partitions > 1 else None
    return Caches(capacity, write_back, Banks(0, 1, 1, 64, 1, 1, 0), slices, way, BASES).memory(SEGMENTS)


@given(st.integers(100, 400), st.lists(st.integers(0, SEGMENTS - 1), max_size=60))
def test_bytes_written_have_left_the_cache_or_are_dirty_in_it(capacity: int, segments: list[int]) -> None:
    """Each segment is written whole, 30 bytes, and so often as it has come in anew it must leave."""
    memory = one_by_one(capacity)
    entered = 0
    for segment in segments:
        entered += 0 if segment in lines_by_age(memory)[:, 0] else 30
        write(memory, DRAM, 0, np.array([segment, 30, 1], dtype=np.int64), 0, 1, 0)
    dirty = int(lines_by_age(memory)[:, 2].sum())
    assert int(memory.counts[WRITTEN_BACK].sum()) + dirty == entered
    assert int(memory.busy[0]) == entered - dirty  # a byte a tick


@given(st.integers(2, 4), st.lists(st.tuples(st.integers(0, SEGMENTS - 1), st.integers(1, 99), st.integers(0, 3))))
def test_partitions_fetch_once_and_hand_on_what_others_miss(partitions: int, reads: list[tuple[int, int, int]]) -> None:
    """Everything fits: the DRAM sends the most that was asked of each segment, and copies move what each core lacks."""
    memory = one_by_one(10_000, partitions)
    most, known, fetched = [0] * SEGMENTS, np.zeros((partitions, SEGMENTS), dtype=np.int64), 0
    for segment, size, core in reads:
        core %= partitions
        fetched += read(memory, DRAM, core, np.array([segment, size, 1], dtype=np.int64), 0, 1, 0)[2]
        most[segment], known[core, segment] = max(most[segment], size), max(known[core, segment], size)
    assert fetched == sum(most) == memory.busy[0]
    away = [known[core, s] for s in range(SEGMENTS) for core in range(partitions) if core != scatter(s, partitions)]
    assert int(memory.counts[CROSSED].sum()) == sum(away) == int(memory.busy[1 + partitions :].sum())


@given(
    st.sampled_from(["dram", "shared"]),
    st.lists(
        st.tuples(
            st.booleans(), st.lists(st.tuples(st.integers(0, 99), st.integers(1, 900)), min_size=1), st.integers(0, 9)
        ),
        max_size=12,
    ),
    rates,
)
def test_without_a_cache_all_pieces_are_served_at_once(
    name: str, requests: list[tuple[bool, Pieces, int]], rate: tuple[int, int, int]
) -> None:
    banks, role = Banks(0, 2, 3, *rate, 11), ROLES[name]
    memory = compiled_memory({name: banks}, 100)
    tick = 0
    for writes, pieces, gap in requests:
        tick += gap
        served = [banks.serve(1, segment, size, tick) for segment, size in pieces]
        first, last = min(begin for begin, _ in served), max(end for _, end in served)
        words = np.array([0, *(word for segment, size in pieces for word in (segment, size, 1))], dtype=np.int64)
        if writes:
            assert write(memory, role, 1, words, 1, len(pieces), tick) == last
        else:
            assert read(memory, role, 1, words, 1, len(pieces), tick) == (first + 11, last + 11, 0)
    assert memory.free_at.tolist() == banks.free_at
    assert len(lines_by_age(memory)) == 0
    assert not memory.counts.any()


def test_the_owner_of_a_segment() -> None:
    memory = one_by_one(1)
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
