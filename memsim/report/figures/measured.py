"""Predicted over measured time, and error over size, for each operator of a table of measurements."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from memsim.errors import MemsimError
from memsim.report.figures import style
from memsim.report.units import si
from memsim.validate.measured.summary import Compared, summarise

BAND = 0.10
"""Half the width of the grey band: predictions within 10 % of what was measured."""
MARGIN = 1.5
"""Of the axes beyond the outermost point."""
SHOWN = 4.0
"""Ratios beyond this, or below its inverse, are drawn at the edge of the panel."""
TICKS = (0.25, 0.5, 1.0, 2.0, 4.0)
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
    figure = style.new_figure(6.6 * across, 2.9 * down + 0.7)
    grid = figure.subplots(down, 2 * across, squeeze=False)
    for axes in grid.flat[2 * len(ops) :]:
        axes.remove()
    for place, op in enumerate(ops):
        left, right = grid.flat[2 * place], grid.flat[2 * place + 1]
        found = [c for c in timed if c.row.op == op]
        _draw_times(left, found, colours)
        _draw_errors(right, found, colours)
        whole = summarise(found, op, "")
        left.set_title(f"{op}: {whole.mape:.1f} % off on average")
    marks = [Line2D([], [], color=colours[gpu], marker="o", ls="", ms=5, label=gpu) for gpu in gpus]
    figure.legend(handles=marks, loc="outside lower center", ncols=min(len(gpus), 4))
    return figure


def _draw_times(axes: Axes, found: Sequence[Compared], colours: dict[str, str]) -> None:
    pairs = [pair for c in found if (pair := c.pair("time")) is not None]
    low = 1e-3 * min(min(pair) for pair in pairs) / MARGIN
    high = 1e-3 * max(max(pair) for pair in pairs) * MARGIN
    ends = [low, high]
    axes.fill_between(ends, [e * (1 - BAND) for e in ends], [e * (1 + BAND) for e in ends], color=style.PALE, lw=0)
    axes.plot(ends, ends, color=style.GREY, lw=0.8)
    for gpu, colour in colours.items():
        points = [c.pair("time") for c in found if c.row.gpu == gpu]
        known = [pair for pair in points if pair is not None]
        axes.plot(
            [1e-3 * m for _, m in known], [1e-3 * p for p, _ in known], "o", ms=2.6, mew=0, alpha=0.6, color=colour
        )
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="measured", ylabel="predicted", aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=5))
        axis.set_major_formatter(FuncFormatter(lambda seconds, _: si(seconds, "s")))
        axis.set_minor_formatter(NullFormatter())


def _draw_errors(axes: Axes, found: Sequence[Compared], colours: dict[str, str]) -> None:
    in_operations = found[0].row.call.is_product
    axes.axhspan(1 - BAND, 1 + BAND, color=style.PALE, lw=0)
    axes.axhline(1, color=style.GREY, lw=0.8)
    for gpu, colour in colours.items():
        points = [c for c in found if c.row.gpu == gpu]
        sizes = [c.row.call.flops if in_operations else float(c.row.call.bytes) for c in points]
        ratios = [min(max(1 + c.error() / 100, 1 / SHOWN), SHOWN) for c in points]
        axes.plot(sizes, ratios, "o", ms=2.6, mew=0, alpha=0.6, color=colour, clip_on=False)
    axes.set(xscale="log", yscale="log", ylim=(1 / SHOWN, SHOWN), yticks=TICKS, ylabel="predicted / measured")
    axes.set_xlabel("operations" if in_operations else "bytes of the tensors")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: si(size, "" if in_operations else "B", 2)))
    axes.xaxis.set_minor_formatter(NullFormatter())
