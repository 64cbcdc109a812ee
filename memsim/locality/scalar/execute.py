"""What scalar programs compute, for many instances of their inputs at once.

The machine ``int8`` wraps to signed 8 bits after every operation; division rounds down. The machine ``matmul`` computes
with unbounded integers. Definitions: the Sutro Group's public rules of autumn 2026.

Of the 8-bit machine, each instruction works on a row of instances, so that it becomes vector instructions. Its result
goes to a row that is free, which then stands for the destination: a row that is read is never the one that is written,
as the compiler must know before it can use vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from memsim.compiled import bare, bare_inlined, compiled
from memsim.errors import ProgramError
from memsim.locality.scalar.dally1 import check_machine, machine_of
from memsim.locality.scalar.instructions import PREDICATES, Op
from memsim.locality.scalar.program import ScalarProgram, check_initialised
from memsim.locality.shells import Array

CACHE_BYTES = 2**20
"""Values of all addresses for as many instances as run together: about a core's second cache."""

MIN_BLOCK, MAX_BLOCK = 512, 2048
"""Instances that run together, unless memory is short; fewer make an instruction's own overhead felt."""

MAX_BYTES = 2**28
"""Of values of all addresses for as many instances as run together."""

SAFE = 2.0**62
"""Sizes below this, as doubles, are sizes of int64 whatever the rounding."""

_ADD, _SUB, _MUL, _COPY, _AND, _OR, _NOT, _XOR = (
    int(op) for op in (Op.ADD, Op.SUB, Op.MUL, Op.COPY, Op.AND, Op.OR, Op.NOT, Op.XOR)
)
_SET, _DIV, _CMP, _SELECT, _ABS = (int(op) for op in (Op.SET, Op.DIV, Op.CMP, Op.SELECT, Op.ABS))
_EQ, _NE, _LT, _LE, _GT, _GE = range(len(PREDICATES))


def execute(program: ScalarProgram, inputs: ArrayLike, machine: str | None = None) -> Array:
    """Run a program on many instances.

    Parameters
    ----------
    program
        What the machine can run: version 0 for ``matmul``, 0 to 3 for ``int8``.
    inputs
        Whole numbers, ``(instances, inputs)``; from -128 to 127 on machine ``int8``.
    machine
        ``matmul`` or ``int8``; the first that has every instruction, unless given.

    Returns
    -------
    Array
        ``(instances, outputs)``: int8 from machine ``int8``; int64 from ``matmul``, or Python's integers (a dtype of
        objects) where a value may not fit.

    Raises
    ------
    ProgramError
        If the machine cannot run the program, the inputs do not fit it, the program reads what was never written, or
        it divides by zero.
    """
    chosen = machine if machine is not None else machine_of(program)
    check_machine(program, chosen)
    check_initialised(program)
    given = _checked(program, inputs)
    return _execute_int8(program, given) if chosen == "int8" else _execute_unbounded(program, given)


def _checked(program: ScalarProgram, inputs: ArrayLike) -> Array:
    """The inputs as an array of whole numbers in the shape that the program takes."""
    try:
        given = np.asarray(inputs)
    except (ValueError, TypeError, OverflowError) as error:
        raise ProgramError(
            f"the inputs are no array: {error}", where="inputs", mend="give rows of one length"
        ) from None
    whole = given.dtype.kind in "iub" or (given.dtype == object and all(isinstance(v, int) for v in given.flat))
    if not whole and given.size:
        raise ProgramError(f"inputs of type {given.dtype}", where="inputs", mend="give whole numbers")
    if given.ndim != 2 or given.shape[1] != len(program.inputs):
        raise ProgramError(
            f"inputs of shape {given.shape} for a program of {len(program.inputs)} inputs",
            where="inputs",
            mend="give an array (instances, inputs)",
        )
    return given


# Signed 8 bits ------------------------------------------------------------------------------------------------------


