"""Plain Python models of the chip-wide memories: banks chunk by chunk, and a cache in partitions with dictionaries."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from memsim.engine.dram import ROW_WORDS, SHAPE_WORDS
from memsim.engine.memory import BETWEEN, CACHE, COUNTED, DRAM, SHARED, Memory, empty_memory

ROLES = {"dram": DRAM, "shared": SHARED, "cache": CACHE, "partitions": BETWEEN}
FACTORS = {1: 1, 32: 7, 64: 25, 128: 23, 256: 27, 512: 33, 1024: 107, 2048: 367, 4096: 825}
"""By segments of a page."""


def spread(segment: int, ways: int) -> int:
    """The way of a segment: its page, which is a power of two, is reordered, and each way has an equal stretch."""
    page = next(page for page in FACTORS if page >= min(4096, 16 * ways if ways > 1 else 1))
    return math.floor(Fraction(segment * FACTORS[page] % page, page) * ways)


class Banks:
    """Banks behind ports, chunk by chunk: what each is busy with."""

    def __init__(self, first: int, ports: int, per_port: int, chunk: int, num: int, den: int, latency: int) -> None:
        self.row = (first, ports, per_port, chunk, num, den, latency)
        self.first, self.ports, self.per_port, self.chunk = first, ports, per_port, chunk
        self.num, self.den, self.latency = num, den, latency
        self.free_at = [0] * ports * per_port
        self.ends = [Fraction(0)] * ports * per_port
        """When each is free, exactly."""
        self.busy = [0] * ports * per_port

    def serve(self, port: int, segment: int, size: int, head: int) -> tuple[int, int]:
        """Earliest start and latest end."""
        loads = [0] * self.per_port
        origin = spread(segment, self.ports * self.per_port) % self.per_port
        for number, begin in enumerate(range(0, size, self.chunk)):
            loads[(origin + number) % self.per_port] += min(self.chunk, size - begin)
        assert sum(loads) == size
        starts, ends = [], []
        for bank, load in enumerate(loads, port * self.per_port):
            if load:
                starts.append(self.occupy(bank, load, head))
                ends.append(self.free_at[bank])
        return min(starts), max(ends)

    def occupy(self, bank: int, size: int, head: int) -> int:
        """The tick at which one bank starts to move some bytes."""
        start = max(head, self.free_at[bank])
        begin = self.ends[bank] if head < self.free_at[bank] else head  # within the last tick, if it has not passed
        self.ends[bank] = begin + Fraction(size * self.den, self.num)
        self.free_at[bank] = math.ceil(self.ends[bank])
        self.busy[bank] += self.free_at[bank] - start
        return start


class Line:
    """What a partition of a cache keeps of a segment: bytes present, bytes dirty, and when the last fill arrives."""

    def __init__(self) -> None:
        self.valid = self.dirty = self.ready = 0


class Caches:
    """A cache cut into partitions in front of a DRAM without a part: what `memsim.engine.memory` does.

    Each partition is a dictionary from segments to lines, the oldest first.
    """

    def __init__(
        self,
        capacity: int,
        write_back: bool,
        dram: Banks,
        slices: Banks,
        way: Banks | None = None,
        bases: Sequence[int] = (0,),
    ) -> None:
        self.capacity, self.write_back, self.dram, self.slices, self.way = capacity, write_back, dram, slices, way
        self.bases = bases
        self.partitions: list[OrderedDict[int, Line]] = [OrderedDict() for _ in range(way.ports if way else 1)]
        self.each = slices.ports // len(self.partitions)
        """Ports of a partition."""
        self.counts: Counter[tuple[str, int]] = Counter()

    def home(self, segment: int) -> int:
        """The port of the slices where a segment is at home."""
        return spread(segment, self.slices.ports * self.slices.per_port) // self.slices.per_port

    def port_of(self, segment: int, partition: int) -> int:
        """The port through which a core of a partition reads a segment."""
        return partition * self.each + self.home(segment) % self.each

    def read(self, partition: int, segment: int, size: int, tick: int) -> tuple[int, int, int]:
        """Ticks of the first and last byte, and what was fetched from the DRAM."""
        port = self.port_of(segment, partition)
        first, last, fetched = self.look_up(partition, port, segment, size, size, tick)
        return first + self.slices.latency, last + self.slices.latency, fetched

    def look_up(
        self, at: int, port: int, segment: int, size: int, wanted: int, tick: int, late: int = 0
    ) -> tuple[int, int, int]:
        """Read the last ``wanted`` of so many bytes of a segment from one partition: first and last tick, fetched.

        Who asks from another partition is ``late``: all ticks here are so much before those of a clock.
        """
        begin, end = self.slices.serve(port, segment, wanted, tick)
        missing = self.keep(at, segment, size, False, tick)
        line = self.partitions[at].get(segment, Line())
        first, filled, fetched = begin, line.ready - late, 0
        if missing:
            start, done, fetched = self.fetch(at, segment, size, missing, begin)
            filled = max(filled, done)
            first = start if missing >= wanted else first
            if size <= self.capacity:
                line.ready = filled + late
        elif filled > tick:  # on its way: it is not there before it has arrived
            first = max(first, filled)
        return first, max(end, filled), fetched

    def fetch(self, at: int, segment: int, size: int, missing: int, tick: int) -> tuple[int, int, int]:
        """Get what a partition misses from home, and at home from the DRAM."""
        home = self.home(segment) // self.each
        if at == home:
            start, end = self.dram.serve(0, segment, missing, tick)
            return start + self.dram.latency, end + self.dram.latency, missing
        assert self.way is not None
        # what it passes is held from now on; that it comes there, and back, a latency later is added at the end
        first, last, fetched = self.look_up(home, self.home(segment), segment, size, missing, tick, self.way.latency)
        begin = max(first, self.way.occupy(at, missing, tick))
        end = max(last, begin + math.ceil(missing * self.way.den / self.way.num))
        self.count("between partitions", segment, missing)
        return begin + 2 * self.way.latency, end + 2 * self.way.latency, fetched

    def write(self, segment: int, size: int, tick: int) -> int:
        """Write to the segment's home: the tick at which the slices have taken it."""
        home = self.home(segment) // self.each
        taken = self.slices.serve(self.home(segment), segment, size, tick)[1]
        for number, lines in enumerate(self.partitions):
            if number != home:
                lines.pop(segment, None)
        self.keep(home, segment, size, self.write_back, tick)
        if not self.write_back:
            self.hand_on("written through", segment, size, tick)
        return taken

    def keep(self, at: int, segment: int, size: int, dirty: bool, tick: int) -> int:
        """Bytes that a partition misses; the segment becomes its newest."""
        lines = self.partitions[at]
        if size > self.capacity:
            if dirty:
                self.hand_on("written back", segment, size, tick)
            return size
        line = lines.setdefault(segment, Line())
        lines.move_to_end(segment)
        missing = max(0, size - line.valid)
        line.valid += missing
        line.dirty = max(line.dirty, size) if dirty else line.dirty
        while sum(kept.valid for kept in lines.values()) > self.capacity:
            oldest, gone = lines.popitem(last=False)
            if gone.dirty:
                self.hand_on("written back", oldest, gone.dirty, tick)
        return missing

    def hand_on(self, kind: str, segment: int, size: int, tick: int) -> None:
        """Bytes that the DRAM takes."""
        self.dram.serve(0, segment, size, tick)
        self.count(kind, segment, size)

    def count(self, kind: str, segment: int, size: int) -> None:
        """Count bytes for the tensor of a segment."""
        self.counts[kind, max(i for i, base in enumerate(self.bases) if base <= segment)] += size

    def lines(self) -> list[list[int]]:
        """What `memsim.engine.memory.lines_by_age` tells."""
        return [
            [segment, line.valid, line.dirty, line.ready, number]
            for number, lines in enumerate(self.partitions)
            for segment, line in lines.items()
        ]

    def memory(self, segments: int) -> Memory:
        """The compiled memory with the same parts."""
        parts = {"dram": self.dram, "cache": self.slices} | ({"partitions": self.way} if self.way else {})
        return compiled_memory(parts, segments, self.bases, self.capacity, self.write_back)


def compiled_memory(
    parts: dict[str, Banks], segments: int, bases: Sequence[int] = (0,), capacity: int = 0, write_back: bool = True
) -> Memory:
    """An empty memory with these banks, without a DRAM part."""
    rows = np.zeros((len(ROLES), ROW_WORDS), dtype=np.int64)
    for role, banks in parts.items():
        rows[ROLES[role], : len(banks.row)] = banks.row
    count = sum(len(banks.free_at) for banks in parts.values())
    return empty_memory(
        banks=rows,
        count=count,
        dram_banks=0,
        segments=segments,
        bases=np.array(bases, dtype=np.int64),
        shapes=np.zeros((len(bases), SHAPE_WORDS), dtype=np.int64),
        capacity=capacity,
        partitions=parts["partitions"].ports if "partitions" in parts else 1,
        write_back=write_back,
    )


def counted(memory: Memory) -> Counter[tuple[str, int]]:
    """`Memory.counts` by kind and tensor."""
    return Counter({(COUNTED[i], tensor): int(memory.counts[i, tensor]) for i, tensor in np.argwhere(memory.counts)})
