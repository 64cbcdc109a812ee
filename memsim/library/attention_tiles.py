"""How attention is cut on a chip: tiles and warpgroups of FlashAttention-2 and -3, and the splits of its decode."""

from __future__ import annotations

from dataclasses import dataclass, replace

from memsim.errors import ChipError
from memsim.hierarchy import Chip
from memsim.isa.ops import DTYPES

ASYNCHRONOUS_COLUMNS = 256
"""Columns of a native step of Hopper's wgmma and Blackwell's tcgen05.mma: units that run beside their warps."""
MIN_EFFICIENCY = 0.85
"""Share of the best wave efficiency at which FlashAttention stops to split (`num_splits_heuristic`)."""
ENOUGH_BLOCKS = 0.8
"""Share of the slots for blocks from which on FlashAttention does not split."""
MOST_SPLITS = 128
"""As in FlashAttention."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """A block: ``groups`` warpgroups of ``rows`` queries each, which share tiles of ``columns`` keys."""

    name: str
    """The published kernel that is cut so."""
    groups: int
    rows: int
    columns: int
    stages: int
    """Tiles of keys, and of values, in shared memory."""

    @property
    def block_rows(self) -> int:
        """Queries of a block."""
        return self.groups * self.rows

    def shared_bytes(self, head_dim: int, dtype: str) -> int:
        """Shared memory of a block: its queries, and the stages of keys and values."""
        return (self.block_rows + 2 * self.stages * self.columns) * head_dim * DTYPES[dtype].bytes


def is_asynchronous(chip: Chip, dtype: str) -> bool:
    """Whether products run beside the warps that asked for them, so that FlashAttention-3 pays."""
    matrix = chip.core.matrix
    assert matrix is not None
    return matrix.kind == "dot" and matrix.native[dtype].n >= ASYNCHRONOUS_COLUMNS


def prefill_tiles(chip: Chip, head_dim: int, dtype: str) -> Tiles:
    """Tiles of prefill.

    FlashAttention-3 on asynchronous matrix units: two warpgroups, each as high as a native step, 128 keys, two stages.
    FlashAttention-2 elsewhere: 128 queries by 64 keys in one stage, or the largest that fits.
    """
    matrix = chip.core.matrix
    assert matrix is not None
    if is_asynchronous(chip, dtype):
        choices = [Tiles("FlashAttention-3", 2, matrix.native[dtype].m, columns, 2) for columns in (128, 64)]
    else:
        choices = [Tiles("FlashAttention-2", 1, rows, columns, 1) for rows, columns in ((128, 64), (64, 64), (64, 32))]
    return _first_fitting(chip, choices, head_dim, dtype)


def decode_tiles(chip: Chip, head_dim: int, dtype: str) -> Tiles:
    """Tiles of decode: the queries of a group of heads fill part of 64 rows, against 128 keys."""
    matrix = chip.core.matrix
    assert matrix is not None
    if is_asynchronous(chip, dtype):
        choices = [Tiles("FlashAttention-3", 1, matrix.native[dtype].m, columns, 2) for columns in (128, 64)]
    else:
        choices = [Tiles("FlashAttention-2", 1, 64, columns, 1) for columns in (128, 64, 32)]
    return _first_fitting(chip, choices, head_dim, dtype)


def _first_fitting(chip: Chip, choices: list[Tiles], head_dim: int, dtype: str) -> Tiles:
    for tiles in choices:
        if tiles.shared_bytes(head_dim, dtype) <= chip.core.sram.capacity:
            return tiles
    last = choices[-1]
    raise ChipError(
        f"{last.shared_bytes(head_dim, dtype):,} bytes for tiles of {last.block_rows} queries and {last.columns} keys of "
        f"head_dim {head_dim} exceed the {chip.core.sram.capacity:,} bytes of shared memory of {chip.name}",
        where="attention",
        mend="use a smaller head_dim, or a chip with more shared memory",
    )


def splits(blocks: int, tiles: int, slots: int) -> int:
    """Parts that the keys are split into so that ``blocks`` of them fill ``slots``: FlashAttention's heuristic.

    The smallest number whose last wave is nearly as full as that of the best number. Numbers that leave the longest
    part as long as one split less are passed over.

    Parameters
    ----------
    blocks
        Blocks without splits.
    tiles
        Tiles of keys.
    slots
        Blocks that the chip holds at once.
    """
    if blocks >= ENOUGH_BLOCKS * slots:
        return 1
    found: list[tuple[int, float]] = []
    for count in range(1, min(MOST_SPLITS, slots, tiles) + 1):
        if count > 1 and -(-tiles // count) == -(-tiles // (count - 1)):
            continue
        waves = blocks * count / slots
        found.append((count, waves / -(-blocks * count // slots)))
    best = max(efficiency for _, efficiency in found)
    return next(count for count, efficiency in found if efficiency >= MIN_EFFICIENCY * best)


def drawn_together(tiles: Tiles, columns: int) -> Tiles:
    """The same block with ``columns`` tiles of keys in one step."""
    return replace(tiles, columns=tiles.columns * columns)
