"""How attention is cut on a chip: tiles and warpgroups of FlashAttention-2 and -3, and the splits of its decode."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from memsim.errors import ChipError
from memsim.hierarchy import Chip
from memsim.isa.ops import DTYPES

ASYNCHRONOUS_COLUMNS = 256
"""Columns of a native step of Hopper's wgmma and Blackwell's tcgen05.mma: units that run beside their warps."""
BLACKWELL_ROWS = 128
"""Rows of a native step of Blackwell's tcgen05.mma."""
SWAPPED_ROWS = 16
"""Queries of a group are a multiple of this in decode on Blackwell: columns of tcgen05.mma come in steps of 16."""
COMPARES = 64
"""Maxima a cycle and core, however many lanes add: CUDA C++ Programming Guide, throughput of native instructions (9.0);
AMD's packed instructions for 128 lanes add and multiply only (CDNA 2 and 3 instruction set references)."""
MIN_EFFICIENCY = 0.85
"""Share of the best wave efficiency at which FlashAttention stops to split (`num_splits_heuristic`)."""
ENOUGH_BLOCKS = 0.8
"""Share of the slots for blocks from which on FlashAttention does not split."""
FEW_TILES = 4
"""Tiles of keys that FlashAttention-3 does not split."""
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
    overlaps: bool = False
    """Whether the sums of a tile run beside the weights of the next, which only an asynchronous unit can."""
    slow_maxima: bool = False
    """Whether maxima run at half the rate of sums."""

    @property
    def third(self) -> bool:
        """Whether it is FlashAttention-3 or later."""
        return self.overlaps

    @property
    def packs(self) -> bool:
        """Whether heads that share keys share a tile: FlashAttention-3 does, for sequences of any lengths."""
        return self.overlaps

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

    FlashAttention-2: 128 queries by 64 keys in one stage, or the largest that fits. FlashAttention-3: 128 queries by
    128 keys in two stages; its two warpgroups run in step, and are one of 128 rows here. FlashAttention-4, where a
    native step has 128 rows: two warpgroups of as many.
    """
    matrix, slow = chip.core.matrix, _slow_maxima(chip)
    assert matrix is not None
    if not is_asynchronous(chip, dtype):
        sizes = ((128, 64), (64, 64), (64, 32))
        choices = [Tiles("FlashAttention-2", 1, rows, columns, 1, slow_maxima=slow) for rows, columns in sizes]
    elif matrix.native[dtype].m < BLACKWELL_ROWS:
        choices = [Tiles("FlashAttention-3", 1, 128, columns, 2, True, slow) for columns in (128, 64)]
    else:
        choices = [Tiles("FlashAttention-4", 2, matrix.native[dtype].m, columns, 2, True) for columns in (128, 64)]
    return _first_fitting(chip, choices, head_dim, dtype)


def decode_tiles(chip: Chip, head_dim: int, dtype: str, group: int = 1) -> Tiles:
    """Tiles of decode: the queries of a ``group`` of heads fill part of 64 rows, against 128 keys.

    On Blackwell the operands are swapped, so that queries are columns, of which a step may have as few as `n_step`:
    only as many rows of softmax are computed.
    """
    matrix, slow = chip.core.matrix, _slow_maxima(chip)
    assert matrix is not None
    if not is_asynchronous(chip, dtype):
        choices = [Tiles("FlashAttention-2", 1, 64, columns, 1, slow_maxima=slow) for columns in (128, 64, 32)]
    elif matrix.native[dtype].m < BLACKWELL_ROWS:
        choices = [Tiles("FlashAttention-3", 1, 64, columns, 2, True, slow) for columns in (128, 64)]
    else:
        rows = min(-(-group // SWAPPED_ROWS) * SWAPPED_ROWS, matrix.native[dtype].m)
        choices = [Tiles("FlashAttention-4", 1, rows, columns, 2, True) for columns in (128, 64)]
    return _first_fitting(chip, choices, head_dim, dtype)


def _slow_maxima(chip: Chip) -> bool:
    """Whether 128 lanes add, but 64 compare."""
    return chip.core.vector.lanes == 2 * COMPARES


def _first_fitting(chip: Chip, choices: list[Tiles], head_dim: int, dtype: str) -> Tiles:
    for tiles in choices:
        if tiles.shared_bytes(head_dim, dtype) <= chip.core.sram.capacity:
            return tiles
    last = choices[-1]
    raise ChipError(
        f"tiles of {last.block_rows} queries and {last.columns} keys of head_dim {head_dim} take "
        f"{last.shared_bytes(head_dim, dtype):,} bytes, which exceed the {chip.core.sram.capacity:,} bytes of shared "
        f"memory of {chip.name}",
        where="attention",
        mend="use a smaller head_dim, or a chip with more shared memory",
    )


def splits(blocks: int, count: int, cores: int, tiles: Tiles) -> int:
    """Parts that the keys are split into so that ``blocks`` of them fill the chip: `num_splits_heuristic`.

    The smallest number whose last wave is nearly as full as that of the best number. Numbers that leave the longest
    part as long as one split less are passed over, as some part may be empty then. FlashAttention-2 counts two blocks
    a core, FlashAttention-3 one, and that leaves few tiles whole.

    Parameters
    ----------
    blocks
        Blocks without splits.
    count
        Tiles of keys.
    cores
        Cores of the chip.
    tiles
        The kernel.
    """
    slots = cores if tiles.third else 2 * cores
    if blocks >= ENOUGH_BLOCKS * slots or (tiles.third and count <= FEW_TILES):
        return 1
    found: list[tuple[int, float]] = []
    for parts in range(1, min(MOST_SPLITS, slots, count) + 1):
        if parts > 1 and -(-count // parts) == -(-count // (parts - 1)):
            continue
        found.append((parts, blocks * parts / slots / -(-blocks * parts // slots)))
    best = max(efficiency for _, efficiency in found)
    return next(parts for parts, efficiency in found if efficiency >= MIN_EFFICIENCY * best)


@dataclass(frozen=True, slots=True)
class Drawing:
    """How much of the work one instruction of a program stands for."""

    heads: int = 1
    """Blocks of heads of one group that are drawn as one."""
    tall: int = 1
    """Blocks of adjacent tiles of queries that are drawn as one."""
    wide: int = 1
    """Steps over tiles of keys that are drawn as one, where none of them is masked."""

    def __str__(self) -> str:
        """For people."""
        parts = [(self.heads, "heads"), (self.tall, "tiles of queries"), (self.wide, "tiles of keys")]
        text = " x ".join(f"{count} {what}" for count, what in parts if count > 1)
        return f"{text} drawn as one" if text else ""


PLAIN = Drawing()
"""Each instruction stands for itself."""
MOST_TRANSFERS = 30_000
"""Transfers of keys, values, queries and results from which on blocks and steps are drawn together: simulation takes
some microseconds for each."""
TURNS = 12
"""Blocks of a core that are left at least, so that waves and tails stay what they are."""
LEAST_STEPS = 8
"""Wide steps of a block that are left at least, on average, so that its first and last ones weigh as little. Where that
leaves more than twice the transfers, half as many."""
LEAST_TILES = 32
"""Tall tiles of queries of a sequence that are left at least, where on the diagonal they do more than their parts."""
POWERS = (1, 2, 4, 8, 16, 32)
"""How many are drawn as one."""


def drawing(blocks: int, group: int, tiles: Tiles, tokens: int, token_tiles: int, steps: float, cores: int) -> Drawing:
    """The least that has to be drawn together for a program to have few enough transfers.

    Parameters
    ----------
    blocks
        Blocks of the grid.
    group
        Blocks of heads that share keys and values.
    tiles
        A block.
    tokens, token_tiles
        Tokens of a block, and blocks that a sequence takes for each head.
    steps
        Steps of a block over tiles of keys, on average.
    cores
        Cores of the chip.
    """

    def transfers(drawn: Drawing) -> float:
        loads = steps if drawn.wide == 1 else steps / drawn.wide + drawn.wide / 2 + 0.5
        return blocks / (drawn.heads * drawn.tall) * (2 * tiles.groups + 2 * loads)

    tall = [n for n in POWERS if n == 1 or (tiles.groups == 1 and _may_be_tall(n, tiles, tokens, token_tiles))]
    heads = [n for n in range(1, group + 1) if group % n == 0]
    choices: list[Drawing] = []
    for least, most in ((LEAST_STEPS, 1), (LEAST_STEPS, 2), (LEAST_STEPS // 2, 2)):
        wides = [n for n in POWERS if n == 1 or steps >= least * n]
        every = (Drawing(*drawn) for drawn in itertools.product(heads, tall, wides))
        choices = [d for d in every if d.heads * d.tall == 1 or blocks >= d.heads * d.tall * TURNS * cores]
        few = [drawn for drawn in choices if transfers(drawn) <= most * MOST_TRANSFERS]
        if few:
            return min(few, key=lambda drawn: (drawn.tall, drawn.wide, drawn.heads))
    return min(choices, key=transfers)


def _may_be_tall(count: int, tiles: Tiles, tokens: int, token_tiles: int) -> bool:
    """Whether tiles of queries see as many tiles of keys together as alone, or as good as."""
    return count * tokens <= tiles.columns or token_tiles >= count * LEAST_TILES
