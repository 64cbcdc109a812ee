"""Predicted over measured time, a point for each case."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from memsim.report.figures import style
from memsim.validate.rows import ALL, Validation

FACTOR = 2
"""Between the grey lines a prediction is off by less than this factor."""
MARGIN = 1.6
"""Of the axes beyond the outermost point."""


@style.styled
def draw_validation(found: Validation) -> Figure:
    """Logarithmic axes of one scale; on the diagonal the simulator is right, above it too slow."""
    figure = style.new_figure(7.5, 5.2)
    axes = figure.subplots()
    measured = [1e6 * row.measured_s.median for row in found.rows]
    predicted = [1e6 * row.predicted_s for row in found.rows]
    low, high = min(*measured, *predicted) / MARGIN, max(*measured, *predicted) * MARGIN
    axes.fill_between([low, high], [low / FACTOR, high / FACTOR], [low * FACTOR, high * FACTOR], color=style.PALE, lw=0)
    axes.plot([low, high], [low, high], color=style.GREY, lw=1)
    errors = found.mape()
    for colour, kind in zip(style.CYCLE, dict.fromkeys(row.kind for row in found.rows), strict=False):
        rows = [row for row in found.rows if row.kind == kind]
        x = [1e6 * row.measured_s.median for row in rows]
        spread = [[1e6 * (row.measured_s.median - row.measured_s.low) for row in rows],
                  [1e6 * (row.measured_s.high - row.measured_s.median) for row in rows]]  # fmt: skip
        axes.errorbar(
            x, [1e6 * row.predicted_s for row in rows], xerr=spread, fmt="o", color=colour, ms=6, lw=1,
            label=f"{kind}: {errors[kind]:.0%}",
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axes.set_xlabel(f"measured on {found.device} in µs")
    axes.set_ylabel("predicted in µs")
    axes.set_title(f"Predicted and measured: {errors[ALL]:.0%} off on average")
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), title=f"mean absolute error\ngrey: less than a factor of {FACTOR}"
    )
    return figure
