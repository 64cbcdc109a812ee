"""A chip's DRAM as the numbers that `memsim.engine.dram` reads: what its part takes, and how tensors lie in it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

import numpy as np

from memsim.dram.maps import address_map
from memsim.engine import dram
from memsim.engine.calibration import interleaving, visit_table, walks
from memsim.engine.layout import TensorLayout
from memsim.engine.servers import PAGE_SEGMENTS, Array
from memsim.errors import ChipError, MemsimError
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import DramPart


def part_words(chip: Chip) -> list[int]:
    """The words of the DRAM's row from `dram.BURST` on; none where the chip names no part.

    Raises
    ------
    ChipError
        If ``dram.map`` is no address map of the part.
    """
    part = chip.dram.channel
    if part is None:
        return []
    try:
        address_map(chip.dram.map, part)
    except MemsimError as e:
        raise ChipError(e.cause, where="dram.map", mend=e.mend) from None
    linear = chip.dram.channel_map == "linear"
    return channel_words(part, chip.dram.map, chip.dram.channels, linear, _scaled_ticks_per_clock(part, chip))


def channel_words(part: DramPart, text: str, channels: int, linear: bool, per_clock: Fraction) -> list[int]:
    """The same for so many channels of a part; ``per_clock``: ticks in a clock of the part, times `dram.SCALE`."""
    table = visit_table(part, text)
    grain, fan = interleaving(part, text)
    words = [
        part.burst_bytes,
        grain,
        fan,
        grain * part.burst_bytes * channels,
        (fan * part.row_bursts // grain).bit_length() - 1,
        int(linear),
        round(table.turn * per_clock),
        round(table.turned * dram.SCALE),
        table.drain,
        part.bank_count,
        *(round(share * dram.SCALE) for share in table.again),
        round(table.refreshed * dram.SCALE),
    ]
    for write, clocks in enumerate(table.clocks):
        ticks = [round(c * per_clock) for c in clocks]
        slopes = [(b - a) // 2**i for i, (a, b) in enumerate(pairwise(ticks))]
        words += [*ticks, *slopes, round(table.burst[write] * per_clock)]
    return words


def latency_ticks(chip: Chip) -> int:
    """From a read's arrival to its first byte, in a bank without an open row: way, activate and column latency."""
    ticks = chip.ticks_of(chip.dram.latency)
    part = chip.dram.channel
    if part is None:
        return ticks
    return ticks + math.ceil((part.timing.rcd_rd + part.timing.cl) * part.tck_ps / 10**12 / chip.tick)


def tensor_shapes(layouts: Iterable[TensorLayout], chip: Chip, channels: int) -> Array:
    """How each tensor lies in DRAM, in words; ``channels`` are those behind one port."""
    rows = [_shape(layout, chip, channels) for layout in layouts]
    return np.array(rows or [[0] * dram.SHAPE_WORDS], dtype=np.int64)


def _shape(layout: TensorLayout, chip: Chip, channels: int) -> list[int]:
    runs, pitch = layout.pitch
    step, ways, walk = 1, channels, [0, 0, 0, 0]
    part, linear = chip.dram.channel, chip.dram.channel_map == "linear"
    if part is not None and linear and runs > 1 and pitch >= chip.dram.interleave:
        step = pitch // chip.dram.interleave % channels
        ways = channels // math.gcd(step, channels)
        run_bytes = math.prod(layout.segment_shape) * layout.tensor.type.bytes // runs
        run_bytes = -(-run_bytes // min(-(-run_bytes // chip.dram.interleave), channels // ways))  # in each channel
        per_clock = _scaled_ticks_per_clock(part, chip)
        walk = walk_words(part, chip.dram.map, pitch * ways // channels, run_bytes, runs, per_clock)
    axes = _axes(layout)
    words = [
        runs,
        pitch,
        layout.base % PAGE_SEGMENTS,
        step,
        ways,
        *walk,
        len(axes),
        *(word for axis in axes for word in axis),
    ]
    return words + [0] * (dram.SHAPE_WORDS - len(words))


def walk_words(part: DramPart, text: str, pitch: int, run_bytes: int, runs: int, per_clock: Fraction) -> list[int]:
    """The words of a shape from `dram.WALK_TICKS` on: what a burst of such walks takes and opens, read and written."""
    found = [walks(part, text, pitch, run_bytes, runs, write) for write in (0, 1)]
    ticks, activates = zip(*found, strict=True)
    return [*(round(clocks * per_clock) for clocks in ticks), *(round(rows * dram.SCALE) for rows in activates)]


def _scaled_ticks_per_clock(part: DramPart, chip: Chip) -> Fraction:
    return part.tck_ps / 10**12 / chip.tick * dram.SCALE


def _axes(layout: TensorLayout) -> list[tuple[int, int]]:
    """(segments, bytes) from one index of the grid of segments to the next; more than fit are left out, the slowest."""
    shape, size = layout.tensor.shape, layout.tensor.type.bytes
    found = [(layout.strides[d], layout.segment_shape[d] * math.prod(shape[d + 1 :]) * size) for d in range(len(shape))]
    return found[-dram.MOST_AXES :]
