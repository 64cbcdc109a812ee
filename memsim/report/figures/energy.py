"""Where the energy went: one bar a part, cut by tensor, and one bar a tensor, cut by part."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from memsim.report.figures import style
from memsim.report.units import PREFIXES, exponent_of, in_prefix, percent, si

STATIC = "static"
"""Part of the ledger that holds leakage: power x time, whatever moves. Hatched, since it belongs to no event."""

MAX_BARS = 10
BAR_INCHES = 0.34
ONE_SCALE = 3
"""Both panels have one scale unless their longest bars differ by more than this factor."""


@style.styled
def draw_energy(energy: pd.DataFrame, title: str = "energy") -> Figure:
    """Stacked horizontal bars of energy by part and by tensor.

    Parameters
    ----------
    energy
        Columns part, tensor, energy_j (others are ignored); rows of part ``static`` are drawn hatched.
    title
        What was run on what; the total is added to it.
    """
    by_both = _matrix(energy)
    by_part, by_tensor = _largest(by_both), _largest(by_both.drop(index=STATIC, errors="ignore").T)
    total_j = float(by_both.to_numpy().sum())
    rows = [len(by_part), max(1, len(by_tensor))]
    figure = style.new_figure(8, 1.5 + BAR_INCHES * (sum(rows) + 2))
    most = [float(table.sum(axis=1).max()) if len(table) else 0.0 for table in (by_part, by_tensor)]
    alike = most[1] * ONE_SCALE >= most[0]  # else bars of tensors would vanish beside, say, static energy
    axes = figure.subplots(2, 1, sharex=alike, height_ratios=[n + 0.6 for n in rows])
    figure.suptitle(f"{title}: {si(total_j, 'J')}", x=0.01, ha="left", fontsize=11, fontweight="bold")
    exponents = [exponent_of(most[0]), exponent_of(most[0] if alike else most[1])]
    colours = style.colour_of(by_both.index)
    own = {part: dict.fromkeys(by_part.columns, colours.get(part, style.PALE)) for part in by_part.index}
    _bars(axes[0], by_part, total_j, exponents[0], own)
    _bars(axes[1], by_tensor, total_j, exponents[1], dict.fromkeys(by_tensor.index, colours))
    axes[1].set_xlim(0, 1.22 * in_prefix(max(most) if alike else most[1], exponents[1]) or 1)
    axes[0].set_xlim(0, 1.22 * in_prefix(max(most) if alike else most[0], exponents[0]) or 1)
    axes[0].set_title("by part, cut by tensor", fontsize=9, fontweight="normal", color=style.FAINT)
    axes[1].set_title("by tensor, cut by part (same colours)", fontsize=9, fontweight="normal", color=style.FAINT)
    for panel, exponent in zip(axes[alike:], exponents[alike:], strict=True):
        panel.set_xlabel(f"energy ({PREFIXES[exponent]}J)")
    style.settle(figure)
    for axis in axes:
        _label_segments(axis)
    return figure


def _matrix(energy: pd.DataFrame) -> pd.DataFrame:
    """Energy in J: one row a part, one column a tensor; events of no tensor are named so."""
    named = energy.assign(tensor=energy["tensor"].fillna("").replace("", "(no tensor)"))
    table = named.pivot_table(index="part", columns="tensor", values="energy_j", aggfunc="sum", fill_value=0.0)
    table = table.astype(float)
    return table.loc[table.sum(axis=1) > 0, table.sum(axis=0) > 0]


def _largest(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by size, the smallest of too many summed into one; columns by size."""
    order = table.sum(axis=1).sort_values(ascending=False, kind="stable").index
    columns = table.sum(axis=0).sort_values(ascending=False, kind="stable").index
    table = table.loc[order, columns]
    table = table[table.sum(axis=1) > 0]
    if len(table) <= MAX_BARS:
        return table
    rest = table.iloc[MAX_BARS - 1 :]
    return pd.concat([table.iloc[: MAX_BARS - 1], rest.sum().to_frame(f"{len(rest)} others").T])


def _bars(axes: Axes, table: pd.DataFrame, total_j: float, exponent: int, colours: dict[str, dict[str, str]]) -> None:
    """One stacked bar a row, largest on top, its total and share beside its end."""
    for y, (row, cells) in enumerate(table.iterrows()):
        left = 0.0
        for segment, joules in cells.items():
            width = in_prefix(float(joules), exponent)
            if width <= 0:
                continue
            hatch = "////" if row == STATIC else None
            axes.barh(
                y, width, left=left, height=0.72, color=colours[str(row)].get(str(segment), style.PALE),
                edgecolor="white", linewidth=0.6, hatch=hatch, label=f"_{segment}",
            )  # fmt: skip
            left += width
        label = f"{si(float(cells.sum()), 'J')}  {percent(float(cells.sum()) / total_j)}"
        text = axes.annotate(label, (left, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8.5)
        style.halo(text)
    axes.set_yticks(range(len(table)), [str(name) for name in table.index])
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _label_segments(axes: Axes) -> None:
    """Name each segment inside it, where the name fits."""
    for container in axes.containers:
        for patch in container.get_children():
            if isinstance(patch, Rectangle):
                _label_segment(axes, patch, str(container.get_label())[1:])


def _label_segment(axes: Axes, patch: Rectangle, name: str) -> None:
    box = patch.get_extents().transformed(axes.transData.inverted())
    colour = style.INK if patch.get_hatch() else style.ink_on(to_hex(patch.get_facecolor()))
    text = axes.text(
        (box.x0 + box.x1) / 2,
        (box.y0 + box.y1) / 2,
        name,
        ha="center",
        va="center",
        fontsize=8,
        color=colour,
        in_layout=False,
    )
    if patch.get_hatch() or not style.fits(text, box.x0, box.x1, axes):
        text.remove()
