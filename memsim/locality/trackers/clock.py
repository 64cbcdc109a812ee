"""DMC and ARD: how much was written and read since what is read was written (the Sutro Group, autumn 2026)."""

from __future__ import annotations

from collections.abc import Hashable
from math import sqrt

from memsim.errors import MemsimError
from memsim.locality.scores import Score

VERSION = "autumn 2026"

MOST_ELEMENTS = 10**9
"""Of a block: the depth of each element is priced by itself."""


class MemTracker:
    """A clock that every write and read advances by its size; a read lies as far back as the clock has come.

    The distance of a read is the clock after it minus the clock after the last write of its block; reads do not renew
    it. Costs are floats, not rounded.
    """

    def __init__(self) -> None:
        self._clock = 0
        self._blocks: dict[Hashable, tuple[int, int]] = {}  # size and clock of the last write
        self._cost = 0.0
        self._weighed = 0
        self._read = 0
        self._reads = 0
        self._writes = 0

    def write(self, name: Hashable, size: int = 1) -> None:
        """Write a block of ``size`` elements; one of that name is replaced.

        Raises
        ------
        MemsimError
            If the size is no whole number of at least 1.
        """
        self._clock += checked_size(name, size)
        self._blocks[name] = size, self._clock
        self._writes += 1

    def read(self, name: Hashable) -> None:
        """Read a whole block.

        Raises
        ------
        MemsimError
            If nothing was written under that name.
        """
        if name not in self._blocks:
            raise unknown(name)
        size, written = self._blocks[name]
        self._clock += size
        distance = self._clock - written
        self._cost += size * sqrt(distance)
        self._weighed += size * distance
        self._read += size
        self._reads += 1

    @property
    def dmc(self) -> float:
        """The data movement cost so far: the sum of size times the root of the distance, over reads."""
        return self._cost

    @property
    def ard(self) -> float:
        """The mean distance of reads so far, weighted with their sizes; 0 before the first."""
        return self._weighed / self._read if self._read else 0.0

    def scores(self) -> tuple[Score, Score]:
        """DMC and ARD as scores; ``reads`` and ``writes`` count blocks, ``elements_read`` their elements."""
        dmc, ard = (
            Score(
                model=model,
                dialect="MemTracker",
                version=VERSION,
                engine="clock",
                cost=cost,
                unit="distance",
                reads=self._reads,
                writes=self._writes,
                reason="values are not checked",
                details={"elements_read": self._read},
            )
            for model, cost in (("dmc", self.dmc), ("ard", self.ard))
        )
        return dmc, ard


def checked_size(name: Hashable, size: int) -> int:
    """The size of a block, or an error that names it."""
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MOST_ELEMENTS:
        raise MemsimError(
            f"{size!r} is no size", where=f"write {name!r}", mend=f"use a whole number from 1 to {MOST_ELEMENTS:,}"
        )
    return size


def unknown(name: Hashable) -> MemsimError:
    """The error for a read of what was not written."""
    return MemsimError(f"nothing was written to {name!r}", where=f"read {name!r}", mend="write it before it is read")


__all__ = ["MemTracker"]
