"""The accesses of a tile program to one of its memories.

Items in a tensor's memory are *tiles*: a tensor is cut, in each dimension, wherever some region that the program moves
begins or ends, and what lies between the cuts is an item. So every region is a whole number of items, and no fewer
cuts would do. Where a region takes every n-th element, each of these is cut out. Items in the memory of a ring are its
slots. An item weighs its bytes.

The order is that of `memsim.isa.interpret`: blocks one after another (those of a cluster together), in which a queue
runs until it has to wait. It is one of the orders that the program allows; which one happens depends on the chip's
times. Where one queue at a time uses the memory, it is the only one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa.model import PER_CORE_ROLES, Program, Tensor
from memsim.isa.touches import TouchedRegion, touches
from memsim.locality.accesses import Accesses, check_count
from memsim.locality.shells import Array

_MEND = "take one core (core=, --core), or a smaller problem"


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Boxes of one tensor: times, first and last element in each dimension, the core, and whether they write."""

    times: Array
    starts: Array
    ends: Array
    cores: Array
    writes: bool


def memories(program: Program) -> tuple[str, ...]:
    """The memory roles that hold tensors or rings of a program, the one that is farthest away first."""
    far = dict.fromkeys(tensor.role for tensor in program.tensors)
    rings = {ring.memory: None for kernel in program.kernels for group in kernel.groups for ring in group.rings}
    order = ("dram", "shared", "sram", "reg")
    return tuple(sorted(far | rings, key=lambda role: order.index(role) if role in order else 1))


def tile_accesses(
    program: Program, chip: Chip | None = None, *, role: str | None = None, core: int | None = None
) -> Accesses:
    """The accesses of a tile program, which is taken to pass `memsim.isa.verify`, to the memory ``role``.

    Rows of a gather are taken where the engines take them, for their values are not known.

    Parameters
    ----------
    program
        What is listed.
    chip
        Tells the number of cores, where the program does not fix it.
    role
        ``dram``, ``sram`` …; the one that is farthest away unless given.
    core
        Only the accesses of this core, from 0; all unless given.

    Raises
    ------
    MemsimError
        If nothing of the program lies in that memory, or too much would be listed.
    """
    roles = memories(program)
    if role is not None and role not in roles:
        raise MemsimError(
            f"nothing of it lies in {role}", where=f"program {program.name}", mend=f"choose one of {', '.join(roles)}"
        )
    chosen = role or roles[0]
    found = touches(program, chosen, cores=None if chip is None else chip.core_count, core=core)
    name = program.name if core is None else f"{program.name}, core {core}"
    columns = [_cells(tensor, regions, name) for tensor, regions in _by_tensor(found.regions)]
    if found.slots:
        slots = np.array(found.slots, np.int64)
        writes = np.array(found.slot_writes, np.bool_)
        columns.append(
            (np.array(found.slot_times, np.int64), slots, writes, np.array(found.slot_bytes, np.int64)[slots])
        )
    if not any(len(times) for times, _, _, _ in columns):
        raise MemsimError(
            f"{name} uses nothing in {chosen}", where=f"program {program.name}", mend="take another memory"
        )
    check_count(sum(len(times) for times, _, _, _ in columns), name, _MEND)
    noun = f"tile of {chosen}" if chosen not in PER_CORE_ROLES else f"tile of {chosen} of a core"
    return _merged(columns, name, noun)


def _by_tensor(regions: list[TouchedRegion]) -> list[tuple[Tensor, list[TouchedRegion]]]:
    grouped: dict[str, tuple[Tensor, list[TouchedRegion]]] = {}
    for region in regions:
        if region.times:
            grouped.setdefault(region.tensor.name, (region.tensor, []))[1].append(region)
    return list(grouped.values())


def _merged(columns: list[tuple[Array, Array, Array, Array]], name: str, noun: str) -> Accesses:
    """Columns of (time, item, whether it is written, bytes) as accesses in the order of time."""
    offset, shifted = 0, []
    for _, items, _, _ in columns:
        shifted.append(items + offset)
        offset += int(items.max(initial=-1)) + 1
    order = np.argsort(np.concatenate([times for times, _, _, _ in columns]), kind="stable")
    items, writes, sizes = (
        np.concatenate(parts)[order] for parts in (shifted, [c[2] for c in columns], [c[3] for c in columns])
    )
    _, first, numbers = np.unique(items, return_index=True, return_inverse=True)
    return Accesses(numbers.astype(np.int64), writes, sizes[first], None, name, noun, "byte")


# ---- cutting tensors into tiles ----


def _cells(tensor: Tensor, regions: list[TouchedRegion], name: str) -> tuple[Array, Array, Array, Array]:
    """Times, items, whether they are written, and bytes, of all accesses to the tiles of a tensor."""
    boxes = [_boxes(tensor, region) for region in regions]
    axes = range(len(tensor.shape))
    cuts = [np.unique(np.concatenate([edge[:, d] for b in boxes for edge in (b.starts, b.ends)])) for d in axes]
    ranges = [
        tuple(np.stack([np.searchsorted(cuts[d], edge[:, d]) for d in axes], axis=1) for edge in (box.starts, box.ends))
        for box in boxes
    ]
    counts = [np.prod(high - low, axis=1) for low, high in ranges]
    check_count(sum(int(count.sum()) for count in counts), name, _MEND)
    shape = tuple(max(1, len(cut) - 1) for cut in cuts)
    parts = []
    for box, (low, high), count in zip(boxes, ranges, counts, strict=True):
        cells, sizes = _expanded(low, high, count, shape, cuts)
        owner = np.repeat(box.cores, count) * math.prod(shape)
        parts.append((np.repeat(box.times, count), cells + owner, np.full(len(cells), box.writes), sizes))
    times, items, writes, elements = (np.concatenate(column) for column in zip(*parts, strict=True))
    return times, items, writes, elements * tensor.type.bytes


def _boxes(tensor: Tensor, region: TouchedRegion) -> _Boxes:
    """The region each time, cut at the edges of the tensor; strided dimensions as boxes of one element each."""
    times, cores = np.array(region.times, np.int64), np.array(region.cores, np.int64)
    starts = np.array(region.starts, np.int64).reshape(len(times), len(region.sizes))
    sizes = list(region.sizes)
    for d, step in enumerate(region.steps):
        if step > 1 and sizes[d] > 1:
            times, cores, starts = (np.repeat(a, sizes[d], axis=0) for a in (times, cores, starts))
            starts[:, d] += np.tile(np.arange(sizes[d]) * step, len(times) // sizes[d])
            sizes[d] = 1
    ends = np.minimum(starts + np.array(sizes, np.int64), np.array(tensor.shape, np.int64))
    starts = np.maximum(starts, 0)
    kept = (ends > starts).all(axis=1)
    return _Boxes(times[kept], starts[kept], ends[kept], cores[kept], region.writes)


def _expanded(low: Array, high: Array, counts: Array, shape: tuple[int, ...], cuts: list[Array]) -> tuple[Array, Array]:
    """Every cell of boxes of cells, row-major, one box after another, and the elements of each."""
    total = int(counts.sum())
    within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    cells, sizes, stride = np.zeros(total, np.int64), np.ones(total, np.int64), 1
    for d in reversed(range(len(shape))):
        extent = np.repeat(high[:, d] - low[:, d], counts)
        index = np.repeat(low[:, d], counts) + within % extent
        within //= extent
        cells += index * stride
        sizes *= np.diff(cuts[d])[index]
        stride *= shape[d]
    return cells, sizes
