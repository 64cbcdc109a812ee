"""Bandwidth over footprint against measured curves: plateaus, knees, and the mean error over a curve."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from memsim.hierarchy import Chip
from memsim.microbench.footprints import Reach, each_core, knee, whole_chip
from tools.validate import Comparison

PRESETS = {"a100_80": "a100_sxm", "h100_pcie": "h100_pcie", "v100": "v100_pcie"}
"""Presets by the names of gpu/cache_bandwidth_vs_footprint.csv; the V100 ran at 1.38 GHz."""
TABLE = "gpu/cache_bandwidth_vs_footprint.csv"
SOURCE = "te42kyfo/gpu-benches"
LARGEST = 128 << 20
"""Buffers beyond this are left out: all is DRAM there."""


@dataclass(frozen=True)
class Measured:
    """A measured curve of one GPU."""

    preset: str
    shared: bool
    """Whether every core reads all of the buffer."""
    points: tuple[Reach, ...]

    def model(self) -> tuple[Reach, ...]:
        """What memsim says of the same buffers."""
        read = each_core if self.shared else whole_chip
        return read(Chip.preset(self.preset), [point.footprint for point in self.points])


def measured(reference: Path) -> list[Measured]:
    """The curves of the reference table, every second buffer of each."""
    with (reference / TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for gpu, test in dict.fromkeys((row["gpu"], row["test"]) for row in rows):
        shared = test.startswith("per-SM")
        column = "block_kB" if shared else "total_kB"
        of_test = [row for row in rows if (row["gpu"], row["test"]) == (gpu, test)]
        points = [Reach(int(row[column]) << 10, float(row["gb_per_s"])) for row in of_test]
        kept = tuple(point for point in points if point.footprint <= LARGEST)[::2]
        found.append(Measured(PRESETS[gpu], shared, kept))
    return found


def comparisons(reference: Path) -> Iterator[Comparison]:
    """Of each curve the two plateaus, the knee between them, and the mean ratio over all buffers."""
    for curve in measured(reference):
        ours = curve.model()
        what = f"{'each core' if curve.shared else 'whole chip'}, {curve.preset}"
        chip = Chip.preset(curve.preset)
        assert chip.cache is not None and chip.core.l1 is not None
        inner = chip.core.l1.capacity if curve.shared else chip.cache.capacity
        levels = (0, inner // 2), (2 * inner, chip.cache.capacity // 4 if curve.shared else LARGEST)
        plateaus = [(_plateau(curve.points, *span), _plateau(ours, *span)) for span in levels]
        for name, (theirs, here) in zip(("inner plateau", "outer plateau"), plateaus, strict=True):
            yield Comparison(f"{name}, {what}", "GB/s", (theirs, theirs), here, SOURCE)
        knees = knee(curve.points, plateaus[0][0]), knee(ours, plateaus[0][1])
        yield Comparison(f"knee, {what}", "KiB", (knees[0] >> 10,) * 2, knees[1] >> 10, SOURCE)
        errors = [abs(a.bandwidth_gbs / b.bandwidth_gbs - 1) for a, b in zip(ours, curve.points, strict=True)]
        yield Comparison(f"mean ratio over buffers, {what}", "", (1.0, 1.0), 1 + statistics.fmean(errors), SOURCE)


def _plateau(curve: Sequence[Reach], first: int, last: int) -> float:
    """Median GB/s over the buffers of so many bytes."""
    return statistics.median(point.bandwidth_gbs for point in curve if first <= point.footprint <= last)
