"""Which instructions wait for which: decided by the program alone, so that what it computes never depends on time.

An instruction waits for the last writer of each word that it reads, and, before it overwrites a word, for those that
still read it, or for its last writer where nobody did. Instructions of one core follow each other anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memsim.compiled import compiled
from memsim.locality.shells import Array


@dataclass(frozen=True, eq=False)
class Order:
    """The waiting of a program's instructions.

    Attributes
    ----------
    owners
        Core of each instruction, as the number of its row in ``tiles``: ``(m,)`` int32.
    tiles
        The tile of each core that executes something, ascending: ``(c,)`` int32.
    heads
        The first instruction of each core, ``(c,)`` int32.
    following
        The next instruction of the same core, ``(m,)`` int32; -1 for none.
    first_before, before
        Of each instruction those of other cores that it waits for, as rows of one column.
    first_after, after
        Of each instruction those of other cores that wait for it.
    """

    owners: Array
    tiles: Array
    heads: Array
    following: Array
    first_before: Array
    before: Array
    first_after: Array
    after: Array


def order_of(tiles: Array, operands: Array, slots: int) -> Order:
    """The order of a program.

    Parameters
    ----------
    tiles
        The tile of the core of each instruction, ``(m,)``.
    operands
        Destination and sources of each, ``(m, 4)``; -1 where there is none.
    slots
        How many words there are.
    """
    used, owners = np.unique(tiles, return_inverse=True)
    owners = np.asarray(owners, np.int32)
    heads, following = _chains(owners, len(used))
    first_before, before = _dependencies(owners, operands, slots)
    first_after, after = _transposed(first_before, before)
    return Order(owners, np.asarray(used, np.int32), heads, following, first_before, before, first_after, after)


@compiled
def _chains(owners: Array, cores: int) -> tuple[Array, Array]:
    """First instruction of each core, and the next one of each instruction's core."""
    heads, last = np.full(cores, -1, np.int32), np.full(cores, -1, np.int32)
    following = np.full(len(owners), -1, np.int32)
    for i in range(len(owners)):
        core = owners[i]
        if last[core] < 0:
            heads[core] = i
        else:
            following[last[core]] = i
        last[core] = i
    return heads, following


@compiled
def _dependencies(owners: Array, operands: Array, slots: int) -> tuple[Array, Array]:
    """Instructions of other cores that each waits for."""
    count = len(owners)
    first, found = np.empty(count + 1, np.int64), np.empty(7 * count, np.int32)
    writer, reader = np.full(slots, -1, np.int32), np.full(slots, -1, np.int32)
    readers, more = np.empty(3 * count, np.int32), np.empty(3 * count, np.int32)
    edges, noted = 0, 0
    for i in range(count):
        first[i] = edges
        for k in range(1, 4):
            slot = operands[i, k]
            if slot >= 0 and writer[slot] >= 0 and owners[writer[slot]] != owners[i]:
                found[edges] = writer[slot]
                edges += 1
        slot = operands[i, 0]
        if slot >= 0:
            entry = reader[slot]
            if entry < 0 and writer[slot] >= 0 and owners[writer[slot]] != owners[i]:
                found[edges] = writer[slot]
                edges += 1
            while entry >= 0:
                if owners[readers[entry]] != owners[i]:
                    found[edges] = readers[entry]
                    edges += 1
                entry = more[entry]
        for k in range(1, 4):
            slot = operands[i, k]
            if slot >= 0:
                readers[noted], more[noted] = i, reader[slot]
                reader[slot] = noted
                noted += 1
        slot = operands[i, 0]
        if slot >= 0:
            writer[slot], reader[slot] = i, -1
    first[count] = edges
    return first, found[:edges].copy()


@compiled
def _transposed(first: Array, before: Array) -> tuple[Array, Array]:
    """The same pairs, by the instruction that is waited for."""
    count = len(first) - 1
    starts = np.zeros(count + 1, np.int64)
    for other in before:
        starts[other + 1] += 1
    for i in range(count):
        starts[i + 1] += starts[i]
    after, filled = np.empty(len(before), np.int32), starts.copy()
    for i in range(count):
        for k in range(first[i], first[i + 1]):
            other = before[k]
            after[filled[other]] = i
            filled[other] += 1
    return starts, after
