"""New addresses for the values of a program: the same instructions, never dearer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memsim.locality.optimise.colouring import allocate
from memsim.locality.optimise.values import Schedule, lives_of, program_of, values_of
from memsim.locality.scalar import dally1
from memsim.locality.scalar.instructions import Op
from memsim.locality.scalar.program import NONE, ScalarProgram
from memsim.locality.shells import distances

AT_ONCE = 8
"""A sum that is read within so many instructions is a near one, such as that of a chain of products."""


def reallocate(program: ScalarProgram) -> ScalarProgram:
    """The program with addresses that cost less under Model 1, or itself where none were found.

    Raises
    ------
    ProgramError
        If Model 1 cannot price the program: it uses the tape, or reads what was never written.
    """
    before = dally1.score(program).cost
    after = placed(values_of(program))
    return after if dally1.score(after).cost < before else program


def placed(schedule: Schedule) -> ScalarProgram:
    """The program that computes a schedule, with the addresses of `colouring.allocate`."""
    return program_of(schedule, allocate(lives_of(schedule)))


def cost_by_kind(program: ScalarProgram, groups: Sequence[str] = ()) -> dict[str, int]:
    """What each kind of value costs under Model 1; the sum is the program's cost.

    Parameters
    ----------
    program
        Of any instructions but those of the tape.
    groups
        The name of the group of each input, such as ``A`` or ``B``; all are ``inputs`` unless given.

    Returns
    -------
    dict
        Cost by kind: ``A`` (inputs where they lie), ``copies of A``, ``products``, ``near sums`` (read within
        `AT_ONCE` instructions), ``sums`` (read later), ``others`` and ``outputs``.
    """
    schedule = values_of(program)
    kinds = _kinds(schedule, groups or ("inputs",) * schedule.inputs)
    costs: dict[str, int] = {}
    steps = np.concatenate((distances(program.addresses[program.inputs]), np.zeros(len(schedule), np.int64)))
    written = program.operands[:, 0]
    steps[schedule.inputs :] = np.where(written != NONE, distances(program.addresses)[written], 0)
    for at, j in zip(*np.nonzero(schedule.sources != NONE), strict=True):
        v = int(schedule.sources[at, j])
        kind = kinds[v]
        if kind == "sums" and at - (v - schedule.inputs) <= AT_ONCE:
            kind = "near sums"
        costs[kind] = costs.get(kind, 0) + int(steps[v])
    costs["outputs"] = int(steps[schedule.outputs].sum())
    return costs


def _kinds(schedule: Schedule, groups: Sequence[str]) -> list[str]:
    """The kind of each value."""
    names = {Op.MUL: "products", Op.ADD: "sums", Op.SUB: "sums"}
    kinds = list(groups)
    for op, sources in zip(schedule.ops.tolist(), schedule.sources.tolist(), strict=True):
        if op == Op.COPY:
            of = kinds[sources[0]]
            kinds.append(of if of.startswith("copies") or sources[0] >= schedule.inputs else f"copies of {of}")
        else:
            kinds.append(names.get(op, "others"))
    return kinds


__all__ = ["cost_by_kind", "placed", "reallocate"]
