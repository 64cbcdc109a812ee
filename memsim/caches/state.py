"""The state of caches, and what they have counted."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from memsim.caches import words as w
from memsim.caches.spec import POLICIES, CacheSpec

Array: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

HINTS = ("normal", "stream", "bypass")
"""What an access may say of reuse: none; the line is the first to leave (evict first); it is not kept at all."""


class Caches(NamedTuple):
    """The state of one cache or several."""

    words: Array
    starts: tuple[int, ...]
    """Where the words of each cache begin."""


class Counts(NamedTuple):
    """What a cache did. An access that spans several lines counts once for each."""

    accesses: int
    bytes_read: int
    """Asked for from above."""
    bytes_written: int
    """Written from above."""
    hits: int
    """Accesses that found all of their sectors (a write of whole sectors: its line)."""
    line_misses: int
    """Reads whose line was not there."""
    sector_misses: int
    """Reads that found their line without all of their sectors."""
    write_misses: int
    """Writes whose line was not there, or that had to fetch a sector."""
    sectors_fetched: int
    bytes_fetched: int
    """From below: sectors fetched x their size."""
    evictions: int
    """Lines that left for others."""
    bytes_written_back: int
    """Dirty sectors of lines that left, x their size."""
    bytes_handed_on: int
    """Written through, or past the cache."""
    bypassed: int
    """Accesses that were not kept."""
    merged: int
    """Accesses to lines that were on their way already."""
    stalls: int
    """Misses that found no MSHR free."""
    stall_ticks: int

    @property
    def misses(self) -> int:
        """All accesses that were no hits."""
        return self.line_misses + self.sector_misses + self.write_misses

    @property
    def bytes_to_below(self) -> int:
        """Bytes that left the cache downwards."""
        return self.bytes_written_back + self.bytes_handed_on


def empty_caches(*specs: CacheSpec) -> Caches:
    """Caches that hold nothing, numbered from 0."""
    starts, size = [], 0
    for spec in specs:
        starts.append(size)
        size += w.CACHE_WORDS + spec.mshrs + spec.sets * spec.slices * (1 + w.LINE_WORDS * spec.ways)
    words = np.zeros(size, dtype=np.int64)
    for start, spec in zip(starts, specs, strict=True):
        mshrs = start + w.CACHE_WORDS
        first, width = mshrs + spec.mshrs, 1 + w.LINE_WORDS * spec.ways
        words[start : start + w.CLOCK] = [
            first, spec.sets, spec.ways, spec.slices, spec.line, spec.sector, POLICIES.index(spec.policy),
            spec.write_back, spec.write_allocate, spec.hashed_sets, spec.mshrs, mshrs,
        ]  # fmt: skip
        words[start + w.RANDOM] = 2 * spec.seed + 1
        sets = words[first : first + spec.sets * spec.slices * width].reshape(-1, width)
        sets[:, 1 + w.TAG :: w.LINE_WORDS] = -1
    return Caches(words, tuple(starts))


def counts_of(caches: Caches, number: int = 0) -> Counts:
    """The counters of a cache as plain numbers."""
    start = caches.starts[number]
    return Counts(*caches.words[start + w.ACCESSES : start + w.CACHE_WORDS].tolist())
