"""Weave the queues of a unit into one sequential text: a static order of their instructions, loops staying loops.

The queues of a block wait for each other at their rings alone, and what a program computes does not depend on their
timing. So any order that the rings allow computes the same values, and one order, fixed here, is enough for a
workgroup, whose threads have no queues. The order is driven by demand: of the queues that can go on, the one furthest
down the rings goes first, so that producers run only as far ahead as they must, and rings hold few tiles.

Where every queue waits or stands at a loop, loops are *fused*: starting from the loop furthest down, those of the
queues that it waits for join it, until one trip of all of them together runs through. If counts differ, the longer
loop is split (first the trips of the shorter) or stripped (several trips for each of the other). A fused loop must
leave the tokens as it found them, or fill or drain rings evenly while they allow it. Where nothing can be fused, one
trip of a loop is written out before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memsim.errors import ProgramError
from memsim.isa.expr import Expr, ExprLike, var
from memsim.isa.model import Loop, Statement
from memsim.webgpu.domain import Domain
from memsim.webgpu.replay import replay
from memsim.webgpu.texts import Body, split_loop, strip_loop, with_values
from memsim.webgpu.tokens import Cycle, Need, Node, RingId, Rings, Step, Tokens
from memsim.webgpu.units import Unit, kinds_of

MOST_STEPS = 4000
"""Instructions of a woven text; a longer one would take a driver minutes to compile."""
FEW_TRIPS = 2
"""Trips that are written out for what waits for them, before a loop is tried that fills a ring."""
MOST_KINDS = 64
"""Texts of which a unit may need one each, where its blocks count differently."""
MOST_TRIES = 4000
"""Fusions that are tried for a text."""


@dataclass(frozen=True, slots=True)
class Woven:
    """The one text of a unit."""

    unit: Unit
    rings: Rings
    body: tuple[Node, ...]


class Stuck(Exception):
    """No order was found for some statements: what each queue waits for (None: a loop, or a moving target)."""

    def __init__(self, waits: dict[int, Need | None]) -> None:
        self.waits = waits
        super().__init__(str(waits))


def weave_unit(unit: Unit, where: str) -> list[Woven]:
    """The sequential texts of a unit: one, or where that cannot be, one for each of the ways in which blocks count.

    Parameters
    ----------
    unit
        Blocks that run in one workgroup.
    where
        What errors call it.

    Raises
    ------
    ProgramError
        No static order of bounded length was found.
    """
    try:
        return [weave(unit)]
    except Stuck as stuck:
        kinds = kinds_of(unit)
        if not kinds or len(kinds) > MOST_KINDS:
            raise _no_order(stuck, unit, where) from None
    woven = []
    for kind in kinds:
        try:
            woven.append(_weave_kind(kind))
        except Stuck as stuck:
            raise _no_order(stuck, kind, where) from None
    return woven


def _weave_kind(kind: Unit) -> Woven:
    try:
        return weave(kind)
    except Stuck:
        return weave(kind, unrolled=True)


def weave(unit: Unit, *, unrolled: bool = False) -> Woven:
    """The one sequential text of a unit, with or without loops; raises `Stuck` if none is found."""
    domain = Domain(unit.ranges)
    rings = Rings(unit, domain)
    weaver = _Weaver(rings, domain, unrolled)
    body = weaver.weave({a.number: a.body for a in rings.actors}, Tokens.start(rings))
    if _size(body) > MOST_STEPS:
        raise Stuck({})
    rings.peak = dict.fromkeys(rings.peak, 1)
    end = Tokens.start(rings)
    assert replay(body, end) and not any(map(any, end.fill.values())), "the woven text keeps the rules of its rings"
    return Woven(unit, rings, tuple(body))


def _size(body: Sequence[Node]) -> int:
    return sum(1 if isinstance(node, Step) else _size(node.body) for node in body)


def _no_order(stuck: Stuck, unit: Unit, where: str) -> ProgramError:
    told = []
    queues = [queue.name for member in unit.members for queue in member.group.queues]
    for number, need in list(stuck.waits.items())[:4]:
        what = f"waits for a {'full' if need.data else 'free'} slot of ring {need.ring[1]}" if need else "is at a loop"
        told.append(f"queue {queues[number]} {what}")
    return ProgramError(
        f"no static order of the queues was found in which loops stay loops: {'; '.join(told) or 'too long a text'}",
        where=where,
        mend="give the queues loops of the same trip counts, with as many tiles pushed as popped in each trip",
    )


class _Weaver:
    def __init__(self, rings: Rings, domain: Domain, unrolled: bool) -> None:
        self.rings, self.domain, self.unrolled = rings, domain, unrolled
        self.order = _downstream_first(rings)
        self.variables = 0
        self.depth = 0
        self.bodies: dict[tuple[int, ExprLike], tuple[Loop, Body]] = {}
        self.tries = 0
        self.steps = 0

    def fresh(self) -> str:
        """A new counter; no name in a text begins with this sign."""
        self.variables += 1
        return f"#{self.variables}"

    def _body(self, loop: Loop, value: ExprLike) -> Body:
        """The body of a loop where its counter has that value; kept, since tries ask for it again and again."""
        key = (id(loop), value)
        if key not in self.bodies:
            self.bodies[key] = (loop, with_values(loop.body, {loop.var: value}))
        return self.bodies[key][1]

    # ---- a body ----

    def weave(self, bodies: dict[int, Body], tokens: Tokens) -> list[Node]:
        """Weave the statements of some queues to their ends; changes ``tokens``."""
        rest: dict[int, list[Statement]] = {n: list(reversed(bodies[n])) for n in self.order if n in bodies}
        out: list[Node] = []
        peeled: Counter[int] = Counter()
        while True:
            waits: dict[int, Need | None] = {}
            if self._one_step(rest, tokens, out, waits):
                continue
            if not waits:
                return out
            if not (
                self._fuse_some(rest, tokens, out, waits, accumulate=False)
                or self._peel_for_data(rest, waits, peeled, FEW_TRIPS)
                or self._fuse_some(rest, tokens, out, waits, accumulate=True)
                or self._peel_for_data(rest, waits, peeled, MOST_STEPS)
                or self._peel(rest, waits)
            ):
                raise Stuck(waits)

    def _one_step(
        self, rest: dict[int, list[Statement]], tokens: Tokens, out: list[Node], waits: dict[int, Need | None]
    ) -> bool:
        """Let the first queue that can go on run one instruction; else say what each waits for."""
        for number, stack in rest.items():
            self._open_loops(stack)
            if not stack:
                continue
            head = stack[-1]
            if isinstance(head, Loop):
                waits[number] = None
                continue
            step = tokens.plan(self.rings.actors[number], head)
            if isinstance(step, Step):
                self._count_step()
                tokens.fire(step)
                out.append(step)
                stack.pop()
                return True
            waits[number] = step
        return False

    def _count_step(self) -> None:
        self.steps += 1
        if self.steps > (1 if self.unrolled else 40) * MOST_STEPS:
            raise Stuck({})

    def _open_loops(self, stack: list[Statement]) -> None:
        """Drop loops of no trip and write out loops of one."""
        while stack and isinstance(stack[-1], Loop):
            loop = stack[-1]
            trips = self.domain.constant(loop.count)
            if trips is None or (trips > 1 and not self.unrolled):
                return
            stack.pop()
            if trips > 1:
                stack.append(split_loop(loop, Expr(1))[1])
            if trips >= 1:
                stack.extend(reversed(self._body(loop, 0)))

    # ---- loops ----

    def _fuse_some(
        self,
        rest: dict[int, list[Statement]],
        tokens: Tokens,
        out: list[Node],
        waits: dict[int, Need | None],
        accumulate: bool,
    ) -> bool:
        """Fuse the loop furthest down that can be, with those that it needs."""
        for number, need in waits.items():
            head = rest[number][-1]
            if need is None and isinstance(head, Loop):
                fused = self._fuse(number, head, rest, tokens, accumulate)
                if fused is not None:
                    out.append(fused)
                    return True
        return False

    def _fuse(
        self, seed: int, loop: Loop, rest: dict[int, list[Statement]], tokens: Tokens, accumulate: bool
    ) -> Cycle | None:
        """Fuse the loop of queue ``seed`` with as many others as it takes; changes ``rest`` and ``tokens``."""
        found = self._grow({seed: loop}, self.domain.reduced(loop.count), rest, tokens, accumulate)
        if found is None:
            return None
        for number, fused in found.loops.items():
            self._leave_rest(rest[number], fused, found.cycle.count)
        tokens.fill, tokens.open = found.after.fill, found.after.open
        return found.cycle

    def _grow(
        self,
        loops: dict[int, Loop],
        count: Expr,
        rest: dict[int, list[Statement]],
        tokens: Tokens,
        accumulate: bool,
    ) -> _Fused | None:
        """Let more queues join until a trip of all runs through."""
        self.tries += 1
        if self.tries > MOST_TRIES:
            return None
        found = self._try(loops, count, tokens, accumulate)
        if isinstance(found, _Fused):
            return found
        partner = next((n for n in found if n not in loops and self._at_loop(rest, n)), None)
        if partner is None:
            return None
        for joined, common in self._joins(loops, count, partner, rest[partner][-1]):
            grown = self._grow(joined, common, rest, tokens, accumulate)
            if grown is not None:
                return grown
        return None

    @staticmethod
    def _at_loop(rest: dict[int, list[Statement]], number: int) -> bool:
        return bool(rest.get(number)) and isinstance(rest[number][-1], Loop)

    def _joins(
        self, loops: dict[int, Loop], count: Expr, partner: int, loop: Statement
    ) -> Iterator[tuple[dict[int, Loop], Expr]]:
        """The loops with one more, brought to a common count of trips in each way that there is."""
        assert isinstance(loop, Loop)
        other = self.domain.reduced(loop.count)
        if self.domain.equal(other, count):
            yield {**loops, partner: loop}, count
            return
        a, b = self.domain.constant(count), self.domain.constant(other)
        if a and b and b > a and b % a == 0:
            yield {**loops, partner: strip_loop(loop, a, b // a, self.fresh())}, count
        whole = all(self.domain.equal(one.count, count) for one in loops.values())
        if a and b and a > b and a % b == 0 and whole:
            yield {**{n: strip_loop(one, b, a // b, self.fresh()) for n, one in loops.items()}, partner: loop}, other
        if self.domain.at_most(count, other):
            yield {**loops, partner: loop}, count
        elif self.domain.at_most(other, count):
            yield {**loops, partner: loop}, other

    def _leave_rest(self, stack: list[Statement], fused: Loop, count: Expr) -> None:
        """Take the trips that were fused off the loop at which a queue stands."""
        stack.pop()
        if not self.domain.equal(fused.count, count):
            stack.append(split_loop(fused, count)[1])

    def _try(self, loops: dict[int, Loop], count: Expr, tokens: Tokens, accumulate: bool) -> _Fused | list[int]:
        """One trip of some loops together, or the queues that should join them."""
        last = max(self.domain.highest(count) - 1, 0)
        variable = f"#{self.depth}_{last}"  # the same for each try, so that bodies need not be written anew
        self.domain.ranges[variable] = (0, last)
        bodies = {n: self._body(loop, var(variable)) for n, loop in loops.items()}
        after = tokens.copy()
        self.depth += 1
        try:
            body = self.weave(bodies, after)
        except Stuck as stuck:
            return self._wanted(stuck.waits)
        finally:
            self.depth -= 1
        cycle = Cycle(variable, count, tuple(body))
        if not after.change(tokens) and after.same_open(tokens):
            return _Fused(cycle, after, loops)
        end = tokens.copy()
        if accumulate and self.domain.constant(count) is not None and replay([cycle], end):
            return _Fused(cycle, end, loops)
        return self._unbalanced(after, tokens)

    def _wanted(self, waits: dict[int, Need | None]) -> list[int]:
        """Queues that could give what others wait for."""
        found: list[int] = []
        for need in waits.values():
            if need is not None:
                found += self._givers(need.ring, need.data)
        return found

    def _givers(self, ring: RingId, data: bool) -> Sequence[int]:
        return sorted(self.rings.producers[ring]) if data else self.rings.consumers[ring]

    def _unbalanced(self, after: Tokens, before: Tokens) -> list[int]:
        """Queues that would even out what a trip leaves in the rings."""
        found: list[int] = []
        for ring, change in after.change(before).items():
            for consumer, grown in zip(self.rings.consumers[ring], change, strict=True):
                found += [consumer] if grown > 0 else self._givers(ring, True) if grown < 0 else []
        return found

    # ---- trips written out ----

    def _peel_for_data(
        self, rest: dict[int, list[Statement]], waits: dict[int, Need | None], peeled: Counter[int], most: int
    ) -> bool:
        """Write out a trip of the loop of a queue that an instruction, not a loop, waits for."""
        for need in waits.values():
            if need is not None:
                for giver in self._givers(need.ring, need.data):
                    if self._at_loop(rest, giver) and peeled[giver] < most and self._peel_one(rest[giver]):
                        peeled[giver] += 1
                        return True
        return False

    def _peel(self, rest: dict[int, list[Statement]], waits: dict[int, Need | None]) -> bool:
        """Write out a trip of the first loop that surely has one."""
        return any(self._at_loop(rest, number) and self._peel_one(rest[number]) for number in reversed(list(waits)))

    def _peel_one(self, stack: list[Statement]) -> bool:
        loop = stack[-1]
        assert isinstance(loop, Loop)
        if not self.domain.at_most(Expr(1), loop.count):
            return False
        self.tries += 1
        if self.tries > MOST_TRIES:
            return False
        _, later = split_loop(loop, Expr(1))
        stack[-1] = later
        stack.extend(reversed(self._body(loop, 0)))
        return True


@dataclass(frozen=True, slots=True)
class _Fused:
    cycle: Cycle
    after: Tokens
    loops: dict[int, Loop]


def _downstream_first(rings: Rings) -> list[int]:
    """Actors with those that consume before those that produce, as far as there is such an order."""
    feeds: dict[int, set[int]] = {actor.number: set() for actor in rings.actors}
    for ring, producers in rings.producers.items():
        for producer in producers:
            feeds[producer] |= set(rings.consumers[ring]) - {producer}
    rank: dict[int, int] = {}

    def visit(number: int, path: frozenset[int]) -> int:
        if number not in rank:
            below = [visit(n, path | {number}) for n in sorted(feeds[number]) if n not in path and n != number]
            rank[number] = 1 + max(below, default=0)
        return rank[number]

    for actor in rings.actors:
        visit(actor.number, frozenset())
    return sorted(feeds, key=lambda number: (rank[number], number))
