"""How often each address is read and written, without running the program."""

from __future__ import annotations

import numpy as np

from memsim.errors import ProgramError
from memsim.locality.loops.boxes import Box
from memsim.locality.loops.model import LoopProgram
from memsim.locality.loops.scoring import Accesses, accesses, add_box, region_box
from memsim.locality.loops.sums import MAX_CELLS, counts
from memsim.locality.shells import Array

MOST = 2**62
"""Counts are below this, to fit int64."""


def access_counts(program: LoopProgram, model: str = "dally2") -> tuple[Array, Array]:
    """The reads and the writes of each address that a model counts.

    Parameters
    ----------
    program
        With addresses up to `MAX_CELLS`.
    model
        ``dally1``, where ``recv`` writes, ``send`` reads and outputs are read once more; or ``dally2``, where these
        are free.

    Returns
    -------
    tuple
        Reads and writes by address, int64; index 0 is unused.

    Raises
    ------
    ProgramError
        If there are more addresses, or a count does not fit int64.
    """
    reads, writes = accesses(program, tape=model == "dally2")
    for region in program.regions:
        if region.is_output and model == "dally1":
            add_box(reads, region_box(program, region))
    last = max((region_box(program, region).last for region in program.regions), default=0)
    if last > MAX_CELLS:
        mend = "look at smaller sizes: where accesses go changes little with them"
        raise ProgramError(f"addresses up to {last:,} are more than the {MAX_CELLS:,} of a histogram", mend=mend)
    return _counts(reads, last + 1), _counts(writes, last + 1)


def _counts(found: Accesses, cells: int) -> Array:
    if sum(Box(base, dims).points * times for (base, dims), times in found.items()) >= MOST:
        raise ProgramError("counts of 2^62 or more do not fit a histogram", mend="look at smaller trip counts")
    total = np.zeros(cells, np.int64)
    for (base, dims), times in found.items():
        box = Box(base, dims)
        total[base : box.last + 1] += times * counts(box, box.last + 1 - base)
    return total
