"""What a library launches for one call."""

from __future__ import annotations

from dataclasses import dataclass

from memsim.hierarchy import Chip
from memsim.isa import Program


@dataclass(frozen=True, slots=True)
class Kernel:
    """A call of a library: a tile program, and the choice that made it."""

    program: Program
    """One launch, or several in order (a split along k and the sum of its parts)."""
    chip: Chip
    """What it runs on: not quite the chip asked for where the kernel uses other pipes (fp32 products on SIMT lanes)."""
    choice: str
    """For people: ``"128 x 256 x 64, 3 stages, 2 splits"``."""
