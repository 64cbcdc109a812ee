"""The cache model: one access at a time, in compiled loops over a trace.

Several caches may share the tables, so that a compiled loop can lead an access from one to the next: each function
takes the number of the cache. A cache row of the tables is a way of a set.

- A line is present or not; so is each of its sectors. A read that finds the line but not the sector is a *sector miss*
  and fetches the sector alone.
- A write of a whole sector fetches nothing; one of a part of a sector that is not present fetches the sector first.
- Each miss to a line that is not yet on its way takes a register (MSHR) until its bytes arrive; later misses to the
  line join it. When none is free, the access waits: `run` tells how long.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memsim.caches import words as w
from memsim.caches.state import Array, Caches, Counts, counts_of
from memsim.compiled import compiled, inlined
from memsim.errors import MemsimError


def run(
    caches: Caches,
    addresses: Sequence[int] | Array,
    *,
    writes: Sequence[bool] | None = None,
    hints: Sequence[int] | None = None,
    size: int = 4,
    number: int = 0,
    interval: int = 0,
    miss_ticks: int = 0,
) -> Counts:
    """Send a trace to a cache, and return all that it has counted since it was empty.

    Parameters
    ----------
    caches
        What `empty_caches` made; it changes.
    addresses
        First byte of each access; not negative.
    writes
        Which accesses are writes; none, unless given.
    hints
        `HINTS` by number, one for each access.
    size
        Bytes of each access.
    number
        Of the cache.
    interval
        Ticks from one access to the next.
    miss_ticks
        Ticks until the bytes of a miss arrive: for how long it holds an MSHR.
    """
    trace = np.asarray(addresses, dtype=np.int64)
    kinds = np.zeros(len(trace), np.int64) if writes is None else np.asarray(writes).astype(np.int64)
    marks = np.zeros(len(trace), np.int64) if hints is None else np.asarray(hints, dtype=np.int64)
    if not len(trace) == len(kinds) == len(marks):
        raise MemsimError("addresses, writes and hints differ in length", where="caches.run", mend="give one for each")
    if size < 1 or (len(trace) and trace.min() < 0):
        raise MemsimError("a negative address or size", where="caches.run", mend="count bytes from 0")
    _run(caches.words, caches.starts[number], trace, kinds, marks, size, interval, miss_ticks)
    return counts_of(caches, number)


def flush(caches: Caches, number: int = 0) -> Counts:
    """Write back all that is dirty and drop every line; returns the counters."""
    _flush(caches.words, caches.starts[number])
    return counts_of(caches, number)


@compiled
def _run(
    m: Array, cache: int, trace: Array, writes: Array, hints: Array, size: int, interval: int, miss_ticks: int
) -> None:
    now = 0
    for i in range(len(trace)):
        now += access(m, cache, trace[i], size, writes[i], hints[i], now, miss_ticks) + interval


@inlined
def access(m: Array, cache: int, address: int, size: int, write: int, hint: int, now: int, miss_ticks: int) -> int:
    """Read or write bytes, line by line; returns the ticks for which it had to wait for MSHRs."""
    line_bytes = m[cache + w.LINE]
    waited = 0
    end = address + size
    while address < end:
        line = address // line_bytes
        upto = min(end, (line + 1) * line_bytes)
        first, last = address - line * line_bytes, upto - line * line_bytes
        if write:
            waited += _write(m, cache, line, first, last, hint, now + waited, miss_ticks)
        else:
            waited += _read(m, cache, line, first, last, hint, now + waited, miss_ticks)
        address = upto
    return int(waited)


@compiled
def hits(m: Array, cache: int, address: int) -> bool:
    """Read the sector at an address: whether it was there; without a clock or MSHRs, for chains of caches."""
    before = m[cache + w.HITS]
    line_bytes = m[cache + w.LINE]
    line = address // line_bytes
    first = address - line * line_bytes
    _read(m, cache, line, first, first + 1, w.NORMAL, 0, 0)
    return bool(m[cache + w.HITS] > before)


@inlined
def _read(m: Array, cache: int, line: int, first: int, last: int, hint: int, now: int, miss_ticks: int) -> int:
    m[cache + w.ACCESSES] += 1
    m[cache + w.READ] += last - first
    wanted = _sectors(m, cache, first, last)
    place = _set_of(m, cache, line)
    way = _find(m, cache, place, line)
    if way < 0:
        m[cache + w.LINE_MISSES] += 1
        if hint == w.BYPASS:
            m[cache + w.BYPASSED] += 1
            _fetch(m, cache, wanted)
            return _take_mshr(m, cache, now, miss_ticks)
        way = _make_room(m, cache, place, line)
        return _fill(m, cache, place, way, wanted, hint, now, miss_ticks)
    missing = wanted & ~m[way + w.VALID]
    _touch(m, cache, place, way, hint)
    if missing == 0:
        m[cache + w.HITS] += 1
        m[cache + w.MERGED] += m[way + w.READY] > now
        return 0
    m[cache + w.SECTOR_MISSES] += 1
    return _join(m, cache, way, missing, now, miss_ticks)


@inlined
def _write(m: Array, cache: int, line: int, first: int, last: int, hint: int, now: int, miss_ticks: int) -> int:
    m[cache + w.ACCESSES] += 1
    m[cache + w.WRITTEN] += last - first
    wanted = _sectors(m, cache, first, last)
    sector = m[cache + w.SECTOR]
    whole = _sectors(m, cache, -(-first // sector) * sector, last // sector * sector)
    place = _set_of(m, cache, line)
    way = _find(m, cache, place, line)
    waited = 0
    if way < 0 and (hint == w.BYPASS or not m[cache + w.ALLOCATE]):
        m[cache + w.WRITE_MISSES] += 1
        m[cache + w.BYPASSED] += 1
        m[cache + w.HANDED_ON] += last - first
        return waited
    missed = way < 0
    if missed:
        way = _make_room(m, cache, place, line)
    partly = wanted & ~whole & ~m[way + w.VALID]
    m[cache + (w.WRITE_MISSES if missed or partly else w.HITS)] += 1
    if partly:
        waited = _join(m, cache, way, partly, now, miss_ticks)
    _touch(m, cache, place, way, hint)
    m[way + w.VALID] |= wanted
    if m[cache + w.WRITE_BACK]:
        m[way + w.DIRTY] |= wanted
    else:
        m[cache + w.HANDED_ON] += last - first
    return waited


# ---- where a line lies ----


@inlined
def spread(number: int, ways: int) -> int:
    """One of so many ways for a number: the sum of its digits to the base ``ways``, modulo ``ways``.

    Any aligned run of ``ways`` numbers meets each way once, and so does any stride that is a power of ``ways``.
    """
    total = 0
    if ways > 1:
        while number > 0:
            total += number % ways
            number //= ways
        total %= ways
    return total


@inlined
def _set_of(m: Array, cache: int, line: int) -> int:
    """The set of a line: where its words begin."""
    sets, slices = m[cache + w.SETS], m[cache + w.SLICES]
    number = line // slices
    index = spread(number, sets) if m[cache + w.HASHED] else number % sets
    number = spread(line, slices) * sets + index
    return int(m[cache + w.FIRST] + number * (1 + w.LINE_WORDS * m[cache + w.WAYS]))


@inlined
def _sectors(m: Array, cache: int, first: int, last: int) -> int:
    """Bits of the sectors that hold the bytes from ``first`` up to ``last`` of a line; 0 if there are none."""
    if last <= first:
        return 0
    low, high = first // m[cache + w.SECTOR], (last - 1) // m[cache + w.SECTOR]
    return int(((2 << high) - 1) & ~((1 << low) - 1))


@inlined
def _count(mask: int) -> int:
    number = 0
    while mask:
        mask &= mask - 1
        number += 1
    return number


@inlined
def _find(m: Array, cache: int, place: int, line: int) -> int:
    """The way that holds a line: where its words begin; or -1."""
    for way in range(place + 1, place + 1 + w.LINE_WORDS * m[cache + w.WAYS], w.LINE_WORDS):
        if m[way + w.TAG] == line:
            return way
    return -1


# ---- misses ----


@inlined
def _fetch(m: Array, cache: int, sectors: int) -> None:
    number = _count(sectors)
    m[cache + w.SECTORS_FETCHED] += number
    m[cache + w.FETCHED] += number * m[cache + w.SECTOR]


@inlined
def _fill(m: Array, cache: int, place: int, way: int, sectors: int, hint: int, now: int, ticks: int) -> int:
    """Fetch sectors into a line that was just given its place; returns the ticks waited for an MSHR."""
    waited = _take_mshr(m, cache, now, ticks)
    _fetch(m, cache, sectors)
    m[way + w.VALID] |= sectors
    m[way + w.READY] = now + waited + ticks
    _touch(m, cache, place, way, hint)
    return waited


@inlined
def _join(m: Array, cache: int, way: int, sectors: int, now: int, ticks: int) -> int:
    """Fetch more sectors of a line: with its own MSHR, or with the one that brings the line already."""
    waited = 0
    if m[way + w.READY] > now:
        m[cache + w.MERGED] += 1
    else:
        waited = _take_mshr(m, cache, now, ticks)
        m[way + w.READY] = now + waited + ticks
    _fetch(m, cache, sectors)
    m[way + w.VALID] |= sectors
    return waited


@inlined
def _take_mshr(m: Array, cache: int, now: int, ticks: int) -> int:
    """Take a register for ``ticks``: they come free in the order in which they were taken. Returns the wait."""
    if ticks == 0:
        return 0
    first, size = m[cache + w.FIRST_MSHR], m[cache + w.MSHRS]
    while m[cache + w.OUTSTANDING] and m[first + m[cache + w.OLDEST]] <= now:
        m[cache + w.OLDEST] = (m[cache + w.OLDEST] + 1) % size
        m[cache + w.OUTSTANDING] -= 1
    waited = 0
    if m[cache + w.OUTSTANDING] == size:
        waited = m[first + m[cache + w.OLDEST]] - now
        m[cache + w.STALLS] += 1
        m[cache + w.STALL_TICKS] += waited
        m[cache + w.OLDEST] = (m[cache + w.OLDEST] + 1) % size
        m[cache + w.OUTSTANDING] -= 1
    m[first + (m[cache + w.OLDEST] + m[cache + w.OUTSTANDING]) % size] = now + waited + ticks
    m[cache + w.OUTSTANDING] += 1
    return waited


# ---- replacement ----


@inlined
def _make_room(m: Array, cache: int, place: int, line: int) -> int:
    """The way that a new line takes: a free one, or that of the line which leaves."""
    way = _find(m, cache, place, -1)
    if way < 0:
        way = _victim(m, cache, place)
        m[cache + w.EVICTIONS] += 1
        m[cache + w.WRITE_BACKS] += _count(m[way + w.DIRTY]) * m[cache + w.SECTOR]
    m[way + w.TAG] = line
    m[way + w.VALID] = m[way + w.DIRTY] = m[way + w.READY] = m[way + w.AGE] = 0
    return way


@inlined
def _victim(m: Array, cache: int, place: int) -> int:
    ways, first = m[cache + w.WAYS], place + 1
    oldest = first
    for way in range(first + w.LINE_WORDS, first + w.LINE_WORDS * ways, w.LINE_WORDS):
        if m[way + w.AGE] < m[oldest + w.AGE]:
            oldest = way
    if m[cache + w.POLICY] == w.LRU or m[oldest + w.AGE] < 0:  # what streams leaves first, whatever the policy
        return oldest
    if m[cache + w.POLICY] == w.PLRU:
        return first + w.LINE_WORDS * _leaf(m[place], ways)
    state = m[cache + w.RANDOM] * 6364136223846793005 + 1442695040888963407  # Knuth's MMIX, modulo 2^64
    m[cache + w.RANDOM] = state
    return int(first + w.LINE_WORDS * (((state >> 33) & 0x3FFFFFFF) % ways))


@inlined
def _touch(m: Array, cache: int, place: int, way: int, hint: int) -> None:
    """Note a use. A streaming access makes a new line the first to leave, and leaves others where they are."""
    m[cache + w.CLOCK] += 1
    if hint == w.STREAM:
        if m[way + w.AGE] == 0:
            m[way + w.AGE] = -m[cache + w.CLOCK]
        return
    m[way + w.AGE] = m[cache + w.CLOCK]
    if m[cache + w.POLICY] == w.PLRU:
        leaf = (way - place - 1) // w.LINE_WORDS
        m[place] = _pointed_away(m[place], leaf, m[cache + w.WAYS])


@inlined
def _leaf(tree: int, ways: int) -> int:
    """The way that the bits of a tree lead to (0: left), kept to the ways that there are."""
    low, span, node = 0, 1, 1
    while span < ways:
        span *= 2
    while span > 1:
        span //= 2
        right = (tree >> node) & 1 and low + span < ways
        node = 2 * node + right
        low += span * right
    return low


@inlined
def _pointed_away(tree: int, leaf: int, ways: int) -> int:
    """The bits of a tree after a use of a way: each node on its path points to the other side."""
    low, span, node = 0, 1, 1
    while span < ways:
        span *= 2
    while span > 1:
        span //= 2
        right = leaf >= low + span
        tree = tree & ~(1 << node) if right else tree | (1 << node)
        node = 2 * node + right
        low += span * right
    return tree


@compiled
def _flush(m: Array, cache: int) -> None:
    width = 1 + w.LINE_WORDS * m[cache + w.WAYS]
    first = m[cache + w.FIRST]
    for place in range(first, first + m[cache + w.SETS] * m[cache + w.SLICES] * width, width):
        for way in range(place + 1, place + width, w.LINE_WORDS):
            m[cache + w.WRITE_BACKS] += _count(m[way + w.DIRTY]) * m[cache + w.SECTOR]
            m[way + w.TAG] = -1
            m[way + w.VALID] = m[way + w.DIRTY] = m[way + w.READY] = 0
