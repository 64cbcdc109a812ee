"""A chip from above, to scale: its cores, and the ports of the memories that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from memsim.report.chip_sheet import binary, clock_text, peak_text
from memsim.report.figures import style

if TYPE_CHECKING:
    from memsim.hierarchy import Chip

SHARE = 0.86
"""Part of its pitch that a core is drawn as."""
MOST_DRAWN = 4096
"""Cores that are drawn one by one; of more, blocks of them."""
MARKS = {"cache": ("s", style.SKY), "shared": ("s", style.SKY), "dram": ("D", style.BLUE)}


@style.styled
def draw_chip(chip: Chip) -> Figure:
    """The die with its cores, the ports of its memories, and the chip's main numbers above."""
    width, height = chip.width_mm, chip.height_mm
    inches = min(8.0, max(4.5, 4.6 * width / height))
    figure = style.new_figure(inches + 1.9, min(7.5, max(3.2, inches * height / width)) + 1.2)
    axes = figure.subplots()
    margin = 0.03 * max(width, height)
    axes.set(xlim=(-margin, width + margin), ylim=(-margin, height + margin), aspect="equal")
    axes.set(xlabel="x (mm)", ylabel="y (mm)")
    axes.set_title(f"{chip.name}: {chip.core_count} cores, {clock_text(chip)}, {peak_text(chip)}")
    axes.add_patch(Rectangle((0, 0), width, height, facecolor="#F7F7F7", edgecolor=style.FAINT, linewidth=1))
    _draw_cores(axes, chip)
    handles = [Patch(facecolor=style.PALE, edgecolor=style.FAINT, label="core"), *_draw_ports(axes, chip)]
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def _draw_cores(axes: Axes, chip: Chip) -> None:
    """A rectangle for each core, or for each block of them; dashed where a site holds none."""
    (columns, rows), (dx, dy), (left, bottom) = chip.core.grid, chip.core.pitch, chip.core.origin
    block = 1
    while -(-columns // block) * -(-rows // block) > MOST_DRAWN:
        block += 1
    full: list[Rectangle] = []
    empty: list[Rectangle] = []
    for y in range(0, rows, block):
        for x in range(0, columns, block):
            size = (min(block, columns - x) * dx, min(block, rows - y) * dy)
            corner = (left + x * dx + (1 - SHARE) / 2 * size[0], bottom + y * dy + (1 - SHARE) / 2 * size[1])
            shape = Rectangle(corner, SHARE * size[0], SHARE * size[1])
            (full if y * columns + x < chip.core_count else empty).append(shape)
    thin = 0.6 if len(full) < 500 else 0.2
    axes.add_collection(PatchCollection(full, facecolor=style.PALE, edgecolor=style.FAINT, linewidth=thin, zorder=2))
    axes.add_collection(
        PatchCollection(empty, facecolor="none", edgecolor=style.GREY, linewidth=thin, linestyle="dashed", zorder=2)
    )


def _draw_ports(axes: Axes, chip: Chip) -> list[Line2D]:
    handles = []
    for role, (marker, colour) in MARKS.items():
        size = chip.capacity_bytes(role)
        if size:
            xs, ys = zip(*chip.port_positions(role), strict=True)
            label = f"{role}, {binary(size)}"
            handles += axes.plot(
                xs,
                ys,
                marker,
                color=colour,
                markeredgecolor="white",
                markersize=9,
                zorder=4,
                clip_on=False,
                label=label,
            )
    return handles
