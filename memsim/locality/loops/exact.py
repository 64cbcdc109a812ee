"""Whether a region is initialised where it is read, by going through every access: for what is not proved."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from memsim.compiled import compiled
from memsim.errors import ProgramError
from memsim.locality.loops.touches import Item, Nest, Touch, work
from memsim.locality.shells import Array

MAX_ACCESSES = 3 * 10**9
"""Accesses of a region that are gone through: some seconds."""

MAX_WORDS = 10**9
"""Words of a region that is gone through, a byte each."""

GLANCE = 10**8
"""Accesses that are looked at where all are too many: a mistake is often made early."""

Found: TypeAlias = tuple[Touch, dict[str, int]]
"""A read of a word that was not written, and the counters of its loops, from 0."""


def run(name: str, items: tuple[Item, ...], words: int, is_output: bool) -> Found | int | None:
    """Go through the accesses of a region that is no input.

    Returns
    -------
    tuple or int or None
        The first read of a word that was not written; or the first word that is an output and was not written; or
        ``None`` where there is neither.

    Raises
    ------
    ProgramError
        If there are more than `MAX_ACCESSES`, or more than `MAX_WORDS` words, and none of the first shows a mistake.
    """
    total = work(items)
    if words > MAX_WORDS:
        raise _undecided(name, f"the region has {words:,} words, and at most {MAX_WORDS:,} can be followed")
    plan = _Plan(items)
    limit = total if total <= MAX_ACCESSES else GLANCE
    known = np.zeros(words, np.bool_)
    node, counters = _run(*plan.arrays(), known, limit)
    if node >= 0:
        touch = plan.touches[node]
        assert touch is not None
        return touch, dict(zip(plan.names[node], (int(c) for c in counters), strict=False))
    if total > MAX_ACCESSES:
        raise _undecided(
            name, f"its {total:,} reads and writes are more than {MAX_ACCESSES:,} and cannot all be followed"
        )
    return int(np.argmin(known)) if is_output and not known.all() else None


def _undecided(name: str, why: str) -> ProgramError:
    return ProgramError(
        f"no rule proves that region `{name}` is written before it is read, and {why}",
        where=name,
        mend="fill the region in a nest of its own before, or split it into regions that are filled as a whole",
    )


class _Plan:
    """The loops and touches of a region as rows of integers, each loop followed by its body."""

    def __init__(self, items: tuple[Item, ...]) -> None:
        self.touches: list[Touch | None] = []
        self.names: list[tuple[str, ...]] = []
        self.rows: list[list[int]] = []  # 1 for a loop, 2 for one of touches only; count or offset; end; writes
        self.add(items, ())

    def add(self, items: tuple[Item, ...], names: tuple[str, ...]) -> None:
        for item in items:
            self.touches.append(None if isinstance(item, Nest) else item)
            self.names.append(names)
            if not isinstance(item, Nest):
                self.rows.append([0, item.offset, len(self.rows) + 1, item.writes])
                continue
            leaf = all(isinstance(inner, Touch) for inner in item.items)
            row = [2 if leaf else 1, min(item.count, 2**62), 0, 0]
            self.rows.append(row)
            self.add(item.items, (*names, item.name))
            row[2] = len(self.rows)

    def arrays(self) -> tuple[Array, Array]:
        """The rows, and what each counter, from the outermost on, adds to the word of each touch."""
        depth = 1 + max((len(names) for names in self.names), default=0)
        factors = np.zeros((len(self.rows), depth), np.int64)
        for i, touch in enumerate(self.touches):
            if touch is not None:
                factors[i, : len(self.names[i])] = [touch.factors.get(name, 0) for name in self.names[i]]
        return np.array(self.rows, np.int64).reshape(-1, 4), factors


@compiled
def _run(rows: Array, factors: Array, known: Array, limit: int) -> tuple[int, Array]:
    """The row of the first read of an unknown word, -1 for none among ``limit`` accesses, and the counters."""
    counters = np.zeros(factors.shape[1], np.int64)
    around = np.zeros(factors.shape[1], np.int64)  # the rows of the loops that are open
    words = np.zeros(len(rows), np.int64)
    at, depth, done = 0, 0, 0
    while done < limit:
        if depth and at == rows[around[depth - 1], 2]:
            counters[depth - 1] += 1
            if counters[depth - 1] < rows[around[depth - 1], 1]:
                at = around[depth - 1] + 1
            else:
                depth -= 1
            continue
        if at == len(rows):
            break
        kind, end = rows[at, 0], rows[at, 2]
        if kind == 1:
            around[depth], counters[depth] = at, 0
            depth += 1
            at += 1
            continue
        first = at + (kind == 2)
        for i in range(first, end):
            words[i] = rows[i, 1]
            for d in range(depth):
                words[i] += factors[i, d] * counters[d]
        trips = rows[at, 1] if kind == 2 else 1
        for trip in range(trips):
            for i in range(first, end):
                if rows[i, 3]:
                    known[words[i]] = True
                elif not known[words[i]]:
                    counters[depth] = trip
                    return i, counters
                words[i] += factors[i, depth]
            done += end - first
            if done >= limit:
                break
        at = end
    return -1, counters
