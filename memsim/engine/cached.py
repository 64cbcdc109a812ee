"""What a cache holds when a program begins: tensors that were in use before, as they are when a run is repeated.

The tensors named are taken to have been streamed through the cache just before, side by side: equal fractions of each
advance together, in the order of addresses. What came last is there, as far as there is room.

A cache in partitions has each segment at its home. A clean one was read: by a core of some partition, each partition
as often as the others, which has a copy if it is not the home. A dirty one was written, so there is no copy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from memsim.engine.memory import (
    CACHE,
    CAPACITY,
    DIRTY,
    FRESH,
    NEWER,
    OLDER,
    PARTITION,
    PARTITIONS,
    READY,
    SEGMENT,
    SEGMENTS,
    USED,
    VALID,
    Memory,
    lines_by_age,
    owner,
)
from memsim.engine.servers import PAGE_SEGMENTS, PER_PORT, PORTS, Array, page_of, port_of
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.engine.layout import TensorLayout
    from memsim.engine.plan import Plan

Cached: TypeAlias = Sequence[tuple[str, bool]]
"""(tensor, dirty): dirty bytes are yet to be written to the DRAM."""

READERS = 40503
"""Of 2^16, the golden section: which partition has read a segment, told from its number, whatever its home is."""


def check_cached(plan: Plan, cached: Cached) -> None:
    """Whether these tensors may be in the chip's cache when the plan's program begins.

    Raises
    ------
    MemsimError
        If the chip has no cache or none that keeps what is dirty, or a name is no tensor in DRAM, or is there twice.
    """
    names = [tensor.name for tensor in plan.program.tensors if tensor.role == "dram"]
    seen: set[str] = set()
    if plan.chip.cache is None and cached:
        raise _wrong(f"chip {plan.chip.name} has no cache", "leave cached out, or take a chip with a [cache]")
    for entry in cached:
        if not (isinstance(entry, (tuple, list)) and len(entry) == 2 and isinstance(entry[1], bool)):
            raise _wrong(f"an entry is (tensor, dirty), found {entry!r}", 'such as cached=[("X", False), ("Y", True)]')
        name, dirty = entry
        if name not in names:
            listed = ", ".join(names) or "there is none"
            raise _wrong(f"no tensor {name!r} in dram", f"choose one that the program has there: {listed}")
        if name in seen:
            raise _wrong(f"tensor {name} is named twice", "name it once, clean or dirty")
        if dirty and plan.chip.cache is not None and not plan.chip.cache.write_back:
            raise _wrong(f"tensor {name} is dirty in a cache that writes through", f'say ("{name}", False)')
        seen.add(name)


def _wrong(cause: str, mend: str) -> MemsimError:
    return MemsimError(cause, where="simulate, cached", mend=mend)


def fill_cache(memory: Memory, plan: Plan, cached: Cached) -> None:
    """Put the segments of tensors into an empty cache, the oldest first, until it is full."""
    capacity = int(memory.cache[CAPACITY])
    if not cached or not capacity:
        return
    segments, sizes, dirty = _stream(plan, cached, capacity * int(memory.cache[PARTITIONS]))
    homes = _homes(memory)[segments % PAGE_SEGMENTS]
    readers = (segments * READERS & 0xFFFF) * memory.cache[PARTITIONS] >> 16
    for partition in range(int(memory.cache[PARTITIONS])):
        here = (homes == partition) | ((readers == partition) & ~dirty)
        here &= sizes <= capacity
        newest_first = np.cumsum(sizes[here][::-1])
        kept = np.flatnonzero(here)[here.sum() - np.searchsorted(newest_first, capacity, side="right") :]
        _enter(memory, partition, segments[kept], sizes[kept], dirty[kept])


def _stream(plan: Plan, cached: Cached, capacity: int) -> tuple[Array, Array, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Segments, bytes and whether they are dirty, in the order in which they passed; the first of many are left out."""
    layouts = [plan.layouts[name] for name, _ in cached]
    counts = [_segments_of(layout) for layout in layouts]
    total = sum(layout.tensor.bytes for layout in layouts)
    numbers, sizes, dirty, passed = [], [], [], []
    for layout, count, (_, is_dirty) in zip(layouts, counts, cached, strict=True):
        # twice of what fits, and a page: an address map is even over a page
        first = max(0, count - PAGE_SEGMENTS - -(-count * 2 * capacity // max(1, total)))
        segments = np.arange(first, count)
        numbers.append(layout.base + segments)
        sizes.append(_bytes_of(layout, segments))
        dirty.append(np.full(len(segments), is_dirty))
        passed.append((2 * segments + 1) / (2 * count))
    order = np.argsort(np.concatenate(passed), kind="stable")
    return np.concatenate(numbers)[order], np.concatenate(sizes)[order], np.concatenate(dirty)[order]


def _segments_of(layout: TensorLayout) -> int:
    grid = (-(-n // s) for n, s in zip(layout.tensor.shape, layout.segment_shape, strict=True))
    return int(np.prod(list(grid), dtype=np.int64))


def _bytes_of(layout: TensorLayout, segments: Array) -> Array:
    """Bytes of segments, counted from the tensor's first; those at its edges are smaller."""
    sizes = np.full(len(segments), layout.tensor.type.bytes, dtype=np.int64)
    for extent, segment, stride in zip(layout.tensor.shape, layout.segment_shape, layout.strides, strict=True):
        sizes *= np.minimum(segment, extent - segments // stride % -(-extent // segment) * segment)
    return sizes


def _homes(memory: Memory) -> Array:
    """The home partition of each segment of a page."""
    ports, partitions = int(memory.banks[CACHE, PORTS]), int(memory.cache[PARTITIONS])
    return _ports_of_page(ports, ports * int(memory.banks[CACHE, PER_PORT])) // (ports // partitions)


@cache
def _ports_of_page(ports: int, banks: int) -> Array:
    page = np.array([port_of(place, ports, banks) for place in range(page_of(banks))], dtype=np.int64)
    return np.resize(page, PAGE_SEGMENTS)


def _enter(
    memory: Memory, partition: int, segments: Array, sizes: Array, dirty: np.ndarray[Any, np.dtype[np.bool_]]
) -> None:
    """Make these the lines of an empty partition."""
    cache, lines = memory.cache, memory.lines
    count, first = len(segments), int(cache[FRESH])
    if not count:
        return
    ring = np.concatenate([[partition], np.arange(first, first + count)])
    new = lines[first : first + count]
    new[:, VALID], new[:, DIRTY], new[:, READY] = sizes, np.where(dirty, sizes, 0), 0
    new[:, SEGMENT], new[:, PARTITION] = segments, partition
    lines[ring, OLDER], lines[ring, NEWER] = np.roll(ring, 1), np.roll(ring, -1)
    memory.line_of[partition * int(cache[SEGMENTS]) + segments] = ring[1:]
    cache[FRESH] += count
    cache[USED + partition] += sizes.sum()


def dirty_bytes(memory: Memory, tensors: Sequence[str]) -> dict[str, int]:
    """Dirty bytes of each tensor in the cache, where there are any; ``tensors`` in the order of their segments."""
    found: dict[str, int] = defaultdict(int)
    for segment, _, size, _, _ in lines_by_age(memory).tolist():
        if size:
            found[tensors[owner(memory, segment)]] += size
    return dict(found)


def left_dirty(memory: Memory, tensors: Sequence[str], before: dict[str, int]) -> dict[str, int]:
    """Dirty bytes of each tensor beyond those that were there ``before``: of these, a run before has told."""
    now = dirty_bytes(memory, tensors).items()
    return {name: more for name, size in now if (more := size - before.get(name, 0)) > 0}
