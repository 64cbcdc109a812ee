"""Skip whole periods of a token run. The theory is in `tokens`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memsim.isa._token_code import FIRE, LOOP
from memsim.isa._token_net import Actor, Network
from memsim.isa.chambers import period_of
from memsim.isa.expr import Expr, Range, var
from memsim.isa.model import transfer_target
from memsim.isa.rewriting import simplify, substitute

_MAX_PATTERNS = 64
"""Ways, at most, to choose the advancing loop of each queue."""
_ROUNDS_BEFORE = 16
"""Rounds that are run before states are compared: most short loops have ended by then."""
_MAX_HISTORY = 400_000
"""Actor states that are remembered at most."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a state is compared with: the counters of each actor, and the pushes so far of each ring that it touches."""

    counters: tuple[tuple[int, ...], ...]
    pushes: tuple[int, ...]


class Folder:
    """Watches a network; where its state recurs up to an advance of one counter in each queue, skips periods."""

    def __init__(self, network: Network, actors: Sequence[Actor]) -> None:
        self.network, self.actors = network, actors
        self.rings = sorted({ring for actor in actors for ring in network.touched(actor)})
        self.slots = [slot for ring in self.rings for slot in network.slots_of[ring]]
        self.history: dict[object, _Moment] = {}
        texts = {id(actor.code): None for actor in self.actors}
        self.text_of = [list(texts).index(id(actor.code)) for actor in self.actors]
        self.text_count = len(texts)
        self.rounds = 0

    def observe(self) -> None:
        """Compare the state with earlier ones; if it recurs, skip as many periods as are alike."""
        self.rounds += 1
        if self.rounds <= _ROUNDS_BEFORE:
            return
        network = self.network
        pushes = tuple(network.pushes[ring] for ring in self.rings)
        now = _Moment(tuple(tuple(actor.counters) for actor in self.actors), pushes)
        if len(self.history) * len(self.actors) > _MAX_HISTORY:
            self.history.clear()
        tokens = (*(network.fill[slot] for slot in self.slots), *(network.open[ring] for ring in self.rings))
        views = [_views(actor) for actor in self.actors]
        for pattern in self._patterns(views):
            seen = [view[min(pattern[text], len(view) - 1)] for view, text in zip(views, self.text_of, strict=True)]
            kept, residues = tuple(k for k, _ in seen), tuple(r for _, r in seen)
            for key in {(pattern, tokens, kept, ()), (pattern, tokens, kept, residues if any(residues) else ())}:
                before, self.history[key] = self.history.get(key), now
                if before is not None and self._skip(before, now):
                    return

    def _patterns(self, views: Sequence[Sequence[object]]) -> Iterator[tuple[int, ...]]:
        """Which loop, counted from the outermost, may have advanced in the queues of each text."""
        deepest = [1] * self.text_count
        for view, text in zip(views, self.text_of, strict=True):
            deepest[text] = max(deepest[text], len(view))
        if math.prod(deepest) <= _MAX_PATTERNS:
            yield from itertools.product(*(range(depth) for depth in deepest))
            return
        for level in range(max(deepest)):
            yield tuple(min(level, depth - 1) for depth in deepest)

    def _skip(self, before: _Moment, now: _Moment) -> bool:
        """Skip what may be skipped of the periods after ``now`` that are like the one since ``before``."""
        moves: list[tuple[Actor, int, int]] = []
        for actor, old, new in zip(self.actors, before.counters, now.counters, strict=True):
            changed = [level for level, (a, b) in enumerate(zip(old, new, strict=False)) if a != b]
            if len(old) != len(new) or len(changed) > 1:
                return False
            moves += [(actor, level, new[level] - old[level]) for level in changed]
        if not moves or any(advance < 0 for _, _, advance in moves):
            return False
        periods = min((actor.trips[level] - 1 - actor.counters[level]) // advance for actor, level, advance in moves)
        for actor, level, advance in moves:
            periods = _alike(actor, level, advance, periods)
        if periods < 1:
            return False
        for actor, level, advance in moves:
            actor.counters[level] += periods * advance
            actor.env[actor.name_of(level)] = actor.counters[level]
        for ring, old_pushes, new_pushes in zip(self.rings, before.pushes, now.pushes, strict=True):
            self.network.pushes[ring] += periods * (new_pushes - old_pushes)
        return True


def _views(actor: Actor) -> list[tuple[tuple[int, ...], int]]:
    """Where an actor stands, once for each loop that may have advanced: those around it of more than one trip.

    A view leaves the counter of that loop out, and has beside it one more than the counter's residue in the period of
    the text inside the loop, or 0 if the text has none.
    """
    views = []
    for level, trips in enumerate(actor.trips):
        if trips > 1:
            kept = (actor.pc, *actor.counters[:level], *actor.counters[level + 1 :])
            period = _period(actor, actor.loops[level])
            views.append((kept, actor.counters[level] % period + 1 if period > 1 else 0))
    return views or [((actor.pc, *actor.counters), 0)]


def _period(actor: Actor, start: int) -> int:
    """Period of the trip counts and targets inside the loop that begins at step ``start``, in its counter."""
    periods = actor.code.periods
    if start not in periods:
        loop = actor.code.loops[actor.code.ops[start].loop]
        inner = actor.code.ops[start + 1 : actor.code.ops[start].partner]
        counts = [actor.code.loops[op.loop].count for op in inner if op.kind == LOOP]
        targets = [transfer_target(op.site.instruction) for op in inner if op.site is not None]
        starts = [first for target in targets if target for first, _ in target.blocks or ()]
        periods[start] = period_of([*counts, *starts], loop.var)
    return periods[start]


def _alike(actor: Actor, level: int, advance: int, periods: int) -> int:
    """How many of ``periods`` periods are sure to be like the last, as far as this actor's own text decides."""
    if periods < 1 or not _depends(actor, level):
        return periods
    if not _same(actor, level, advance, 1):
        return 0
    while not _same(actor, level, advance, periods):
        periods //= 2
    return periods


def _inner_expressions(actor: Actor, level: int) -> Iterator[tuple[str, Expr]]:
    """``(counter, trip count)`` of each loop inside an actor's loop, and ``("", start)`` for each moving target."""
    start = actor.loops[level]
    for op in actor.code.ops[start + 1 : actor.code.ops[start].partner]:
        if op.kind == LOOP:
            count = actor.counts[op.loop]
            yield actor.code.loops[op.loop].var, Expr(count) if isinstance(count, int) else count
        elif op.kind == FIRE and op.transfer >= 0:
            for target, _ in actor.aims[op.transfer].blocks or ():
                yield "", target


def _depends(actor: Actor, level: int) -> bool:
    name = actor.name_of(level)
    return any(name in e.variables() for _, e in _inner_expressions(actor, level))


def _same(actor: Actor, level: int, advance: int, periods: int) -> bool:
    """Whether every trip count and target inside the loop is unchanged by each of the next ``periods`` advances."""
    name = actor.name_of(level)
    outer = {actor.name_of(other): actor.counters[other] for other in range(level)}
    now = actor.counters[level]
    ranges: dict[str, Range] = {name: (now - advance, now + (periods - 1) * advance)}
    for counter, e in _inner_expressions(actor, level):
        fixed = substitute(e, outer)
        later = substitute(fixed, {name: var(name) + advance})
        if simplify(fixed, ranges) != simplify(later, ranges):
            return False
        if counter:
            ranges[counter] = (0, max(fixed.bounds(ranges)[1], later.bounds(ranges)[1], 1) - 1)
    return True
