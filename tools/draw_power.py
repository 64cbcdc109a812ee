"""Draw docs/models/power.png: power over intensity beside eight A100, and large products under limits of power.

``--reference DIR`` draws all 344 runs of gpu/power_vs_intensity.csv in place of the restated ones, and prints how far
the model is from them.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections import defaultdict
from pathlib import Path

from validate_power import MEASURED, product

import memsim as ms
from memsim.hierarchy.paths import stream_power_w
from memsim.report.figures.power import Intensity, Rate, draw_power
from memsim.report.figures.style import save

ROOT = Path(__file__).parent.parent
STREAM_TOGGLE = 0.15
"""Of consecutive numbers in fp32: see docs/models/energy.md."""


def model_w(gb_per_s: float, gflop_per_s: float) -> float:
    """Power of an A100 SXM4 40 GB at these rates."""
    chip = ms.Chip.preset("a100_sxm_40").replace({"toggle": STREAM_TOGGLE})
    return stream_power_w(chip, 1e9 * gb_per_s, 1e9 * gflop_per_s)


def restated() -> list[Intensity]:
    """The runs of the tests: mean, lowest and highest of eight boards at 23 intensities."""
    with (ROOT / "tests" / "hierarchy" / "data" / "a100_power.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return [
        Intensity(row["flop_per_byte"], row["lowest_w"], row["mean_w"], row["highest_w"], model_w(*rates))
        for row in rows
        for rates in [(row["gb_per_s"], row["gflop_per_s"])]
    ]


def from_reference(folder: Path) -> list[Intensity]:
    """All runs of A100-SXM4-40GB; prints the model's distance from each and from the mean of the boards."""
    groups: dict[float, list[tuple[float, float]]] = defaultdict(list)
    with (folder / "gpu" / "power_vs_intensity.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["gpu"] == "A100-SXM4-40GB":
                modelled = model_w(float(row["gb_per_s"]), float(row["gflop_per_s_fp32"]))
                groups[float(row["flop_per_byte"])].append((float(row["power_w"]), modelled))
    single = [abs(model / watts - 1) for runs in groups.values() for watts, model in runs]
    found = []
    for intensity, runs in groups.items():
        watts, model = [w for w, _ in runs], statistics.fmean(m for _, m in runs)
        found.append(Intensity(intensity, min(watts), statistics.fmean(watts), max(watts), model))
    means = [abs(run.model_w / run.mean_w - 1) for run in found]
    spread = max((run.highest_w - run.lowest_w) / (run.highest_w + run.lowest_w) for run in found)
    print(f"{len(single)} runs: mean {statistics.fmean(single):.1%}, worst {max(single):.1%}")
    print(f"{len(means)} means of boards: mean {statistics.fmean(means):.1%}, worst {max(means):.1%}")
    print(f"boards among themselves: up to {spread:.1%} to either side")
    return found


def products() -> dict[str, Rate]:
    """Boards of which both a typical and a best rate are known."""
    found = {}
    for name, measured in MEASURED.items():
        known = [value for value in measured if value is not None]
        if len(known) > 1:
            made = product(name)
            found[name] = Rate((min(known), max(known)), made.tflops, made.free_tflops)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, help="folder with gpu/power_vs_intensity.csv")
    folder = parser.parse_args().reference
    runs = from_reference(folder) if folder else restated()
    figure = draw_power("A100 SXM4 40 GB", runs, products())
    print(save(figure, ROOT / "docs" / "models" / "power.png"))
