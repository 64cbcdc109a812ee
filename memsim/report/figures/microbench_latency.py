"""Latency over the size of the buffer that pointers are chased through: a step for each level of the hierarchy."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from memsim.microbench.latency import Ladder
from memsim.report.figures import style

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


@style.styled
def draw_latency(ladder: Ladder) -> Figure:
    """The curve, its plateaus by name, and the capacities at which levels are full."""
    figure = style.new_figure(7.5, 4.2)
    axes = figure.subplots()
    sizes = [point.footprint for point in ladder.points]
    times = [point.latency_ns for point in ladder.points]
    top = 1.22 * max(*times, *(point.latency_ns for _, point in ladder.plateaus))
    for level in ladder.levels:
        if level.fits is not None:
            axes.axvline(level.fits, color=style.PALE, lw=1.2, zorder=0)
    axes.plot(sizes, times, color=style.BLUE, lw=1.6, marker="o", ms=3)
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: _size(size)))
    axes.set_xlabel("size of the buffer; grey lines: capacities")
    axes.set_ylabel("latency of a load in ns")
    axes.set_title(f"Pointer chase on {ladder.chip.name}")
    for name, point in ladder.plateaus:
        text = f"{name}\n{point.latency_ns:.3g} ns, {ladder.cycles(point.latency_ns):.0f} cycles"
        label = axes.annotate(
            text, (point.footprint, point.latency_ns), xytext=(2, 7), textcoords="offset points", ha="right",
            fontsize=8, color=style.darker(style.BLUE),
        )  # fmt: skip
        axes.plot(point.footprint, point.latency_ns, marker="o", ms=6, mfc="white", mec=style.BLUE, zorder=3)
        style.halo(label)
    axes.margins(x=0.06)
    return figure


def _size(size: float) -> str:
    power = 0
    while size >= 1024 and power < len(_SIZES) - 1:
        size, power = size / 1024, power + 1
    return f"{size:g} {_SIZES[power]}"
