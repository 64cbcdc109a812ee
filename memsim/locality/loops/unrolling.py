"""From a program with loops to the straight-line program that it stands for."""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.errors import ProgramError
from memsim.locality.loops.model import Loop, LoopProgram, Operation, Ref, Region, Statement
from memsim.locality.scalar.program import NONE, ScalarProgram
from memsim.locality.scalar.text import slots_of
from memsim.locality.shells import Array

MAX_INSTRUCTIONS = 2 * 10**7
"""Of an unrolled program: about 1 GB."""


def unroll(program: LoopProgram) -> ScalarProgram:
    """Write every iteration out.

    Raises
    ------
    ProgramError
        If that makes more than `MAX_INSTRUCTIONS`; the message says how many.
    """
    if program.instructions > MAX_INSTRUCTIONS:
        raise ProgramError(
            f"the program unrolls to {program.instructions:,} instructions, and the most is {MAX_INSTRUCTIONS:,}",
            mend="score the loop form, which needs no unrolling, or make the counts smaller",
        )
    inputs = _words(program, [region for region in program.regions if region.is_input])
    outputs = _words(program, [region for region in program.regions if region.is_output])
    ops, values, immediates = _unroll(*_Plan(program).arrays(), program.instructions)
    addresses, columns = slots_of(b"", (inputs, values, outputs))
    offsets = np.zeros(len(ops), np.int64)
    return ScalarProgram(ops, columns[1], immediates, columns[0], columns[2], addresses, offsets)


def _words(program: LoopProgram, regions: list[Region]) -> Array:
    """The addresses of regions, one after another."""
    words = sum(region.words for region in regions)
    if words > MAX_INSTRUCTIONS:
        mend = "score the loop form, which needs no unrolling, or make the regions smaller"
        raise ProgramError(f"{words:,} inputs or outputs, and the most is {MAX_INSTRUCTIONS:,}", mend=mend)
    parts = [np.arange(program.bases[r.name], program.bases[r.name] + r.words) for r in regions]
    return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)


class _Plan:
    """A program as rows of integers, each loop followed by its body; loops that do not run are left out."""

    def __init__(self, program: LoopProgram) -> None:
        self.program = program
        self.rows: list[list[int]] = []  # op, or -1 for a loop; immediate or count; end
        self.operands: list[list[tuple[int, list[int]]]] = []
        self.add(program.body, ())

    def add(self, body: tuple[Statement, ...], loops: tuple[Loop, ...]) -> None:
        for statement in body:
            if isinstance(statement, Operation):
                self.rows.append([statement.op, statement.immediate, len(self.rows) + 1])
                refs = [statement.dst, *statement.src]
                self.operands.append([(NONE, []) if ref is None else self.operand(ref, loops) for ref in refs])
            elif statement.count and any(isinstance(s, Operation) or s.count for s in statement.body):
                row = [-1, statement.count, 0]
                self.rows.append(row)
                self.operands.append([])
                self.add(statement.body, (*loops, statement))
                row[2] = len(self.rows)

    def operand(self, ref: Ref, loops: tuple[Loop, ...]) -> tuple[int, list[int]]:
        """The address for counters that count from 0, and what each counter adds."""
        factors = dict(ref.coefficients)
        first = self.program.bases[ref.region] + ref.offset
        first += sum(factors.get(loop.name, 0) * loop.start for loop in loops)
        return first, [factors.get(loop.name, 0) for loop in loops]

    def arrays(self) -> tuple[Array, Array, Array]:
        """The rows, the first address of each operand, and the factors of the counters."""
        depth = 1 + max((len(factors) for row in self.operands for _, factors in row), default=0)
        first = np.full((len(self.rows), 4), NONE, np.int64)
        factors = np.zeros((len(self.rows), 4, depth), np.int64)
        for i, row in enumerate(self.operands):
            for j, (address, own) in enumerate(row):
                first[i, j] = address
                factors[i, j, : len(own)] = own
        return np.array(self.rows, np.int64).reshape(-1, 3), first, factors


@compiled
def _unroll(rows: Array, first: Array, factors: Array, length: int) -> tuple[Array, Array, Array]:
    """Codes, addresses and immediates of every instruction."""
    ops, values, immediates = np.empty(length, np.int8), np.empty((length, 4), np.int64), np.empty(length, np.int64)
    counters = np.zeros(factors.shape[2] + 1, np.int64)
    around = np.zeros(factors.shape[2] + 1, np.int64)
    at, depth, done = 0, 0, 0
    while True:
        if depth and at == rows[around[depth - 1], 2]:
            counters[depth - 1] += 1
            if counters[depth - 1] < rows[around[depth - 1], 1]:
                at = around[depth - 1] + 1
            else:
                depth -= 1
            continue
        if at == len(rows):
            return ops, values, immediates
        if rows[at, 0] < 0:
            around[depth], counters[depth] = at, 0
            depth += 1
            at += 1
            continue
        ops[done], immediates[done] = rows[at, 0], rows[at, 1]
        for j in range(4):
            value = first[at, j]
            for d in range(min(depth, factors.shape[2])):
                value += factors[at, j, d] * counters[d]
            values[done, j] = value
        done += 1
        at += 1
