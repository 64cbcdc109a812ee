"""Model 2, "single core with tape": words at places of a grid, with energy and time for reads and writes.

A word lies at ``(x, y)``, ``y >= 1``, at distance ``h = |x| + y`` from the core, in micrometres. A read takes
``max(50, 2h)`` fJ and ``max(50, 0.8h)`` ps, a write ``max(50, 2h)`` fJ and ``max(50, 0.4h)`` ps, one after another. The
tape (``recv``, ``send``, and the lists of inputs and outputs) is free. Time is counted in ticks of 0.2 ps, in which it
is whole. Definition: the Sutro Group's public rules of autumn 2026.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from memsim.errors import ProgramError
from memsim.locality.scalar.dally1 import weighted
from memsim.locality.scalar.instructions import Op
from memsim.locality.scalar.program import ScalarProgram, check_initialised
from memsim.locality.scores import Score
from memsim.locality.shells import Array, distances

TICK_PS = 0.2
"""A tick, in ps."""

FLOOR_FJ, FJ_PER_UM = 50, 2
"""Least energy of an access, and energy for each micrometre."""

FLOOR_TICKS, READ_TICKS_PER_UM, WRITE_TICKS_PER_UM = 250, 4, 2
"""Least time of an access, and time for each micrometre: 0.8 ps/um there and back for a read, 0.4 ps/um for a write."""

MAX_X, MAX_Y = 16_000, 16_000
"""Cells are at x from -16000 to 16000 and y from 1 to 16000."""

HALF_DIAMOND = "half-diamond-ascending-x"
"""The placement in which address ``a`` is the ``a``-th cell: shell by shell, each from its least x to its greatest."""

MAX_SHELL = MAX_Y
"""Beyond this shell the half diamond leaves the grid."""

Cells = Mapping[int, tuple[int, int]]


def score(program: ScalarProgram, placement: Cells | None = None) -> Score:
    """Price a program under Model 2.

    Parameters
    ----------
    program
        Instructions of version 0 to 4. Inputs and outputs in lists cost what ``recv`` and ``send`` cost: nothing.
    placement
        The cell ``(x, y)`` of each address, no two alike; `HALF_DIAMOND` unless given.

    Returns
    -------
    Score
        ``cost`` is energy in fJ; details are ``energy_fj``, ``ticks``, ``time_ps``.

    Raises
    ------
    ProgramError
        If a cell is missing, shared or off the grid, or the program reads what was never written.
    """
    check_initialised(program)
    heights = _heights(program, placement)
    taped = {Op.RECV: 0, Op.SEND: 1}
    reads, writes = program.source_counts.copy(), program.write_counts.copy()
    for op, column in taped.items():
        slots = program.operands[program.ops == op, column]
        counts = writes if op is Op.RECV else reads
        counts -= np.bincount(slots, minlength=len(counts))
    energy = weighted(np.maximum(FLOOR_FJ, FJ_PER_UM * heights), reads + writes)
    ticks = weighted(np.maximum(FLOOR_TICKS, READ_TICKS_PER_UM * heights), reads)
    ticks += weighted(np.maximum(FLOOR_TICKS, WRITE_TICKS_PER_UM * heights), writes)
    return Score(
        model="dally2",
        dialect=HALF_DIAMOND if placement is None else "given placement",
        version="v4",
        engine="count",
        cost=energy,
        unit="fJ",
        reads=int(reads.sum()),
        writes=int(writes.sum()),
        reason="not checked",
        details={"energy_fj": energy, "ticks": ticks, "time_ps": ticks / 5},
    )


def _heights(program: ScalarProgram, placement: Cells | None) -> Array:
    """The distance of each slot from the core, in micrometres."""
    if placement is None:
        check_grid(program)
        return distances(program.addresses)
    check_cells(placement)
    missing = [a for a in program.addresses.tolist() if a not in placement]
    if missing:
        raise ProgramError(f"address {missing[0]} has no cell", where="placement", mend="give it one, as (x, y)")
    return np.array([abs(x) + y for x, y in (placement[a] for a in program.addresses.tolist())], np.int64)


def check_grid(program: ScalarProgram) -> None:
    """Refuse addresses that the half diamond places beyond the grid."""
    far = max((int(a) for a in program.addresses), default=0)
    if far > MAX_SHELL**2:
        raise ProgramError(
            f"address {far} lies beyond the grid of {MAX_Y:,} um",
            mend=f"use addresses up to {MAX_SHELL**2:,}, or give a placement",
        )


def check_cells(placement: Cells) -> None:
    """Refuse cells off the grid and cells that two addresses share."""
    owner: dict[tuple[int, int], int] = {}
    if not isinstance(placement, Mapping):
        raise ProgramError(f"a {type(placement).__name__} is no placement", mend="give {1: (3, 4), 2: (0, 1)}")
    for address, cell in placement.items():
        if not (isinstance(cell, (tuple, list)) and [type(part) for part in cell] == [int, int]):
            raise ProgramError(
                f"{cell!r} is no cell of address {address}", where="placement", mend="give two whole numbers, (x, y)"
            )
        x, y = cell
        if abs(x) > MAX_X or not 1 <= y <= MAX_Y:
            raise ProgramError(
                f"the cell ({x}, {y}) of address {address} is off the grid",
                where="placement",
                mend=f"use x from -{MAX_X} to {MAX_X} and y from 1 to {MAX_Y}",
            )
        if (x, y) in owner:
            raise ProgramError(
                f"addresses {owner[x, y]} and {address} share the cell ({x}, {y})",
                where="placement",
                mend="give each a cell of its own",
            )
        owner[x, y] = address


__all__ = ["HALF_DIAMOND", "Cells", "check_cells", "check_grid", "score"]
