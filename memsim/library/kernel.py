"""What a library launches for one call."""

from __future__ import annotations

from dataclasses import dataclass

from memsim.hierarchy import Chip
from memsim.isa import Program


@dataclass(frozen=True, slots=True)
class Sample:
    """A kernel as another one, with fewer steps in the loop that most of its time goes into."""

    steps: int
    program: Program


@dataclass(frozen=True, slots=True)
class Kernel:
    """A call of a library: a tile program, and the choice that made it."""

    program: Program
    """One launch, or several in order (a split along k and the sum of its parts)."""
    chip: Chip
    """What it runs on: not quite the chip asked for where the kernel uses other pipes (fp32 products on SIMT lanes)."""
    choice: str
    """For people: ``"128 x 256 x 64, 3 stages, 2 splits"``."""
    steps: int = 0
    """Steps of a block's innermost loop, where there are samples."""
    samples: tuple[Sample, ...] = ()
    """Two, of a kernel so long that they are run in its place (`memsim.library.sampling`)."""
