"""What no run can beat: the longest chain of waiting, and the most loaded link, scratchpad and port."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from memsim.compiled import compiled
from memsim.locality.shells import Array
from memsim.locality.spatial.accesses import Accesses
from memsim.locality.spatial.machine import Machine
from memsim.locality.spatial.order import Order


class Loads(NamedTuple):
    """Words that a program moves, whatever the timing; one a cycle passes each.

    Attributes
    ----------
    links
        ``(4, rows, columns)`` int64: through the link that leaves a tile to the east, west, north and south.
    scratchpads
        Accesses to each tile's, ``(rows, columns)`` int64.
    ports
        Of the tape, ``(columns,)`` int64.
    """

    links: Array
    scratchpads: Array
    ports: Array


def critical_path(accesses: Accesses, order: Order) -> int:
    """Cycles of the longest chain of instructions that wait for each other, each without contention."""
    ends = _ends(accesses.first, accesses.cycles, order.owners, len(order.tiles), order.first_before, order.before)
    return int(ends.max(initial=0))


def busy(accesses: Accesses, order: Order) -> Array:
    """Cycles that the accesses of each core take without contention, ``(c,)`` int64."""
    cores = np.repeat(order.owners, np.diff(accesses.first))
    return _sums(cores, accesses.cycles, len(order.tiles))


@compiled
def _sums(cores: Array, cycles: Array, count: int) -> Array:
    sums = np.zeros(count, np.int64)
    for k in range(len(cores)):
        sums[cores[k]] += cycles[k]
    return sums


def loads(accesses: Accesses, tiles: Array, machine: Machine) -> Loads:
    """How many words pass each resource; ``tiles`` is the tile of the core of each instruction."""
    owners = np.repeat(tiles, np.diff(accesses.first))
    links = _links(accesses.kinds, owners, accesses.tiles, machine.columns, machine.tiles)
    scratchpads = np.bincount(accesses.tiles, minlength=machine.tiles)
    ports = np.bincount(accesses.ports[accesses.ports >= 0], minlength=machine.columns)
    grid = machine.rows, machine.columns
    return Loads(links.reshape(4, *grid), scratchpads.reshape(grid), ports)


@compiled
def _ends(first: Array, cycles: Array, owners: Array, cores: int, first_before: Array, before: Array) -> Array:
    """Cycle after the last of each instruction, if nothing but values were waited for."""
    ends, free = np.empty(len(owners), np.int64), np.zeros(cores, np.int64)
    for i in range(len(owners)):
        at = free[owners[i]]
        for k in range(first_before[i], first_before[i + 1]):
            at = max(at, ends[before[k]])
        for k in range(first[i], first[i + 1]):
            at += cycles[k]
        ends[i] = free[owners[i]] = at
    return ends


@compiled
def _links(kinds: Array, owners: Array, tiles: Array, columns: int, count: int) -> Array:
    """Words through each link: along x, then along y, both on the way there and on the way back."""
    words = np.zeros((4, count), np.int64)
    for k in range(len(kinds)):
        at, to = owners[k], tiles[k]
        if kinds[k] == 3:
            _walk(words, at % columns, to, columns)
        elif kinds[k] == 4:
            _walk(words, at, at % columns, columns)
        elif kinds[k]:
            _walk(words, at, to, columns)
            if kinds[k] == 1:
                _walk(words, to, at, columns)
    return words


@compiled
def _walk(words: Array, at: int, to: int, columns: int) -> None:
    while at % columns != to % columns:
        east = to % columns > at % columns
        words[0 if east else 1, at] += 1
        at += 1 if east else -1
    while at != to:
        north = to > at
        words[2 if north else 3, at] += 1
        at += columns if north else -columns
