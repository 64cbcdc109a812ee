"""Which rings a kernel needs, and whether they fit a core's memories."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memsim.errors import ChipError
from memsim.isa.builder import KernelBuilder
from memsim.isa.handles import RingHandle
from memsim.isa.ops import DTYPES

REG, SRAM = "reg", "sram"


@dataclass(frozen=True, slots=True)
class RingSpec:
    """A ring to be placed."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    depth: int = 1
    moved: bool = False
    """Whether transfers fill or drain it: it goes to SRAM if there is room."""
    fixed: bool = False
    """Whether it must lie in SRAM, as the operands of a matrix unit do."""

    @property
    def bytes(self) -> int:
        """Bytes of all its slots."""
        return self.depth * math.prod(self.shape) * DTYPES[self.dtype].bytes


@dataclass(frozen=True, slots=True)
class Room:
    """What a core can hold: bytes of its registers and of its SRAM."""

    reg: int
    sram: int


def place(specs: Iterable[RingSpec], room: Room) -> dict[str, str] | None:
    """A memory for each ring, or None where they do not fit.

    What moves goes to SRAM first, what is only computed on to registers; either takes the other where it has to.
    """
    left = {REG: room.reg, SRAM: room.sram}
    memories: dict[str, str] = {}
    for spec in sorted(specs, key=lambda spec: (not spec.fixed, not spec.moved)):
        choices = [SRAM] if spec.fixed else [SRAM, REG] if spec.moved else [REG, SRAM]
        memory = next((choice for choice in choices if spec.bytes <= left[choice]), None)
        if memory is None:
            return None
        left[memory] -= spec.bytes
        memories[spec.name] = memory
    return memories


def declare(kernel: KernelBuilder, specs: Sequence[RingSpec], memories: Mapping[str, str]) -> dict[str, RingHandle]:
    """Declare the rings in a kernel."""
    return {s.name: kernel.ring(s.name, memories[s.name], s.dtype, s.shape, s.depth) for s in specs}


def too_small(kernel: str, chip: str, specs: Sequence[RingSpec], room: Room) -> ChipError:
    """The error for a core that cannot hold even these smallest rings."""
    fixed = sum(spec.bytes for spec in specs if spec.fixed)
    total = sum(spec.bytes for spec in specs)
    listed = ", ".join(f"{s.name} {s.bytes:,}" for s in sorted(specs, key=lambda spec: -spec.bytes)[:4])
    if fixed > room.sram:
        cause = f"sram of a core of {chip} holds {room.sram:,} bytes, the smallest tiles need {fixed:,}: {listed}"
    else:
        cause = (
            f"sram and reg of a core of {chip} hold {room.sram:,} and {room.reg:,} bytes,"
            f" the smallest tiles need {total:,}: {listed}"
        )
    largest = max((spec.bytes for spec in specs), default=0)
    needed = max(fixed, total if largest > room.reg else total - room.reg + largest)
    mend = f'raise core.sram.capacity to "{needed} B" or more, or shrink the workload'
    return ChipError(cause, where=f"kernel {kernel}", mend=mend)
