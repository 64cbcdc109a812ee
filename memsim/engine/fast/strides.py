"""How far a loop must advance until its addresses are the same again, up to a translation that the hardware cannot see.

A transfer's start is an affine function of the loop's counter, apart from divisions and remainders, which repeat after
a period. Advanced by a whole period, a start moves by a constant. The move cannot be seen if it is a whole number of
segments in each dimension, and, where ports or banks are chosen by the segment's number, a whole number of pages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from memsim.engine.dram import BURST, CHANNEL_BANKS, FAN, region_bytes
from memsim.engine.fast.program import LoopText
from memsim.engine.hardware import Hardware, answering, bank_count
from memsim.engine.plan import Access
from memsim.engine.servers import CHUNK, PAGE_SEGMENTS, PER_PORT, page_of
from memsim.isa.chambers import period_of
from memsim.isa.expr import Expr, Range, var
from memsim.isa.model import Region
from memsim.isa.rewriting import simplify, substitute

LONGEST = 1 << 40
"""Strides beyond this are as good as none."""


@dataclass(frozen=True, slots=True)
class Move:
    """How an access moves when its loop advances by a stride."""

    step: int
    access: Access
    region: Region
    starts: tuple[int, ...]
    """Elements, in each dimension."""
    segments: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Stride:
    """After how many iterations a loop does the same up to a translation, and the translation."""

    iterations: int
    loop: LoopText
    moves: tuple[Move, ...]


def stride_of(loop: LoopText, hardware: Hardware) -> Stride | None:
    """The shortest stride of a loop, or None if it has none."""
    starts = [start for _, _, region in loop.accesses for start in region.starts]
    period = period_of([*loop.counts, *starts], loop.variable)
    if any(_move(e, loop, period) != 0 for e in loop.counts):
        return None
    moves = []
    factor = 1
    for step, access, region in loop.accesses:
        found = [_move(start, loop, period) for start in region.starts]
        if None in found or (access.rows is not None and access.layout is not None):
            return None  # a gather takes other rows each time
        elements = [move for move in found if move is not None]
        moves.append((step, access, region, elements))
        if access.layout is not None:
            for move, segment in zip(elements, access.layout.segment_shape, strict=True):
                factor = math.lcm(factor, segment // math.gcd(move, segment))
    for _, access, _, elements in moves:
        page = _page(access, hardware)
        factor *= page // math.gcd(_segments(access, [factor * move for move in elements]), page)
        round_ = _round_of_rows(access, hardware)
        factor *= round_ // math.gcd(_bytes(access, [factor * move for move in elements]), round_)
    if period * factor > LONGEST:
        return None
    moved = []
    for step, access, region, elements in moves:
        whole = [factor * move for move in elements]
        moved.append(Move(step, access, region, tuple(whole), _segments(access, whole), _bytes(access, whole)))
    return Stride(period * factor, loop, tuple(moved))


def _move(e: Expr, loop: LoopText, by: int) -> int | None:
    """What an expression grows by when the loop advances; None if that is not constant."""
    if loop.variable not in e.variables():
        return 0
    later = substitute(e, {loop.variable: var(loop.variable) + by})
    difference = simplify(later, loop.ranges) - simplify(e, loop.ranges)
    return difference.const if difference.is_constant else None


def _segments(access: Access, elements: list[int]) -> int:
    layout = access.layout
    if layout is None:
        return 0
    shape = zip(elements, layout.segment_shape, layout.strides, strict=True)
    return sum(move // segment * stride for move, segment, stride in shape)


def _page(access: Access, hardware: Hardware) -> int:
    """Segments after which the ports and banks of the memories that an access meets are the same again."""
    if access.layout is None:
        return 1
    if access.role == "dram" and len(hardware.memories["dram"]) > BURST:
        return PAGE_SEGMENTS  # what is rounded goes by the place in the page
    rows = [hardware.memories[name] for name in {access.role, answering(hardware.chip, access.role)}]
    return math.lcm(*(page_of(bank_count(row)) for row in rows))


def _bytes(access: Access, elements: list[int]) -> int:
    """Bytes by which an access moves in memory."""
    return sum(move * math.prod(access.extents[d + 1 :]) for d, move in enumerate(elements)) * access.element_bytes


def _round_of_rows(access: Access, hardware: Hardware) -> int:
    """Bytes after which a tensor meets the same channels and banks of the DRAM again, in other rows."""
    row = hardware.memories["dram"]
    if access.layout is None or access.role != "dram" or len(row) <= BURST:
        return 1
    return math.lcm(row[CHUNK] * row[PER_PORT], region_bytes(row) * row[CHANNEL_BANKS] // row[FAN])


def whole_periods(move: Move, ranges: Mapping[str, Range], variable: str, first: int, advance: int, most: int) -> int:
    """How many times more, at most ``most``, a loop may advance before an access that moves is cut at an edge.

    Parameters
    ----------
    move
        The access.
    ranges
        Values of the variables outside of the loop, and ranges of those inside.
    variable
        The loop's counter.
    first
        Its value where the period began that is to be repeated.
    advance
        By how much it advances in a period.
    most
        An upper bound.
    """

    def inside(times: int) -> bool:
        now = {**ranges, variable: (first, first + (times + 1) * advance)}
        axes = zip(
            move.starts, move.region.starts, move.region.sizes, move.region.steps, move.access.extents, strict=True
        )
        return all(
            moved == 0 or within(start, (size - 1) * step, extent, now) for moved, start, size, step, extent in axes
        )

    def within(start: Expr, length: int, extent: int, now: Mapping[str, Range]) -> bool:
        first, last = start.bounds(now)
        return last + length < extent and (first >= 0 or not move.region.clip)  # without `clip` it is never negative

    low, high = 0, most
    if inside(most):
        return most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if inside(middle) else (low, middle)
    return low
