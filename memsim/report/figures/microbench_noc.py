"""Figures of network studies: latency over load, and how far the engine's links are from flits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from memsim.report.figures.style import BLUE, CYCLE, FAINT, ORANGE, VERMILLION, new_figure, save, styled

if TYPE_CHECKING:
    from memsim.microbench.noc import NocResult, NocStudy
    from memsim.microbench.noc_transfers import Difference


@styled
def latency_over_load(settings: NocStudy, result: NocResult) -> Figure:
    """Latency of packets and within the network; the line at zero load and, if known, that of saturation."""
    figure = new_figure(6.4, 4.0)
    axes = figure.subplots()
    stable = [point for point in result.points if point.stable]
    loads = [point.offered for point in stable]
    axes.plot(
        loads, [point.latency_cycles for point in stable], "o-", color=BLUE, ms=4, label="with the wait at the source"
    )
    inside = [point.network_latency_cycles for point in stable]
    axes.plot(loads, inside, "s--", color=ORANGE, ms=3.5, label="in the network")
    zero = result.points[0].zero_load_cycles
    axes.axhline(zero, color=FAINT, lw=0.8, ls=":")
    axes.annotate(
        f"zero load {zero:.1f}", (0, zero), xycoords=("axes fraction", "data"), xytext=(6, -5),
        textcoords="offset points", ha="left", va="top", color=FAINT, fontsize=8.5,
    )  # fmt: skip
    if result.saturation is not None:
        axes.axvline(result.saturation, color=VERMILLION, lw=1)
        axes.annotate(
            f"saturation {result.saturation:.3f}", (result.saturation, 0.5), xycoords=("data", "axes fraction"),
            xytext=(5, 0), textcoords="offset points", va="center", color=VERMILLION, fontsize=8.5, rotation=90,
        )  # fmt: skip
    axes.set(xlabel="offered load (flits a node and cycle)", ylabel="mean latency (cycles)")
    axes.set_xlim(0, 1.08 * max(*loads, result.saturation or 0, 0.01))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0.97))
    axes.set_title(f"{result.network.name}: {settings.traffic}, {settings.flits} flits a packet")
    return figure


@styled
def transfer_differences(rows: Sequence[Difference]) -> Figure:
    """Times of the flit network over those of the engine's links, by pattern and tile: the last tile, and the mean."""
    figure = new_figure(7.2, 3.6)
    sizes = sorted({row.tile_bytes for row in rows})
    for axes, mean in zip(figure.subplots(1, 2, sharey=True), (False, True), strict=True):
        for colour, pattern in zip(CYCLE, dict.fromkeys(row.pattern for row in rows), strict=False):
            own = sorted((row for row in rows if row.pattern == pattern), key=lambda row: row.tile_bytes)
            ratios = [row.mean_ratio if mean else row.ratio for row in own]
            axes.plot([row.tile_bytes for row in own], ratios, "o-", color=colour, ms=4, label=pattern)
        axes.axhline(1, color=FAINT, lw=0.8, ls=":")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [f"{size // 1024} KiB" if size >= 1024 else f"{size} B" for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("tile")
        axes.grid(axis="y")
        axes.set_title("mean tile" if mean else "last tile")
    figure.axes[0].set_ylabel("time of flits / time of the engine")
    figure.axes[0].legend(loc="upper right")
    return figure


def draw(settings: NocStudy, result: NocResult, path: Path) -> Path:
    """Write latency over load to a file."""
    return save(latency_over_load(settings, result), path)
