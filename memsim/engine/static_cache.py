"""What the cache in front of the DRAM will do, told without running: exactly where the order is static, else in bounds.

The cache works on segments, by the order in which transfers reach it. That order is known before running where each
kernel has one *feeder*, a queue of a block that alone uses the DRAM (or one after another, where blocks follow each
other on one core), and nothing on the way can change it. Then the accesses are replayed, untimed, through the engine's
own cache; and the stack distances of the reads tell what a cache of any other capacity would fetch.

Where several queues meet, what hits depends on how they interleave. Then it is bounded: what is fetched, by the bytes
that differ (compulsory misses) and by all that is read; what is written back, by the bytes that differ and by all that
is written. Where all that a program touches fits the cache, nothing is ever evicted: both bounds meet again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from memsim.caches.stack_distance import COLD, stack_distances
from memsim.engine.compile_plan import make_plan
from memsim.engine.extents import Extent, Extents
from memsim.engine.hardware import Hardware, memory_node, node_of
from memsim.engine.memory import PIECE_WORDS, WRITTEN_BACK, WRITTEN_THROUGH
from memsim.engine.plan import GroupPlan, KernelPlan, LoopNode, Node, QueuePlan, Step
from memsim.engine.running import Running
from memsim.hierarchy import Chip
from memsim.isa import analyze
from memsim.isa.model import Program, Store

MOST_STEPS = 500_000
"""Executions of instructions, in queues that use the DRAM, up to which accesses are enumerated."""


@dataclass(frozen=True)
class CacheTraffic:
    """Bytes at the cache of a chip, over a whole program; (least, most) where they depend on timing."""

    read_bytes: int
    """Asked for by loads."""
    written_bytes: int
    """Written by stores."""
    fetched_bytes: tuple[int, int]
    """Misses: from the DRAM."""
    stored_bytes: tuple[int, int]
    """Written to the DRAM: on eviction, at the end, or through."""
    reason: str
    """Why it is exact, or only bounded."""
    curve: tuple[tuple[int, int], ...] = ()
    """(capacity, bytes fetched) for other capacities, where the order is static."""

    @property
    def exact(self) -> bool:
        """Whether nothing depends on timing."""
        return self.fetched_bytes[0] == self.fetched_bytes[1] and self.stored_bytes[0] == self.stored_bytes[1]

    @property
    def hit_bytes(self) -> tuple[int, int]:
        """Least and most that loads find in the cache."""
        return self.read_bytes - self.fetched_bytes[1], self.read_bytes - self.fetched_bytes[0]


@dataclass(frozen=True, slots=True)
class _Access:
    step: Step
    extent: Extent

    @property
    def writes(self) -> bool:
        return isinstance(self.step.instruction, Store)

    def pieces(self) -> Iterator[tuple[int, int]]:
        """(segment, bytes) by port."""
        for part in self.extent.parts:
            words = part.words.tolist()
            yield from zip(words[::PIECE_WORDS], words[1::PIECE_WORDS], strict=True)


@dataclass(slots=True)
class _Feeder:
    """A queue of a block with its accesses to the DRAM, in its order."""

    block: int
    core: int
    accesses: list[_Access] = field(default_factory=list)


def cache_traffic(program: Program, chip: Chip) -> CacheTraffic | None:
    """Hits, misses and write-backs of the chip's cache; None if the chip has none.

    The program is taken to pass `verify` against the chip.
    """
    if chip.cache is None:
        return None
    plan = make_plan(program, chip)
    hardware = Hardware(plan)
    steps = _dram_steps(program)
    if steps > MOST_STEPS:
        read, written = _static_bytes(program)
        through = 0 if chip.cache.write_back else written
        return CacheTraffic(read, written, (0, read), (through, written), f"more than {MOST_STEPS:,} steps to follow")
    kernels = [_feeders(hardware, kernel) for kernel in plan.kernels]
    bounds = _bounds(kernels, chip)
    if bounds.exact:
        return bounds
    for kernel, feeders in zip(plan.kernels, kernels, strict=True):
        why = _unordered(hardware, kernel, feeders)
        if why:
            return CacheTraffic(bounds.read_bytes, bounds.written_bytes, bounds.fetched_bytes, bounds.stored_bytes, why)
    return _replayed(hardware, kernels, bounds)


# ---- what is accessed ----


def _dram_steps(program: Program) -> int:
    """Executions of all instructions in queues that access the DRAM."""
    counts: dict[tuple[str, str, str], int] = {}
    using = set()
    for e in analyze(program).executions:
        queue = e.kernel, e.group, e.queue
        counts[queue] = counts.get(queue, 0) + e.count
        if e.bytes:
            using.add(queue)
    return sum(counts[queue] for queue in using)


def _static_bytes(program: Program) -> tuple[int, int]:
    totals = analyze(program)
    return totals.bytes_read.get("dram", 0), totals.bytes_written.get("dram", 0)


def _feeders(hardware: Hardware, kernel: KernelPlan) -> list[_Feeder]:
    """The queues of a kernel that access the DRAM, in the order of blocks."""
    extents, found = Extents(hardware), []
    for group in kernel.groups:
        queues = [queue for queue in group.queues if any(map(_in_dram, _steps_of(queue.body)))]
        for number in range(group.group.block_count if queues else 0):
            block = group.first_block + number
            for queue in queues:
                feeder = _Feeder(block, block % kernel.cores, list(_accesses(extents, group, queue, number)))
                if feeder.accesses:
                    found.append(feeder)
    return found


def _in_dram(step: Step) -> bool:
    return step.access is not None and step.access.role == "dram"


def _steps_of(body: tuple[Node, ...]) -> Iterator[Step]:
    for node in body:
        if isinstance(node, LoopNode):
            yield from _steps_of(node.body)
        else:
            yield node


def _accesses(extents: Extents, group: GroupPlan, queue: QueuePlan, number: int) -> Iterator[_Access]:
    coordinates = list(group.group.coordinates(number).values())
    counters = coordinates + [0] * (group.counters - len(coordinates))
    for sequence, step in enumerate(_walk(queue.body, counters), 1):
        if _in_dram(step):
            extent = extents.of(step, counters, sequence)
            if extent.size:
                yield _Access(step, extent)


def _walk(body: tuple[Node, ...], counters: list[int]) -> Iterator[Step]:
    for node in body:
        if isinstance(node, LoopNode):
            for value in range(node.count(counters)):
                counters[node.variable] = value
                yield from _walk(node.body, counters)
        else:
            yield node


# ---- bounds ----


def _bounds(kernels: list[list[_Feeder]], chip: Chip) -> CacheTraffic:
    """Bounds that hold in any order; they meet where everything fits."""
    assert chip.cache is not None
    present: dict[int, int] = {}  # bytes of a segment that may be in the cache, if nothing is ever evicted
    dirty: dict[int, int] = {}
    read = written = least = unlucky = 0
    for feeders in kernels:
        reads, writes = _extremes(feeders)
        read += sum(reads.total.values())
        written += sum(writes.total.values())
        for segment, size in (reads.most if chip.cache.partitions == 1 else reads.least).items():
            before = present.get(segment, 0)
            least += max(0, size - max(before, writes.most.get(segment, 0)))
            unlucky += max(0, reads.most[segment] - before)
        for sizes in (reads.most, writes.most):
            for segment, size in sizes.items():
                present[segment] = max(present.get(segment, 0), size)
        for segment, size in writes.most.items():
            dirty[segment] = max(dirty.get(segment, 0), size)
    fits = sum(present.values()) <= chip.cache.capacity // chip.cache.partitions
    most = min(read, unlucky) if fits else read
    back = sum(dirty.values())
    stored = (back, back if fits else written) if chip.cache.write_back else (written, written)
    reason = "all that is touched fits the cache" if fits else ""
    return CacheTraffic(read, written, (least, most), stored, reason or "it does not depend on order")


@dataclass(slots=True)
class _Sizes:
    """Bytes of accesses by segment."""

    least: dict[int, int] = field(default_factory=dict)
    most: dict[int, int] = field(default_factory=dict)
    total: dict[int, int] = field(default_factory=dict)

    def add(self, segment: int, size: int) -> None:
        self.least[segment] = min(self.least.get(segment, size), size)
        self.most[segment] = max(self.most.get(segment, 0), size)
        self.total[segment] = self.total.get(segment, 0) + size


def _extremes(feeders: list[_Feeder]) -> tuple[_Sizes, _Sizes]:
    """Sizes that a kernel reads, and those that it writes."""
    reads, writes = _Sizes(), _Sizes()
    for feeder in feeders:
        for access in feeder.accesses:
            for segment, size in access.pieces():
                (writes if access.writes else reads).add(segment, size)
    return reads, writes


# ---- where the order is static ----


def _unordered(hardware: Hardware, kernel: KernelPlan, feeders: list[_Feeder]) -> str:
    """Why the order in which a kernel's accesses reach the cache is not static; empty if it is."""
    name = f"kernel {kernel.kernel.name}"
    alone = kernel.cores == 1 and kernel.kernel.occupancy == 1  # its blocks follow each other
    if len({feeder.block if alone else 0 for feeder in feeders}) < len(feeders):
        return f"{name}: several queues use the DRAM at a time"
    for feeder in feeders:
        writes = {access.writes for access in feeder.accesses}
        ports = {
            _port(hardware, feeder, access, part.port) for access in feeder.accesses for part in access.extent.parts
        }
        if len(writes) > 1:
            return f"{name}: a queue both loads and stores, and loads may overtake"
        if writes == {True} and (len(ports) > 1 or len({a.step.source_role for a in feeder.accesses}) > 1):
            return f"{name}: stores take several ways"
        if len({_way_there(hardware, feeder.core, port) for port in ports}) > 1:
            return f"{name}: the ports of the cache are not equally far"
    return ""


