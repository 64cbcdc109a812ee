"""What the collectives share: how a vector is cut into blocks and chunks, and where a block lies."""

from __future__ import annotations

from dataclasses import dataclass

from memsim.isa import DTYPES
from memsim.isa.expr import Expr
from memsim.isa.handles import RegionHandle, TensorHandle

STAGING = "reg"
"""Memory of the rings: what is on its way stays on the chip."""
CHUNK_BYTES = 1 << 19
"""Largest tile unless the user says otherwise: a slice of NCCL's default buffer (4 MiB in 8 steps)."""
SLICES = 4
"""Chunks of a block that are on their way at once, where a block is more than one chunk."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A vector of ``elements``, cut into one block for each of ``chips`` chips, and these into rounds of slices.

    Blocks are equal, the last ones clipped at the end of the vector.
    """

    chips: int
    elements: int
    dtype: str
    chunk: int
    """Elements of a tile."""
    slices: int
    rounds: int

    @classmethod
    def of(cls, chips: int, elements: int, dtype: str, chunk: int | None) -> Blocks:
        """Cut a vector; ``chunk`` is the most elements that a tile may have."""
        least = -(-elements // chips)
        most = chunk or max(1, CHUNK_BYTES // DTYPES[dtype].bytes)
        if least <= most:
            return cls(chips, elements, dtype, least, 1, 1)
        slices = min(SLICES, -(-least // most))
        return cls(chips, elements, dtype, most, slices, -(-least // (most * slices)))

    @classmethod
    def even(cls, chips: int, elements: int, dtype: str, chunk: int | None) -> Blocks:
        """Cut a vector, a multiple of ``chips``, into blocks without rest, and these into chunks without rest."""
        block = elements // chips
        most = min(block, chunk or max(1, CHUNK_BYTES // DTYPES[dtype].bytes))
        size = next(n for n in range(most, 0, -1) if block % n == 0)
        return cls(chips, elements, dtype, size, 1, block // size)

    @classmethod
    def whole(cls, chips: int, elements: int, dtype: str, chunk: int | None) -> Blocks:
        """Leave a vector in one piece, but for chunks."""
        size = min(elements, chunk or max(1, CHUNK_BYTES // DTYPES[dtype].bytes))
        return cls(chips, elements, dtype, size, 1, -(-elements // size))

    @property
    def block(self) -> int:
        """Elements of a block."""
        return self.chunk * self.slices * self.rounds

    @property
    def clip(self) -> bool:
        """Whether the blocks are more than the vector."""
        return self.block * self.chips != self.elements

    @property
    def depth(self) -> int:
        """Slots that hold the slices of a step, twice."""
        return 2 * self.slices

    def at(self, tensor: TensorHandle, block: Expr | int, round_: Expr | int, piece: Expr | int) -> RegionHandle:
        """The region of a chunk; ``block`` 0 of a tensor that holds one block only."""
        return tensor[block * self.block + (round_ * self.slices + piece) * self.chunk]


def partner(x: Expr, distance: int) -> Expr:
    """Exclusive or of a chip's number and a power of two."""
    return x + distance - 2 * distance * (x // distance % 2)
