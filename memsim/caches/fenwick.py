"""Marks at times of last use in a Fenwick tree: how much was used since a time, in O(log m) (compiled code calls it).

``tree`` has one place more than there are times, which count from 1. Several models share these pieces: stack distances
of caches, and cost models that price an LRU stack.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from memsim.compiled import bare_inlined, compiled

Array: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


@bare_inlined
def sum_to(tree: Array, time: int) -> int:
    """The sum of the marks at the times 1 to ``time``."""
    total = 0
    while time > 0:
        total += tree[time]
        time &= time - 1
    return total


@bare_inlined
def add(tree: Array, time: int, amount: int) -> None:
    """Add ``amount`` to the mark at ``time``."""
    while time < len(tree):
        tree[time] += amount
        time += time & -time


@compiled
def renumber(tree: Array, last: Array, owner: Array, weights: Array) -> int:
    """Give the last uses the times 1, 2, … in their order; returns the last of these.

    Parameters
    ----------
    tree
        Of the marks; made anew.
    last
        Time of each item's last use, 0 for none; changed.
    owner
        The item that was used at each time; a time that is not its item's last counts no more. Changed.
    weights
        The mark of each item.
    """
    now = 0
    for time in range(1, len(tree)):
        item = owner[time]
        if last[item] == time:
            now += 1
            last[item] = now
            owner[now] = item
    tree[:] = 0
    for time in range(1, now + 1):
        tree[time] = weights[owner[time]]
    for time in range(1, len(tree)):
        above = time + (time & -time)
        if above < len(tree):
            tree[above] += tree[time]
    return now


__all__ = ["add", "renumber", "sum_to"]
