"""How an instruction of `interpret` finds its tiles: the slots that it reads, and the rings that it fills."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np

from memsim.errors import Location, ProgramError
from memsim.isa._interpret_rings import Frame, RingState, Step, Wait
from memsim.isa._interpret_tiles import Array, TileValue
from memsim.isa.closures import compile_expression
from memsim.isa.model import Group, Instruction, Kernel, Pop, Program, Queue, Target, Tile, ring_written, walk
from memsim.isa.ops import round_to

Read: TypeAlias = Callable[[Frame], TileValue]
Targets: TypeAlias = Callable[[Frame], Sequence[RingState]]
Compute: TypeAlias = Callable[[Frame], Array]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a queue stands: what its names mean, and how to tell of it in an error."""

    program: Program
    kernel: Kernel
    group: Group
    queue: Queue
    exact_order: bool

    def where(self, instruction: Instruction) -> str | Location:
        """Place of an instruction: in its text if it has one, else by the names around it."""
        names = f"kernel {self.kernel.name}, group {self.group.name}, queue {self.queue.name}"
        return instruction.place or f"{names}, {type(instruction).__name__.lower()}"

    def writes(self, ring: str) -> bool:
        """Whether this queue produces the ring by computing in its open slot."""
        return any(ring_written(instruction) == ring for instruction, _ in walk(self.queue.body))


def consumers(group: Group) -> dict[str, tuple[str, ...]]:
    """Names of the queues that pop each ring of the group."""
    popped = {q.name: {i.ring for i, _ in walk(q.body) if isinstance(i, Pop)} for q in group.queues}
    return {r.name: tuple(name for name, rings in popped.items() if r.name in rings) for r in group.rings}


def target_shape(target: Target, scope: Scope) -> tuple[int, ...]:
    """Shape of the tiles of the ring that a target names."""
    return scope.kernel.group(target.group or scope.group.name).ring(target.ring).shape


def find_operand(tile: Tile, instruction: Instruction, scope: Scope) -> tuple[Wait, Read]:
    """Compile an operand to its wait and its read: the open slot of a ring that this queue writes, else a resident."""
    name, ahead = tile.ring, tile.ahead
    poppers = consumers(scope.group)[name]
    consumer = poppers.index(scope.queue.name) if scope.queue.name in poppers else None
    if consumer is None:
        return lambda frame: None, read_open(name, instruction, scope)
    may_be_open = ahead == 0 and scope.writes(name)

    def wait(frame: Frame) -> RingState | None:
        ring = frame.rings[name]
        resident = ring.pushed > ring.popped[consumer] + ahead or (may_be_open and ring.open is not None)
        return None if resident else ring

    def read(frame: Frame) -> TileValue:
        ring = frame.rings[name]
        if may_be_open and ring.open is not None:
            return ring.open
        return cast(TileValue, ring.slots[(ring.popped[consumer] + ahead) % ring.depth])

    return wait, read


def read_open(name: str, instruction: Instruction, scope: Scope) -> Read:
    """Compile the read of a slot that this queue itself holds open."""
    where, is_mine = scope.where(instruction), scope.writes(name)

    def read(frame: Frame) -> TileValue:
        value = frame.rings[name].open
        if value is None or not is_mine:
            raise ProgramError(
                f"ring {name} has no slot that this queue holds open, and none that it consumes",
                where=where,
                mend=f"write {name} in this queue first, or pop it in this queue after use",
            )
        return value

    return read


def computed(instruction: Instruction, dst: str, waits: Sequence[Wait], compute: Compute, scope: Scope) -> Step:
    """Step of an instruction that computes a tile into the open slot of ``dst``, opening it if need be."""
    ring_shape, dtype = scope.group.ring(dst).shape, scope.group.ring(dst).dtype

    def wait(frame: Frame) -> RingState | None:
        ring = frame.rings[dst]
        return None if ring.open is not None or ring.has_space else ring

    def action(frame: Frame) -> None:
        values = round_to(compute(frame), dtype)
        frame.rings[dst].open = TileValue(values if values.shape == ring_shape else np.broadcast_to(values, ring_shape))

    return Step(instruction, (*waits, wait), action)


def find_targets(target: Target, instruction: Instruction, scope: Scope) -> tuple[Wait, Targets]:
    """Compile a target to the wait for space in each of its rings, and to those rings."""
    name = target.ring
    rings = _remote_rings(target, instruction, scope) if target.blocks else lambda frame: (frame.rings[name],)

    def wait(frame: Frame) -> RingState | None:
        for ring in rings(frame):
            if not ring.has_space:
                return ring
        return None

    return wait, rings


def _remote_rings(target: Target, instruction: Instruction, scope: Scope) -> Targets:
    group = scope.kernel.group(target.group or scope.group.name)
    axes = [(compile_expression(start), count) for start, count in target.blocks or ()]
    where = scope.where(instruction)

    def rings(frame: Frame) -> list[RingState]:
        starts = [(start(frame.env), count) for start, count in axes]
        return [_reach(frame, group, at, target.ring, where) for at in _points(starts)]

    return rings


def _points(axes: list[tuple[int, int]]) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(first, first + count) for first, count in axes)))


def _reach(frame: Frame, group: Group, at: tuple[int, ...], ring: str, where: str | Location) -> RingState:
    inside = all(0 <= value < size for value, (_, size) in zip(at, group.grid, strict=True))
    reached = frame.cluster.get((group.name, group.block_index(at))) if inside else None
    if reached is None:
        raise ProgramError(
            f"block {at} of group {group.name} is not in the cluster of block {frame.block}",
            where=where,
            mend="send within the cluster, enlarge the cluster, or make the kernel cooperative",
        )
    return reached[ring]
