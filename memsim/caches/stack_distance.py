"""Stack distances of a trace (Mattson et al., IBM Systems Journal 9(2), 1970): one pass answers for every capacity.

The distance of an access is how many *other* items were used since its item was used last. A fully associative LRU
cache of ``c`` items hits exactly the accesses whose distance is below ``c``; a set-associative one, those whose
distance within their set is below its ways.

A Fenwick tree holds a mark at the time of each item's last use, so a distance is a difference of prefix sums: O(log m)
an access for m items (Bennett and Kruskal, IBM J. Res. Dev. 19(4), 1975). Times are renumbered when they run out, so
the tree stays of the size of the items, not of the trace. Marks may have weights, such as bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from memsim.caches.fenwick import add, renumber, sum_to
from memsim.compiled import compiled

Array: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

COLD = -1
"""The distance of a first use: no capacity hits it."""


def stack_distances(
    addresses: Sequence[int] | Array, *, line: int = 1, sets: int = 1, weights: Sequence[int] | Array | None = None
) -> Array:
    """The stack distance of each access, `COLD` for the first to its item.

    Parameters
    ----------
    addresses
        What is used, in order.
    line
        Addresses that make an item: ``address // line``.
    sets
        Count only items of the same set, ``item % sets``.
    weights
        Of each access's item, constant for an item; distances are then sums of weights. 1 each, unless given.
    """
    items = np.asarray(addresses, dtype=np.int64) // line
    if not len(items):
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(items % sets, kind="stable") if sets > 1 else np.arange(len(items))
    names, first, numbers = np.unique(items[order], return_index=True, return_inverse=True)
    heavy = np.ones(len(names), np.int64) if weights is None else np.asarray(weights, np.int64)[order][first]
    distances = np.empty(len(items), dtype=np.int64)
    distances[order] = _distances(numbers.astype(np.int64), heavy)
    return distances


def hits_by_capacity(distances: Array) -> Array:
    """Hits of an LRU cache of 0, 1, 2, … items, up to the capacity at which nothing but first uses misses."""
    warm = distances[distances != COLD]
    return np.concatenate([[0], np.cumsum(np.bincount(warm))]).astype(np.int64)


def miss_ratio_curve(
    addresses: Sequence[int] | Array, capacities: Sequence[int], *, line: int = 1
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Share of accesses that miss in a fully associative LRU cache, for each capacity in items (lines)."""
    hits = hits_by_capacity(stack_distances(addresses, line=line))
    total = max(1, len(np.asarray(addresses)))
    found: np.ndarray[Any, np.dtype[np.float64]] = 1 - hits[np.minimum(capacities, len(hits) - 1)] / total
    return found


@compiled
def _distances(items: Array, weights: Array) -> Array:
    """Distances of a trace of item numbers from 0 on."""
    times = max(2 * len(weights), 64)
    tree = np.zeros(times + 1, dtype=np.int64)
    last = np.zeros(len(weights), dtype=np.int64)  # time of each item's last use, 0 for none
    owner = np.zeros(times + 1, dtype=np.int64)
    found = np.empty(len(items), dtype=np.int64)
    now, marked = 0, 0
    for i in range(len(items)):
        item = items[i]
        if now == times:
            now = renumber(tree, last, owner, weights)
        now += 1
        if last[item]:
            found[i] = marked - sum_to(tree, last[item])
            add(tree, last[item], -weights[item])
        else:
            found[i] = COLD
            marked += weights[item]
        add(tree, now, weights[item])
        last[item] = now
        owner[now] = item
    return found
