"""Tile programs reduced to their tokens: what each instruction waits for in rings, and what it changes there.

A queue becomes a flat list of `Op`; everything in it is numbered within its group, so one list serves every block.
What differs from block to block, trip counts and targets, is held apart in a `Block`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from memsim.isa.expr import Expr
from memsim.isa.model import (
    Group,
    Instruction,
    Kernel,
    Loop,
    Mma,
    Pop,
    Push,
    Statement,
    ring_written,
    tiles_read,
    transfer_target,
    walk,
)
from memsim.isa.rewriting import substitute
from memsim.isa.sites import Site

LOOP, END, FIRE, HALT = range(4)
"""Kinds of `Op`: enter a loop, end of its body, an instruction, end of the queue."""

Blocks: TypeAlias = tuple[tuple[Expr, int], ...]
"""``(start, count)`` for each grid dimension of the targets of a transfer."""


@dataclass(slots=True)
class Op:
    """One step of a queue. Rings and slots are numbers within the group; -1 is none."""

    kind: int
    loop: int = -1
    """Number of the loop in the queue, for ``LOOP`` and ``END``."""
    partner: int = -1
    """Index of the matching ``END`` or ``LOOP``."""
    site: Site | None = None
    reads: tuple[tuple[int, int, int, bool], ...] = ()
    """(ring, slot, slots ahead, whether an open slot of the ring is meant where there is one)."""
    writes: int = -1
    accumulates: bool = False
    transfer: int = -1
    """Number of the transfer in the queue, for an instruction that fills rings."""
    push: int = -1
    pop: int = -1
    """The slot that is popped."""


@dataclass(slots=True)
class QueueCode:
    """A queue as steps, its loops, and its transfers with the number of the ring that each fills."""

    name: str
    ops: list[Op] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    transfers: list[tuple[Site, int, int]] = field(default_factory=list)
    """(site, number of the group, number of the ring)."""
    periods: dict[int, int] = field(default_factory=dict)
    """Periods of loops by the index of their step, as far as they have been computed."""


@dataclass(slots=True)
class GroupCode:
    """A group as tokens. A *slot* counts what one consuming queue has not yet popped of one ring."""

    group: Group
    number: int
    queues: list[QueueCode]
    slots: list[tuple[int, int]]
    """(ring, consuming queue) of each slot."""
    known: dict[int, tuple[tuple[str, ...], dict[tuple[int, ...], Expr]]] = field(default_factory=dict)
    """Expressions of the text (by identity) at coordinates where they have been evaluated."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block: trip counts and targets of each queue, with the block's coordinates filled in."""

    group: int
    coordinates: tuple[int, ...]
    counts: tuple[tuple[Expr, ...], ...]
    targets: tuple[tuple[Blocks | None, ...], ...]


def compile_kernel(kernel: Kernel, sites: Mapping[tuple[str, tuple[int, ...]], Site]) -> list[GroupCode]:
    """Token code of each group; ``sites`` are those of the kernel by group name and path."""
    numbers = {group.name: number for number, group in enumerate(kernel.groups)}
    return [_GroupCompiler(group, numbers, sites).compile() for group in kernel.groups]


def specialise(code: GroupCode, coordinates: Mapping[str, int]) -> Block:
    """The block at ``coordinates``."""
    counts = tuple(tuple(_at(code, loop.count, coordinates) for loop in queue.loops) for queue in code.queues)
    targets = tuple(tuple(_blocks(code, site, coordinates) for site, _, _ in queue.transfers) for queue in code.queues)
    return Block(code.number, tuple(coordinates.values()), counts, targets)


def _blocks(code: GroupCode, site: Site, coordinates: Mapping[str, int]) -> Blocks | None:
    target = transfer_target(site.instruction)
    if target is None or target.blocks is None:
        return None
    return tuple((_at(code, start, coordinates), count) for start, count in target.blocks)


def _at(code: GroupCode, e: Expr, coordinates: Mapping[str, int]) -> Expr:
    """``e`` at the block's coordinates; many blocks share those that occur in it."""
    if e.is_constant:
        return e
    if id(e) not in code.known:
        code.known[id(e)] = tuple(e.variables() & {name for name, _ in code.group.grid}), {}
    names, values = code.known[id(e)]
    key = tuple(coordinates.get(name, -1) for name in names)
    if key not in values:
        values[key] = substitute(e, coordinates)
    return values[key]


def points_in(blocks: Blocks, env: Mapping[str, int]) -> list[tuple[int, ...]]:
    """Coordinates of the target blocks, where the counters have the values in ``env``."""
    firsts = [(start.evaluate(env), count) for start, count in blocks]
    return list(itertools.product(*(range(first, first + count) for first, count in firsts)))


class _GroupCompiler:
    """Turns the queues of one group into steps."""

    def __init__(
        self, group: Group, groups: Mapping[str, int], sites: Mapping[tuple[str, tuple[int, ...]], Site]
    ) -> None:
        self.group, self.groups, self.sites = group, groups, sites
        self.rings = {ring.name: number for number, ring in enumerate(group.rings)}
        popped = [{i.ring for i, _ in walk(queue.body) if isinstance(i, Pop)} for queue in group.queues]
        self.written = [{ring_written(i) for i, _ in walk(queue.body)} for queue in group.queues]
        self.slots = [
            (number, queue) for name, number in self.rings.items() for queue, p in enumerate(popped) if name in p
        ]
        self.slot_of = {pair: number for number, pair in enumerate(self.slots)}

    def compile(self) -> GroupCode:
        """The whole group."""
        queues = []
        for number, queue in enumerate(self.group.queues):
            code = QueueCode(queue.name)
            self._body(queue.body, code, (number,))
            code.ops.append(Op(HALT))
            queues.append(code)
        return GroupCode(self.group, self.groups[self.group.name], queues, self.slots)

    def _body(self, body: tuple[Statement, ...], code: QueueCode, path: tuple[int, ...]) -> None:
        for index, statement in enumerate(body):
            if not isinstance(statement, Loop):
                code.ops.append(self._fire(statement, code, (*path, index)))
                continue
            loop, start = len(code.loops), len(code.ops)
            code.loops.append(statement)
            code.ops.append(Op(LOOP, loop))
            self._body(statement.body, code, (*path, index))
            code.ops[start].partner = len(code.ops)
            code.ops.append(Op(END, loop, start))

    def _fire(self, instruction: Instruction, code: QueueCode, path: tuple[int, ...]) -> Op:
        site = self.sites[self.group.name, path]
        op = Op(FIRE, site=site)
        queue = path[0]
        op.reads = tuple(
            (
                ring := self.rings[tile.ring],
                self.slot_of.get((ring, queue), -1),
                tile.ahead,
                tile.ahead == 0 and tile.ring in self.written[queue],
            )
            for tile in tiles_read(instruction)
        )
        written, target = ring_written(instruction), transfer_target(instruction)
        if written is not None:
            op.writes = self.rings[written]
            op.accumulates = isinstance(instruction, Mma) and instruction.accumulate
        if target is not None:
            owner = site.target_group(target)
            ring = [r.name for r in owner.rings].index(target.ring)
            op.transfer = len(code.transfers)
            code.transfers.append((site, self.groups[owner.name], ring))
        if isinstance(instruction, Push):
            op.push = self.rings[instruction.ring]
        if isinstance(instruction, Pop):
            op.pop = self.slot_of[self.rings[instruction.ring], queue]
        return op
