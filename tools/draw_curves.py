"""Draw docs/models/footprints.png: latency and bandwidth over footprint, memsim's lines and measured points.

``--reference DIR`` names the folder with the measured tables; without it, the plateaus that are restated are drawn.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from memsim.hierarchy import Chip
from memsim.microbench import latency
from memsim.microbench.footprints import Reach, each_core, whole_chip
from memsim.report.figures.style import save
from tools.validate_curves import PRESETS
from tools.validate_curves import measured as measured_bandwidths

TARGET = Path(__file__).parent.parent / "docs" / "models" / "footprints.png"
COLOURS = {"a100_sxm": "tab:green", "h100_pcie": "tab:blue", "v100_pcie": "tab:orange"}
RESTATED = {
    "a100_sxm": {"latency": [(64, 36), (4096, 211), (131072, 571)], "whole": [(8192, 5440), (131072, 1868)],
                 "each": [(64, 19100), (4096, 4630)]},
    "h100_pcie": {"latency": [(64, 34), (4096, 265), (131072, 653)], "whole": [(8192, 6950), (131072, 1989)],
                  "each": [(64, 25200), (4096, 8300)]},
    "v100_pcie": {"latency": [(64, 28), (2048, 205), (131072, 430)], "whole": [], "each": [(64, 13850), (4096, 2430)]},
}  # fmt: skip
"""Plateaus, (KiB, cycles or GB/s), te42kyfo/gpu-benches."""
KIB = [2, 16, 64, 96, 120, 136, 152, 176, 208, 240, 288, 352, 512, 1024, 2048, 4096, 6144, 8192, 12288, 16384, 20480,
       24576, 28672, 32768, 36864, 40960, 49152, 65536, 98304, 131072]  # fmt: skip


def points(folder: Path | None, preset: str, panel: str) -> list[tuple[int, float]]:
    """(KiB, cycles or GB/s) as measured, or the plateaus restated."""
    if folder is None:
        return [(size, float(value)) for size, value in RESTATED[preset][panel]]
    if panel == "latency":
        with (folder / "gpu" / "latency_vs_footprint.csv").open(encoding="utf-8", newline="") as file:
            rows = [r for r in csv.DictReader(file) if r["source"] == "gpu-benches" and PRESETS.get(r["gpu"]) == preset]
        return [(int(row["buffer_kB"]), float(row["latency_cycles"])) for row in rows]
    curves = [c for c in measured_bandwidths(folder) if c.preset == preset and c.shared == (panel == "each")]
    return [(point.footprint >> 10, point.bandwidth_gbs) for curve in curves for point in curve.points]


def model(preset: str, panel: str) -> list[tuple[int, float]]:
    """The same by memsim."""
    chip = Chip.preset(preset)
    if panel == "latency":
        ladder = latency.study(chip, [size << 10 for size in KIB])
        return [(point.footprint >> 10, ladder.cycles(point.latency_ns)) for point in ladder.points]
    sizes = [size << 10 for size in KIB if panel == "each" or size >= 2048]
    found: tuple[Reach, ...] = (each_core if panel == "each" else whole_chip)(chip, sizes)
    return [(point.footprint >> 10, point.bandwidth_gbs) for point in found]


def draw(axes: Axes, panel: str, label: str, folder: Path | None) -> None:
    """One panel: lines are memsim's, points are measured."""
    for preset, colour in COLOURS.items():
        axes.plot(*zip(*model(preset, panel), strict=True), color=colour, label=preset)
        known = points(folder, preset, panel)
        if known:
            axes.plot(*zip(*known, strict=True), ".", color=colour, markersize=4, alpha=0.6)
    axes.set(xscale="log", yscale="log", xlabel="buffer, KiB", ylabel=label)
    axes.grid(alpha=0.3, which="both")


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reference", type=Path)
    folder = parser.parse_args().reference
    figure = Figure(figsize=(12, 4), layout="constrained")
    panels = figure.subplots(1, 3)
    draw(panels[0], "latency", "latency, cycles", folder)
    draw(panels[1], "each", "GB/s, each core reads all of it", folder)
    draw(panels[2], "whole", "GB/s, all cores share it", folder)
    panels[0].legend(title="lines: memsim; points: measured", loc="upper left", fontsize=8, title_fontsize=8)
    path = save(figure, TARGET)
    with Image.open(path) as image:
        image.convert("RGB").quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
