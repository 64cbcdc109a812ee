"""Latency ladders against measured pointer chases: plateaus of the presets, and the curves between them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from memsim.hierarchy import Chip
from memsim.microbench.latency import Ladder, study
from tools.validate import Comparison

LADDERS = {
    "a100_pcie_40": {"L1": 25.6, "L2 near": 150.0, "L2 far": 289.0, "DRAM": 405.0},
    "a100_sxm_40": {"L1": 25.6, "L2 near": 150.0, "L2 far": 289.0, "DRAM": 405.0},
    "h100_pcie": {"L1": 19.4, "L2 near": 151.0, "L2 far": 270.0, "DRAM": 370.0},
}
"""Plateaus in ns, te42kyfo/gpu-benches and HPMLL/NVIDIA-Hopper-Benchmark."""
CURVES = {"a100_40": "a100_sxm_40", "a100_80": "a100_sxm", "h100_pcie": "h100_pcie", "v100": "v100_pcie"}
"""Presets by the names of gpu/latency_vs_footprint.csv."""
SOURCE = "te42kyfo/gpu-benches"


def comparisons(reference: Path) -> Iterator[Comparison]:
    """The plateaus, then the mean and the worst error of each measured curve."""
    for name, plateaus in LADDERS.items():
        found = {level: point.latency_ns for level, point in study(Chip.preset(name), []).plateaus}
        for level, measured in plateaus.items():
            yield Comparison(f"{level}, {name}", "ns", (measured, measured), found[level], "gpu-benches, HPMLL logs")
    with (reference / "gpu" / "latency_vs_footprint.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "gpu-benches" and row["gpu"] in CURVES]
    for gpu, name in CURVES.items():
        curve = [(int(row["buffer_kB"]) << 10, float(row["latency_cycles"])) for row in rows if row["gpu"] == gpu]
        yield from _curve(study(Chip.preset(name), [size for size, _ in curve]), [cycles for _, cycles in curve])


def _curve(ladder: Ladder, measured: list[float]) -> Iterator[Comparison]:
    """The mean of measured cycles over all buffers, and the worst buffer."""
    found = [ladder.cycles(point.latency_ns) for point in ladder.points]
    errors = [abs(ours / theirs - 1) for ours, theirs in zip(found, measured, strict=True)]
    mean = 1 + sum(errors) / len(errors)
    yield Comparison(f"mean ratio over buffers, {ladder.chip.name}", "", (1.0, 1.0), mean, SOURCE)
    worst = max(range(len(errors)), key=lambda i: errors[i])
    what = f"worst buffer, {ladder.points[worst].footprint >> 10} KiB, {ladder.chip.name}"
    yield Comparison(what, "cycles", (measured[worst], measured[worst]), found[worst], SOURCE)
