"""The chip-wide memories while a program runs: banks, and a cache in front of the DRAM, as arrays and jitted functions.

Both engines call `read` and `write`, once a transfer and port, in the order of arrival. A transfer's *pieces* are
(segment, bytes) pairs, see `memsim.engine.layout`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from memsim.compiled import compiled
from memsim.engine.servers import LATENCY, Array, serve_banks

DRAM, SHARED, CACHE = 0, 1, 2
"""Rows of `Memory.banks`."""
VALID, DIRTY, READY, SEGMENT, OLDER, NEWER = range(6)
"""Columns of `Memory.lines`: bytes present, bytes dirty, tick at which the fill arrives, and the ring by age."""
CAPACITY, WRITE_BACK, USED, FREE, FRESH = range(5)
"""Entries of `Memory.cache`: capacity (0: no cache), bytes used, first free line, first line never used."""


class Memory(NamedTuple):
    """State of all chip-wide memories. Lines are in a ring from the oldest to the newest through line 0."""

    banks: Array
    """Parameters (`memsim.engine.servers`) of DRAM, shared memory and cache: shape (3, 7)."""
    free_at: Array
    """Tick from which each bank is free."""
    busy: Array
    """Ticks for which each bank has been busy."""
    cache: Array
    lines: Array
    line_of: np.ndarray[Any, np.dtype[np.int32]]
    """The line of each segment, or 0."""
    bases: Array
    """First segment of each tensor, ascending."""
    written_back: Array
    """Bytes of each tensor that eviction wrote back."""
    written_through: Array
    """Bytes of each tensor that a write-through cache handed on."""


def empty_memory(banks: Array, count: int, segments: int, bases: Array, capacity: int, write_back: bool) -> Memory:
    """A memory in which nothing has happened; pages of the big arrays are not touched before they are needed."""
    lines = np.empty((segments + 1 if capacity else 1, 6), dtype=np.int64)
    lines[0] = 0
    cache = np.array([capacity, write_back, 0, 0, 1], dtype=np.int64)
    zeros = [np.zeros(n, dtype=np.int64) for n in (count, count, len(bases), len(bases))]
    line_of = np.zeros(segments if capacity else 1, dtype=np.int32)
    return Memory(banks, zeros[0], zeros[1], cache, lines, line_of, bases, zeros[2], zeros[3])


@compiled
def read(
    memory: Memory, role: int, port: int, words: Array, first_piece: int, pieces: int, tick: int
) -> tuple[int, int, int]:
    """Read pieces, pairs of words from ``first_piece`` on: (tick of the first byte, of the last, bytes DRAM sent)."""
    first, last, fetched = 2**62, 0, 0
    if role == DRAM and memory.cache[CAPACITY] > 0:
        for i in range(first_piece, first_piece + 2 * pieces, 2):
            a, b, miss = _read_cached(memory, port, words[i], words[i + 1], tick)
            first, last, fetched = min(first, a), max(last, b), fetched + miss
        return int(first), int(last), int(fetched)
    row = memory.banks[role]
    for i in range(first_piece, first_piece + 2 * pieces, 2):
        a, b = serve_banks(row, memory.free_at, memory.busy, port, words[i], words[i + 1], tick)
        first, last = min(first, a), max(last, b)
    return int(first + row[LATENCY]), int(last + row[LATENCY]), 0


@compiled
def write(memory: Memory, role: int, port: int, words: Array, first_piece: int, pieces: int, tick: int) -> int:
    """Write pieces, pairs of words from ``first_piece`` on: the tick at which the memory has taken the last byte."""
    cached = role == DRAM and memory.cache[CAPACITY] > 0
    row = memory.banks[CACHE if cached else role]
    last = 0
    for i in range(first_piece, first_piece + 2 * pieces, 2):
        _, end = serve_banks(row, memory.free_at, memory.busy, port, words[i], words[i + 1], tick)
        last = max(last, end)
    if cached:
        for i in range(first_piece, first_piece + 2 * pieces, 2):
            segment, size = words[i], words[i + 1]
            if memory.cache[WRITE_BACK]:
                _touch(memory, segment, size, True, tick)
            else:
                _touch(memory, segment, size, False, tick)
                serve_banks(memory.banks[DRAM], memory.free_at, memory.busy, 0, segment, size, tick)
                memory.written_through[owner(memory, segment)] += size
    return int(last)


@compiled
def owner(memory: Memory, segment: int) -> int:
    """The tensor that a segment belongs to."""
    low, high = 0, len(memory.bases)
    while high - low > 1:
        middle = (low + high) // 2
        if memory.bases[middle] <= segment:
            low = middle
        else:
            high = middle
    return low


@compiled
def _read_cached(memory: Memory, port: int, segment: int, size: int, tick: int) -> tuple[int, int, int]:
    slices, dram = memory.banks[CACHE], memory.banks[DRAM]
    begin, finish = serve_banks(slices, memory.free_at, memory.busy, port, segment, size, tick)
    first, last = begin, finish
    miss = _touch(memory, segment, size, False, tick)
    line = memory.line_of[segment]
    filled = memory.lines[line, READY] if line else 0  # an earlier miss may still be on its way: wait for it
    if miss:
        start, end = serve_banks(dram, memory.free_at, memory.busy, 0, segment, miss, begin)
        first = start + dram[LATENCY] if miss == size else first
        filled = max(filled, end + dram[LATENCY])
        if size <= memory.cache[CAPACITY]:
            memory.lines[line, READY] = filled
    elif filled > tick:
        first = max(first, filled)
    return first + slices[LATENCY], max(last, filled) + slices[LATENCY], miss


@compiled
def _touch(memory: Memory, segment: int, size: int, dirty: bool, tick: int) -> int:
    """Make a segment the newest, with at least ``size`` bytes present; returns the bytes that were missing.

    A write allocates without fetching. Dirty segments that must leave are written back. A segment larger than the
    cache is not kept: its bytes all miss, and a write goes through.
    """
    cache, lines = memory.cache, memory.lines
    if size > cache[CAPACITY]:
        if dirty:
            _write_back(memory, segment, size, tick)
        return size
    line = memory.line_of[segment]
    if line:
        _unlink(lines, line)
    else:
        line = _new_line(memory, segment)
    newest = lines[0, OLDER]
    lines[line, OLDER], lines[line, NEWER] = newest, 0
    lines[newest, NEWER], lines[0, OLDER] = line, line
    miss = size - min(size, lines[line, VALID])
    cache[USED] += miss
    lines[line, VALID] += miss
    if dirty:
        lines[line, DIRTY] = max(lines[line, DIRTY], size)
    while cache[USED] > cache[CAPACITY]:
        _evict(memory, lines[0, NEWER], tick)
    return int(miss)


@compiled
def _new_line(memory: Memory, segment: int) -> int:
    cache, lines = memory.cache, memory.lines
    line = cache[FREE]
    if line:
        cache[FREE] = lines[line, NEWER]
    else:
        line = cache[FRESH]
        cache[FRESH] += 1
    lines[line, VALID] = lines[line, DIRTY] = lines[line, READY] = 0
    lines[line, SEGMENT] = segment
    memory.line_of[segment] = line
    return int(line)


@compiled
def _evict(memory: Memory, line: int, tick: int) -> None:
    cache, lines = memory.cache, memory.lines
    _unlink(lines, line)
    cache[USED] -= lines[line, VALID]
    memory.line_of[lines[line, SEGMENT]] = 0
    if lines[line, DIRTY] > 0:
        _write_back(memory, lines[line, SEGMENT], lines[line, DIRTY], tick)
    lines[line, NEWER] = cache[FREE]
    cache[FREE] = line


@compiled
def _unlink(lines: Array, line: int) -> None:
    older, newer = lines[line, OLDER], lines[line, NEWER]
    lines[older, NEWER] = newer
    lines[newer, OLDER] = older


@compiled
def _write_back(memory: Memory, segment: int, size: int, tick: int) -> None:
    serve_banks(memory.banks[DRAM], memory.free_at, memory.busy, 0, segment, size, tick)
    memory.written_back[owner(memory, segment)] += size


@compiled
def lines_by_age(memory: Memory) -> Array:
    """(segment, valid, dirty, ready) of each line in the cache, the oldest first."""
    count = 0
    line = memory.lines[0, NEWER]
    while line:
        count += 1
        line = memory.lines[line, NEWER]
    found = np.empty((count, 4), dtype=np.int64)
    line = memory.lines[0, NEWER]
    for i in range(count):
        found[i, 0] = memory.lines[line, SEGMENT]
        found[i, 1] = memory.lines[line, VALID]
        found[i, 2] = memory.lines[line, DIRTY]
        found[i, 3] = memory.lines[line, READY]
        line = memory.lines[line, NEWER]
    return found


def line_numbers(memory: Memory) -> Array:
    """The lines in use, the oldest first."""
    found = []
    line = int(memory.lines[0, NEWER])
    while line:
        found.append(line)
        line = int(memory.lines[line, NEWER])
    return np.array(found, dtype=np.int64)
