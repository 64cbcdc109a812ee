"""Tokens of the rings of a unit while its queues are woven into one text: what may run next, and on which slots."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from memsim.isa.expr import Expr
from memsim.isa.model import (
    Instruction,
    Pop,
    Push,
    Ring,
    Target,
    Tile,
    ring_written,
    tiles_read,
    transfer_target,
    walk,
)
from memsim.isa.rewriting import substitute
from memsim.webgpu.domain import Domain
from memsim.webgpu.texts import Body
from memsim.webgpu.units import Member, Unit, queue_texts

RingId = tuple[int, str]
"""A ring of a unit: the number of the block that owns it, and its name."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an operand lies: the slot that its queue holds open, or the ``ahead``-th resident one of a consumer."""

    ring: RingId
    is_open: bool
    consumer: int = 0
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction in its place in the woven text."""

    actor: int
    """Number of its queue in the unit."""
    member: int
    """Number of its block in the unit."""
    instruction: Instruction
    reads: tuple[Slot, ...]
    """Where each of `tiles_read` lies."""
    writes: tuple[RingId, ...]
    """The rings whose back slot it writes."""
    consumer: int = 0
    """Which consumer a `Pop` pops for."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A loop of the woven text."""

    variable: str
    count: Expr
    body: tuple[Step | Cycle, ...]


Node = Step | Cycle


@dataclass(frozen=True, slots=True)
class Actor:
    """A queue of a block of the unit."""

    number: int
    member: Member
    queue: str
    body: Body
    writes: frozenset[str]
    """Rings that it produces by computing in their open slot."""


@dataclass(frozen=True, slots=True)
class Need:
    """What an instruction waits for: a full slot of a ring (``data``), or a free one."""

    ring: RingId
    data: bool


class Rings:
    """The rings of a unit: who consumes each, and how deep it is; the same for the whole weaving."""

    def __init__(self, unit: Unit, domain: Domain) -> None:
        self.unit, self.domain = unit, domain
        self.ring: dict[RingId, Ring] = {}
        self.consumers: dict[RingId, tuple[int, ...]] = {}
        """Actors that pop each ring, in the order of the queues."""
        self.actors: list[Actor] = []
        self.peak: dict[RingId, int] = {}
        """Slots that were ever in use at once."""
        self._place = {(m.group.name, m.place): m.number for m in unit.members}
        for member in unit.members:
            self._add(member)
        self.producers = self._find_producers()

    def _add(self, member: Member) -> None:
        first = len(self.actors)
        popped = []
        for queue, body in zip(member.group.queues, queue_texts(self.unit, member), strict=True):
            instructions = [i for i, _ in walk(body)]
            written = {ring_written(i) for i in instructions} - {None}
            self.actors.append(
                Actor(len(self.actors), member, queue.name, body, frozenset(name for name in written if name))
            )
            popped.append({i.ring for i in instructions if isinstance(i, Pop)})
        for ring in member.group.rings:
            key = (member.number, ring.name)
            self.ring[key] = ring
            self.consumers[key] = tuple(first + q for q, names in enumerate(popped) if ring.name in names)
            self.peak[key] = 1

    def _find_producers(self) -> dict[RingId, set[int]]:
        found: dict[RingId, set[int]] = {key: set() for key in self.ring}
        for actor in self.actors:
            for name in actor.writes:
                found[actor.member.number, name].add(actor.number)
            for instruction, _ in walk(actor.body):
                target = transfer_target(instruction)
                for key in self._may_reach(actor, target) if target else ():
                    found[key].add(actor.number)
        return found

    def _may_reach(self, actor: Actor, target: Target) -> Iterator[RingId]:
        reached = self.targets(actor.member, target)
        if reached is not None:
            yield from (key for key in reached if key in self.ring)
        else:
            group = target.group or actor.member.group.name
            yield from ((m.number, target.ring) for m in self.unit.members if m.group.name == group)

    def targets(self, member: Member, target: Target) -> tuple[RingId, ...] | None:
        """The rings that a transfer fills; None where that changes with a loop counter."""
        if target.blocks is None:
            return ((member.number, target.ring),)
        unit = self.unit
        group = unit.group(target.group) if target.group else member.group
        axes = []
        for (start, count), (name, _) in zip(target.blocks, group.grid, strict=True):
            place = start - unit.origin(group, name)
            if not place.variables() <= set(self.domain.ranges):  # a counter of a loop that is not woven yet
                return None
            first = self.domain.constant(place)
            first = self.domain.constant(substitute(place, unit.fixed)) if first is None else first
            if first is None:
                return None
            axes.append(range(first, first + count))
        return tuple((self._place.get((group.name, at), -1), target.ring) for at in itertools.product(*axes))