def _execute_int8(program: ScalarProgram, inputs: Array) -> Array:
    if inputs.dtype != np.int8:
        _check_bytes(inputs)
    rows = len(program.addresses) + 1
    block = min(max(CACHE_BYTES // rows, MIN_BLOCK), MAX_BLOCK, max(MAX_BYTES // rows, 1), max(len(inputs), 1))
    found = np.empty((len(inputs), len(program.outputs)), np.int8)
    at, instance = _run_int8(
        program.ops,
        program.operands,
        program.immediates,
        program.outputs,
        np.ascontiguousarray(inputs, np.int8),
        found,
        np.empty((rows, block), np.int8),
    )
    if at >= 0:
        raise ProgramError(
            f"`{program.instruction(at)}` divides by zero in instance {instance}",
            where=program.place(at),
            mend="divide by what is never zero, or `select` another divisor",
        )
    return found


def _check_bytes(inputs: Array) -> None:
    """Refuse inputs beyond signed 8 bits."""
    wrong = (inputs < -128) | (inputs > 127)
    if wrong.any():
        instance, column = (int(place) for place in np.argwhere(wrong)[0])
        raise ProgramError(
            f"input {column} of instance {instance} is {inputs[instance, column]}",
            where="inputs",
            mend="machine int8 takes numbers from -128 to 127",
        )


@compiled
def _run_int8(
    ops: Array, operands: Array, immediates: Array, outputs: Array, inputs: Array, found: Array, values: Array
) -> tuple[int, int]:
    """Run all instances, a block at a time; returns an instruction that divides by zero and an instance, or -1, -1."""
    block = values.shape[1]
    rows = np.arange(len(values))
    for first in range(0, len(inputs), block):
        lanes = min(block, len(inputs) - first)
        for j in range(inputs.shape[1]):
            for lane in range(lanes):
                values[rows[j], lane] = inputs[first + lane, j]
        at, lane = _run_block(ops, operands, immediates, values, rows, lanes)
        if at >= 0:
            return at, first + lane
        for j in range(len(outputs)):
            for lane in range(lanes):
                found[first + lane, j] = values[rows[outputs[j]], lane]
    return -1, -1


@bare
def _run_block(
    ops: Array, operands: Array, immediates: Array, values: Array, rows: Array, lanes: int
) -> tuple[int, int]:
    """Run one block. ``rows`` has the row of each slot and, last, the free one."""
    free = len(rows) - 1
    for i in range(len(ops)):
        op, d = ops[i], operands[i, 0]
        out = values[rows[free], :lanes]
        x = values[rows[max(operands[i, 1], 0)], :lanes]
        y = values[rows[max(operands[i, 2], 0)], :lanes]
        if op <= _MUL:
            _compute(op, out, x, y)
        elif op <= _SET:
            _combine(op, out, x, y, immediates[i])
        elif op == _DIV:
            lane = _divide(out, x, y)
            if lane >= 0:
                return i, lane
        elif op == _CMP:
            _compare(immediates[i], out, x, y)
        elif op == _SELECT:
            _select(out, x, y, values[rows[operands[i, 3]], :lanes])
        else:
            for lane in range(lanes):
                out[lane] = abs(x[lane])
        rows[d], rows[free] = rows[free], rows[d]
    return -1, -1


@bare_inlined
def _compute(op: int, out: Array, x: Array, y: Array) -> None:
    if op == _ADD:
        for lane in range(len(out)):
            out[lane] = x[lane] + y[lane]
    elif op == _SUB:
        for lane in range(len(out)):
            out[lane] = x[lane] - y[lane]
    else:
        for lane in range(len(out)):
            out[lane] = x[lane] * y[lane]


@bare_inlined
def _combine(op: int, out: Array, x: Array, y: Array, number: int) -> None:
    if op == _COPY:
        for lane in range(len(out)):
            out[lane] = x[lane]
    elif op == _AND:
        for lane in range(len(out)):
            out[lane] = x[lane] & y[lane]
    elif op == _OR:
        for lane in range(len(out)):
            out[lane] = x[lane] | y[lane]
    elif op == _NOT:
        for lane in range(len(out)):
            out[lane] = ~x[lane]
    elif op == _XOR:
        for lane in range(len(out)):
            out[lane] = x[lane] ^ y[lane]
    else:
        for lane in range(len(out)):
            out[lane] = number


@bare_inlined
def _divide(out: Array, x: Array, y: Array) -> int:
    """Quotients rounded down; returns the first lane whose divisor is zero, or -1."""
    for lane in range(len(out)):
        if y[lane] == 0:
            return lane
        out[lane] = x[lane] // y[lane]
    return -1


@bare_inlined
def _compare(predicate: int, out: Array, x: Array, y: Array) -> None:
    """1 where a comparison holds, 0 elsewhere; each is ``eq`` or ``lt``, with the operands or the answer swapped."""
    if predicate in (_GT, _LE):
        x, y = y, x
    other = predicate in (_NE, _LE, _GE)
    if predicate in (_EQ, _NE):
        for lane in range(len(out)):
            out[lane] = (x[lane] == y[lane]) ^ other
    else:
        for lane in range(len(out)):
            out[lane] = (x[lane] < y[lane]) ^ other


@bare_inlined
def _select(out: Array, condition: Array, x: Array, y: Array) -> None:
    for lane in range(len(out)):
        yes, no = x[lane], y[lane]  # both are read, so that there is no branch
        out[lane] = yes if condition[lane] != 0 else no


# Unbounded integers -------------------------------------------------------------------------------------------------


def _execute_unbounded(program: ScalarProgram, inputs: Array) -> Array:
    """In int64 where sizes of all values are proved to fit, else in Python's integers."""
    sizes = [max((abs(int(v)) for v in (column.min(), column.max())), default=0) for column in inputs.T if len(column)]
    known = np.zeros(len(program.addresses), np.float64)
    known[: len(sizes)] = [float(min(size, 2**63)) for size in sizes]
    fits = max(sizes, default=0) < SAFE and _largest(program.ops, program.operands, known) < SAFE
    values = np.zeros((len(program.addresses), len(inputs)), np.int64 if fits else object)
    values[: inputs.shape[1]] = inputs.T
    if fits:
        _run_int64(program.ops, program.operands, values)
        return np.ascontiguousarray(values[program.outputs].T)
    for op, (d, a, b, _) in zip(program.ops.tolist(), program.operands.tolist(), strict=True):
        if op == _COPY:
            values[d] = values[a]
        else:
            x, y = values[a], values[b]
            values[d] = x + y if op == _ADD else (x - y if op == _SUB else x * y)
    return np.ascontiguousarray(values[program.outputs].T)


@compiled
def _largest(ops: Array, operands: Array, sizes: Array) -> float:
    """A bound of the size of every value that a program makes, from those of its inputs."""
    largest = 0.0
    for i in range(len(ops)):
        d, a, b = operands[i, 0], operands[i, 1], max(operands[i, 2], 0)
        if ops[i] == _COPY:
            sizes[d] = sizes[a]
        elif ops[i] == _MUL:
            sizes[d] = sizes[a] * sizes[b]
        else:
            sizes[d] = sizes[a] + sizes[b]
        largest = max(largest, sizes[d])
    return largest


@compiled
def _run_int64(ops: Array, operands: Array, values: Array) -> None:
    for i in range(len(ops)):
        d, a, b = operands[i, 0], operands[i, 1], max(operands[i, 2], 0)
        for lane in range(values.shape[1]):
            x, y = values[a, lane], values[b, lane]
            if ops[i] == _ADD:
                values[d, lane] = x + y
            elif ops[i] == _SUB:
                values[d, lane] = x - y
            elif ops[i] == _MUL:
                values[d, lane] = x * y
            else:
                values[d, lane] = x


__all__ = ["execute"]
