"""The hardware's shared state as arrays, and the jitted functions that serve requests on it.

They are written once: the SimPy engine calls them one request at a time, and any compiled engine can call
the same functions. All times are integer ticks. A request at a *server* (unit, port, link) names its head's
arrival and its service time; servers are first come, first served, so the answer is final when it is given.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit

Array: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

HASH = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hash (TAOCP 3, 6.4)


@njit(cache=True)
def serve(free_at: Array, busy: Array, server: int, head: int, service: int) -> int:
    """Serve a request whose head arrives at tick ``head``; return the tick at which service starts."""
    start = max(head, free_at[server])
    free_at[server] = start + service
    busy[server] += service
    return int(start)


@njit(cache=True)
def scatter(segment: int, ways: int) -> int:
    """Spread segment numbers evenly over ``ways`` ports, slices or channels (multiplicative hash)."""
    return int(((np.uint64(segment + 1) * HASH) >> np.uint64(33)) % np.uint64(ways))


@njit(cache=True)
def serve_banks(
    free_at: Array,
    busy: Array,
    first_bank: int,
    banks: int,
    ports: int,
    segment: int,
    size: int,
    chunk: int,
    rate_num: int,
    rate_den: int,
    head: int,
) -> tuple[int, int]:
    """Serve ``size`` bytes of a segment from banks (DRAM channels, cache slices) ``first_bank .. +banks - 1``.

    Chunks of ``chunk`` bytes go to successive banks from one that the segment's number decides, apart from which of
    the memory's ``ports`` it lies behind (`scatter` over the ports); each bank moves ``rate_num / rate_den`` bytes a
    tick, rounded up once. Returns (earliest start, latest finish) over the banks.
    """
    chunks = (size + chunk - 1) // chunk
    origin = scatter(segment, ports * banks) // ports
    begin, finish = np.int64(2**62), np.int64(head)
    for i in range(min(chunks, banks)):
        pieces = (chunks - i + banks - 1) // banks
        part = pieces * chunk
        if (chunks - 1) % banks == i:
            part -= chunks * chunk - size
        bank = first_bank + (origin + i) % banks
        service = (part * rate_den + rate_num - 1) // rate_num
        start = max(np.int64(head), free_at[bank])
        free_at[bank] = start + service
        busy[bank] += service
        begin = min(begin, start)
        finish = max(finish, start + service)
    return int(min(begin, finish)), int(finish)


# The cache: LRU over segments. Rows of `lru`: previous, next (a ring through the sentinel in the last column);
# rows of `lines`: valid bytes, dirty bytes, tick at which the fill arrives. `used` holds the bytes in the cache.
PREVIOUS, NEXT = 0, 1
VALID, DIRTY, READY = 0, 1, 2


def cache_state(segments: int) -> tuple[Array, Array, Array]:
    """An empty cache over ``segments`` segments: the arrays (lru, lines, used)."""
    lru = np.full((2, segments + 1), segments, dtype=np.int64)
    return lru, np.zeros((3, segments + 1), dtype=np.int64), np.zeros(1, dtype=np.int64)


@njit(cache=True)
def _unlink(lru: Array, segment: int) -> None:
    before, after = lru[PREVIOUS, segment], lru[NEXT, segment]
    lru[NEXT, before] = after
    lru[PREVIOUS, after] = before


@njit(cache=True)
def cache_touch(
    lru: Array, lines: Array, used: Array, capacity: int, segment: int, size: int, write: bool, evicted: Array
) -> tuple[int, int]:
    """Read or write ``size`` bytes of a segment: returns (hit bytes, missing bytes), and makes it the newest.

    A write allocates without fetching. Dirty segments that must leave are listed in ``evicted`` (2 * segments + 3
    entries): their number, then a pair (segment, bytes) each. A segment larger than the cache is not kept: its
    bytes all miss, and a write goes through.
    """
    sentinel = lru.shape[1] - 1
    evicted[0] = 0
    hit = min(size, lines[VALID, segment])
    if size > capacity:
        if write:
            evicted[0], evicted[1], evicted[2] = 1, segment, size
        return 0, size
    if lines[VALID, segment] > 0:
        _unlink(lru, segment)
    newest = lru[NEXT, sentinel]
    lru[NEXT, segment], lru[PREVIOUS, segment] = newest, sentinel
    lru[PREVIOUS, newest] = segment
    lru[NEXT, sentinel] = segment
    used[0] += size - hit
    lines[VALID, segment] = max(lines[VALID, segment], size)
    if write:
        lines[DIRTY, segment] = max(lines[DIRTY, segment], size)
    while used[0] > capacity:
        oldest = lru[PREVIOUS, sentinel]
        _unlink(lru, oldest)
        used[0] -= lines[VALID, oldest]
        if lines[DIRTY, oldest] > 0:
            count = evicted[0]
            evicted[2 * count + 1], evicted[2 * count + 2] = oldest, lines[DIRTY, oldest]
            evicted[0] = count + 1
        lines[:, oldest] = 0
    return int(hit), int(size - hit)
