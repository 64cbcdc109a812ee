"""Levels of a memory hierarchy from a latency ladder: plateaus, and the footprints at which they end.

The rule, which is applied to medians:

- a *plateau* is a row of neighbouring footprints, at least `WIDE` times apart, whose latencies are within `FLAT` of
  each other; the widest is taken first, then those on both sides of it; neighbours closer than `STEP` are one level;
- a level's *latency* is the median over its plateau;
- it *ends* where latencies leave it for good: by more than `LEAVES` of the way to the next plateau. Its capacity is the
  geometric mean of the last footprint before and the first after. The two can be moved closer by measuring between
  them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from memsim.webgpu.probe.findings import Chase

WIDE = 1.4
"""Footprints of a plateau span this factor at least."""
FLAT = 1.08
"""Largest latency of a plateau over its smallest."""
STEP = 1.15
"""Latency of a level over that of the one before, at least."""
LEAVES = 0.1
"""Of the way from one plateau to the next: a level has ended."""


@dataclass(frozen=True, slots=True)
class Level:
    """What answers loads in a range of footprints."""

    latency_ns: float
    first: int
    """Smallest footprint of the plateau, bytes."""
    last: int
    """Largest footprint of the plateau, bytes."""
    ends: tuple[int, int] | None
    """The footprints between which it is full, bytes; None for the last level."""

    @property
    def capacity(self) -> int | None:
        """Bytes that it holds, as far as they are known."""
        return None if self.ends is None else round(math.sqrt(self.ends[0] * self.ends[1]))

    @property
    def uncertainty(self) -> float:
        """Half of the distance between the two footprints, as a share of the capacity."""
        return 0.0 if self.ends is None else (math.sqrt(self.ends[1] / self.ends[0]) - 1)


def levels_of(chases: Sequence[Chase]) -> tuple[Level, ...]:
    """The levels that a ladder shows, from the fastest on; none where nothing is flat."""
    row = sorted(chases, key=lambda chase: chase.footprint)
    sizes, times = [c.footprint for c in row], [c.latency_ns.median for c in row]
    spans = _merged(_plateaus(sizes, times, 0, len(row)), times)
    latencies = [statistics.median(times[a:b]) for a, b in spans]
    levels = []
    for number, (a, b) in enumerate(spans):
        ends = None
        if number + 1 < len(spans):
            limit = latencies[number] + LEAVES * (latencies[number + 1] - latencies[number])
            last = max(i for i in range(a, spans[number + 1][0]) if times[i] <= limit)
            ends = (sizes[last], sizes[last + 1])
        levels.append(Level(latencies[number], sizes[a], sizes[b - 1], ends))
    return tuple(levels)


def _plateaus(sizes: Sequence[int], times: Sequence[float], start: int, stop: int) -> list[tuple[int, int]]:
    """Flat stretches between two places of the row, as (first, one past the last); the widest splits the rest."""
    best, width = None, WIDE
    for a in range(start, stop):
        b = a
        while b < stop and max(times[a : b + 1]) <= FLAT * min(times[a : b + 1]):
            b += 1
        if sizes[b - 1] / sizes[a] >= width and (best is None or sizes[b - 1] / sizes[a] > width):
            best, width = (a, b), sizes[b - 1] / sizes[a]
    if best is None:
        return []
    return [*_plateaus(sizes, times, start, best[0]), best, *_plateaus(sizes, times, best[1], stop)]


def _merged(spans: Sequence[tuple[int, int]], times: Sequence[float]) -> list[tuple[int, int]]:
    """Neighbours whose latencies are too close, or that do not rise, are one level."""
    merged: list[tuple[int, int]] = []
    for a, b in spans:
        if merged:
            first, last = merged[-1]
            if statistics.median(times[a:b]) < STEP * statistics.median(times[first:last]):
                merged[-1] = (first, b)
                continue
        merged.append((a, b))
    return merged
