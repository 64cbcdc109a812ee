"""Bandwidth of each level over the number of active cores."""

from __future__ import annotations

import math

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from memsim.microbench.bandwidth import Bandwidths, Point
from memsim.report.figures import style


@style.styled
def draw_bandwidth(found: Bandwidths) -> Figure:
    """A line for each level, and, dashed in its colour, the peak of those that all cores share."""
    figure = style.new_figure(7.5, 4.4)
    axes = figure.subplots()
    cores = sorted({point.cores for point in found.points})
    peaks: set[float] = set()
    for colour, last in zip(style.CYCLE, found.levels, strict=False):
        points = [p for p in found.points if p.level == last.level and math.isfinite(p.bandwidth_gbs)]
        if not points:
            continue
        label = f"{last.level.name}: {_rate(last)}"
        on_top = {"ls": ":", "zorder": 3} if last.level.name == "cache_all" else {"ls": "-"}  # often that of the DRAM
        rates = [p.bandwidth_gbs for p in points]
        axes.plot([p.cores for p in points], rates, marker="o", color=colour, ms=4, label=label, **on_top)
        peak = last.level.peak_gbs
        if peak is not None and last.level.role != "sram" and peak not in peaks:
            peaks.add(peak)
            axes.axhline(peak, color=colour, lw=0.9, ls="--", zorder=1)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(cores)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axes.set_xlabel("active cores")
    axes.set_ylabel(f"GB/s ({found.kind}); dashed: peaks")
    axes.set_title(f"Bandwidth by level on {found.chip.name}")
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title=f"with {found.levels[-1].cores} cores")
    return figure


def _rate(point: Point) -> str:
    gbs = point.bandwidth_gbs
    if not math.isfinite(gbs):
        return "no limit"
    return f"{gbs / 1000:.3g} TB/s" if gbs >= 1000 else f"{gbs:.3g} GB/s"
