"""Where tensors lie: each is cut into a grid of *segments*, the grain at which memories and caches work.

The grid is the coarsest one that every transfer of the program is aligned to (a greatest common divisor of sizes
and coordinate coefficients), so an aligned tile is a whole number of segments and hit bytes are exact. Where a
program is not aligned to anything useful, segments are made larger, and a segment that is partly present counts
as present up to the bytes that were fetched of it.

Ports and banks are a function of a segment's number within its page (`PAGE_SEGMENTS`), and a tensor begins at a place
in its page that only its first kernel decides. So kernels with the same text use the hardware alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from memsim.engine.servers import PAGE_SEGMENTS
from memsim.isa.expr import Expr
from memsim.isa.model import PER_CORE_ROLES, Gather, Kernel, Load, Program, Region, Store, Tensor, walk

MIN_SEGMENT_BYTES = 512
MAX_SEGMENTS = 1 << 22
PLACE_STRIDE = 389
"""Segments between the starts, in their pages, of tensors that a kernel uses together: prime, so that banks differ."""

Pieces = list[tuple[int, int, int]]
"""(segment, bytes, contiguous runs of bytes) of each segment that a transfer touches."""


def total_bytes(pieces: Pieces) -> int:
    """Bytes of all pieces together."""
    return sum(size for _, size, _ in pieces)


def runs_after(points: int, runs: int, taken: int, extent: int, step: int) -> int:
    """Contiguous runs of a box that takes ``taken`` of ``extent`` indices of one more, faster axis.

    ``points`` and ``runs`` are those of the axes before. Rows that are taken whole go on in the next one.
    """
    if taken == extent:
        return runs
    return points * (1 if step == 1 else taken)


def inside(start: int, size: int, step: int, extent: int) -> tuple[int, int]:
    """The first of the points start, start + step, … not below 0, and how many of ``size`` lie in the tensor."""
    skipped = max(0, -(start // step))
    start += skipped * step
    return start, max(0, min(size - skipped, -((start - extent) // step)))


@dataclass(frozen=True)
class TensorLayout:
    """The segment grid of one tensor: segments are numbered from ``base``, row-major."""

    tensor: Tensor
    base: int
    segment_shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Segment numbers between neighbours in each dimension."""

    def pieces(self, starts: Iterable[int], sizes: Iterable[int], steps: Iterable[int]) -> Pieces:
        """(segment, bytes, runs) for a strided box, cut at the tensor's edge; empty where nothing is left."""
        element = self.tensor.type.bytes
        pieces: Pieces = [(self.base, element, 1)]
        axes = zip(starts, sizes, steps, self.segment_shape, self.strides, self.tensor.shape, strict=True)
        for start, size, step, segment, stride, extent in axes:
            first, count = inside(start, size, step, extent)
            if count == 0:
                return []
            counts = _split(first, count, step, segment)
            pieces = [
                (number + i * stride, amount * c, runs_after(amount // element, runs, c, extent, step))
                for number, amount, runs in pieces
                for i, c in counts
            ]
        return pieces

    @cached_property
    def pitch(self) -> tuple[int, int]:
        """Contiguous runs of a whole segment, and bytes from one to the next."""
        shape, extents = self.segment_shape, self.tensor.shape
        points, runs, pitch = 1, 1, math.prod(extents) * self.tensor.type.bytes
        for d, (taken, extent) in enumerate(zip(shape, extents, strict=True)):
            if taken < extent and points > 1:
                pitch = math.prod(extents[d:]) * self.tensor.type.bytes
            runs = runs_after(points, runs, taken, extent, 1)
            points *= taken
        return runs, pitch


def _split(start: int, count: int, step: int, segment: int) -> list[tuple[int, int]]:
    """How many of the points start, start + step, … fall into each segment."""
    if step == 1 and start // segment == (start + count - 1) // segment:
        return [(start // segment, count)]
    found: list[tuple[int, int]] = []
    done = 0
    while done < count:
        index = (start + done * step) // segment
        fit = min(count - done, -(-((index + 1) * segment - start - done * step) // step))
        found.append((index, fit))
        done += fit
    return found


def lay_out(program: Program) -> dict[str, TensorLayout]:
    """Segment grids of all tensors in chip-wide roles, numbered one after another."""
    layouts: dict[str, TensorLayout] = {}
    base = 0
    accesses = _accesses(program)
    places = _places(program)
    for tensor in program.tensors:
        if tensor.role in PER_CORE_ROLES:
            continue
        shape = _segment_shape(tensor, accesses.get(tensor.name, []))
        grid = [-(-n // s) for n, s in zip(tensor.shape, shape, strict=True)]
        strides = tuple(math.prod(grid[d + 1 :]) for d in range(len(grid)))
        base += -base % PAGE_SEGMENTS + places.get(tensor.name, 0) * PLACE_STRIDE % PAGE_SEGMENTS
        layouts[tensor.name] = TensorLayout(tensor, base, shape, strides)
        base += math.prod(grid)
    return layouts


def _places(program: Program) -> dict[str, int]:
    """Where in its page each tensor begins: its position among the tensors of the first kernel that uses it."""
    places: dict[str, int] = {}
    for kernel in program.kernels:
        for place, name in enumerate(dict.fromkeys(region.tensor for region in _regions(kernel))):
            places.setdefault(name, place)
    return places


def segment_count(layouts: dict[str, TensorLayout]) -> int:
    """One more than the last segment's number."""
    last = max(layouts.values(), key=lambda layout: layout.base, default=None)
    if last is None:
        return 0
    grid = (-(-n // s) for n, s in zip(last.tensor.shape, last.segment_shape, strict=True))
    return last.base + math.prod(grid)


def _accesses(program: Program) -> dict[str, list[Region]]:
    found: dict[str, list[Region]] = {}
    for kernel in program.kernels:
        for region in _regions(kernel):
            found.setdefault(region.tensor, []).append(region)
    return found


def _regions(kernel: Kernel) -> Iterator[Region]:
    for group in kernel.groups:
        for queue in group.queues:
            for instruction, _ in walk(queue.body):
                match instruction:
                    case Load(src=region) | Store(dst=region):
                        yield region
                    case Gather(src=Region(tensor, starts, sizes, steps)):
                        yield Region(tensor, starts, (1, *sizes[1:]), steps)


def _segment_shape(tensor: Tensor, regions: list[Region]) -> tuple[int, ...]:
    shape = []
    for d, extent in enumerate(tensor.shape):
        grain = 0
        for region in regions:
            grain = math.gcd(grain, region.sizes[d] if region.steps[d] == 1 else 0, *_coefficients(region.starts[d]))
        shape.append(min(grain or extent, extent))
    for d in reversed(range(len(shape))):  # widen rows first: neighbours in memory
        largest = max((r.sizes[d] * r.steps[d] for r in regions), default=tensor.shape[d])
        while math.prod(shape) * tensor.type.bytes < MIN_SEGMENT_BYTES and shape[d] < min(largest, tensor.shape[d]):
            shape[d] *= 2
    while math.prod(-(-n // s) for n, s in zip(tensor.shape, shape, strict=True)) > MAX_SEGMENTS:
        widest = max(range(len(shape)), key=lambda d: tensor.shape[d] // shape[d])
        shape[widest] *= 2
    return tuple(min(s, n) for s, n in zip(shape, tensor.shape, strict=True))


def _coefficients(start: Expr) -> list[int]:
    return [start.const, *(c for _, c in start.terms)]
