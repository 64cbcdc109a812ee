"""A scalar program as ByteDMD sees it: values that are made and read, wherever they lie.

ByteDMD prices values, not places. So ``copy`` is free, as ``b = a`` is in Python; what ``set`` writes is a constant,
and reading a constant is free; an operation on constants alone makes another. ``recv`` makes a value without a read,
and ``send`` reads one. The inputs are the elements of one list, the outputs are what is returned.
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.locality.scalar.instructions import Op
from memsim.locality.scalar.program import ScalarProgram, check_initialised
from memsim.locality.shells import Array
from memsim.locality.tracing import Trace

_CONSTANT = -1
_COPY, _SET, _RECV, _SEND = int(Op.COPY), int(Op.SET), int(Op.RECV), int(Op.SEND)


def trace_of(program: ScalarProgram) -> Trace:
    """The operations of a program over its values.

    Raises
    ------
    ProgramError
        If the program reads what was never written.
    """
    check_initialised(program)
    reads, offsets, results, held = _trace(program.ops, program.operands, len(program.inputs), len(program.addresses))
    returned = held[program.outputs]
    return Trace(np.zeros(len(program.inputs), np.int64), reads, offsets, results, returned[returned != _CONSTANT])


@compiled
def _trace(ops: Array, operands: Array, inputs: int, slots: int) -> tuple[Array, Array, Array, Array]:
    """Columns of a `Trace`, and the value that each slot holds at the end."""
    held = np.full(slots, _CONSTANT, np.int64)
    held[:inputs] = np.arange(inputs)
    reads, results = np.empty(3 * len(ops), np.int64), np.empty(len(ops), np.int64)
    offsets = np.zeros(len(ops) + 1, np.int64)
    count, read, value = 0, 0, inputs
    for i in range(len(ops)):
        target = operands[i, 0]
        if ops[i] == _COPY:
            held[target] = held[operands[i, 1]]
            continue
        begin = read
        for j in range(1, 4):
            if operands[i, j] >= 0 and held[operands[i, j]] != _CONSTANT:
                reads[read] = held[operands[i, j]]
                read += 1
        if read == begin and ops[i] != _RECV:  # of constants alone
            if target >= 0:
                held[target] = _CONSTANT
            continue
        results[count] = -1
        if ops[i] != _SEND:
            results[count] = held[target] = value
            value += 1
        count += 1
        offsets[count] = read
    return reads[:read], offsets[: count + 1], results[:count], held
