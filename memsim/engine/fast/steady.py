"""Folding inside a kernel: whole periods of a steady state are skipped.

The machine is described (`memsim.engine.fast.describe`) whenever the leading queue has come round one of its loops by a
stride. A description that has been seen twice begins a period; when it is seen again, what lies between the two must
have been a period: the descriptions are equal word for word, each queue has advanced in one loop by whole strides, and
all that depends on addresses has moved with it. Then so will what follows, until a loop ends or a tile is cut at an
edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from memsim.engine.dram import BURST, region_bytes
from memsim.engine.fast import words as w
from memsim.engine.fast.counted import Counted
from memsim.engine.fast.describe import describe, digest, level_of
from memsim.engine.fast.machine import ENDLESS
from memsim.engine.fast.program import Flat
from memsim.engine.fast.strides import Stride, stride_of, whole_periods
from memsim.engine.hardware import Hardware
from memsim.engine.memory import CAPACITY, PIECE_WORDS, Memory, lines_by_age, move_lines, moved_rows, owners_of
from memsim.engine.plan import KernelPlan
from memsim.engine.servers import Array
from memsim.isa.expr import Range

FEW = 4
"""A loop of fewer strides than this is not worth watching."""
PATIENCE = 64
"""Descriptions without a period after which a loop is watched half as often."""
MOST_SEEN = 1 << 16
"""Descriptions that are remembered at most."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A description, and what had been counted by then."""

    same: Array
    moved: Array
    lines: Array
    open_rows: Array
    counted: Counted
    tick: int
    clock: int


@dataclass(slots=True)
class Watch:
    """What has been seen of one loop: a search for a cycle, as Brent's."""

    seen: set[int] = field(default_factory=set)
    """Digests of descriptions."""
    anchor: tuple[int, Moment] | None = None
    """The moment, by its digest, that is waited for to come again."""
    waited: int = 0
    patience: int = PATIENCE


@dataclass(slots=True)
class Period:
    """How the machine advances in a period, and how often that can be repeated."""

    times: int
    waiting: list[int] = field(default_factory=list)
    """Queues that wait all the time."""
    sequences: dict[int, int] = field(default_factory=dict)
    """Instructions that each queue executes."""
    counters: dict[int, int] = field(default_factory=dict)
    """By how much each counter advances."""
    pieces: dict[int, int] = field(default_factory=dict)
    """By how many segments each piece in flight moves."""
    tensors: dict[int, int] = field(default_factory=dict)
    """By how many segments the lines of each tensor (by its number) move."""
    regions: dict[int, int] = field(default_factory=dict)
    """By how many regions the rows move that each tensor has open."""


