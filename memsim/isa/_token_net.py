"""The tokens of blocks that run together: rings as counters, queues as actors that step until they have to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from memsim.errors import ProgramError
from memsim.isa._token_code import END, FIRE, HALT, LOOP, Block, Blocks, GroupCode, Op, QueueCode, points_in
from memsim.isa.expr import Expr

DATA, SPACE = "data", "space"
Wait: TypeAlias = tuple[str, int]
"""What an actor waits for: `DATA` and a slot, or `SPACE` and a ring."""


@dataclass(frozen=True, slots=True)
class Aim:
    """The rings that a transfer fills."""

    rings: tuple[int, ...]
    blocks: Blocks | None = None
    """Its target blocks, where they change with the counters; ``rings`` is then empty."""


class Sets:
    """Disjoint sets of numbers below ``size``, to be joined."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, number: int) -> int:
        """A member that stands for the set of ``number``."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, a: int, b: int) -> None:
        """Make one set of those of ``a`` and ``b``."""
        self._parent[self.find(a)] = self.find(b)


class Actor:
    """A queue of one block: where it stands in its text."""

    __slots__ = ("aims", "block", "code", "counters", "counts", "env", "index", "loops", "pc", "ring_base", "slot_base",
                 "trips")  # fmt: skip

    def __init__(self, index: int, block: int, code: QueueCode, ring_base: int, slot_base: int) -> None:
        self.index, self.block, self.code = index, block, code
        self.ring_base, self.slot_base = ring_base, slot_base
        self.counts: list[int | Expr] = []
        self.aims: list[Aim] = []
        self.pc = 0
        self.loops: list[int] = []
        """Index of the `LOOP` step of each loop that it is in, outermost first."""
        self.counters: list[int] = []
        self.trips: list[int] = []
        self.env: dict[str, int] = {}

    @property
    def op(self) -> Op:
        """The step at which it stands."""
        return self.code.ops[self.pc]

    @property
    def ended(self) -> bool:
        """Whether it has run to its end."""
        return self.op.kind == HALT

    def name_of(self, level: int) -> str:
        """Counter of the ``level``-th loop around it."""
        return self.code.loops[self.code.ops[self.loops[level]].loop].var


class Network:
    """Rings and queues of blocks that run together.

    Parameters
    ----------
    codes
        The groups of the kernel.
    blocks
        The blocks, each with its trip counts and targets.
    depths
        Depths of rings that are to differ from those in the text, by (group, ring).
    """

    def __init__(
        self, codes: Sequence[GroupCode], blocks: Sequence[Block], depths: Mapping[tuple[int, int], int] | None = None
    ) -> None:
        self.codes, self.blocks = codes, blocks
        self.depth: list[int] = []
        self.ring_of: list[tuple[int, int]] = []
        """(block, ring in its group) of each ring."""
        self.slots_of: list[tuple[int, ...]] = []
        self.consumer: list[int] = []
        """Actor that pops each slot."""
        self.slot_ring: list[int] = []
        self.actors: list[Actor] = []
        for index, block in enumerate(blocks):
            self._add_block(index, codes[block.group], depths or {})
        self._aim()
        self.fill = [0] * len(self.consumer)
        """Pushed and not yet popped, for each slot."""
        self.open = [False] * len(self.depth)
        self.owner = [-1] * len(self.depth)
        """Actor that produces each ring, once one has tried to."""
        self.pushes = [0] * len(self.depth)
        self.steps = 0

    def _add_block(self, index: int, code: GroupCode, depths: Mapping[tuple[int, int], int]) -> None:
        ring_base, slot_base, first_actor = len(self.depth), len(self.consumer), len(self.actors)
        for number, ring in enumerate(code.group.rings):
            self.depth.append(depths.get((code.number, number), ring.depth))
            self.ring_of.append((index, number))
            self.slots_of.append(tuple(slot_base + s for s, (r, _) in enumerate(code.slots) if r == number))
        for ring_number, queue in code.slots:
            self.consumer.append(first_actor + queue)
            self.slot_ring.append(ring_base + ring_number)
        for queue_number, queue_code in enumerate(code.queues):
            actor = Actor(len(self.actors), index, queue_code, ring_base, slot_base)
            counts = self.blocks[index].counts[queue_number]
            actor.counts = [count.const if count.is_constant else count for count in counts]
            self.actors.append(actor)

    def _aim(self) -> None:
        """Resolve targets to rings, where they do not depend on loop counters."""
        bases = {(b.group, b.coordinates): a.ring_base for a in self.actors for b in (self.blocks[a.block],)}
        self.bases = bases
        for actor in self.actors:
            block = self.blocks[actor.block]
            queue = self.codes[block.group].queues.index(actor.code)
            for target, (_, group, ring) in zip(block.targets[queue], actor.code.transfers, strict=True):
                if target is None:
                    actor.aims.append(Aim((actor.ring_base + ring,)))
                elif all(start.is_constant for start, _ in target):
                    points = points_in(target, {})  # none is among `bases` where the transfer is in a loop of no rounds
                    actor.aims.append(Aim(tuple(bases[group, at] + ring for at in points if (group, at) in bases)))
                else:
                    actor.aims.append(Aim((), target))

    # ---- running ----

    def parts(self) -> list[list[Actor]]:
        """Actors by the rings that they share, directly or through others: parts have no bearing on each other."""
        set_of = Sets(len(self.depth) + len(self.actors))
        for actor in self.actors:
            for ring in self.touched(actor):
                set_of.join(len(self.depth) + actor.index, ring)
        parts: dict[int, list[Actor]] = {}
        for actor in self.actors:
            parts.setdefault(set_of.find(len(self.depth) + actor.index), []).append(actor)
        return list(parts.values())

    def touched(self, actor: Actor) -> Iterator[int]:
        """Rings that some instruction of the actor reads, fills or pops, with repetitions."""
        for op in actor.code.ops:
            for ring in [read[0] for read in op.reads] + [op.writes] * (op.writes >= 0) + [op.push] * (op.push >= 0):
                yield actor.ring_base + ring
            if op.pop >= 0:
                yield self.slot_ring[actor.slot_base + op.pop]
        for aim, (_, group, number) in zip(actor.aims, actor.code.transfers, strict=True):
            if aim.blocks is None:
                yield from aim.rings
                continue
            for ring, (block, ring_number) in enumerate(self.ring_of):
                if (self.blocks[block].group, ring_number) == (group, number):
                    yield ring

    def run(self, actors: Sequence[Actor], observe: Callable[[], None], limit: int) -> bool:
        """Let actors run as far as they can; ``observe`` is called after each round in which a loop went on.

        In a round each actor, in turn, goes on until it waits, ends, or has begun another iteration of a loop.
        Returns whether the run came to rest within ``limit`` steps.
        """
        moved = True
        limit += self.steps
        while moved:
            moved = looped = False
            for actor in actors:
                went, again = self._advance(actor)
                moved, looped = moved or went, looped or again
            if looped:
                observe()
            if self.steps > limit:
                return False
        return True

    def _advance(self, actor: Actor) -> tuple[bool, bool]:
        ops, start = actor.code.ops, actor.pc
        while True:
            op = ops[actor.pc]
            if op.kind == FIRE:
                if self.waits_for(actor) is not None:
                    return actor.pc != start, False
                self._fire(actor, op)
                actor.pc += 1
            elif op.kind == LOOP:
                self._enter(actor, op)
            elif op.kind == END:
                if self._repeat(actor, op):
                    return True, True
            else:
                return actor.pc != start, False
            self.steps += 1

    def _enter(self, actor: Actor, op: Op) -> None:
        count = actor.counts[op.loop]
        trips = count if isinstance(count, int) else count.evaluate(actor.env)
        if trips <= 0:
            actor.pc = op.partner + 1
            return
        actor.loops.append(actor.pc)
        actor.counters.append(0)
        actor.trips.append(trips)
        actor.env[actor.code.loops[op.loop].var] = 0
        actor.pc += 1

    def _repeat(self, actor: Actor, op: Op) -> bool:
        name = actor.code.loops[op.loop].var
        value = actor.counters[-1] + 1
        if value < actor.trips[-1]:
            actor.counters[-1] = actor.env[name] = value
            actor.pc = op.partner + 1
            return True
        for stack in (actor.loops, actor.counters, actor.trips):
            stack.pop()
        del actor.env[name]
        actor.pc += 1
        return False

    def waits_for(self, actor: Actor) -> Wait | None:
        """What the instruction at which the actor stands has to wait for; raises if it breaks a rule here."""
        op = actor.op
        for ring, slot, ahead, may_be_open in op.reads:
            if may_be_open and self.open[actor.ring_base + ring]:
                continue
            if slot < 0:
                self._unopened(actor, actor.ring_base + ring)
            if self.fill[actor.slot_base + slot] <= ahead:
                return DATA, actor.slot_base + slot
        if op.pop >= 0 and self.fill[actor.slot_base + op.pop] < 1:
            return DATA, actor.slot_base + op.pop
        if op.push >= 0 and not self.open[actor.ring_base + op.push]:
            self._unopened(actor, actor.ring_base + op.push)
        if op.writes >= 0:
            return self._waits_to_write(actor, op)
        if op.transfer >= 0:
            for ring in self.aims_at(actor, op):
                self._claim(actor, ring)
                if self._is_full(ring):
                    return SPACE, ring
        return None

    def _waits_to_write(self, actor: Actor, op: Op) -> Wait | None:
        ring = actor.ring_base + op.writes
        self._claim(actor, ring)
        if self.open[ring]:
            return None
        if op.accumulates:
            self._unopened(actor, ring)
        return (SPACE, ring) if self._is_full(ring) else None

    def _is_full(self, ring: int) -> bool:
        return any(self.fill[slot] >= self.depth[ring] for slot in self.slots_of[ring])

    def _fire(self, actor: Actor, op: Op) -> None:
        if op.writes >= 0:
            self.open[actor.ring_base + op.writes] = True
        elif op.transfer >= 0:
            for ring in self.aims_at(actor, op):
                self._push(ring)
        elif op.push >= 0:
            self.open[actor.ring_base + op.push] = False
            self._push(actor.ring_base + op.push)
        elif op.pop >= 0:
            self.fill[actor.slot_base + op.pop] -= 1

    def _push(self, ring: int) -> None:
        self.pushes[ring] += 1
        for slot in self.slots_of[ring]:
            self.fill[slot] += 1

    def aims_at(self, actor: Actor, op: Op) -> Sequence[int]:
        """Rings that the transfer ``op`` fills, with the actor's counters as they are."""
        aim = actor.aims[op.transfer]
        if aim.blocks is None:
            return aim.rings
        _, group, ring = actor.code.transfers[op.transfer]
        return [self.bases[group, point] + ring for point in points_in(aim.blocks, actor.env)]

    # ---- naming and errors ----

    def ring_name(self, ring: int) -> str:
        """Name of a ring in the text."""
        block, number = self.ring_of[ring]
        return self.codes[self.blocks[block].group].group.rings[number].name

    def block_text(self, block: int) -> str:
        """``block y=1 x=0``, with the group's name if the kernel has several."""
        group = self.codes[self.blocks[block].group].group
        pairs = zip(group.grid, self.blocks[block].coordinates, strict=True)
        place = " ".join(f"{name}={value}" for (name, _), value in pairs)
        return f"block {place}".rstrip() + (f" of group {group.name}" if len(self.codes) > 1 else "")

    def moment(self, actor: Actor) -> str:
        """``block y=1 x=0, iteration k=3``."""
        counters = " ".join(f"{name}={value}" for name, value in actor.env.items())
        return self.block_text(actor.block) + (f", iteration {counters}" if counters else "")

    def _claim(self, actor: Actor, ring: int) -> None:
        """Note that the actor produces the ring; another one must not."""
        if self.owner[ring] == -1:
            self.owner[ring] = actor.index
        elif self.owner[ring] != actor.index:
            other = self.actors[self.owner[ring]]
            raise self.error(
                actor,
                f"ring {self.ring_name(ring)} of {self.block_text(self.ring_of[ring][0])} has two producers: "
                f"queue {actor.code.name} here, and queue {other.code.name} of {self.block_text(other.block)}",
                "let one queue of one block fill it; give the other a ring of its own",
            )

    def _unopened(self, actor: Actor, ring: int) -> NoReturn:
        name = self.ring_name(ring)
        raise self.error(
            actor,
            f"ring {name} has no open slot",
            f"write {name} first: `fill`, an operation without accumulation, or `mma {name} = ...` opens a slot, "
            "`push` closes it",
        )

    def error(self, actor: Actor, cause: str, mend: str) -> ProgramError:
        """An error at the instruction at which an actor stands."""
        site = actor.op.site
        return ProgramError(f"{cause} ({self.moment(actor)})", where=site.where if site else "", mend=mend)
