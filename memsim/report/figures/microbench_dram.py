"""Figures of a DRAM channel: latency over bandwidth as the load grows, and where the energy of a byte goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memsim.dram import Measured, dram_part
from memsim.microbench.dram import DramStudy, curve
from memsim.report.figures import style

COLOURS = {
    "activate": style.VERMILLION,
    "read": style.BLUE,
    "write": style.SKY,
    "refresh": style.PURPLE,
    "background": "#CCCCCC",
}


def draw(settings: DramStudy, measured: Measured, path: str | Path) -> Path:
    """Draw the load curve of a study's traffic with the study in it, and the energy at each load."""
    return style.save(figure(settings, measured, curve(settings)), path)


@style.styled
def figure(settings: DramStudy, measured: Measured, points: Sequence[tuple[int, Measured]]) -> Figure:
    """The figure for given points of the curve."""
    drawn = style.new_figure(8.4, 3.6)
    left, right = drawn.subplots(1, 2, width_ratios=(1.1, 1))
    _load_curve(left, settings, measured, points)
    _energy(right, points)
    drawn.suptitle(
        f"{settings.part}: {settings.pattern}, {settings.reads} % reads, {settings.map}", x=0.01, ha="left", fontsize=11
    )
    return drawn


def _load_curve(axes: Axes, settings: DramStudy, measured: Measured, points: Sequence[tuple[int, Measured]]) -> None:
    peak = float(dram_part(settings.part).peak_bandwidth) / 1e9
    bandwidth, latency = ([getattr(m, name) for _, m in points] for name in ("bandwidth_gbs", "latency_ns"))
    axes.plot(bandwidth, latency, "o-", color=style.BLUE, markersize=3.5, label="1 to 256 reads outstanding")
    axes.plot(measured.bandwidth_gbs, measured.latency_ns, "D", color=style.VERMILLION, label="as measured")
    axes.axvline(peak, color=style.FAINT, linestyle="--", linewidth=1, label=f"peak {peak:.4g} GB/s")
    axes.set(xlabel="bandwidth (GB/s)", ylabel="mean read latency (ns)", xlim=(0, 1.05 * peak), ylim=(0, None))
    axes.set_title("latency over load")
    axes.legend(loc="upper left")
    axes.grid(axis="y")


def _energy(axes: Axes, points: Sequence[tuple[int, Measured]]) -> None:
    labels = [str(mlp) for mlp, _ in points]
    bottom = [0.0] * len(points)
    for name, colour in COLOURS.items():
        height = [m.energy_pj[name] / m.bytes for _, m in points]
        if any(height):
            axes.bar(labels, height, bottom=bottom, color=colour, label=name, width=0.75)
        bottom = [low + high for low, high in zip(bottom, height, strict=True)]
    axes.set(xlabel="reads outstanding", ylabel="energy (pJ/B)")
    axes.set_title("where the energy goes")
    axes.legend(loc="upper right")
    axes.grid(axis="y")
