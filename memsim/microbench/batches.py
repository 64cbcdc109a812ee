"""The engines' batches against the burst-level model: the same tiles on one channel of a DRAM part, in both.

The tiles follow one another without a pause, so the channel is saturated, as it is where DRAM decides how long a
program takes. The engines know a tile by its runs (`memsim.engine.dram`); the burst-level model sees each burst.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from memsim.compiled import compiled
from memsim.dram.channel import Source, run
from memsim.dram.stimulus import Requests
from memsim.engine import dram
from memsim.engine.calibration import USUAL_MAP
from memsim.engine.dram_rows import channel_words, walk_words
from memsim.engine.servers import Array
from memsim.hierarchy.dram_parts import DramPart, dram_part

INTERLEAVE = 512
"""Bytes of a block, as chips deal them to channels."""
TICKS_A_CLOCK = 16
SEGMENT = 32
"""Grain at which addresses of tiles are told to the engines, in bytes: a burst or less."""
SIZES = (512, 1024, 2048, 4096, 8192)
"""Bytes of contiguous tiles."""
WALK_RUNS, COLUMN_RUNS = 32, 64
"""Rows of a tile that is not contiguous."""


class Tile(NamedTuple):
    """Contiguous runs of bytes, a pitch apart."""

    start: int
    runs: int
    run_bytes: int
    pitch: int
    write: int


Random: TypeAlias = np.random.Generator
Draw: TypeAlias = Callable[[DramPart, Random, int], Tile]
"""A tile of a pattern, from its number among the tiles."""


def _contiguous(part: DramPart, random: Random, _: int, sizes: Sequence[int] = SIZES, writes: float = 0) -> Tile:
    size = int(random.choice(sizes))
    return Tile(int(random.integers(part.capacity // size)) * size, 1, size, 0, int(random.random() < writes))


def _gather(part: DramPart, random: Random, _: int) -> Tile:
    return Tile(int(random.integers(part.capacity // part.burst_bytes)) * part.burst_bytes, 1, part.burst_bytes, 0, 0)


def _stream(part: DramPart, _: Random, number: int) -> Tile:
    return Tile(number * 4096 % part.capacity, 1, 4096, 0, 0)


def _walk(part: DramPart, random: Random, runs: int, run_bytes: int, pitch: int) -> Tile:
    """A tile that lies anywhere, down and across, in matrices with rows of so many bytes."""
    down = int(random.integers(part.capacity // (runs * pitch) - 1)) * runs * pitch
    return Tile(down + int(random.integers(pitch // run_bytes)) * run_bytes, runs, run_bytes, pitch, 0)


def _strided(part: DramPart, random: Random, _: int) -> Tile:
    run_bytes = max(int(random.choice((64, 128, 256, 512))), part.burst_bytes)
    return _walk(part, random, WALK_RUNS, run_bytes, int(random.choice((1024, 2048, 4096, 8192))))


def _column(part: DramPart, random: Random, _: int) -> Tile:
    return _walk(part, random, COLUMN_RUNS, part.burst_bytes, 8192 + part.row_bytes)


def _conflicts(part: DramPart, random: Random, _: int, banks: int) -> Tile:
    """A walk that meets so few banks, each time in another row."""
    pitch = part.row_bytes * part.bank_count // banks
    return _walk(part, random, COLUMN_RUNS, 2 * part.burst_bytes, pitch)


PATTERNS: Mapping[str, Draw] = {
    "contiguous": _contiguous,
    "reads and writes": partial(_contiguous, writes=1 / 3),
    "writes": partial(_contiguous, sizes=(4096,), writes=1),
    "strided": _strided,
    "column": _column,
    "gather": _gather,
    "stream": _stream,
    "one bank": partial(_conflicts, banks=1),
    "two banks": partial(_conflicts, banks=2),
    "four banks": partial(_conflicts, banks=4),
}
"""What the tiles are: contiguous ones of 512 B to 8 KiB anywhere; the same, a third written; 4 KiB written; 32 runs of
64 to 512 B in rows of 1 to 8 KiB; 64 bursts down a column; a burst each; 4 KiB, one after another; and walks whose
rows all lie in few banks."""
SMALL = {"gather": 50}
"""Of patterns whose tiles are a burst or so: how many times more of them."""


@dataclass(frozen=True)
class Cost:
    """What tiles took of a channel."""

    clocks: float
    bursts: int
    activates: int
    energy_pj: float
    """Of bursts and activates, and of the time that the channel has rows open."""


@dataclass(frozen=True)
class BatchRow:
    """A pattern on a part, in both models."""

    part: str
    map: str
    pattern: str
    burst_level: Cost
    batches: Cost

    @property
    def time_error(self) -> float:
        """Of the batches, as a share of what the burst-level model says."""
        return self.batches.clocks / self.burst_level.clocks - 1

    @property
    def activate_error(self) -> float:
        """The same of rows opened."""
        return self.batches.activates / self.burst_level.activates - 1

    @property
    def energy_error(self) -> float:
        """The same of energy."""
        return self.batches.energy_pj / self.burst_level.energy_pj - 1


def batch_errors(
    part: str, patterns: Sequence[str] = tuple(PATTERNS), *, text: str = USUAL_MAP, tiles: int = 400, seed: int = 1
) -> list[BatchRow]:
    """Both models under so many tiles of each pattern, on a part with an address map.

    Parameters
    ----------
    part
        A name from `memsim.hierarchy.dram_parts`.
    text
        The address map inside the channel, by name or as text.
    tiles
        More make the shares of refreshes, and of the last bursts, those of a long run.
    """
    found = dram_part(part)
    rows = []
    for pattern in patterns:
        random = np.random.default_rng(seed)
        drawn = [PATTERNS[pattern](found, random, i) for i in range(tiles * SMALL.get(pattern, 1))]
        rows.append(BatchRow(part, text, pattern, _burst_level(found, text, drawn), _batches(found, text, drawn)))
    return rows


def median_and_worst(errors: Iterator[float] | Sequence[float]) -> tuple[float, float]:
    """The median and the largest of the sizes of errors."""
    sizes = np.abs(np.array(list(errors)))
    return float(np.median(sizes)), float(sizes.max())


def _burst_level(part: DramPart, text: str, tiles: Sequence[Tile]) -> Cost:
    bursts = [_bursts(part, tile) for tile in tiles]
    writes = np.repeat([tile.write for tile in tiles], [len(b) for b in bursts])
    requests = Requests(np.concatenate(bursts), writes.astype(np.int64))
    done = run(part, requests, Source(mlp=4 * part.queue), address=text)
    clocks = (done.end - done.start) / done.ticks_a_clock
    return _cost(part, tiles, clocks, len(requests), done.counts["activate"])


def _bursts(part: DramPart, tile: Tile) -> npt.NDArray[np.int64]:
    """Numbers of a tile's bursts, in the order of its addresses."""
    runs = tile.start + np.arange(tile.runs, dtype=np.int64) * tile.pitch
    return ((runs[:, None] + np.arange(0, tile.run_bytes, part.burst_bytes)) // part.burst_bytes).ravel()


def _batches(part: DramPart, text: str, tiles: Sequence[Tile]) -> Cost:
    per_clock = Fraction(TICKS_A_CLOCK * dram.SCALE)
    row = np.array([0, 1, 1, INTERLEAVE, 1, 1, 0, *channel_words(part, text, 1, True, per_clock)], dtype=np.int64)
    shapes = np.array([_shape(part, text, tile) for tile in tiles], dtype=np.int64)
    open_rows = np.zeros(part.bank_count * dram.TOGETHER, dtype=np.int64)
    ticks, activates, moved = _serve(row, shapes, np.array(tiles, dtype=np.int64), open_rows)
    return _cost(part, tiles, ticks / TICKS_A_CLOCK, moved // part.burst_bytes, activates)


@compiled
def _serve(row: Array, shapes: Array, tiles: Array, open_rows: Array) -> tuple[int, int, int]:
    """One tile after another: (ticks, activates, bytes of bursts)."""
    free_at, busy, directions = (np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64))
    activates = moved = 0
    for i in range(len(tiles)):
        start, runs, run_bytes, _, write = tiles[i]
        _, _, rows, more = dram.serve_channels(
            row, shapes[i], free_at, busy, directions, open_rows,
            0, 0, start // SEGMENT, runs * run_bytes, runs, write, 0,
        )  # fmt: skip
        activates, moved = activates + rows, moved + more
    return int(free_at[0]), int(activates), int(moved)


def _shape(part: DramPart, text: str, tile: Tile) -> Array:
    """A tensor of which any `SEGMENT` bytes may be the beginning of a tile."""
    shape = np.zeros(dram.SHAPE_WORDS, dtype=np.int64)
    shape[[dram.RUNS, dram.PITCH, dram.WAYS]] = tile.runs, tile.pitch, 1
    shape[[dram.AXES, dram.FIRST_AXIS, dram.FIRST_AXIS + 1]] = 1, 1, SEGMENT
    if tile.runs > 1:
        per_clock = Fraction(TICKS_A_CLOCK * dram.SCALE)
        walk = walk_words(part, text, tile.pitch, tile.run_bytes, tile.runs, per_clock)
        shape[dram.WALK_TICKS : dram.WALK_TICKS + len(walk)] = walk
    return shape


def _cost(part: DramPart, tiles: Sequence[Tile], clocks: float, bursts: int, activates: int) -> Cost:
    energy = part.energy
    of_tiles = math.fsum(
        tile.runs * -(-tile.run_bytes // part.burst_bytes) * (energy.write_pj if tile.write else energy.read_pj)
        for tile in tiles
    )
    open_pj = clocks * float(part.tck_ps) / 1000 * energy.open_mw
    return Cost(clocks, bursts, activates, of_tiles + activates * energy.act_pj + open_pj)
