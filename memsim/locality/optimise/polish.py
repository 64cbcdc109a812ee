"""Better addresses from good ones: a few addresses at a time exchange their values in the best way there is.

The values of ``m`` addresses are ``m`` chains of disjoint lives. When a life of one chain begins, the chains that hold
nothing at that time may change places with it. So an assignment of chains to addresses is a permutation that changes
over time, and the cheapest course of it is a shortest path through ``m!`` states per life: exact for these addresses.
`polish` does that again and again for addresses drawn at random. Moves that cost the same are taken too, so that it
does not stop at the first assignment that no few addresses improve.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.values import Lives
from memsim.locality.shells import Array, shell

TOGETHER = 4
"""Addresses that exchange values at a time."""


def _swapped(order: tuple[int, ...], x: int, y: int) -> tuple[int, ...]:
    """A permutation in which ``x`` and ``y`` have changed places."""
    exchanged = {x: y, y: x}
    return tuple(order[exchanged.get(c, c)] for c in range(TOGETHER))


_ALL = list(permutations(range(TOGETHER)))
_ORDERS = np.array(_ALL, np.int64)
_CHAINS = range(TOGETHER)
_SWAPPED = np.array([[[_ALL.index(_swapped(o, x, y)) for y in _CHAINS] for x in _CHAINS] for o in _ALL], np.int64)
"""The permutation in which chains ``x`` and ``y`` have changed places, by permutation, ``x`` and ``y``."""


def polish(lives: Lives, addresses: Array, rounds: int, seed: int = 0) -> Array:
    """Addresses that cost at most as much under Model 1, int64.

    Parameters
    ----------
    lives
        Of the values.
    addresses
        Of each value, from 1 on, without conflicts.
    rounds
        How often to draw addresses; one takes some microseconds where they hold few values.
    seed
        Of the random numbers.
    """
    most = int(addresses.max(initial=0))
    if most < TOGETHER:
        return addresses.copy()
    order = np.argsort(lives.start, kind="stable")
    found = _polish(
        lives.start[order],
        lives.end[order],
        lives.reads[order],
        addresses[order],
        most,
        rounds,
        seed,
        _ORDERS,
        _SWAPPED,
    )
    result = np.empty_like(found)
    result[order] = found
    return result


@compiled
def _polish(
    start: Array,
    end: Array,
    reads: Array,
    addresses: Array,
    most: int,
    rounds: int,
    seed: int,
    orders: Array,
    swapped: Array,
) -> Array:
    np.random.seed(seed)
    count, width = len(start), orders.shape[1]
    addresses = addresses.copy()
    first, following = np.full(most + 1, -1, np.int64), np.full(count, -1, np.int64)
    for v in range(count - 1, -1, -1):  # lives are sorted by their start: lists of each address in the order of time
        following[v] = first[addresses[v]]
        first[addresses[v]] = v
    chosen, at = np.empty(width, np.int64), np.empty(width, np.int64)
    merged, chain = np.empty(count, np.int64), np.empty(count, np.int64)
    for _ in range(rounds):
        _draw(chosen, most)
        at[:] = first[chosen]
        events = _merge(at, following, start, merged, chain)
        slots = _best_course(start, end, reads, merged[:events], chain[:events], chosen, orders, swapped)
        for c in range(width):
            first[chosen[c]] = -1
        for e in range(events - 1, -1, -1):
            v, address = merged[e], chosen[slots[e]]
            addresses[v] = address
            following[v] = first[address]
            first[address] = v
    return addresses


@compiled
def _draw(chosen: Array, most: int) -> None:
    """Different addresses, mostly of neighbouring shells."""
    radius = np.random.random() * np.sqrt(most)
    spread = 1 + 3 * np.random.random() ** 2
    for c in range(len(chosen)):
        fresh = False
        while not fresh:
            near = radius + spread * (2 * np.random.random() - 1) if np.random.random() < 0.8 else -1.0
            address = int(near * near) + 1 if near >= 0 else np.random.randint(1, most + 1)
            fresh = address <= most
            for other in range(c):
                fresh &= chosen[other] != address
            chosen[c] = address


@compiled
def _merge(at: Array, following: Array, start: Array, merged: Array, chain: Array) -> int:
    """The lives of all chains in the order of their start, and the chain of each; ``at`` is used up."""
    events = 0
    while True:
        best = -1
        for c in range(len(at)):
            if at[c] >= 0 and (best < 0 or start[at[c]] < start[at[best]]):
                best = c
        if best < 0:
            return events
        merged[events], chain[events] = at[best], best
        at[best] = following[at[best]]
        events += 1


@compiled
def _best_course(
    start: Array, end: Array, reads: Array, merged: Array, chain: Array, chosen: Array, orders: Array, swapped: Array
) -> Array:
    """The place, by number in ``chosen``, of each life in the cheapest course of permutations."""
    events, states, width = len(merged), len(orders), len(chosen)
    price = np.array([shell(address) for address in chosen])
    busy, via = np.full(width, -1, np.int64), np.empty((events, states), np.int8)
    cost, new = np.zeros(states, np.int64), np.empty(states, np.int64)
    for e in range(events):
        v, c = merged[e], chain[e]
        turn = np.random.randint(0, width)  # which of equal courses is taken is a matter of chance
        for s in range(states):
            least = 2**62
            for y in range(width):
                other = (y + turn) % width
                if (other == c or busy[other] <= start[v]) and cost[swapped[s, c, other]] < least:
                    least = cost[swapped[s, c, other]]
                    via[e, s] = other
            new[s] = least + reads[v] * price[orders[s, c]]
        cost, new = new, cost
        busy[c] = end[v]
    slots = np.empty(events, np.int64)
    s = int(np.argmin(cost))
    for e in range(events - 1, -1, -1):
        slots[e] = orders[s, chain[e]]
        s = swapped[s, chain[e], via[e, s]]
    return slots