class Tokens:
    """Fills and open slots at one point of the weaving."""

    __slots__ = ("fill", "open", "rings")

    def __init__(self, rings: Rings, fill: Mapping[RingId, tuple[int, ...]], is_open: frozenset[RingId]) -> None:
        self.rings, self.fill, self.open = rings, dict(fill), set(is_open)

    @classmethod
    def start(cls, rings: Rings) -> Tokens:
        """No slot is full; a ring without consumers has one slot that stays open."""
        fill = {key: (0,) * len(consumers) for key, consumers in rings.consumers.items()}
        return cls(rings, fill, frozenset(key for key, consumers in rings.consumers.items() if not consumers))

    def copy(self) -> Tokens:
        """A copy that may go on by itself."""
        return Tokens(self.rings, self.fill, frozenset(self.open))

    def same_open(self, other: Tokens) -> bool:
        """Whether the same slots are open."""
        return self.open == other.open

    def change(self, before: Tokens) -> dict[RingId, tuple[int, ...]]:
        """By how much each fill has grown since ``before``, where it has changed."""
        return {
            key: tuple(a - b for a, b in zip(now, before.fill[key], strict=True))
            for key, now in self.fill.items()
            if now != before.fill[key]
        }

    def advanced(self, change: Mapping[RingId, tuple[int, ...]], times: int) -> Tokens:
        """The state after ``times`` such changes."""
        fill = dict(self.fill)
        for key, step in change.items():
            fill[key] = tuple(a + times * b for a, b in zip(fill[key], step, strict=True))
        return Tokens(self.rings, fill, frozenset(self.open))

    # ---- one instruction ----

    def plan(self, actor: Actor, instruction: Instruction) -> Step | Need | None:
        """The step that the instruction makes now, or what it waits for; None where its target moves in a loop."""
        reads = []
        for tile in tiles_read(instruction):
            slot = self._slot(actor, tile)
            if isinstance(slot, Need):
                return slot
            reads.append(slot)
        number = actor.member.number
        target = transfer_target(instruction)
        written = ring_written(instruction)
        if isinstance(instruction, Pop):
            return self._pop(actor, instruction)
        if isinstance(instruction, Push):
            return Step(actor.number, number, instruction, (), ((number, instruction.ring),))
        if written is not None:
            key = (number, written)
            room = key in self.open or self._has_space(key)
            return Step(actor.number, number, instruction, tuple(reads), (key,)) if room else Need(key, False)
        filled = self.rings.targets(actor.member, target) if target is not None else ()
        if filled is None:
            return None
        for key in filled:
            if not self._has_space(key):
                return Need(key, False)
        return Step(actor.number, number, instruction, tuple(reads), filled)

    def _slot(self, actor: Actor, tile: Tile) -> Slot | Need:
        key = (actor.member.number, tile.ring)
        consumers = self.rings.consumers[key]
        if actor.number not in consumers:
            return Slot(key, True)
        consumer = consumers.index(actor.number)
        if tile.ahead == 0 and tile.ring in actor.writes and key in self.open:
            return Slot(key, True)
        return Slot(key, False, consumer, tile.ahead) if self.fill[key][consumer] > tile.ahead else Need(key, True)

    def _pop(self, actor: Actor, pop: Pop) -> Step | Need:
        key = (actor.member.number, pop.ring)
        consumer = self.rings.consumers[key].index(actor.number)
        return Step(actor.number, key[0], pop, (), (key,), consumer) if self.fill[key][consumer] else Need(key, True)

    def _has_space(self, key: RingId) -> bool:
        return max(self.fill[key], default=0) < self.rings.ring[key].depth

    def fire(self, step: Step) -> None:
        """Change the tokens as the step does."""
        instruction = step.instruction
        for key in step.writes:
            if isinstance(instruction, Pop):
                fills = list(self.fill[key])
                fills[step.consumer] -= 1
                self.fill[key] = tuple(fills)
                continue
            used = max(self.fill[key], default=0) + 1
            self.rings.peak[key] = max(self.rings.peak[key], used)
            if ring_written(instruction) is not None:
                self.open.add(key)
            else:
                self.open.discard(key)
                self.fill[key] = tuple(n + 1 for n in self.fill[key])
