"""A straight-line program over scalars at addresses, as columns of integers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from memsim.compiled import compiled
from memsim.errors import Location, ProgramError
from memsim.locality.scalar.instructions import INSTRUCTIONS, PREDICATES, Op
from memsim.locality.shells import Array

NONE = -1
"""Stands where an instruction has no such operand."""


@dataclass(frozen=True, eq=False)
class ScalarProgram:
    """A straight-line program; operands are *slots*, numbers of the addresses that it uses.

    Attributes
    ----------
    ops
        The code of each instruction, ``(m,)`` int8; see `Op`.
    operands
        Destination and three sources of each instruction as slots, ``(m, 4)`` int32, `NONE` where there is none.
    immediates
        What ``set`` writes and the predicate of ``cmp``, ``(m,)`` int64.
    inputs, outputs
        Slots, int32. Input ``i`` has slot ``i``.
    addresses
        The address of each slot, int64; objects where one is 2^62 or more.
    offsets
        Where each instruction begins in ``text``, ``(m,)`` int64.
    text
        What was parsed; empty for a program that was made otherwise.
    file
        Where the text came from, for messages.
    """

    ops: Array
    operands: Array
    immediates: Array
    inputs: Array
    outputs: Array
    addresses: Array
    offsets: Array
    text: bytes = b""
    file: str | None = None

    def __len__(self) -> int:
        return len(self.ops)

    @cached_property
    def version(self) -> int:
        """The smallest instruction set, 0 to 4, that has every instruction of the program."""
        return max((INSTRUCTIONS[code].version for code in np.unique(self.ops)), default=0)

    @cached_property
    def source_counts(self) -> Array:
        """How often instructions read each slot, int64; a slot that is named twice is read twice."""
        return _count(self.operands[:, 1:], len(self.addresses))

    @cached_property
    def write_counts(self) -> Array:
        """How often instructions write each slot, int64."""
        return _count(self.operands[:, :1], len(self.addresses))

    def place(self, index: int) -> Location | str:
        """Where instruction ``index`` stands in the text, for messages."""
        if not self.text:
            return f"instruction {index + 1}"
        return location(self.text, int(self.offsets[index]), self.file)

    def end(self) -> Location | str:
        """Where the outputs stand in the text, for messages."""
        if not self.text:
            return "outputs"
        last = self.text.rstrip(b" \t\r\n;")
        return location(self.text, max(last.rfind(b"\n"), last.rfind(b";")) + 1, self.file)

    def instruction(self, index: int) -> str:
        """The text of one instruction, in full form."""
        kind = INSTRUCTIONS[self.ops[index]]
        slots = self.operands[index]
        words = [str(self.addresses[slot]) for slot in slots if slot != NONE]
        if kind.takes == "integer":
            words.append(str(self.immediates[index]))
        elif kind.takes == "predicate":
            words.append(PREDICATES[self.immediates[index]])
        return f"{kind.name} {','.join(words)}"

    def __str__(self) -> str:
        lists = [",".join(str(self.addresses[slot]) for slot in slots) for slots in (self.inputs, self.outputs)]
        lines = [self.instruction(i) for i in range(len(self))]
        return "\n".join(line for line in (lists[0], *lines, lists[1]) if line) + "\n"


def location(text: bytes, offset: int, file: str | None) -> Location:
    """Line and column of a byte of a text."""
    line = text.count(b"\n", 0, offset) + 1
    return Location(line, offset - (text.rfind(b"\n", 0, offset) + 1) + 1, file)


def write(inputs: Iterable[int], instructions: Iterable[Sequence[object]], outputs: Iterable[int]) -> str:
    """The text of a program: addresses of inputs, ``(name, operand, …)`` for each instruction, addresses of outputs."""
    lines = [f"{name} {','.join(map(str, operands))}" for name, *operands in instructions]
    return "\n".join((",".join(map(str, inputs)), *lines, ",".join(map(str, outputs)))) + "\n"


def check_initialised(program: ScalarProgram) -> None:
    """Refuse a program that reads an address which was neither an input nor written before.

    Raises
    ------
    ProgramError
        Names the first such read.
    """
    at, slot = first_unset(program.operands, program.inputs, program.outputs, len(program.addresses))
    if slot == NONE:
        return
    address = program.addresses[slot]
    what = "is an output" if at == len(program) else "is read"
    raise ProgramError(
        f"address {address} {what} but nothing was written to it",
        where=program.end() if at == len(program) else program.place(at),
        mend=f"write {address} before, or name it as an input on the first line",
    )


@compiled
def _count(columns: Array, slots: int) -> Array:
    counts = np.zeros(slots, np.int64)
    for i in range(columns.shape[0]):
        for j in range(columns.shape[1]):
            if columns[i, j] >= 0:
                counts[columns[i, j]] += 1
    return counts


@compiled
def first_unset(operands: Array, inputs: Array, outputs: Array, slots: int) -> tuple[int, int]:
    """The first instruction (or their number, for the outputs) that reads an unset slot, and the slot; -1 for none."""
    known = np.zeros(slots, np.bool_)
    for slot in inputs:
        known[slot] = True
    for i in range(len(operands)):
        for j in range(1, 4):
            slot = operands[i, j]
            if slot >= 0 and not known[slot]:
                return i, slot
        if operands[i, 0] >= 0:
            known[operands[i, 0]] = True
    for slot in outputs:
        if not known[slot]:
            return len(operands), slot
    return 0, -1


__all__ = ["NONE", "Op", "ScalarProgram", "check_initialised", "location", "write"]
