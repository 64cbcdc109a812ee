"""The token machine of `interpret`: rings with their slots, blocks, and queues as generators."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from memsim.errors import ProgramError
from memsim.isa._interpret_tiles import Array, TileValue
from memsim.isa.closures import IntFunction
from memsim.isa.model import Instruction, Ring


class RingState:
    """One block's instance of a ring. Slots are counted from the start of the block and never renumbered."""

    __slots__ = ("consumers", "depth", "freed", "name", "open", "popped", "pushed", "slots", "waiting", "woken")

    def __init__(self, ring: Ring, consumers: tuple[str, ...], woken: deque[QueueRun]) -> None:
        self.name, self.depth, self.consumers = ring.name, ring.depth, consumers
        self.slots: list[TileValue | None] = [None] * ring.depth
        self.open: TileValue | None = None
        self.pushed = 0
        self.popped = [0] * len(consumers)
        self.freed = 0
        self.waiting: list[QueueRun] = []
        self.woken = woken

    @property
    def has_space(self) -> bool:
        """Whether the back slot is free to be opened."""
        return self.pushed - self.freed < self.depth

    def push(self, value: TileValue) -> None:
        """Fill the back slot with ``value`` and hand it to the consumers."""
        self.slots[self.pushed % self.depth] = value
        self.pushed += 1
        self._wake()

    def pop(self, consumer: int) -> None:
        """Give the front slot back on behalf of one consumer; it is free when all have."""
        self.popped[consumer] += 1
        self.freed = min(self.popped)
        self._wake()

    def _wake(self) -> None:
        if self.waiting:
            self.woken.extend(self.waiting)
            self.waiting.clear()


Rings: TypeAlias = Mapping[str, RingState]
"""The rings of one block, by name."""


@dataclass(slots=True)
class Frame:
    """What the instructions of one queue of one block see."""

    block: int
    """Index of the block in the kernel, through all groups."""
    env: dict[str, int]
    """Block coordinates, and the loop counters of this queue."""
    rings: Rings
    tensors: Mapping[str, Array]
    """Each tensor, as this block's core sees it."""
    cluster: Mapping[tuple[str, int], Rings]
    """Rings of every block that this one may send to, by group name and index in the group."""
    moved_bytes: int = 0
    """Bytes of the transfer that ran last."""


Wait: TypeAlias = Callable[[Frame], RingState | None]
"""The ring that an instruction still waits for, or None. Once it says None, it does so until the instruction ran."""


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled instruction: run ``action`` once no wait holds it up."""

    instruction: Instruction
    waits: tuple[Wait, ...]
    action: Callable[[Frame], None]


@dataclass(frozen=True, slots=True)
class LoopSteps:
    """A compiled loop."""

    variable: str
    count: IntFunction
    body: tuple[Step | LoopSteps, ...]


Blocked: TypeAlias = tuple[Instruction, RingState]
Steps: TypeAlias = Generator[Blocked, None, None]


@dataclass(slots=True, eq=False)
class QueueRun:
    """A queue of one block in progress."""

    name: str
    block: int
    steps: Steps
    blocked: Blocked | None = None


def run_steps(body: tuple[Step | LoopSteps, ...], frame: Frame) -> Steps:
    """Run compiled statements in order; yields the instruction and the ring whenever one has to wait."""
    for item in body:
        if isinstance(item, LoopSteps):
            for value in range(item.count(frame.env)):
                frame.env[item.variable] = value
                yield from run_steps(item.body, frame)
            continue
        for wait in item.waits:
            while (ring := wait(frame)) is not None:
                yield item.instruction, ring
        item.action(frame)


def run_to_end(queues: Iterable[QueueRun], woken: deque[QueueRun], where: str) -> None:
    """Run queues that feed each other until all have ended; raise if they wait for each other."""
    runs = list(queues)
    woken.extend(runs)
    while woken:
        run = woken.popleft()
        run.blocked = next(run.steps, None)
        if run.blocked is not None:
            run.blocked[1].waiting.append(run)
    stuck = [run for run in runs if run.blocked is not None]
    if stuck:
        raise _deadlock(stuck, where)


def check_rates(rings: Rings, block: int, where: str) -> None:
    """Raise unless each consumer of each ring of an ended block popped as often as the ring was pushed."""
    for ring in rings.values():
        for consumer, popped in zip(ring.consumers, ring.popped, strict=True):
            if popped != ring.pushed:
                raise ProgramError(
                    f"ring {ring.name} of block {block} was pushed {ring.pushed} times, "
                    f"and queue {consumer} popped it {popped} times",
                    where=where,
                    mend="pop each tile once in every consuming queue",
                )


def _deadlock(stuck: list[QueueRun], where: str) -> ProgramError:
    told = [_describe(run.name, run.block, *run.blocked) for run in stuck[:8] if run.blocked]
    more = f"; and {len(stuck) - 8} more" if len(stuck) > 8 else ""
    return ProgramError(
        f"deadlock: {'; '.join(told)}{more}",
        where=where,
        mend="deepen a ring, or push what is waited for earlier (`verify` finds this before running)",
    )


def _describe(queue: str, block: int, instruction: Instruction, ring: RingState) -> str:
    place = f" ({instruction.place})" if instruction.place else ""
    state = f"{ring.pushed} pushed, {ring.freed} freed, depth {ring.depth}"
    what = type(instruction).__name__.lower()
    return f"queue {queue} of block {block} waits at {what}{place} for ring {ring.name}: {state}"
