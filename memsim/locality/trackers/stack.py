"""DMD of named blocks: a stack of elements that writes renew and reads do not (the Sutro Group, autumn 2026)."""

from __future__ import annotations

from array import array
from collections.abc import Hashable

import numpy as np

from memsim.caches.fenwick import add, sum_to
from memsim.compiled import compiled
from memsim.locality.scores import Score
from memsim.locality.shells import Array
from memsim.locality.trackers.clock import VERSION, checked_size, unknown

NEW = -1
"""Stands for the block that a write replaces where there is none."""


class LRUStackTracker:
    """A stack of elements: a write puts a block's elements on top, a read costs each the root of its depth.

    Depth counts from 1 at the top. A block that is written again leaves its old place; reads move nothing. Events are
    only noted: the first question after them prices them, in O(log w) a block for w writes, plus the elements read.
    """

    def __init__(self) -> None:
        self._events = array(
            "q"
        )  # a write: ~(the write it replaces + 1); a read: the number of the write that it reads
        self._sizes = array("q")  # of each write
        self._blocks: dict[Hashable, int] = {}  # number of the last write of each name
        self._priced = (0, 0.0)  # events, and their cost

    def write(self, name: Hashable, size: int = 1) -> None:
        """Write a block of ``size`` elements; one of that name is replaced.

        Raises
        ------
        MemsimError
            If the size is no whole number of at least 1.
        """
        checked_size(name, size)
        self._events.append(~(self._blocks.get(name, NEW) + 1))
        self._blocks[name] = len(self._sizes)
        self._sizes.append(size)

    def read(self, name: Hashable) -> None:
        """Read a whole block.

        Raises
        ------
        MemsimError
            If nothing was written under that name.
        """
        if name not in self._blocks:
            raise unknown(name)
        self._events.append(self._blocks[name])

    @property
    def dmd(self) -> float:
        """The data movement distance so far: the sum of the root of the depth, over elements read."""
        if self._priced[0] != len(self._events):
            cost = _cost(np.array(self._events, np.int64), np.array(self._sizes, np.int64))
            self._priced = len(self._events), float(cost)
        return self._priced[1]

    def score(self) -> Score:
        """DMD as a score; ``reads`` and ``writes`` count blocks."""
        return Score(
            model="dmd",
            dialect="LRUStackTracker",
            version=VERSION,
            engine="fenwick",
            cost=self.dmd,
            unit="distance",
            reads=len(self._events) - len(self._sizes),
            writes=len(self._sizes),
            reason="values are not checked",
        )


@compiled
def _cost(events: Array, sizes: Array) -> float:
    """The cost of all events; the tree holds each block's size at the number of its write, from 1."""
    tree = np.zeros(len(sizes) + 1, np.int64)
    written, live, cost = 0, 0, 0.0
    for event in events:
        if event < 0:
            before = ~event  # from 1, 0 for none
            if before > 0:
                add(tree, before, -sizes[before - 1])
                live -= sizes[before - 1]
            add(tree, written + 1, sizes[written])
            live += sizes[written]
            written += 1
        else:
            above = live - sum_to(tree, event + 1)
            for i in range(1, sizes[event] + 1):
                cost += np.sqrt(float(above + i))
    return cost


__all__ = ["LRUStackTracker"]
