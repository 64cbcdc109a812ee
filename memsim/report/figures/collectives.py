"""Bus bandwidth of collectives over the size of the message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from memsim.report.figures.style import CYCLE, FAINT, new_figure, save, styled
from memsim.report.units import si

Point = tuple[int, float]
"""Bytes of the message, and bytes a second."""


def plot_bus_bandwidth(
    curves: Mapping[str, Sequence[Point]], path: str | Path, *, title: str, peak: float | None = None
) -> Path:
    """Draw one curve for each algorithm.

    Parameters
    ----------
    curves
        Points of each algorithm, by its name.
    path
        File to write.
    title
        What was simulated.
    peak
        Payload bandwidth of one direction of a chip's links, drawn as a line.
    """
    return save(_draw(curves, title, peak), path)


@styled
def _draw(curves: Mapping[str, Sequence[Point]], title: str, peak: float | None) -> Figure:
    figure = new_figure(6.6, 3.9)
    axes = figure.add_subplot()
    if peak is not None:
        axes.axhline(peak / 1e9, color=FAINT, linewidth=1, linestyle="--")
        axes.annotate(
            f"links {peak / 1e9:.0f} GB/s", (0, peak / 1e9), (2, 3), ("axes fraction", "data"), "offset points",
            color=FAINT, fontsize=8.5,
        )  # fmt: skip
    for colour, (name, points) in zip(CYCLE, curves.items(), strict=False):
        sizes, rates = zip(*points, strict=True)
        axes.plot(sizes, [rate / 1e9 for rate in rates], color=colour, marker="o", markersize=3.5, label=name)
    axes.set_xscale("log", base=2)
    ticks = sorted({size for points in curves.values() for size, _ in points})
    axes.set_xticks(ticks[:: 1 + len(ticks) // 12], minor=False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: binary_size(size)))
    axes.set(xlabel="size of the vector", ylabel="bus bandwidth (GB/s)", ylim=(0, None), title=title)
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0.92))
    return figure


def binary_size(size: float) -> str:
    """Bytes as 4 KiB, 1 MiB …"""
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= factor:
            return f"{size / factor:g} {unit}"
    return si(size, "B")
