"""Energies of programs under each variation of disputed constants, and where their order flips."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from memsim.errors import MemsimError
from memsim.locality.sensitivity import Sensitivity
from memsim.report.figures import style

MOST_ROWS, MOST_PROGRAMS = 40, 8
"""Variations and programs that one page shows."""

_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")


@style.styled
def draw_sensitivity(found: Sensitivity) -> Figure:
    """A row for each variation: each program's energy over that of the cheapest; rows in which pairs flip are tinted.

    Raises
    ------
    MemsimError
        If there are more than `MOST_ROWS` variations or `MOST_PROGRAMS` programs, or one costs nothing.
    """
    _check(found)
    rows = len(found.variations)
    figure = style.new_figure(9, 1.6 + 0.27 * rows)
    axes = figure.subplots()
    relative = found.energies / found.energies.min(axis=1, keepdims=True)
    flips = [sum(flip.variation == variation.name for flip in found.flips) for variation in found.variations]
    for row, count in enumerate(flips):
        if count:
            axes.axhspan(row - 0.5, row + 0.5, color=style.YELLOW, alpha=0.28, lw=0, zorder=0)
    for p, name in enumerate(found.programs):
        axes.plot(relative[:, p], range(rows), ls="", marker=_MARKERS[p], ms=6.5, color=style.CYCLE[p], label=name,
                  mec="white", mew=0.6, clip_on=False, zorder=3)  # fmt: skip
    _scale(axes, float(relative.max()))
    axes.set_yticks(range(rows), [variation.name for variation in found.variations])
    axes.set_ylim(rows - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.grid(axis="x")
    _tell(axes, found, flips)
    axes.set_xlabel("energy over that of the cheapest program; tinted: some pair's order flips")
    figure.suptitle("Rankings under disputed constants", x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.legend(loc="outside lower center", ncols=min(5, len(found.programs)))
    return figure


def _check(found: Sensitivity) -> None:
    for count, most, what in (
        (len(found.variations), MOST_ROWS, "variations"),
        (len(found.programs), MOST_PROGRAMS, "programs"),
    ):
        if count > most:
            raise MemsimError(f"{count} {what} for one page", where="figure", mend=f"draw at most {most}")
    free = [name for name, energies in zip(found.programs, found.energies.T, strict=True) if not energies.all()]
    if free:
        raise MemsimError(f"{free[0]} costs nothing, so no ratio can be drawn", where="figure", mend="leave it out")


def _scale(axes: Axes, most: float) -> None:
    """Linear up to a factor of four, logarithmic beyond."""
    if most > 4:
        axes.set_xscale("log")
        ticks = [1, 1.5, 2, 3, 4, 5, 7, 10] if most < 10 else [m * 10.0**p for p in range(18) for m in (1, 2, 5)]
        shown = [tick for tick in ticks if tick <= most * 1.2]
        axes.xaxis.set_major_locator(FixedLocator(shown[:: -(-len(shown) // 10)]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(most**-0.02, most**1.03)
    else:
        axes.set_xlim(1 - 0.02 * (most - 1) - 1e-3, most + 0.03 * (most - 1) + 1e-3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _tell(axes: Axes, found: Sensitivity, flips: list[int]) -> None:
    """Columns at the right: pairs that flip, and the correlation with the baseline."""
    columns = [
        (1.05, "flips", [str(count or "") for count in flips]),
        (1.13, "τ", [f"{tau:.2f}" for tau in found.kendall]),
    ]
    for x, header, cells in columns:
        place: dict[str, Any] = {
            "transform": axes.get_yaxis_transform(),
            "ha": "center",
            "va": "center",
            "fontsize": 8.5,
        }
        axes.text(x, -0.95, header, color=style.FAINT, **place)
        for row, cell in enumerate(cells):
            weight = "bold" if flips[row] else "normal"
            axes.text(x, row, cell, color=style.INK, fontweight=weight, **place)
