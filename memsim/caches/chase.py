"""A pointer chase through a core's L1 and a cache in partitions: which memory answers each load."""

from __future__ import annotations

import numpy as np

from memsim.caches import words as w
from memsim.caches.model import hits, spread
from memsim.caches.state import Array
from memsim.compiled import compiled, inlined

ANSWERS = ("L1", "near", "far", "DRAM near", "DRAM far")
"""Who answers a load: L1, the partition that the core asks, the line's home in another partition, and the DRAM behind
the line's home, in the core's own partition or in another."""


def cyclic_order(elements: int, seed: int = 0) -> Array:
    """For each element the next one of a random cycle through all of them."""
    walk = np.random.default_rng(seed).permutation(elements)
    following = np.empty(elements, dtype=np.int64)
    following[walk] = np.roll(walk, -1)
    return following


@inlined
def _home(m: Array, partitions: Array, address: int) -> int:
    """The partition where a line is at home: the lines of a set belong to each in turn, and so do neighbours."""
    line, sets = address // m[partitions[0] + w.LINE], m[partitions[0] + w.SETS]
    return int((line // sets + spread(line % sets, len(partitions))) % len(partitions))


@compiled
def chase(m: Array, l1: int, partitions: Array, following: Array, stride: int, loads: int, answers: Array) -> None:
    """Follow a cycle from element 0 for so many loads, and count them by `ANSWERS`.

    Parameters
    ----------
    m
        Words of the caches.
    l1
        Where those of the L1 begin; -1 if there is none.
    partitions
        Where those of each partition begin, the core's own first; none if there is no cache.
    following, stride
        The cycle, and the bytes between its elements.
    loads
        How many.
    answers
        The counts, to which it adds.
    """
    element = 0
    for _ in range(loads):
        address = element * stride
        element = following[element]
        if l1 >= 0 and hits(m, l1, address):
            answers[0] += 1
            continue
        if len(partitions) == 0:
            answers[3] += 1
            continue
        home = _home(m, partitions, address)
        if hits(m, partitions[0], address):
            answers[1] += 1
        elif home == 0:
            answers[3] += 1
        elif hits(m, partitions[home], address):
            answers[2] += 1
        else:
            answers[4] += 1
