"""The accesses of a program in the order of time: one form for scalar programs and tile programs.

An *item* is what is accessed as a whole, and what a cache would keep: a word at an address, a value, or a tile.
`scalar_accesses` makes the accesses of a `ScalarProgram`; `memsim.locality.tile_accesses` those of a tile program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memsim.compiled import compiled
from memsim.errors import MemsimError
from memsim.locality.scalar.program import ScalarProgram, check_initialised
from memsim.locality.shells import Array, distances

MOST_ACCESSES = 20_000_000
"""Accesses that are listed at most: with what is computed of them they take some 100 bytes each."""


@dataclass(frozen=True, eq=False)
class Accesses:
    """Reads and writes of items, in the order of time.

    Attributes
    ----------
    items
        The number of the item of each access, ``(n,)`` int64, from 0.
    writes
        Whether each access writes its item, ``(n,)`` bool; a write makes a new value.
    weights
        The size of each item in ``unit``, ``(k,)`` int64, at least 1.
    distances
        What a read of each item costs, ``(k,)``: int64, objects where one is 2^62 or more. ``None`` where items have
        no place; then that of an LRU stack is taken (see `memsim.locality.diagnosis`).
    name
        Of the program.
    noun
        What an item is: ``address``, ``value`` or ``tile of dram``.
    unit
        Of the weights: ``word`` or ``byte``.

    Raises
    ------
    MemsimError
        If the columns do not belong together: lengths, numbers of items out of range, weights below 1.
    """

    items: Array
    writes: Array
    weights: Array
    distances: Array | None = None
    name: str = "program"
    noun: str = "item"
    unit: str = "word"

    def __post_init__(self) -> None:
        count = len(self.weights)
        if self.items.shape != self.writes.shape or self.items.ndim != 1:
            raise self._error(f"{len(self.items)} items and {len(self.writes)} marks of writes", "give one each")
        if len(self.items) and not 0 <= int(self.items.min()) <= int(self.items.max()) < count:
            raise self._error(
                f"items are numbered {self.items.min()} to {self.items.max()}, and there are {count} weights",
                "number the items from 0, and give a weight for each",
            )
        if count and int(self.weights.min()) < 1:
            raise self._error(f"an item of {self.weights.min()} {self.unit}s", "leave out what has no size")
        if self.distances is not None and len(self.distances) != count:
            raise self._error(f"{len(self.distances)} distances for {count} items", "give one for each item")

    def _error(self, cause: str, mend: str) -> MemsimError:
        return MemsimError(cause, where=f"accesses of {self.name}", mend=mend)

    def __len__(self) -> int:
        return len(self.items)


def scalar_accesses(program: ScalarProgram, *, values: bool = False, name: str | None = None) -> Accesses:
    """The accesses of a scalar program: inputs are written first, outputs are read last.

    An instruction reads its operands in their order, each as often as it is named, and then writes. ``recv`` writes,
    ``send`` reads.

    Parameters
    ----------
    program
        What is listed.
    values
        Take values for items instead of addresses: each write makes a new one (static single assignment), and it lies
        as far away as the address that it was written to.
    name
        Of the program, for tables and figures; its file unless given.

    Raises
    ------
    ProgramError
        If the program reads what was never written.
    MemsimError
        If there are more than `MOST_ACCESSES`.
    """
    check_initialised(program)
    label = name if name is not None else (program.file or "program")
    count = int((program.operands >= 0).sum()) + len(program.inputs) + len(program.outputs)
    check_count(count, label, "price it with `memsim score`, which lists nothing")
    slots, writes = _listed(program.operands, program.inputs, program.outputs, count)
    away = distances(program.addresses)
    found = Accesses(slots, writes, np.ones(len(away), np.int64), away, label, "address", "word")
    return by_value(found) if values else found


def by_value(accesses: Accesses, noun: str = "value") -> Accesses:
    """The same accesses with values for items: each write makes a new one, of the size and at the place of its item.

    What is read without having been written before is a value too.
    """
    numbers, owners = _numbered(accesses.items, accesses.writes, len(accesses.weights))
    away = None if accesses.distances is None else accesses.distances[owners]
    return Accesses(numbers, accesses.writes, accesses.weights[owners], away, accesses.name, noun, accesses.unit)


def check_count(count: int, name: str, mend: str) -> None:
    """Refuse more accesses than can be listed."""
    if count > MOST_ACCESSES:
        raise MemsimError(
            f"{count:,} accesses, and at most {MOST_ACCESSES:,} can be listed", where=f"accesses of {name}", mend=mend
        )


@compiled
def _listed(operands: Array, inputs: Array, outputs: Array, count: int) -> tuple[Array, Array]:
    """Slots in the order of their accesses, and which of these write."""
    slots, writes = np.empty(count, np.int64), np.zeros(count, np.bool_)
    at = 0
    for slot in inputs:
        slots[at], writes[at] = slot, True
        at += 1
    for i in range(len(operands)):
        for j in range(1, 4):
            if operands[i, j] >= 0:
                slots[at] = operands[i, j]
                at += 1
        if operands[i, 0] >= 0:
            slots[at], writes[at] = operands[i, 0], True
            at += 1
    for slot in outputs:
        slots[at] = slot
        at += 1
    return slots, writes


@compiled
def _numbered(items: Array, writes: Array, count: int) -> tuple[Array, Array]:
    """The number of the value of each access, and the item of each value."""
    numbers, owners = np.empty(len(items), np.int64), np.empty(len(items), np.int64)
    current = np.full(count, -1, np.int64)
    made = 0
    for i in range(len(items)):
        item = items[i]
        if writes[i] or current[item] < 0:
            owners[made] = item
            current[item] = made
            made += 1
        numbers[i] = current[item]
    return numbers, owners[:made].copy()
