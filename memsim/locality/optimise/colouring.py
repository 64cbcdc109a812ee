"""Addresses for values: interval colouring in which the colours have prices.

Values whose lives overlap need different addresses, and a value that is read ``r`` times at address ``a`` costs
``r ceil(sqrt(a))``. Lives are intervals of a line, so the values that share an address are a set of disjoint intervals.
`allocate` takes addresses in order of price and gives each the set of disjoint intervals, of those left, that is read
most often: that set is exact for one address (a longest path along the line), and a heuristic for all together.
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import bare_inlined, compiled
from memsim.locality.optimise.values import Lives
from memsim.locality.shells import Array, distances

SLACK = 600
"""A part of the cost: what `layered_cost` allows for what it does not look at."""


def allocate(lives: Lives) -> Array:
    """An address for each value, from 1 on, such that no two overlapping lives share one; int64."""
    order = by_end(lives.end)
    return _layers(lives.start[order], lives.end[order], lives.reads[order], order)


def cost_of(lives: Lives, addresses: Array) -> int:
    """What reads cost under Model 1: the sum of ``reads * ceil(sqrt(address))``, exact below 2^62."""
    return int(lives.reads @ distances(addresses))


@compiled
def by_end(end: Array) -> Array:
    """The order of lives by their end, by counting."""
    places = np.zeros(end.max() + 2 if len(end) else 2, np.int64)
    for v in range(len(end)):
        places[end[v] + 1] += 1
    for time in range(1, len(places)):
        places[time] += places[time - 1]
    order = np.empty(len(end), np.int64)
    for v in range(len(end)):
        order[places[end[v]]] = v
        places[end[v]] += 1
    return order


@compiled
def _layers(start: Array, end: Array, reads: Array, order: Array) -> Array:
    """Layer by layer, the most read set of disjoint intervals; they are sorted by their end."""
    count = len(start)
    addresses = np.zeros(count, np.int64)
    start, end, reads, order = start + 1, end + 1, reads.copy(), order.copy()
    best = np.zeros(end[-1] + 1 if count else 1, np.int64)
    taken = np.full(len(best), -1, np.int32)
    squeezed, layer = count + 1, 0
    while count > 0:
        if count < 0.9 * squeezed:
            _squeeze(start, end, count, best)
            squeezed = count
        layer += 1
        _choose(start, end, reads, count, best, taken)
        time = end[count - 1]
        while time > 0:
            if taken[time] < 0:
                time -= 1
            else:
                chosen = taken[time]
                addresses[order[chosen]] = layer
                order[chosen] = -1
                time = start[chosen]
        count = _keep(start, end, reads, order, count)
    return addresses


@compiled
def layered_cost(start: Array, end: Array, reads: Array, past: Array, now: Array, limit: int) -> int:
    """What `allocate` costs, or more than ``limit`` as soon as it looks as if it were so.

    Parameters
    ----------
    start, end, reads
        Of lives that are sorted by their end; they are destroyed.
    past, now
        After each layer, its cost up to there and the reads that are left, for a similar schedule and for this one,
        ``(2, layers)``: the rest is taken to cost what it cost there, and `SLACK` is allowed for that. The whole cost
        stands in ``[0, 0]``; 0 where none is known.
    limit
        Above this nobody wants to know.
    """
    count, left, cost = len(start), reads.sum(), 0
    start += 1
    end += 1
    order = np.zeros(count, np.int64)
    best = np.zeros(end[-1] + 1 if count else 1, np.int64)
    taken = np.full(len(best), -1, np.int32)
    squeezed, layer, radius = count + 1, 0, 0
    while count > 0:
        if count < 0.9 * squeezed:
            _squeeze(start, end, count, best)
            squeezed = count
        layer += 1
        radius += layer > radius * radius
        _choose(start, end, reads, count, best, taken)
        time = end[count - 1]
        while time > 0:
            if taken[time] < 0:
                time -= 1
            else:
                chosen = taken[time]
                order[chosen] = -1
                cost += reads[chosen] * radius
                left -= reads[chosen]
                time = start[chosen]
        count = _keep(start, end, reads, order, count)
        if layer < now.shape[1]:
            now[0, layer], now[1, layer] = cost, left
            rest = past[0, 0] - past[0, layer] + (left - past[1, layer]) * radius
            if past[0, 0] > 0 and cost + rest > limit + past[0, 0] // SLACK:
                return limit + 1
    now[0, 0] = cost
    return int(cost)


@bare_inlined
def _choose(start: Array, end: Array, reads: Array, count: int, best: Array, taken: Array) -> None:
    """The most read set of disjoint intervals up to each instant, and the interval of it that ends there."""
    at = 0
    best[0] = 0
    for time in range(1, end[count - 1] + 1):
        top, choice = best[time - 1], -1
        while at < count and end[at] == time:
            # a value that is never read counts a little, so that every layer takes at least one
            gain = best[start[at]] + 2 * reads[at] + (reads[at] == 0)
            if gain > top:
                top, choice = gain, at
            at += 1
        best[time], taken[time] = top, choice


@bare_inlined
def _keep(start: Array, end: Array, reads: Array, order: Array, count: int) -> int:
    """Close the gaps of those that were chosen; returns how many are left."""
    kept = 0
    for v in range(count):
        if order[v] >= 0:
            start[kept], end[kept], reads[kept], order[kept] = start[v], end[v], reads[v], order[v]
            kept += 1
    return kept


@compiled
def _squeeze(start: Array, end: Array, count: int, ranks: Array) -> None:
    """Number the instants anew, in place, by how many of them at which something ends have passed."""
    last = end[count - 1]
    ranks[: last + 1] = 0
    for v in range(count):
        ranks[end[v]] = 1
    for time in range(1, last + 1):
        ranks[time] += ranks[time - 1]
    for v in range(count):
        start[v], end[v] = ranks[start[v]], ranks[end[v]]
