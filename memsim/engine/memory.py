"""The chip-wide memories while a program runs: banks, and a cache in front of the DRAM, as arrays and jitted functions.

Both engines call `read` and `write`, once a transfer and port, in the order of arrival. A transfer's *pieces* are
(segment, bytes, contiguous runs), see `memsim.engine.layout`.

A cache may be cut into partitions. A core asks the nearest; each keeps what its own cores read. A segment has a home,
by its address: where a partition that is not its home misses, it asks there, and the home asks the DRAM. Writes go
home, and drop the copies.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from memsim.compiled import bare, bare_inlined, compiled
from memsim.engine.dram import BURST, KEY_BITS, RUNS, serve_channels
from memsim.engine.servers import DEN, FIRST, LATENCY, NUM, PER_PORT, PORTS, Array, port_of, serve_bank, serve_banks

DRAM, SHARED, CACHE, BETWEEN = 0, 1, 2, 3
"""Rows of `Memory.banks`; the last is the way between partitions of the cache, a server for each that receives."""
PIECE_WORDS = 3
"""Segment, bytes, contiguous runs."""
VALID, DIRTY, READY, SEGMENT, PARTITION, OLDER, NEWER, LINE_WORDS = range(8)
"""Columns of `Memory.lines`: bytes present, bytes dirty, tick at which the fill arrives, and the ring by age."""
CAPACITY, WRITE_BACK, PARTITIONS, FREE, FRESH, SEGMENTS, USED = range(7)
"""Entries of `Memory.cache`: capacity of a partition (0: no cache), first free line, first line never used, segments
of all tensors, and from USED on the bytes used in each partition."""
COUNTED = ("written back", "written through", "rows opened", "read beyond", "written beyond", "between partitions")
"""Rows of `Memory.counts`: bytes that eviction wrote back, and that a write-through cache handed on; rows of DRAM
opened; bytes of bursts beyond those asked for; bytes that went from one partition of the cache to another."""
WRITTEN_BACK, WRITTEN_THROUGH, ACTIVATED, OVERREAD, OVERWRITTEN, CROSSED = range(len(COUNTED))


class Memory(NamedTuple):
    """State of all chip-wide memories.

    The lines of a partition are in a ring from the oldest to the newest, through one that holds nothing: its number
    is the partition's.
    """

    banks: Array
    """Parameters (`memsim.engine.servers`, `memsim.engine.dram`): a row for each memory."""
    free_at: Array
    """Tick from which each bank is free."""
    busy: Array
    """Ticks for which each bank has been busy."""
    spare: Array
    """Of the last tick of each bank, the part that it has to spare (`memsim.engine.servers.serve_bytes`)."""
    directions: Array
    """What each channel of the DRAM did last: 0 read, 1 wrote."""
    open_rows: Array
    """What each bank of each channel has open (`memsim.engine.dram`); 0 for nothing."""
    cache: Array
    lines: Array
    line_of: np.ndarray[Any, np.dtype[np.int32]]
    """The line of each segment in each partition, or 0."""
    bases: Array
    """First segment of each tensor, ascending."""
    shapes: Array
    """How each tensor lies in DRAM (`memsim.engine.dram`)."""
    counts: Array
    """What no instruction can be told of, for each tensor."""


def empty_memory(
    banks: Array,
    count: int,
    dram_banks: int,
    segments: int,
    bases: Array,
    shapes: Array,
    capacity: int,
    partitions: int,
    write_back: bool,
) -> Memory:
    """A memory in which nothing has happened; pages of the big arrays are not touched before they are needed."""
    places = partitions * segments if capacity else 0
    lines = np.empty((places + partitions, LINE_WORDS), dtype=np.int64)
    lines[:partitions] = 0
    lines[:partitions, OLDER] = lines[:partitions, NEWER] = np.arange(partitions)
    cache = np.array([capacity, write_back, partitions, 0, partitions, segments, *[0] * partitions], dtype=np.int64)
    free_at, busy, spare, directions = (np.zeros(count, dtype=np.int64) for _ in range(4))
    line_of = np.zeros(max(places, 1), dtype=np.int32)
    counts = np.zeros((len(COUNTED), len(bases)), dtype=np.int64)
    open_rows = np.zeros(dram_banks, dtype=np.int64)
    return Memory(banks, free_at, busy, spare, directions, open_rows, cache, lines, line_of, bases, shapes, counts)


@compiled
def read(
    memory: Memory, role: int, port: int, words: Array, first_piece: int, pieces: int, tick: int
) -> tuple[int, int, int]:
    """Read pieces, in words from ``first_piece`` on: (tick of the first byte, of the last, bytes DRAM sent)."""
    first, last, fetched = 2**62, 0, 0
    end = first_piece + PIECE_WORDS * pieces
    if role == DRAM and memory.cache[CAPACITY] > 0:
        for i in range(first_piece, end, PIECE_WORDS):
            a, b, miss = _read_cached(memory, port, words[i], words[i + 1], words[i + 2], tick)
            first, last, fetched = min(first, a), max(last, b), fetched + miss
        return int(first), int(last), int(fetched)
    latency = memory.banks[role][LATENCY]
    for i in range(first_piece, end, PIECE_WORDS):
        if role == DRAM:
            a, b = _use_dram(memory, port, words[i], words[i + 1], words[i + 2], 0, tick)
        else:
            a, b = serve_banks(
                memory.banks[role], memory.free_at, memory.busy, memory.spare, port, words[i], words[i + 1], tick
            )
        first, last = min(first, a), max(last, b)
    return int(first + latency), int(last + latency), 0


@compiled
def write(memory: Memory, role: int, port: int, words: Array, first_piece: int, pieces: int, tick: int) -> int:
    """Write pieces, in words from ``first_piece`` on: the tick at which the memory has taken the last byte."""
    cached = role == DRAM and memory.cache[CAPACITY] > 0
    end = first_piece + PIECE_WORDS * pieces
    last = 0
    for i in range(first_piece, end, PIECE_WORDS):
        if role == DRAM and not cached:
            _, done = _use_dram(memory, port, words[i], words[i + 1], words[i + 2], 1, tick)
        else:
            row = memory.banks[CACHE if cached else role]
            _, done = serve_banks(row, memory.free_at, memory.busy, memory.spare, port, words[i], words[i + 1], tick)
        last = max(last, done)
    if cached:
        for i in range(first_piece, end, PIECE_WORDS):
            _write_cached(memory, words[i], words[i + 1], words[i + 2], tick)
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


@bare
def _use_dram(memory: Memory, port: int, segment: int, size: int, runs: int, write: int, tick: int) -> tuple[int, int]:
    """Move a piece to or from the DRAM: (earliest start, latest finish) over the channels, without the latency."""
    row = memory.banks[DRAM]
    if row[BURST] == 0:
        return serve_banks(row, memory.free_at, memory.busy, memory.spare, port, segment, size, tick)
    tensor = owner(memory, segment)
    begin, finish, rows, moved = serve_channels(
        row, memory.shapes[tensor], memory.free_at, memory.busy, memory.directions, memory.open_rows,
        port, tensor, segment - memory.bases[tensor], size, runs, write, tick,
    )  # fmt: skip
    memory.counts[ACTIVATED, tensor] += rows
    memory.counts[OVERWRITTEN if write else OVERREAD, tensor] += moved - size
    return int(begin), int(finish)


# ---- the cache ----


@bare_inlined
def _line_of(memory: Memory, partition: int, segment: int) -> int:
    return memory.line_of[partition * memory.cache[SEGMENTS] + segment]  # type: ignore[no-any-return]


@bare_inlined
def _home(memory: Memory, segment: int) -> int:
    """The port behind which a segment is at home."""
    ports = memory.banks[CACHE, PORTS]
    return port_of(segment, ports, ports * memory.banks[CACHE, PER_PORT])


@bare_inlined
def _share(runs: int, part: int, size: int) -> int:
    """Contiguous runs of a part of so many bytes."""
    return (runs * part + size - 1) // size


@bare
def _read_cached(memory: Memory, port: int, segment: int, size: int, runs: int, tick: int) -> tuple[int, int, int]:
    """Read a piece from the partition behind a port: (tick of the first byte, of the last, bytes DRAM sent)."""
    slices, per_partition = memory.banks[CACHE], memory.banks[CACHE, PORTS] // memory.cache[PARTITIONS]
    partition = port // per_partition
    begin, finish = serve_banks(slices, memory.free_at, memory.busy, memory.spare, port, segment, size, tick)
    first, last = begin, finish
    miss = _touch(memory, partition, segment, size, runs, False, tick)
    line = _line_of(memory, partition, segment)
    filled = memory.lines[line, READY] if line else 0  # an earlier miss may be on its way: wait for it
    fetched = 0
    if miss:
        home = _home(memory, segment)
        if home // per_partition == partition:
            start, end = _fill(memory, segment, miss, _share(runs, miss, size), begin)
            fetched = miss
        else:
            start, end, fetched = _fill_from(memory, home, partition, segment, size, miss, runs, begin)
        first = start if miss == size else first
        filled = max(filled, end)
        if size <= memory.cache[CAPACITY]:
            memory.lines[line, READY] = filled
    elif filled > tick:
        first = max(first, filled)
    return int(first + slices[LATENCY]), int(max(last, filled) + slices[LATENCY]), int(fetched)


@bare
def _fill(memory: Memory, segment: int, miss: int, runs: int, tick: int) -> tuple[int, int]:
    """Fetch what a segment misses from the DRAM: ticks at which the first and the last byte are in the cache."""
    start, end = _use_dram(memory, 0, segment, miss, runs, 0, tick)
    return int(start + memory.banks[DRAM, LATENCY]), int(end + memory.banks[DRAM, LATENCY])


@bare
def _fill_from(
    memory: Memory, port: int, partition: int, segment: int, size: int, miss: int, runs: int, tick: int
) -> tuple[int, int, int]:
    """Fetch the last ``miss`` bytes of a piece from the port behind which it is at home, and perhaps from the DRAM.

    All that it passes is held from now on, and the ways between are added after: held from when the request will be
    there, it would keep out those who come before.
    """
    slices, way = memory.banks[CACHE], memory.banks[BETWEEN]
    first, last = serve_banks(slices, memory.free_at, memory.busy, memory.spare, port, segment, miss, tick)
    home = port // (slices[PORTS] // memory.cache[PARTITIONS])
    fetched = _touch(memory, home, segment, size, runs, False, tick)
    line = _line_of(memory, home, segment)
    filled = memory.lines[line, READY] - way[LATENCY] if line else 0
    if fetched:
        start, end = _fill(memory, segment, fetched, _share(runs, fetched, size), first)
        first = start if fetched >= miss else first
        filled = max(filled, end)
        if size <= memory.cache[CAPACITY]:
            memory.lines[line, READY] = filled + way[LATENCY]
    elif filled > tick:
        first = max(first, filled)
    server = way[FIRST] + partition
    passing = serve_bank(memory.free_at, memory.busy, memory.spare, server, miss, way[NUM], way[DEN], tick)
    memory.counts[CROSSED, owner(memory, segment)] += miss
    begin = max(first, passing)
    end = max(last, filled, begin + memory.free_at[server] - passing)
    return int(begin + 2 * way[LATENCY]), int(end + 2 * way[LATENCY]), int(fetched)


@bare
def _write_cached(memory: Memory, segment: int, size: int, runs: int, tick: int) -> None:
    """Put a piece into the cache at its home, and on into the DRAM if the cache writes through."""
    partitions = memory.cache[PARTITIONS]
    home = _home(memory, segment) // (memory.banks[CACHE, PORTS] // partitions)
    for partition in range(partitions):
        line = _line_of(memory, partition, segment)
        if partition != home and line:
            _drop(memory, line)
    write_back = memory.cache[WRITE_BACK] == 1
    _touch(memory, home, segment, size, runs, write_back, tick)
    if not write_back:
        _use_dram(memory, 0, segment, size, runs, 1, tick)
        memory.counts[WRITTEN_THROUGH, owner(memory, segment)] += size


@bare
def _touch(memory: Memory, partition: int, segment: int, size: int, runs: int, dirty: bool, tick: int) -> int:
    """Make a segment the newest, with at least ``size`` bytes present; returns the bytes that were missing.

    A write allocates without fetching. Dirty segments that must leave are written back. A segment larger than a
    partition is not kept: its bytes all miss, and a write goes through.
    """
    cache, lines = memory.cache, memory.lines
    if size > cache[CAPACITY]:
        if dirty:
            _write_back(memory, segment, size, runs, tick)
        return int(size)
    line = _line_of(memory, partition, segment)
    if line:
        _unlink(lines, line)
    else:
        line = _new_line(memory, partition, segment)
    newest = lines[partition, OLDER]
    lines[line, OLDER], lines[line, NEWER] = newest, partition
    lines[newest, NEWER], lines[partition, OLDER] = line, line
    miss = size - min(size, lines[line, VALID])
    cache[USED + partition] += miss
    lines[line, VALID] += miss
    if dirty:
        lines[line, DIRTY] = max(lines[line, DIRTY], size)
    while cache[USED + partition] > cache[CAPACITY]:
        _evict(memory, lines[partition, NEWER], tick)
    return int(miss)


@bare
def _new_line(memory: Memory, partition: int, segment: int) -> int:
    cache, lines = memory.cache, memory.lines
    line = cache[FREE]
    if line:
        cache[FREE] = lines[line, NEWER]
    else:
        line = cache[FRESH]
        cache[FRESH] += 1
    lines[line, VALID] = lines[line, DIRTY] = lines[line, READY] = 0
    lines[line, SEGMENT], lines[line, PARTITION] = segment, partition
    memory.line_of[partition * cache[SEGMENTS] + segment] = line
    return int(line)


@bare
def _evict(memory: Memory, line: int, tick: int) -> None:
    """Drop a line, with its dirty bytes written back. What they lie in was written whole: one run a row of it."""
    segment, dirty = memory.lines[line, SEGMENT], memory.lines[line, DIRTY]
    _drop(memory, line)
    if dirty > 0:
        runs = memory.shapes[owner(memory, segment), RUNS]
        _write_back(memory, segment, dirty, min(runs, dirty), tick)


@bare
def _drop(memory: Memory, line: int) -> None:
    cache, lines = memory.cache, memory.lines
    _unlink(lines, line)
    partition = lines[line, PARTITION]
    cache[USED + partition] -= lines[line, VALID]
    memory.line_of[partition * cache[SEGMENTS] + lines[line, SEGMENT]] = 0
    lines[line, NEWER] = cache[FREE]
    cache[FREE] = line


@bare
def _unlink(lines: Array, line: int) -> None:
    older, newer = lines[line, OLDER], lines[line, NEWER]
    lines[older, NEWER] = newer
    lines[newer, OLDER] = older


@bare
def _write_back(memory: Memory, segment: int, size: int, runs: int, tick: int) -> None:
    _use_dram(memory, 0, segment, size, runs, 1, tick)
    memory.counts[WRITTEN_BACK, owner(memory, segment)] += size


# ---- for folding and for the ledger ----


def counts_of_none(kind: int = 0, amount: int = 0) -> list[int]:
    """Counts of one tensor, by `COUNTED`, all 0 but one."""
    return [amount if i == kind else 0 for i in range(len(COUNTED))]


@compiled
def line_numbers(memory: Memory) -> Array:
    """The lines in use, by partition, the oldest first."""
    count = 0
    for fill in range(2):
        if fill:
            found = np.empty(count, dtype=np.int64)
            count = 0
        for partition in range(memory.cache[PARTITIONS] if memory.cache[CAPACITY] else 0):
            line = memory.lines[partition, NEWER]
            while line != partition:
                if fill:
                    found[count] = line
                count += 1
                line = memory.lines[line, NEWER]
    return found


def lines_by_age(memory: Memory) -> Array:
    """(segment, valid, dirty, ready, partition) of each line in the cache: by partition, the oldest first."""
    lines: Array = memory.lines[line_numbers(memory)][:, [SEGMENT, VALID, DIRTY, READY, PARTITION]]
    return lines


def owners_of(memory: Memory, segments: Array) -> Array:
    """The tensor that each segment belongs to."""
    found: Array = np.searchsorted(memory.bases, segments, side="right") - 1
    return found


def moved_rows(open_rows: Array, moves: Array) -> Array:
    """What the banks have open when the regions of each tensor are so many further on."""
    moved = open_rows.copy()
    full = open_rows > 0
    moved[full] += moves[(open_rows[full] >> KEY_BITS) - 1]
    return moved


def move_lines(memory: Memory, moves: Array) -> None:
    """Let the lines of each tensor stand for segments so many further on."""
    lines = line_numbers(memory)
    segments, first = memory.lines[lines, SEGMENT], memory.lines[lines, PARTITION] * memory.cache[SEGMENTS]
    moved = segments + moves[owners_of(memory, segments)]
    memory.line_of[first + segments] = 0
    memory.lines[lines, SEGMENT] = moved
    memory.line_of[first + moved] = lines
