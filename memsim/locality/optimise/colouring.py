"""Addresses for values: interval colouring in which the colours have prices.

Values whose lives overlap need different addresses, and a value that is read ``r`` times at address ``a`` costs
``r ceil(sqrt(a))``. Lives are intervals of a line, so the values that share an address are a set of disjoint intervals.
`allocate` takes addresses in order of price and gives each the set of disjoint intervals, of those left, that is read
most often: that set is exact for one address (a shortest path along the line), and a heuristic for all of them together.
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.values import Lives
from memsim.locality.shells import Array, distances


def allocate(lives: Lives) -> Array:
    """An address for each value, from 1 on, such that no two overlapping lives share one; int64."""
    order = _by_end(lives.end)
    return _layers(lives.start[order], lives.end[order], lives.reads[order], order)


def cost_of(lives: Lives, addresses: Array) -> int:
    """What reads cost under Model 1: the sum of ``reads * ceil(sqrt(address))``, exact below 2^62."""
    return int(lives.reads @ distances(addresses))


@compiled
def _by_end(end: Array) -> Array:
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
        if count < 0.7 * squeezed:  # drop the instants at which nothing starts or ends
            _squeeze(start, end, count, best)
            squeezed = count
        layer += 1
        last, at = end[count - 1], 0
        best[0] = 0
        for time in range(1, last + 1):
            top, choice = best[time - 1], -1
            while at < count and end[at] == time:
                # a value that is never read counts a little, so that every layer takes at least one
                gain = best[start[at]] + 2 * reads[at] + (reads[at] == 0)
                if gain > top:
                    top, choice = gain, at
                at += 1
            best[time], taken[time] = top, choice
        time = last
        while time > 0:
            if taken[time] < 0:
                time -= 1
            else:
                chosen = taken[time]
                addresses[order[chosen]] = layer
                order[chosen] = -1
                time = start[chosen]
        kept = 0
        for v in range(count):
            if order[v] >= 0:
                start[kept], end[kept], reads[kept], order[kept] = start[v], end[v], reads[v], order[v]
                kept += 1
        count = kept
    return addresses


@compiled
def _squeeze(start: Array, end: Array, count: int, ranks: Array) -> None:
    """Number the instants anew, in place."""
    last = end[count - 1]
    for time in range(last + 1):
        ranks[time] = 0
    for v in range(count):
        ranks[start[v]] = ranks[end[v]] = 1
    rank = -1
    for time in range(last + 1):
        rank += ranks[time]
        ranks[time] = rank
    first = ranks[start[0]]
    for v in range(count):
        first = min(first, ranks[start[v]])
    for v in range(count):
        start[v], end[v] = ranks[start[v]] - first, ranks[end[v]] - first
