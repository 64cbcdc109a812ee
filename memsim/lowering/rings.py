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
    """Whether transfers fill or drain it, so that it has to lie in SRAM."""

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
    """A memory for each ring, or None where they do not fit: what is only computed on goes to registers first."""
    left = {REG: room.reg, SRAM: room.sram}
    memories: dict[str, str] = {}
    for spec in sorted(specs, key=lambda spec: not spec.moved):
        memory = SRAM if spec.moved or spec.bytes > left[REG] else REG
        left[memory] -= spec.bytes
        memories[spec.name] = memory
        if left[memory] < 0:
            return None
    return memories


def declare(kernel: KernelBuilder, specs: Sequence[RingSpec], memories: Mapping[str, str]) -> dict[str, RingHandle]:
    """Declare the rings in a kernel."""
    return {s.name: kernel.ring(s.name, memories[s.name], s.dtype, s.shape, s.depth) for s in specs}


def too_small(kernel: str, chip: str, specs: Sequence[RingSpec], room: Room) -> ChipError:
    """The error for a core that cannot hold even these smallest rings."""
    moved = sum(spec.bytes for spec in specs if spec.moved)
    total = sum(spec.bytes for spec in specs)
    largest = sorted(specs, key=lambda spec: -spec.bytes)[:4]
    listed = ", ".join(f"{spec.name} {spec.bytes:,}" for spec in largest)
    if moved > room.sram:
        cause = f"sram of a core of {chip} holds {room.sram:,} bytes, the smallest tiles need {moved:,}: {listed}"
    else:
        cause = (
            f"sram and reg of a core of {chip} hold {room.sram:,} and {room.reg:,} bytes, the smallest tiles need"
            f" {total:,}, of which {moved:,} in sram: {listed}"
        )
    needed = max(moved, total - room.reg)
    return ChipError(
        cause,
        where=f"kernel {kernel}",
        mend=f'raise core.sram.capacity to at least "{needed} B", or shrink the workload',
    )
