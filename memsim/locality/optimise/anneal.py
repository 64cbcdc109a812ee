"""Simulated annealing of a schedule by small changes, each priced by allocating anew."""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.colouring import _layers, by_end
from memsim.locality.optimise.moves import (
    COPY,
    Draft,
    add_copy,
    draft_of,
    drop_copy,
    exchange_copy,
    is_valid,
    merge_copies,
    move_home,
    move_read,
    move_run,
    regroup,
    schedule_of,
)
from memsim.locality.optimise.terms import move_term
from memsim.locality.optimise.values import Schedule
from memsim.locality.shells import Array, shell


def anneal(
    schedule: Schedule, trials: int, seed: int, hot: float, cold: float = 0.2, reach: int = 40
) -> tuple[Schedule, int]:
    """Change a schedule at random, and keep what is cheaper, or by chance a little dearer.

    Parameters
    ----------
    schedule
        To start from.
    trials
        Changes to try.
    seed
        Of the random numbers: the same seed gives the same schedule.
    hot, cold
        The temperature at the first and at the last trial, in units of cost.
    reach
        How far instructions move.

    Returns
    -------
    schedule, cost
        The cheapest that was met, and its cost as `colouring.allocate` places it.
    """
    room = max(64, len(schedule) // 4)
    draft = draft_of(schedule, room)
    best = draft_of(schedule, room)
    cost = _anneal(draft, best, trials, seed, hot, cold, reach)
    return schedule_of(best), int(cost)


@compiled
def _anneal(draft: Draft, best: Draft, trials: int, seed: int, hot: float, cold: float, reach: int) -> int:
    np.random.seed(seed)
    place = np.empty(len(draft.ops), np.int64)
    saved = (draft.sources.copy(), draft.order.copy(), draft.outputs.copy(), draft.sizes.copy())
    is_valid(draft, place)
    now = draft_cost(draft, place)
    least = now
    for trial in range(trials):
        heat = hot * (cold / hot) ** (trial / trials)
        kind = np.random.randint(0, 20)
        changed = _change(draft, kind, reach)
        keep = False
        if changed and is_valid(draft, place):
            cost = draft_cost(draft, place)
            keep = cost <= now or np.random.random() < np.exp((now - cost) / heat)
        if keep:
            now = cost
            _save(draft, saved)
            if draft.sizes[2] > len(draft.ops) - 4:
                _renumber(draft)
                _save(draft, saved)
            if now < least:
                least = now
                _whole(draft, best)
        elif changed:
            _restore(draft, saved)
    return least


@compiled
def _change(draft: Draft, kind: int, reach: int) -> bool:
    """One change at random."""
    if kind < 6:
        return move_run(draft, reach)
    if kind < 8:
        return add_copy(draft, reach)
    if kind < 9:
        return drop_copy(draft)
    if kind < 11:
        return move_read(draft, 20 * reach)
    if kind < 12:
        return exchange_copy(draft)
    if kind < 13:
        return move_home(draft)
    if kind < 14:
        return merge_copies(draft)
    if kind < 16:
        return regroup(draft, reach)
    return move_term(draft, reach)


@compiled
def _save(draft: Draft, saved: tuple[Array, Array, Array, Array]) -> None:
    """Keep what a change may change: other columns only get entries for numbers that are not in use."""
    sources, order, outputs, sizes = saved
    sources[:], order[:], outputs[:], sizes[:] = draft.sources, draft.order, draft.outputs, draft.sizes


@compiled
def _restore(draft: Draft, saved: tuple[Array, Array, Array, Array]) -> None:
    draft.sources[:], draft.order[:], draft.outputs[:], draft.sizes[:] = saved


@compiled
def _whole(draft: Draft, best: Draft) -> None:
    best.ops[:], best.sources[:], best.immediates[:], best.root[:] = (
        draft.ops,
        draft.sources,
        draft.immediates,
        draft.root,
    )
    best.order[:], best.outputs[:], best.sizes[:] = draft.order, draft.outputs, draft.sizes


@compiled
def _renumber(draft: Draft) -> None:
    """Number the values anew in the order of time, so that numbers of dropped copies can be used again."""
    inputs, count = draft.sizes[:2]
    renamed = np.arange(len(draft.ops))
    for t in range(count):
        renamed[draft.order[t]] = inputs + t
    ops, sources, immediates = draft.ops.copy(), draft.sources.copy(), draft.immediates.copy()
    for t in range(count):
        v, w = draft.order[t], inputs + t
        draft.ops[w], draft.immediates[w] = ops[v], immediates[v]
        for j in range(3):
            s = sources[v, j]
            draft.sources[w, j] = renamed[s] if s >= 0 else -1
    for t in range(count):
        w = inputs + t
        draft.root[w] = draft.root[draft.sources[w, 0]] if draft.ops[w] == COPY else w
        draft.order[t] = w
    for v in range(inputs + count, len(draft.ops)):
        draft.root[v] = v
    for i in range(len(draft.outputs)):
        draft.outputs[i] = renamed[draft.outputs[i]]
    draft.sizes[2] = inputs + count


@compiled
def draft_cost(draft: Draft, place: Array) -> int:
    """The cost of a draft as layers place it; ``place`` is when each value is written."""
    inputs, count, _ = draft.sizes
    total = inputs + count
    start, end, reads = np.empty(total, np.int64), np.empty(total, np.int64), np.zeros(total, np.int64)
    for v in range(inputs):
        start[v], end[v] = -1, 0
    for t in range(count):
        start[inputs + t], end[inputs + t] = t, t + 1
    for t in range(count):
        v = draft.order[t]
        for j in range(3):
            s = draft.sources[v, j]
            if s >= 0:
                s = s if s < inputs else inputs + place[s]
                reads[s] += 1
                end[s] = max(end[s], t)
    for o in draft.outputs:
        s = o if o < inputs else inputs + place[o]
        reads[s] += 1
        end[s] = count + 1
    order = by_end(end)
    addresses = _layers(start[order], end[order], reads[order], order)
    cost = 0
    for v in range(total):
        cost += reads[v] * shell(addresses[v])
    return cost