class Steady:
    """Watches the run of one kernel."""

    def __init__(self, flat: Flat, kernel: KernelPlan, like: KernelPlan, hardware: Hardware) -> None:
        self.flat, self.kernel, self.hardware = flat, kernel, hardware
        self.strides = {at: s for at, loop in flat.loops.items() if (s := stride_of(loop, hardware)) is not None}
        number = {name: i for i, name in enumerate(hardware.tensors)}
        self._tensors = {a: number[b] for a, b in zip(like.tensors, kernel.tensors, strict=True) if b in number}
        self._buffers: list[Array] = []
        self._watches: dict[int, Watch] = {}
        row = hardware.memories["dram"]
        self._region_bytes = region_bytes(row) if len(row) > BURST else 0
        self._gathers = any(step.access is not None and step.access.rows is not None for step in like.steps)

    # ---- watching ----

    def prepare(self, m: Array) -> None:
        """Write the strides into the program, and choose the queue that leads."""
        for at, stride in self.strides.items():
            m[at + w.O_STRIDE] = stride.iterations
            if self._strides_in(stride) >= FEW:
                m[m[at + w.O_PARTNER] + w.O_WATCH] = stride.iterations
        self.choose_leader(m)

    def choose_leader(self, m: Array) -> None:
        """Let the queue lead whose loop has the most strides."""
        leader = int(m[w.LEADER])
        if leader >= 0 and m[leader + w.Q_STAGE] != w.ENDED and m[m[leader + w.Q_SEAT] + w.S_BLOCK] >= 0:
            return
        m[w.LEADER] = -1
        best = FEW - 1
        for queue, text in _queues(m):
            first, last = self.flat.operations_of(text)
            for at, stride in self.strides.items():
                if first <= at < last and self._strides_in(stride) > best:
                    best, m[w.LEADER] = self._strides_in(stride), queue

    def _strides_in(self, stride: Stride) -> int:
        return (stride.loop.ranges[stride.loop.variable][1] + 1) // stride.iterations

    def observe(
        self, m: Array, memory: Memory, tick: int, counted: Callable[[], Counted]
    ) -> tuple[Moment, Moment] | None:
        """Describe the machine; returns the begin and the end of a period, if one may have passed."""
        loop = int(m[w.OBSERVE])
        m[w.OBSERVE] = 0
        if not self._buffers or len(self._buffers[0]) < 2 * len(m) + 1024:
            self._buffers = [np.empty(2 * len(m) + 1024, dtype=np.int64) for _ in range(2)]
        same, moved = self._buffers
        describe(m, memory, level_of(m, m[w.LEADER], loop), same, moved)
        mark = digest(same, same[0])
        watch = self._watches.setdefault(loop, Watch())
        if mark not in watch.seen:
            if len(watch.seen) >= MOST_SEEN:
                watch.seen.clear()
            watch.seen.add(mark)
            if len(watch.seen) % PATIENCE == 0:
                m[m[loop + w.O_PARTNER] + w.O_WATCH] *= 2
            return None
        if watch.anchor is not None and watch.anchor[0] != mark:
            watch.waited += 1
            if watch.waited < watch.patience:
                return None
            watch.patience *= 2  # the anchor may not be in the period at all, or the period is longer
        before = watch.anchor[1] if watch.anchor is not None and watch.anchor[0] == mark else None
        same, moved = same[: same[0]].copy(), moved[: moved[0]].copy()
        rows = memory.open_rows.copy()
        now = Moment(same, moved, lines_by_age(memory), rows, counted(), tick, int(m[w.NOW]))
        watch.anchor, watch.waited = (mark, now), 0
        return None if before is None or not np.array_equal(before.same, now.same) else (before, now)

    def forget(self, loop: int) -> None:
        """Watch a loop anew, after some of its periods have been skipped."""
        self._watches.pop(loop, None)

    # ---- is it a period? ----

    def period(self, m: Array, memory: Memory, before: Moment, now: Moment) -> Period | None:
        """How what happened between two moments can be repeated; None if it cannot."""
        found = Period(1 << 62)
        ticks = now.tick - before.tick
        stood = ticks - (now.clock - before.clock)  # ticks that the clock did not count, as they were skipped
        at = 1  # where we are in what may have moved
        for queue, _ in _queues(m):
            if m[queue + w.Q_STAGE] == w.WAITING:
                later, at = int(now.moved[at] - before.moved[at]), at + 1
                if later and later + stood != ticks:
                    return None
                if not later:
                    found.waiting.append(queue)
            found.sequences[queue] = int(now.moved[at] - before.moved[at])
            loop, at = int(now.moved[at + 1]), at + 2
            moves: dict[int, int] = {}
            if loop >= 0:
                if before.moved[at - 1] != loop:
                    return None
                first, by = int(before.moved[at]), int(now.moved[at] - before.moved[at])
                at += 1
                if by and not self._advance(m, queue, loop, first, by, moves, found):
                    return None
            elif before.moved[at - 1] != -1:
                return None
            for piece, step in _pieces(m, queue):
                move = int(now.moved[at] - before.moved[at])
                at += 1
                if move != moves.get(step, 0):
                    return None
                found.pieces[piece] = move
        if not found.counters or (memory.cache[CAPACITY] and not self._lines_move(memory, before, now, found)):
            return None
        if not np.array_equal(moved_rows(before.open_rows, moves_of(memory, found.regions)), now.open_rows):
            return None
        if self._gathers:  # they take rows by their queue's sequence, which must stay a number of 64 bits
            most = max(found.sequences.values())
            found.times = min(found.times, ENDLESS // max(1, most) - 1)
        return found if found.times > 0 else None

    def _advance(
        self, m: Array, queue: int, loop: int, first: int, by: int, moves: dict[int, int], found: Period
    ) -> bool:
        """Note how a queue advances in a loop, and how often it can; False if that is no translation."""
        stride = self.strides.get(loop)
        if stride is None or by < 0 or by % stride.iterations:
            return False
        counter = queue + w.QUEUE_WORDS + int(m[loop + w.O_VARIABLE])
        trips = int(m[counter + m[w.COUNTERS]])
        found.counters[counter] = by
        found.times = min(found.times, (trips - 1 - int(m[counter])) // by)
        strides, ranges = by // stride.iterations, self._ranges(m, queue, loop)
        for move in stride.moves:
            segments = strides * move.segments
            moves[move.step] = segments
            if move.access.layout is not None:
                tensor = self._tensors[move.access.tensor]
                if self.hardware.chip.cache and found.tensors.setdefault(tensor, segments) != segments:
                    return False
                regions = strides * move.bytes // self._region_bytes if self._region_bytes else 0
                if self._region_bytes and found.regions.setdefault(tensor, regions) != regions:
                    return False
            found.times = whole_periods(move, ranges, stride.loop.variable, first, by, found.times)
        return True

    def _ranges(self, m: Array, queue: int, loop: int) -> dict[str, Range]:
        """The values of the variables around a loop, and the ranges of those inside."""
        ranges = dict(self.flat.loops[loop].ranges)
        seat = int(m[queue + w.Q_SEAT])
        group = self.kernel_groups[(int(m[seat + w.S_GROUP]) - self.flat.groups) // w.GROUP_WORDS]
        for i, (name, _) in enumerate(group):
            ranges[name] = (int(m[queue + w.QUEUE_WORDS + i]),) * 2
        around = int(m[loop + w.O_PARENT])
        while around >= 0:
            value = int(m[queue + w.QUEUE_WORDS + m[around + w.O_VARIABLE]])
            ranges[self.flat.loops[around].variable] = value, value
            around = int(m[around + w.O_PARENT])
        return ranges

    @property
    def kernel_groups(self) -> list[tuple[tuple[str, int], ...]]:
        """The grid of each group."""
        return [group.grid for group in self.kernel.kernel.groups]

    def _lines_move(self, memory: Memory, before: Moment, now: Moment, found: Period) -> bool:
        """Whether the cache's lines are where they were, but for the tensors that are moved along."""
        if before.lines.shape != now.lines.shape:
            return False
        if any((before.lines[:, column] != now.lines[:, column]).any() for column in (1, 2, 4)):
            return False
        owners = owners_of(memory, now.lines[:, 0])
        moves = moves_of(memory, found.tensors)
        coming = [np.maximum(0, moment.lines[:, 3] - moment.clock) for moment in (before, now)]
        return bool((now.lines[:, 0] - before.lines[:, 0] == moves[owners]).all() and (coming[0] == coming[1]).all())


def skip(m: Array, memory: Memory, period: Period, times: int) -> None:
    """Translate the machine by so many periods; its clock stands still."""
    for queue, instructions in period.sequences.items():
        if int(m[queue + w.Q_SEQUENCE]) + times * instructions >= ENDLESS:
            continue  # only traces tell it, and only gathers use it, of which there is none
        m[queue + w.Q_SEQUENCE] += times * instructions
        for flight in _flights(m, queue):
            m[flight + w.F_SEQUENCE] += times * instructions
    for counter, by in period.counters.items():
        m[counter] += times * by
    for piece, move in period.pieces.items():
        m[piece] += times * move
    memory.open_rows[:] = moved_rows(memory.open_rows, times * moves_of(memory, period.regions))
    if memory.cache[CAPACITY] and any(period.tensors.values()):
        move_lines(memory, times * moves_of(memory, period.tensors))


def moves_of(memory: Memory, by_tensor: Mapping[int, int]) -> Array:
    """Moves of tensors, by their numbers, as an array over all."""
    moves = np.zeros(len(memory.bases), dtype=np.int64)
    for tensor, move in by_tensor.items():
        moves[tensor] = move
    return moves


def oldest_begin(m: Array) -> int:
    """The tick at which the oldest of the instructions began that have not ended; now if there are none."""
    begun = [int(m[w.NOW])]
    for queue, _ in _queues(m):
        stage, issued = m[queue + w.Q_STAGE], -1
        if stage in (w.AT_PORTS, w.PORTS_ASKED, w.WORKED, w.ISSUED):
            begun.append(int(m[queue + w.Q_BEGUN]))
            issued = m[queue + w.Q_FLIGHT] if stage == w.ISSUED else -1
        begun += [int(m[flight + w.F_BEGUN]) for flight in _flights(m, queue) if flight != issued]
    return min(begun)


def _queues(m: Array) -> Iterator[tuple[int, int]]:
    """Each queue of each resident block, with its number among all queues of the kernel's text."""
    for number in range(int(m[w.KERNEL_CORES] * m[w.OCCUPANCY])):
        seat = int(m[w.SEAT_BASE]) + number * w.SEAT_WORDS
        if m[seat + w.S_BLOCK] < 0:
            continue
        group = int(m[seat + w.S_GROUP])
        for i in range(int(m[group + w.G_QUEUES])):
            queue = int(m[seat + w.S_FIRST_QUEUE]) + i * int(m[w.QUEUE_WIDTH])
            yield queue, int(m[group + w.G_FIRST_QUEUE]) + i * w.QUEUE_TEXT_WORDS


def _flights(m: Array, queue: int) -> Iterator[int]:
    flight = int(m[queue + w.Q_FIRST_FLIGHT])
    while flight >= 0:
        yield flight
        flight = int(m[flight + w.F_NEXT])


def _pieces(m: Array, queue: int) -> Iterator[tuple[int, int]]:
    """Each piece of each transfer in flight of a queue, with the transfer's step, in the order of the description."""
    for flight in _flights(m, queue):
        step = int(m[m[flight + w.F_OPERATION] + w.O_STEP])
        part = int(m[flight + w.F_FIRST_PART])
        while part >= 0:
            first = int(m[part + w.P_FIRST_PIECE])
            for i in range(int(m[part + w.P_PIECES])):
                yield first + PIECE_WORDS * i, step
            part = int(m[part + w.P_NEXT])
