"""Predicted over measured time, and error over size, for each operator of a table of measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from memsim.errors import MemsimError
from memsim.report.figures import style
from memsim.report.units import PREFIXES, exponent_of
from memsim.validate.measured.summary import Compared, summarise

BAND = 0.10
"""Half the width of the grey band: predictions within 10 % of what was measured."""
MARGIN = 1.5
"""Of the axes beyond the outermost point."""
SHOWN = 4.0
"""Ratios beyond this, or below its inverse, are drawn at the edge of the panel."""
TICKS = (0.25, 0.5, 1.0, 2.0, 4.0)
WIDE, HIGH, LEGEND = 6.1, 2.8, 0.5
"""Inches of an operator's two panels, and of the legend below all."""
MOST_TICKS = 3
MANY = 3
"""From so many operators on, two stand side by side."""


@style.styled
def draw_measured(compared: Sequence[Compared]) -> Figure:
    """Two panels an operator: time predicted over time measured, and their ratio over the size of the call.

    Parameters
    ----------
    compared
        Rows with predictions; those without a time are left out.
    """
    timed = [c for c in compared if c.pair("time") is not None]
    if not timed:
        raise MemsimError("no row has a time", where="the figure", mend="give a table with a column lat_ms")
    ops = list(dict.fromkeys(c.row.op for c in timed))
    gpus = list(dict.fromkeys(c.row.gpu for c in timed))
    colours = {gpu: style.CYCLE[i % len(style.CYCLE)] for i, gpu in enumerate(gpus)}
    across = 2 if len(ops) >= MANY else 1
    down = -(-len(ops) // across)
    width, height = across * WIDE, down * HIGH + LEGEND
    figure = style.new_figure(width, height)
    figure.set_layout_engine("none")
    for place, op in enumerate(ops):
        found = [c for c in timed if c.row.op == op]
        x, y = place % across * WIDE, height - (1 + place // across) * HIGH
        left, right = (
            figure.add_axes(((x + at) / width, (y + 0.55) / height, 2.15 / width, (HIGH - 1.0) / height))
            for at in (0.8, 3.7)
        )
        _draw_times(left, found, colours)
        _draw_errors(right, found, colours)
        left.set_title(f"{op}: {summarise(found, op, '').mape:.1f} % off on average of {len(found)}")
    marks = [Line2D([], [], color=colours[gpu], marker="o", ls="", ms=5, label=gpu) for gpu in gpus]
    figure.legend(handles=marks, loc="lower center", ncols=2 * across)
    return figure


def _draw_times(axes: Axes, found: Sequence[Compared], colours: dict[str, str]) -> None:
    pairs = [(c.row.gpu, pair) for c in found if (pair := c.pair("time")) is not None]
    low = 1e-3 * min(min(pair) for _, pair in pairs) / MARGIN
    high = 1e-3 * max(max(pair) for _, pair in pairs) * MARGIN
    ends = [low, high]
    axes.fill_between(ends, [e * (1 - BAND) for e in ends], [e * (1 + BAND) for e in ends], color=style.PALE, lw=0)
    axes.plot(ends, ends, color=style.GREY, lw=0.8)
    for gpu, colour in colours.items():
        known = [pair for name, pair in pairs if name == gpu]
        _dots(axes, [1e-3 * m for _, m in known], [1e-3 * p for p, _ in known], colour)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="measured", ylabel="predicted")
    _tell(axes.xaxis, low, high, "s")
    _tell(axes.yaxis, low, high, "s")


def _draw_errors(axes: Axes, found: Sequence[Compared], colours: dict[str, str]) -> None:
    in_operations = found[0].row.call.is_product
    sizes = [c.row.call.flops if in_operations else float(c.row.call.bytes) for c in found]
    low, high = min(sizes) / MARGIN, max(sizes) * MARGIN
    axes.axhspan(1 - BAND, 1 + BAND, color=style.PALE, lw=0)
    axes.axhline(1, color=style.GREY, lw=0.8)
    for gpu, colour in colours.items():
        points = [(size, 1 + c.error() / 100) for size, c in zip(sizes, found, strict=True) if c.row.gpu == gpu]
        _dots(axes, [size for size, _ in points], [min(max(r, 1 / SHOWN), SHOWN) for _, r in points], colour)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(1 / SHOWN, SHOWN), ylabel="predicted / measured")
    axes.set_xlabel("operations" if in_operations else "bytes of the tensors")
    axes.yaxis.set_major_locator(FixedLocator(TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    _tell(axes.xaxis, low, high, "" if in_operations else "B")


def _dots(axes: Axes, x: Sequence[float], y: Sequence[float], colour: str) -> None:
    axes.plot(x, y, "o", ms=3, mew=0, alpha=0.55, color=colour, clip_on=False)


def _tell(axis: Axis, low: float, high: float, unit: str) -> None:
    """A few ticks at powers of ten; at 1, 2 and 5 of each on a short axis."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    if last - first < 1:
        ticks = [f * 10.0**e for e in range(first - 1, last + 1) for f in (1, 2, 5) if low <= f * 10.0**e <= high]
    else:
        ticks = [10.0**e for e in range(first, last + 1)]
    axis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // MOST_TICKS)] if ticks else [low]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value, unit)))
    axis.set_minor_locator(NullLocator())


def _short(value: float, unit: str) -> str:
    exponent = exponent_of(value)
    return f"{value / 10.0**exponent:.3g} {PREFIXES[exponent]}{unit}".strip()
