"""The roofline, one slanted roof a memory level (Williams et al., CACM 2009; levels as in Ilic et al. and Yang et al.).

The workload is one dot a level: its operations a byte of *that* level against its speed. The lowest roof above
its dots is the bound; how far the dots are below it is what is left to gain.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

from memsim.errors import MemsimError
from memsim.report.figures import style
from memsim.report.units import percent, si


@dataclass(frozen=True, slots=True)
class Roof:
    """A memory level: what it can move, and what the workload moved through it."""

    level: str
    bytes_per_s: float
    bytes_moved: int = 0

    def intensity(self, flops: float) -> float | None:
        """Operations a byte of this level, or None where the workload did not use it."""
        return flops / self.bytes_moved if self.bytes_moved else None


@dataclass(frozen=True, slots=True)
class Peak:
    """A compute unit with a data type: what it can compute."""

    name: str
    flops_per_s: float
    used: bool = True
    """Whether the workload runs on it; the others are drawn in grey, for reference."""


def bound_of(roofs: Sequence[Roof], peaks: Sequence[Peak], flops: float) -> tuple[float, str]:
    """Highest speed that all roofs allow (operations a second), and the name of the roof that sets it."""
    limits = [(peak.flops_per_s, peak.name) for peak in peaks if peak.used]
    ceiling = [max(limits)] if limits else []
    slopes = [(roof.bytes_per_s * x, roof.level) for roof in roofs if (x := roof.intensity(flops)) is not None]
    return min(ceiling + slopes, default=(math.inf, "nothing"))


@style.styled
def draw_roofline(
    roofs: Sequence[Roof], peaks: Sequence[Peak], flops: float, time_s: float, title: str = "roofline", name: str = ""
) -> Figure:
    """Log-log roofline with the workload on it.

    Parameters
    ----------
    roofs, peaks
        The chip's memory levels and compute peaks, all cores together.
    flops, time_s
        Operations of the workload (a multiply-add is 2) and the time they took, s.
    title, name
        Title of the figure; name of the workload at its dot.
    """
    if not roofs or not peaks:
        raise MemsimError(
            "a roofline needs a memory with a bandwidth and a compute unit",
            where=title,
            mend="give the chip's dram a bandwidth and its cores a matrix or vector unit",
        )
    figure = style.new_figure(8, 5.4)
    axes = figure.subplots()
    axes.set_title(title)
    speed = flops / time_s if flops > 0 and time_s > 0 else 0.0
    _limits(axes, roofs, peaks, flops, speed)
    colours = style.colour_of(roof.level for roof in roofs)
    flat = _lines(axes, roofs, peaks, colours)
    _axes_text(axes)
    style.settle(figure)
    taken: list[Bbox] = []
    if speed:
        lines = _along(axes, axes.get_lines())
        taken += lines
        _workload(axes, roofs, peaks, flops, speed, name, colours, taken)
        del taken[: len(lines)]  # the names of lines lie along them
    _peak_labels(axes, peaks, taken)
    taken += _along(axes, flat)
    _roof_labels(axes, roofs, peaks, colours, taken)
    return figure


def _limits(axes: Axes, roofs: Sequence[Roof], peaks: Sequence[Peak], flops: float, speed: float) -> None:
    """Show every ridge and every dot, with a margin, from below the dots to above the highest peak."""
    top, bottom_peak = max(p.flops_per_s for p in peaks), min(p.flops_per_s for p in peaks)
    ridges = [top / roof.bytes_per_s for roof in roofs] + [bottom_peak / roof.bytes_per_s for roof in roofs]
    dots = [x for roof in roofs if speed and (x := roof.intensity(flops)) is not None]
    low, high = min(ridges + dots) / 6, max(ridges + dots) * 8
    floor = min([bottom_peak, *([speed] if speed else [])])
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(floor / 8, top * 2))


def _lines(axes: Axes, roofs: Sequence[Roof], peaks: Sequence[Peak], colours: dict[str, str]) -> list[Line2D]:
    """Draw roofs and peaks; returns the lines of the peaks."""
    flat = []
    low, high = axes.get_xlim()
    top = max(p.flops_per_s for p in peaks)
    fastest = max(roof.bytes_per_s for roof in roofs)
    for peak in peaks:
        shade = style.INK if peak.used else style.GREY
        start = max(low, peak.flops_per_s / fastest)
        flat += axes.plot([start, high], [peak.flops_per_s] * 2, color=shade, linewidth=1.8 if peak.used else 1)
    for roof in roofs:
        ridge = top / roof.bytes_per_s
        axes.plot([low, ridge], [low * roof.bytes_per_s, top], color=colours[roof.level], linewidth=1.8)
    return flat


def _axes_text(axes: Axes) -> None:
    axes.set_xlabel("arithmetic intensity (FLOP per byte of the level)")
    axes.set_ylabel("speed (FLOP/s)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" if x >= 1e-3 else f"{x:.0e}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: si(y, digits=1)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=9))
        axis.set_minor_locator(NullLocator())
    axes.grid(which="major")


def _workload(
    axes: Axes, roofs: Sequence[Roof], peaks: Sequence[Peak], flops: float, speed: float, name: str,
    colours: dict[str, str], taken: list[Bbox],
) -> None:  # fmt: skip
    """A dot a level at the achieved speed, the bound above them, and the gap between."""
    bound, by = bound_of(roofs, peaks, flops)
    dots = sorted((x, roof.level) for roof in roofs if (x := roof.intensity(flops)) is not None)
    if not dots:
        return
    axes.plot([x for x, _ in dots], [speed] * len(dots), color=style.FAINT, linewidth=0.8, linestyle=":", zorder=3)
    for x, level in dots:
        axes.plot([x] * 2, [speed, bound], color=colours[level], linewidth=0.9, linestyle="--", zorder=3)
        axes.plot(x, speed, "o", markersize=8, color=colours[level], markeredgecolor="white", zorder=5)
        taken.append(_around(axes, x, speed, 8))
    axes.plot([dots[0][0], dots[-1][0]], [bound] * 2, color=style.FAINT, linewidth=0.8, linestyle="--", zorder=3)
    for x, level in dots:
        text = style.halo(axes.text(0, 0, level, fontsize=8, ha="center", va="center", zorder=6, in_layout=False))
        style.place(text, _spots(axes, [x], speed), taken, _inside(axes))
    label = f"{name + ': ' if name else ''}{si(speed, 'FLOP/s')}\n{percent(speed / bound)} of the {by} bound"
    text = axes.text(0, 0, label, fontsize=9, fontweight="bold", ha="center", va="center", zorder=6, in_layout=False)
    middle = math.sqrt(dots[0][0] * dots[-1][0])
    style.place(style.halo(text), _spots(axes, [middle, dots[0][0], dots[-1][0]], speed), taken, _inside(axes))


def _spots(axes: Axes, xs: Sequence[float], y: float) -> list[tuple[float, float]]:
    """Positions around (x, y), data units, the nearest first; below is nearer than above, beside further."""
    offsets = [(dx, dy) for dy in range(-17 - 10 * 40, 200, 10) for dx in range(-400, 401, 20) if abs(dy) > 12]
    offsets.sort(key=lambda way: math.hypot(0.6 * way[0], way[1] if way[1] < 0 else 1.5 * way[1]))
    starts = [axes.transData.transform((x, y)) for x in xs]
    return _to_data(axes, [(px + dx, py + dy) for dx, dy in offsets for px, py in starts])


def _along(axes: Axes, lines: Iterable[Line2D]) -> list[Bbox]:
    """Small boxes along lines: labels keep off them."""
    boxes = []
    for line in lines:
        path = axes.transData.transform(np.column_stack(line.get_data()))
        for (x0, y0), (x1, y1) in pairwise(path):
            steps = np.linspace(0, 1, 2 + int(math.hypot(x1 - x0, y1 - y0) / 5))
            boxes += [Bbox.from_bounds(x0 + (x1 - x0) * t - 1.5, y0 + (y1 - y0) * t - 1.5, 3, 3) for t in steps]
    return boxes


def _peak_labels(axes: Axes, peaks: Sequence[Peak], taken: list[Bbox]) -> None:
    """Name each peak on its line, at its right end; the ones in use first, since they matter most."""
    right = axes.get_xlim()[1]
    for peak in sorted(peaks, key=lambda p: (not p.used, -p.flops_per_s)):
        shade = style.INK if peak.used else style.FAINT
        text = axes.text(
            0,
            0,
            f"{peak.name} {si(peak.flops_per_s, 'FLOP/s')}",
            color=shade,
            ha="right",
            va="center",
            fontsize=8.5,
            in_layout=False,
        )
        px, py = axes.transData.transform((right, peak.flops_per_s))
        spots = [(px - 4 - shift, py + dy) for shift in (0, 150, 300, 450) for dy in (13, -13)]
        style.place(text, _to_data(axes, spots), taken, _inside(axes))


def _roof_labels(
    axes: Axes, roofs: Sequence[Roof], peaks: Sequence[Peak], colours: dict[str, str], taken: list[Bbox]
) -> None:
    """Name each level along its line, tilted as the line is, from its lower end up to where there is room."""
    low, top = axes.get_xlim()[0], max(p.flops_per_s for p in peaks)
    for roof in roofs:
        first = max(low, axes.get_ylim()[0] / roof.bytes_per_s)
        start = axes.transData.transform((first, first * roof.bytes_per_s))
        end = axes.transData.transform((top / roof.bytes_per_s, top))
        direction = (end - start) / np.hypot(*(end - start))
        normal = np.array([-direction[1], direction[0]])
        text = _tilted(axes, roof, math.degrees(math.atan2(direction[1], direction[0])), colours[roof.level])
        steps = np.linspace(0.04, 0.96, 40)
        spots = [start + (end - start) * t + side * 12 * normal for t in steps for side in (1, -1)]
        style.place(text, _to_data(axes, spots), taken, _inside(axes))


def _tilted(axes: Axes, roof: Roof, degrees: float, colour: str) -> Text:
    return axes.text(
        1, 1, f"{roof.level} {si(roof.bytes_per_s, 'B/s')}", rotation=degrees, rotation_mode="anchor", ha="center",
        va="center", fontsize=8.5, color=style.darker(colour), in_layout=False,
    )  # fmt: skip


def _to_data(axes: Axes, pixels: Sequence[tuple[float, float] | np.ndarray]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in axes.transData.inverted().transform(np.asarray(pixels))]


def _around(axes: Axes, x: float, y: float, radius: float) -> Bbox:
    px, py = axes.transData.transform((x, y))
    return Bbox.from_extents(px - radius, py - radius, px + radius, py + radius)


def _inside(axes: Axes) -> Bbox:
    return axes.get_window_extent()
