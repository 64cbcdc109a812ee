"""The sizes that a region takes when it is written with its starts alone."""

from __future__ import annotations

from collections.abc import Sequence


def default_sizes(tile: Sequence[int], rank: int, *, transpose: bool = False) -> tuple[int, ...] | None:
    """Sizes in a tensor of ``rank`` dimensions of the region that fills ``tile``: right-aligned, leading sizes 1.

    A tile of more dimensions than the tensor, or one that is transposed on the way, first loses its
    dimensions of size 1. ``None`` where the tile has too many dimensions even so.

    >>> default_sizes((128, 64), 3)
    (1, 128, 64)
    >>> default_sizes((128, 1), 1)
    (128,)
    >>> default_sizes((128, 64), 2, transpose=True)
    (64, 128)
    """
    sizes = [*tile]
    if transpose or len(sizes) > rank:
        sizes = [size for size in sizes if size != 1]
    if transpose and len(sizes) >= 2:
        sizes[-2:] = sizes[-1], sizes[-2]
    missing = rank - len(sizes)
    return None if missing < 0 else (*[1] * missing, *sizes)


def default_gather_sizes(tile: Sequence[int], shape: Sequence[int]) -> tuple[int, ...] | None:
    """Sizes of the region of a gather into ``tile``: every row of the tensor, as wide as the tile."""
    return (shape[0], tile[-1]) if len(shape) == 2 and tile else None
