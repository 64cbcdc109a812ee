"""A parallel program of scalar instructions, each executed by a named core, as columns of integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from memsim.errors import Location, ProgramError
from memsim.locality.scalar.instructions import BY_NAME, INSTRUCTIONS, PREDICATES
from memsim.locality.scalar.program import NONE, Op
from memsim.locality.shells import Array

Cell: TypeAlias = tuple[int, int]
"""``(x, y)``, in cells of 1 um from the lower left corner of the grid."""

Core: TypeAlias = tuple[int, int]
"""``(i, j)``, column and row of a tile."""

_Y_BITS = 24
"""A cell as one number: x above, y in this many bits."""


@dataclass(frozen=True, eq=False)
class SpatialProgram:
    """Instructions in their sequential order; operands are *slots*, numbers of the cells that it uses.

    The order of the instructions defines what the program computes. Each core executes its own in this order; cores run
    at the same time, as far as the values allow it.

    Attributes
    ----------
    ops
        The code of each instruction, ``(m,)`` int8; see `memsim.locality.scalar.instructions.Op`.
    operands
        Destination and three sources of each instruction as slots, ``(m, 4)`` int32, -1 where there is none.
    immediates
        What ``set`` writes and the predicate of ``cmp``, ``(m,)`` int64.
    cores
        Column and row of the core that executes each instruction, ``(m, 2)`` int32.
    cells
        Position ``(x, y)`` of each slot, ``(n, 2)`` int32; no two alike.
    inputs, outputs
        Slots that hold a value from the start, and slots that are the result, int32. Neither costs anything.
    places
        Line and column of each instruction in the text that was parsed, ``(m, 2)`` int32; empty otherwise.
    names
        Names of slots.
    file
        Where the text came from, for messages.
    """

    ops: Array
    operands: Array
    immediates: Array
    cores: Array
    cells: Array
    inputs: Array
    outputs: Array
    places: Array = field(default_factory=lambda: np.empty((0, 2), np.int32))
    names: Mapping[int, str] = field(default_factory=dict)
    file: str | None = None

    @classmethod
    def of(
        cls, steps: Iterable[Sequence[object]], inputs: Iterable[Cell] = (), outputs: Iterable[Cell] = ()
    ) -> SpatialProgram:
        """A program from steps ``(core, name, operand, ...)``.

        Parameters
        ----------
        steps
            The core is ``(i, j)``, operands are cells ``(x, y)``; ``set`` ends in a number, ``cmp`` in a predicate.
            Such as ``((0, 0), "add", (64, 0), (65, 0), (66, 0))``.
        inputs, outputs
            Cells that hold a value from the start, and cells that are the result.

        Raises
        ------
        ProgramError
            Names the step and what is wrong with it.
        """
        rows = [_step(number, step) for number, step in enumerate(steps, 1)]
        count = len(rows)
        positions = np.array([row[1] for row in rows], np.int64).reshape(count, 4, 2)
        return cls.from_columns(
            ops=np.array([row[0] for row in rows], np.int8),
            cores=np.array([row[3] for row in rows], np.int32).reshape(count, 2),
            positions=positions,
            immediates=np.array([row[2] for row in rows], np.int64),
            inputs=np.array([_pair(cell, "inputs") for cell in inputs], np.int64).reshape(-1, 2),
            outputs=np.array([_pair(cell, "outputs") for cell in outputs], np.int64).reshape(-1, 2),
        )

    @classmethod
    def from_columns(
        cls, ops: Array, cores: Array, positions: Array, immediates: Array, inputs: Array, outputs: Array
    ) -> SpatialProgram:
        """A program from columns: as the attributes, but with the positions of operands in place of slots.

        Parameters
        ----------
        positions
            ``(m, 4, 2)``: the cells of destination and sources, ``(-1, -1)`` where there is none.
        inputs, outputs
            Cells, ``(k, 2)``.

        Raises
        ------
        ProgramError
            If shapes do not match, or an instruction has other operands than it takes.
        """
        _check_columns(np.asarray(ops), np.asarray(cores), np.asarray(positions), np.asarray(immediates))
        columns = [np.asarray(part, np.int64).reshape(-1, 2) for part in (positions, inputs, outputs)]
        every = np.concatenate(columns)
        keys = np.where(every[:, 0] < 0, -1, every[:, 0] << _Y_BITS | every[:, 1])
        values, inverse = np.unique(keys, return_inverse=True)
        values, slots = (values[1:], inverse - 1) if len(values) and values[0] < 0 else (values, inverse)
        cuts = np.cumsum([len(part) for part in columns])[:-1]
        operands, first, last = (np.asarray(part, np.int32) for part in np.split(slots.reshape(-1), cuts))
        cells = np.stack((values >> _Y_BITS, values & (1 << _Y_BITS) - 1), axis=1).astype(np.int32)
        kinds = np.asarray(ops, np.int8)
        numbers = np.asarray(immediates, np.int64)
        return cls(kinds, operands.reshape(-1, 4), numbers, np.asarray(cores, np.int32), cells, first, last)

    def __len__(self) -> int:
        return len(self.ops)

    @cached_property
    def version(self) -> int:
        """The smallest instruction set, 0 to 4, that has every instruction of the program."""
        return max((INSTRUCTIONS[code].version for code in np.unique(self.ops)), default=0)

    def place(self, index: int) -> Location | str:
        """Where instruction ``index`` stands in the text, for messages."""
        if not len(self.places):
            return f"instruction {index + 1}"
        line, column = self.places[index].tolist()
        return Location(line, column, self.file)

    def cell(self, slot: int) -> str:
        """A slot as it is written: its name, or its position."""
        x, y = self.cells[slot].tolist()
        return self.names.get(slot, f"{x}:{y}")

    def instruction(self, index: int) -> str:
        """The text of one instruction, in full form, without its core."""
        kind = INSTRUCTIONS[self.ops[index]]
        words = [self.cell(slot) for slot in self.operands[index].tolist() if slot != NONE]
        if kind.takes == "integer":
            words.append(str(self.immediates[index]))
        elif kind.takes == "predicate":
            words.append(PREDICATES[self.immediates[index]])
        return f"{kind.name} {','.join(words)}"

    def __str__(self) -> str:
        lines = [f"word {name} {x}:{y}" for slot, name in self.names.items() for x, y in [self.cells[slot].tolist()]]
        if len(self.inputs):
            lines.append(f"input {','.join(map(self.cell, self.inputs.tolist()))}")
        here: list[int] = []
        for index, core in enumerate(self.cores.tolist()):
            if core != here:
                lines.append(f"core {core[0]},{core[1]}")
                here = core
            lines.append(self.instruction(index))
        if len(self.outputs):
            lines.append(f"output {','.join(map(self.cell, self.outputs.tolist()))}")
        return "\n".join(lines) + "\n"


def _check_columns(ops: Array, cores: Array, positions: Array, immediates: Array) -> None:
    """Refuse columns that are no program."""
    count = len(ops)
    shapes = {
        "cores": (cores, (count, 2)),
        "positions": (positions, (count, 4, 2)),
        "immediates": (immediates, (count,)),
    }
    for name, (column, shape) in shapes.items():
        if column.shape != shape:
            raise ProgramError(
                f"{name} of shape {column.shape}", where="columns", mend=f"for {count} ops, give {shape}"
            )
    if count and not (ops.min() >= 0 and ops.max() < len(INSTRUCTIONS)):
        raise ProgramError("an operation code is unknown", where="ops", mend=f"use 0 to {len(INSTRUCTIONS) - 1}")
    takes = np.array([[kind.writes, *(k < kind.sources for k in range(3))] for kind in INSTRUCTIONS], bool)
    wrong = ((positions >= 0).all(axis=2) != takes[ops]).any(axis=1) | (positions >= 1 << _Y_BITS).any(axis=(1, 2))
    compares = np.array([kind.takes == "predicate" for kind in INSTRUCTIONS])[ops]
    wrong |= compares & ((immediates < 0) | (immediates >= len(PREDICATES)))
    if wrong.any():
        at = int(np.argmax(wrong))
        kind = INSTRUCTIONS[ops[at]]
        raise ProgramError(
            f"`{kind.name}` with the cells {positions[at].tolist()} and the number {immediates[at]}",
            where=f"instruction {at + 1}",
            mend="give its destination first, then its sources, and (-1, -1) where it has none",
        )


def _step(number: int, step: Sequence[object]) -> tuple[int, list[Cell], int, Core]:
    """Operation, four cells, immediate and core of one step of `SpatialProgram.of`."""
    where = f"step {number}"
    name = step[1] if len(step) > 1 else None
    if not isinstance(name, str) or name not in BY_NAME:
        raise ProgramError(
            f"{name!r} is no instruction", where=where, mend=f"write (core, name, ...) with one of {', '.join(BY_NAME)}"
        )
    kind, given = BY_NAME[name], list(step[2:])
    extra = given.pop() if kind.takes and given else None
    wanted = kind.writes + kind.sources
    if kind.short and len(given) == wanted - 1:  # d,a stands for d,d,a
        given.insert(0, given[0])
    if len(given) != wanted:
        raise ProgramError(f"`{name}` with {len(given)} cells", where=where, mend=f"give it {wanted}")
    cells = [_pair(cell, where) for cell in given]
    cells = ([] if kind.writes else [(NONE, NONE)]) + cells
    cells += [(NONE, NONE)] * (4 - len(cells))
    return int(kind.op), cells, _extra(kind.takes, extra, where), _pair(step[0], where)


def _extra(takes: str, value: object, where: str) -> int:
    """The immediate of an instruction as a number."""
    if takes == "predicate":
        if value not in PREDICATES:
            raise ProgramError(
                f"{value!r} is not a comparison", where=where, mend=f"use one of {', '.join(PREDICATES)}"
            )
        return PREDICATES.index(str(value))
    if takes == "integer":
        if not isinstance(value, (int, np.integer)) or not -(2**63) <= int(value) < 2**63:
            raise ProgramError(f"`set` to {value!r}", where=where, mend="give a whole number of at most 64 bits")
        return int(value)
    return 0


def _pair(value: object, where: str) -> Cell:
    """A cell or a core as two whole numbers of at least 0 that a grid may have."""
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(n, (int, np.integer)) for n in value):
        x, y = int(value[0]), int(value[1])
        if min(x, y) >= 0 and max(x, y) < 1 << _Y_BITS:
            return x, y
    raise ProgramError(f"{value!r} is no place", where=where, mend="give two whole numbers from 0 on, such as (64, 0)")


__all__ = ["NONE", "Cell", "Core", "Op", "SpatialProgram"]
