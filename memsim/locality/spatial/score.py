"""Model 3 as the published scorer has it: every access after the one before, whichever core executes it."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np

from memsim.errors import ProgramError
from memsim.locality.scalar.program import ScalarProgram, check_initialised
from memsim.locality.scores import Score
from memsim.locality.shells import Array
from memsim.locality.spatial.accesses import KINDS, accesses_of, energy_fj
from memsim.locality.spatial.machine import PUBLISHED, Machine
from memsim.locality.spatial.program import SpatialProgram


def score(program: SpatialProgram, machine: Machine = PUBLISHED, dialect: str = "serial") -> Score:
    """Price a program under Model 3, all accesses of all cores one after another.

    Parameters
    ----------
    program
        Instructions of version 0 to 4. Words that it lists as inputs and outputs are in place, which costs nothing.
    machine
        The published one, or what `machine_of` makes of a chip.
    dialect
        What the score is called.

    Returns
    -------
    Score
        ``cost`` is energy in fJ; details are ``energy_fj``, ``cycles``, ``time_ns``, ``hops`` (words times tiles
        between core and word), and how many accesses there are of each kind.

    Raises
    ------
    ProgramError
        If the program does not fit the machine, or reads what was never written.
    """
    accesses = accesses_of(program, machine)
    energy = plain(energy_fj(program, accesses, machine))
    cycles = int(accesses.cycles.sum())
    reads = int((program.operands[:, 1:] >= 0).sum())
    counts = np.bincount(accesses.kinds, minlength=len(KINDS)).tolist()
    return Score(
        model="dally3",
        dialect=dialect,
        version="v4",
        engine="count",
        cost=energy,
        unit="fJ",
        reads=reads,
        writes=len(accesses.kinds) - reads,
        reason="not checked",
        details={
            "energy_fj": energy,
            "cycles": cycles,
            "time_ns": plain(cycles * machine.cycle_ns),
            "hops": int(accesses.hops.sum(dtype=np.int64)),
            **{kind.replace(" ", "_"): count for kind, count in zip(KINDS, counts, strict=True)},
        },
    )


def score_scalar(program: ScalarProgram, machine: Machine = PUBLISHED) -> Score:
    """Price a program over addresses under Model 3: one core, and address ``a`` in the ``a``-th cell of its tile.

    Parameters
    ----------
    program
        Instructions of version 0 to 4. ``recv`` and ``send`` are priced as of row 0. Addresses in the lists of inputs
        and outputs are words already in place, which costs nothing.
    machine
        The published one, or what `machine_of` makes of a chip.

    Raises
    ------
    ProgramError
        If an address is beyond the tile, or the program reads what was never written.
    """
    return score(on_one_tile(program, machine), machine, "serial, nearest cells")


def on_one_tile(program: ScalarProgram, machine: Machine = PUBLISHED) -> SpatialProgram:
    """The program on core (0, 0), with address ``a`` in the ``a``-th of `nearest_cells`.

    Raises
    ------
    ProgramError
        If an address is beyond the tile, or the program reads what was never written.
    """
    check_initialised(program)
    addresses = program.addresses
    far = max((int(a) for a in addresses), default=0)
    if far > machine.words:
        slot = next(slot for slot, a in enumerate(addresses.tolist()) if a > machine.words)
        used = (program.operands == slot).any(axis=1)
        raise ProgramError(
            f"address {addresses[slot]} does not fit on a tile of {machine.words:,} words",
            where=program.place(int(np.argmax(used))) if used.any() else "inputs",
            mend="use smaller addresses, or write a spatial program, which has many tiles",
        )
    cells = nearest_cells(machine)[addresses.astype(np.int64) - 1]
    cores = np.zeros((len(program), 2), np.int32)
    return SpatialProgram(
        program.ops, program.operands, program.immediates, cores, cells, program.inputs, program.outputs
    )


@lru_cache(maxsize=4)
def nearest_cells(machine: Machine = PUBLISHED) -> Array:
    """The cells ``(u, v)`` of a tile from the nearest to its core on; of equals, by v, then by u: ``(n, 2)`` int32."""
    u, v = (axis.reshape(-1) for axis in np.meshgrid(np.arange(machine.side), np.arange(machine.side)))
    low, high = machine.reserved
    free = ~((u >= low) & (u <= high) & (v >= low) & (v <= high))
    u, v = u[free], v[free]
    order = np.lexsort((u, v, np.abs(u - machine.middle) + np.abs(v - machine.middle)))
    cells = np.stack((u, v), axis=1)[order].astype(np.int32)
    cells.flags.writeable = False
    return cells


def plain(value: Fraction) -> int | float:
    """The integer that a fraction is, or the nearest float."""
    return value.numerator if value.denominator == 1 else float(value)


__all__ = ["nearest_cells", "on_one_tile", "plain", "score", "score_scalar"]