def _port(hardware: Hardware, feeder: _Feeder, access: _Access, port: int) -> int:
    """The port of the cache: a load counts those of its core's partition."""
    return port if access.writes else hardware.first_port("dram", feeder.core) + port


def _way_there(hardware: Hardware, core: int, port: int) -> int:
    """Ticks of a request from a core to a port of the cache."""
    return hardware.route(node_of(core), (memory_node(hardware.chip, "dram", port),)).latency


def _replayed(hardware: Hardware, kernels: list[list[_Feeder]], bounds: CacheTraffic) -> CacheTraffic:
    """Exact bytes, from the engine's own cache."""
    running = Running(hardware)
    fetched = stored = 0
    for feeders in kernels:
        running.begin_kernel(0)
        for feeder in feeders:
            for access in feeder.accesses:
                for part in access.extent.parts:
                    if access.writes:
                        running.write("dram", part, 0)
                    else:
                        port = hardware.first_port("dram", feeder.core) + part.port
                        fetched += running.read("dram", port, part, 0)[2]
        tally = running.finish_kernel()
        stored += sum(counts[WRITTEN_BACK] + counts[WRITTEN_THROUGH] for counts in tally.by_tensor.values())
    stored += sum(running.final_write_back().values())
    reason = "one queue at a time uses the DRAM"
    totals = (fetched, fetched), (stored, stored)
    return CacheTraffic(bounds.read_bytes, bounds.written_bytes, *totals, reason, _curve(hardware, kernels))


def _curve(hardware: Hardware, kernels: list[list[_Feeder]]) -> tuple[tuple[int, int], ...]:
    """Bytes fetched at an eighth to eight times the capacity, by stack distances in bytes.

    Only where each segment is always touched whole, so that it has one weight, and the cache is not in partitions.
    """
    cache = hardware.chip.cache
    assert cache is not None
    trace = [
        (*piece, access.writes)
        for feeders in kernels
        for feeder in feeders
        for access in feeder.accesses
        for piece in access.pieces()
    ]
    if cache.partitions > 1 or not trace or len({t[:2] for t in trace}) > len({t[0] for t in trace}):
        return ()
    segments, sizes, writes = (np.array(column, dtype=np.int64) for column in zip(*trace, strict=True))
    distances = stack_distances(segments, weights=sizes)
    points = []
    for power in range(-3, 4):
        capacity = cache.capacity << power if power > 0 else cache.capacity >> -power
        misses = (writes == 0) & ((distances == COLD) | (distances + sizes > capacity))
        points.append((capacity, int(sizes[misses].sum())))
    return tuple(points)
