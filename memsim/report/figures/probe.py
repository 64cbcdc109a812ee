"""What a probe has measured, on one page: latency, bandwidth over working set and occupancy, arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from memsim.report.figures import style
from memsim.webgpu.probe.findings import Findings, Stream
from memsim.webgpu.probe.ladder import levels_of
from memsim.webgpu.probe.text import binary
from memsim.webgpu.probe.timing import Measured

BAND = 0.25
"""Opacity of the band between the quartiles."""


@style.styled
def draw_probe(found: Findings) -> Figure:
    """Four panels; bands are the quartiles of the samples, grey lines where a level of the memory is full."""
    figure = style.new_figure(11, 7.4)
    latency, working_set, occupancy, arithmetic = figure.subplots(2, 2).ravel()
    _latency(latency, found)
    _working_set(working_set, found)
    _occupancy(occupancy, found)
    _arithmetic(arithmetic, found)
    quick = ", quick" if found.quick else ""
    figure.suptitle(
        f"{found.device.name}: timed by {found.device.timed_by}{quick}; bands: quartiles",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    return figure


def _latency(axes: Axes, found: Findings) -> None:
    _curve(axes, [c.footprint for c in found.chases], [c.latency_ns for c in found.chases], style.BLUE)
    levels = levels_of(found.chases)
    axes.set_ylim(0, 1.25 * max(chase.latency_ns.high for chase in found.chases))
    _capacities(axes, found)
    for number, level in enumerate(levels):
        axes.plot([level.first, level.last], [level.latency_ns] * 2, color=style.VERMILLION, lw=2, zorder=3)
        holds = "" if level.capacity is None else f"\nto {binary(level.capacity)}"
        last = number == len(levels) - 1
        label = axes.annotate(
            f"{level.latency_ns:.3g} ns{holds}", (level.last if last else level.first, level.latency_ns),
            xytext=(-4 if number and not last else 0, 4), textcoords="offset points", fontsize=8,
            ha="right" if number else "left", va="bottom", color=style.darker(style.VERMILLION),
        )  # fmt: skip
        style.halo(label)
    axes.set_xlabel("size of the buffer; grey lines: levels are full")
    axes.set_ylabel("latency of a load in ns")
    axes.set_title("Pointer chase; red: plateaus")
    _sizes(axes)


def _working_set(axes: Axes, found: Findings) -> None:
    reads = [stream for stream in found.streams if stream.kind == "read"]
    _curve(axes, [s.footprint for s in reads], [s.gbs for s in reads], style.BLUE, "read")
    for stream in found.streams:
        if stream.kind != "read":
            axes.plot(stream.footprint, stream.gbs.median, "s", color=style.ORANGE, ms=6, label=stream.kind)
    axes.set_ylim(0, 1.2 * max(stream.gbs.high for stream in found.streams))
    _capacities(axes, found)
    axes.set_xlabel("working set; grey lines: levels are full")
    axes.set_ylabel("GB/s of all workgroups")
    axes.set_title("Bandwidth of a full device")
    axes.legend(loc="upper right")
    _sizes(axes)


def _occupancy(axes: Axes, found: Findings) -> None:
    sets = sorted({stream.footprint for stream in found.occupancy})
    for colour, footprint in zip(style.CYCLE, sets, strict=False):
        row: list[Stream] = [stream for stream in found.occupancy if stream.footprint == footprint]
        _curve(axes, [s.groups for s in row], [s.gbs for s in row], colour, f"read {binary(footprint)}")
    axes.set_yscale("log")
    axes.set_xscale("log", base=2)
    axes.set_ylabel("GB/s")
    axes.set_xlabel("workgroups of 256 invocations")
    axes.set_title("How many workgroups fill the device")
    if found.fma_groups:
        other = axes.twinx()
        _curve(
            other,
            [n for n, _ in found.fma_groups],
            [rate for _, rate in found.fma_groups],
            style.GREEN,
            "multiply-adds",
        )
        other.set_yscale("log")
        other.set_ylabel("10⁹ multiply-adds a second (green)")
        other.spines["right"].set_visible(True)
        _plain(other)
    axes.legend(loc="lower right")
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    _plain(axes)


def _arithmetic(axes: Axes, found: Findings) -> None:
    bars: list[tuple[str, Measured, str]] = []
    bars += [(f"multiply-add {dtype}", rate, style.ORANGE) for dtype, rate in found.fma_g.items()]
    bars += [(f"product of tiles {dtype}", rate, style.VERMILLION) for dtype, rate in found.matrix_g.items()]
    if found.special_g is not None:
        bars.append(("exp2 f32", found.special_g, style.YELLOW))
    bars.reverse()
    names, values = [name for name, _, _ in bars], [rate.median for _, rate, _ in bars]
    errors = [[max(0.0, r.median - r.low) for _, r, _ in bars], [max(0.0, r.high - r.median) for _, r, _ in bars]]
    axes.barh(names, values, color=[colour for _, _, colour in bars], xerr=errors, height=0.65, ecolor=style.INK)
    for place, value in enumerate(values):
        axes.annotate(
            f"{value:,.0f}", (value, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_xlim(0, 1.2 * max(values))
    axes.text(0.98, 0.04, _other_numbers(found), transform=axes.transAxes, ha="right", va="bottom", fontsize=8.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))
    axes.set_title("10⁹ operations a second, full device")


def _other_numbers(found: Findings) -> str:
    told = []
    if found.workgroup_gbs is not None:
        told.append(f"workgroup memory {found.workgroup_gbs.median:,.0f} GB/s")
    if found.fma_latency_ns is not None:
        told.append(f"dependent multiply-add {found.fma_latency_ns.median:.3g} ns")
    if found.dispatch_us is not None:
        told.append(f"dispatch {found.dispatch_us.median:.3g} µs")
    return "\n".join(told)


def _curve(axes: Axes, x: Sequence[int], y: Sequence[Measured], colour: str, label: str | None = None) -> None:
    axes.fill_between(x, [v.low for v in y], [v.high for v in y], color=colour, alpha=BAND, lw=0)
    axes.plot(x, [v.median for v in y], color=colour, lw=1.6, marker="o", ms=3, label=label)


def _capacities(axes: Axes, found: Findings) -> None:
    for level in levels_of(found.chases):
        if level.capacity is not None:
            axes.axvline(level.capacity, color=style.PALE, lw=1.2, zorder=0)


def _sizes(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=7))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: binary(round(size))))


def _plain(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
