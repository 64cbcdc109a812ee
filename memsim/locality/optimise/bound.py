"""How cheap any allocation of a schedule can be: a bound by flow.

Shell ``k`` ends at address ``k^2``, so a cost is a sum over shells: every read pays 1, and 1 more for each ``k`` whose
first ``k^2`` addresses do not hold what it reads. The values that ``N`` addresses hold over time are at most ``N`` at
once; of all such sets, the one that is read most is a maximum flow of ``N`` units through the line of time, along which
each value is an edge of capacity 1. `allocation_bound` adds up these optima: no allocation is cheaper, and one that
meets it is optimal. The sets of different ``N`` need not be nested, so the bound may be out of reach.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from memsim.compiled import bare_inlined, compiled
from memsim.locality.optimise.values import Lives
from memsim.locality.shells import Array

_FAR = 2**62


def allocation_bound(lives: Lives) -> int:
    """A lower bound on ``cost_of(lives, addresses)`` over all addresses, exact arithmetic; takes seconds."""
    held = most_reads(lives)
    shells = isqrt(max(len(held) - 1, 0)) + 1
    total = int(lives.reads.sum())
    return total + sum(total - int(held[min(k * k, len(held) - 1)]) for k in range(1, shells + 1))


def most_reads(lives: Lives) -> Array:
    """The most reads that ``N`` addresses can serve, for ``N`` from 0 to as many as serve all of them; int64."""
    if not len(lives):
        return np.zeros(1, np.int64)
    instants = np.unique(np.concatenate((lives.start, lives.end)))
    start, end = np.searchsorted(instants, lives.start), np.searchsorted(instants, lives.end)
    used = lives.reads > 0
    return _flow(start[used], end[used], lives.reads[used], len(instants))


@compiled
def _flow(start: Array, end: Array, reads: Array, instants: int) -> Array:
    """Send one unit after another along the cheapest path; distances are kept exact by potentials (Johnson)."""
    count = len(start)
    leaving, entering = _by_place(start, instants), _by_place(end, instants)
    used, idle = np.zeros(count, np.bool_), np.zeros(instants, np.int64)
    potential = _first_potential(start, reads, entering, instants)
    held = np.zeros(count + 1, np.int64)
    near, settled = np.empty(instants, np.int64), np.empty(instants, np.bool_)
    via, heap = np.empty(instants, np.int64), np.empty((2, 4 * (count + instants) + 8), np.int64)
    for units in range(1, count + 1):
        near[:], settled[:], near[0] = _FAR, False, 0
        heap[0, 0], heap[1, 0], size = 0, 0, 1
        while size > 0:
            reached, at = heap[0, 0], heap[1, 0]
            size = _pop(heap, size)
            if settled[at]:
                continue
            settled[at] = True
            here = reached + potential[at]
            if at + 1 < instants:
                size = _relax(heap, size, near, via, potential, here, at + 1, count)
            if at > 0 and idle[at - 1] > 0:
                size = _relax(heap, size, near, via, potential, here, at - 1, count + 1)
            for e in range(leaving[0][at], leaving[0][at + 1]):
                v = leaving[1][e]
                if not used[v]:
                    size = _relax(heap, size, near, via, potential, here - reads[v], end[v], v)
            for e in range(entering[0][at], entering[0][at + 1]):
                v = entering[1][e]
                if used[v]:
                    size = _relax(heap, size, near, via, potential, here + reads[v], start[v], v)
        potential += near
        gain = -potential[instants - 1]
        if gain <= 0:
            return held[:units]
        held[units] = held[units - 1] + gain
        _send(start, end, used, idle, via, instants, count)
    return held


@bare_inlined
def _send(start: Array, end: Array, used: Array, idle: Array, via: Array, instants: int, count: int) -> None:
    """Change the flow along the path that was found; ``via`` is a value, or beyond ``count`` a step of the line."""
    at = instants - 1
    while at > 0:
        v = via[at]
        if v < count:
            used[v] = not used[v]
            at = start[v] if used[v] else end[v]
        elif v == count:  # forwards
            idle[at - 1] += 1
            at -= 1
        else:
            idle[at] -= 1
            at += 1


@bare_inlined
def _relax(heap: Array, size: int, near: Array, via: Array, potential: Array, length: int, to: int, by: int) -> int:
    reduced = length - potential[to]
    if reduced < near[to]:
        near[to], via[to] = reduced, by
        place = size
        while place > 0 and heap[0, (place - 1) >> 1] > reduced:
            parent = (place - 1) >> 1
            heap[0, place], heap[1, place] = heap[0, parent], heap[1, parent]
            place = parent
        heap[0, place], heap[1, place] = reduced, to
        size += 1
    return size


@bare_inlined
def _pop(heap: Array, size: int) -> int:
    """Take the least entry off; returns the size that is left."""
    size -= 1
    key, item, place = heap[0, size], heap[1, size], 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and heap[0, child + 1] < heap[0, child]:
            child += 1
        if heap[0, child] >= key:
            break
        heap[0, place], heap[1, place] = heap[0, child], heap[1, child]
        place = child
    heap[0, place], heap[1, place] = key, item
    return size


@compiled
def _by_place(places: Array, instants: int) -> tuple[Array, Array]:
    """The values at each instant: where they begin in a list, and the list."""
    begins = np.zeros(instants + 1, np.int64)
    for place in places:
        begins[place + 1] += 1
    begins = np.cumsum(begins)
    listed, filled = np.empty(len(places), np.int64), begins.copy()
    for v in range(len(places)):
        listed[filled[places[v]]] = v
        filled[places[v]] += 1
    return begins, listed


@compiled
def _first_potential(start: Array, reads: Array, entering: tuple[Array, Array], instants: int) -> Array:
    """The cheapest path from the first instant to each while nothing flows, in the order of time."""
    potential = np.zeros(instants, np.int64)
    for at in range(1, instants):
        potential[at] = potential[at - 1]
        for e in range(entering[0][at], entering[0][at + 1]):
            v = entering[1][e]
            potential[at] = min(potential[at], potential[start[v]] - reads[v])
    return potential
