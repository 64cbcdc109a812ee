"""A chip's DRAM as the numbers that `memsim.engine.dram` reads: what its part takes, and how tensors lie in it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from memsim.engine import dram
from memsim.engine.calibration import visit_table
from memsim.engine.layout import TensorLayout
from memsim.engine.servers import Array
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import dram_part


def part_words(chip: Chip) -> list[int]:
    """The words of the DRAM's row from `dram.BURST` on; none where the chip names no part."""
    if chip.dram.part is None:
        return []
    part = dram_part(chip.dram.part)
    table = visit_table(part)
    per_clock = part.tck_ps / 10**12 / chip.tick * dram.SCALE
    words = [
        part.burst_bytes,
        part.row_bytes,
        int(chip.dram.map == "linear"),
        round(table.turn * per_clock),
        table.drain,
        part.bank_count,
    ]
    for clocks in table.clocks:
        for level in clocks:
            ticks = [round(c * per_clock) for c in level]
            slopes = [(b - a) // 2**i for i, (a, b) in enumerate(pairwise(ticks))]
            words += [*ticks, *slopes, round(table.burst * per_clock)]
    return words


def latency_ticks(chip: Chip) -> int:
    """From a read's arrival to its first byte, in a bank without an open row: way, activate and column latency."""
    ticks = chip.ticks_of(chip.dram.latency)
    if chip.dram.part is None:
        return ticks
    part = dram_part(chip.dram.part)
    return ticks + math.ceil((part.timing.rcd_rd + part.timing.cl) * part.tck_ps / 10**12 / chip.tick)


def tensor_shapes(layouts: Iterable[TensorLayout], chip: Chip, channels: int) -> Array:
    """How each tensor lies in DRAM, in words; ``channels`` are those behind one port."""
    rows = [_shape(layout, chip, channels) for layout in layouts]
    return np.array(rows or [[0] * dram.SHAPE_WORDS], dtype=np.int64)


def _shape(layout: TensorLayout, chip: Chip, channels: int) -> list[int]:
    runs, pitch = layout.pitch
    step, ways, level = 1, channels, dram.ALL_BANKS
    if chip.dram.part is not None and pitch >= chip.dram.interleave:
        part = dram_part(chip.dram.part)
        step = pitch // chip.dram.interleave % channels
        ways = channels // math.gcd(step, channels)
        apart = pitch * ways // (channels * part.row_bytes)  # rows from a visit to the next of the same channel
        banks = part.bank_count // math.gcd(apart, part.bank_count)
        level = min(banks.bit_length() - 1, dram.ALL_BANKS)
    axes = _axes(layout)
    words = [runs, pitch, step, ways, level, len(axes), *(word for axis in axes for word in axis)]
    return words + [0] * (dram.SHAPE_WORDS - len(words))


def _axes(layout: TensorLayout) -> list[tuple[int, int]]:
    """(segments, bytes) from one index of the grid of segments to the next; more than fit are left out, the slowest."""
    shape, size = layout.tensor.shape, layout.tensor.type.bytes
    found = [(layout.strides[d], layout.segment_shape[d] * math.prod(shape[d + 1 :]) * size) for d in range(len(shape))]
    return found[-dram.MOST_AXES :]
