"""A scalar program as values: each is written once, so where it lies is free to choose.

An address of a `ScalarProgram` holds one value after another. A `Schedule` names the values instead: inputs come
first, and instruction ``i`` writes value ``inputs + i``. What is computed, and in which order, is the schedule; which
address holds a value from its write to its last read is the *allocation*, and Model 1 prices only that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from memsim.compiled import compiled
from memsim.locality.scalar.program import NONE, ScalarProgram, check_initialised
from memsim.locality.shells import Array


@dataclass(frozen=True, eq=False)
class Schedule:
    """Instructions over values.

    Attributes
    ----------
    inputs
        How many inputs there are: values ``0`` to ``inputs - 1``.
    ops
        The code of each instruction, ``(m,)`` int8; see `memsim.locality.scalar.instructions.Op`.
    sources
        The values that each instruction reads, ``(m, 3)`` int32, `NONE` where there is none.
    outputs
        The values that are the outputs, int32.
    immediates
        What ``set`` writes and the predicate of ``cmp``, ``(m,)`` int64; zeros unless given.
    """

    inputs: int
    ops: Array
    sources: Array
    outputs: Array
    immediates: Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if len(self.immediates) != len(self.ops):
            object.__setattr__(self, "immediates", np.zeros(len(self.ops), np.int64))

    def __len__(self) -> int:
        return len(self.ops)


@dataclass(frozen=True, eq=False)
class Lives:
    """When each value is held, and how often it is read.

    A value occupies its address during the half-open interval of instructions ``[start, end)``: one that is read last
    by instruction ``i`` ends there, and what ``i`` writes may take its address, as reads happen before the write.

    Attributes
    ----------
    start
        The instruction that writes it, or -1 for an input; int64.
    end
        The last one that reads it, at least ``start + 1``; the number of instructions plus 1 for an output.
    reads
        How often it is read, once for each time it stands as an output included.
    """

    start: Array
    end: Array
    reads: Array

    def __len__(self) -> int:
        return len(self.start)


def values_of(program: ScalarProgram) -> Schedule:
    """The schedule of a program.

    Raises
    ------
    ProgramError
        If the program reads what was never written.
    """
    check_initialised(program)
    sources, outputs = _name_values(program.operands, program.inputs, program.outputs, len(program.addresses))
    return Schedule(len(program.inputs), program.ops, sources, outputs, program.immediates)


def lives_of(schedule: Schedule) -> Lives:
    """When each value of a schedule is held, and how often it is read."""
    return Lives(*_lives(schedule.sources, schedule.outputs, schedule.inputs))


def program_of(schedule: Schedule, addresses: Array) -> ScalarProgram:
    """The program that computes a schedule with each value at its address.

    Parameters
    ----------
    schedule
        What is computed.
    addresses
        Of each value, ``(inputs + m,)`` int64, from 1 on. Values whose lives overlap must have different ones.
    """
    known, slots = np.unique(addresses, return_inverse=True)
    slots = slots.astype(np.int32)
    order = _by_first_use(slots, schedule.inputs, len(known))
    slots, known = order[slots], known[np.argsort(order)]
    operands = np.full((len(schedule), 4), NONE, np.int32)
    operands[:, 0] = slots[schedule.inputs :]
    used = schedule.sources != NONE
    operands[:, 1:][used] = slots[schedule.sources[used]]
    return ScalarProgram(
        schedule.ops,
        operands,
        schedule.immediates,
        slots[: schedule.inputs],
        slots[schedule.outputs],
        known.astype(np.int64),
        np.zeros(len(schedule), np.int64),
    )


def _by_first_use(slots: Array, inputs: int, count: int) -> Array:
    """New numbers of slots, such that input ``i`` has slot ``i``."""
    order = np.full(count, NONE, np.int32)
    order[slots[:inputs]] = np.arange(inputs)
    rest = order == NONE
    order[rest] = np.arange(inputs, count)
    return order


@compiled
def _name_values(operands: Array, inputs: Array, outputs: Array, slots: int) -> tuple[Array, Array]:
    """The value that each operand and each output names."""
    held = np.full(slots, -1, np.int32)
    for i in range(len(inputs)):
        held[inputs[i]] = i
    sources = np.full((len(operands), 3), -1, np.int32)
    for i in range(len(operands)):
        for j in range(3):
            if operands[i, j + 1] >= 0:
                sources[i, j] = held[operands[i, j + 1]]
        if operands[i, 0] >= 0:
            held[operands[i, 0]] = len(inputs) + i
    named = np.empty(len(outputs), np.int32)
    for i in range(len(outputs)):
        named[i] = held[outputs[i]]
    return sources, named


@compiled
def _lives(sources: Array, outputs: Array, inputs: int) -> tuple[Array, Array, Array]:
    count = inputs + len(sources)
    start, end, reads = np.empty(count, np.int64), np.empty(count, np.int64), np.zeros(count, np.int64)
    for v in range(count):
        start[v] = v - inputs if v >= inputs else -1
        end[v] = start[v] + 1
    for i in range(len(sources)):
        for j in range(sources.shape[1]):
            v = sources[i, j]
            if v >= 0:
                reads[v] += 1
                end[v] = max(end[v], i)
    for v in outputs:
        reads[v] += 1
        end[v] = len(sources) + 1
    return start, end, reads
