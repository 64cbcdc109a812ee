"""A chip from above, to scale: its cores with their parts, the memories that they share, and what area each takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from memsim.hierarchy.area import OTHER, areas_mm2, die_mm2
from memsim.report.chip_sheet import clock_text, peak_text, three
from memsim.report.figures import style

if TYPE_CHECKING:
    from memsim.hierarchy import Chip

SHARE = 0.94
"""Part of its pitch that a core is drawn as; its area is that of the whole site."""
MOST_DRAWN = 2048
"""Cores that are drawn one by one; of more, blocks of them."""
IN_CORE = ("matrix", "vector", "reg", "sram", "l1")
"""Parts of a core, from the bottom of its rectangle up."""
COLOURS = {**style.PART_COLOURS, "l1": "#7FD0B8", "network": style.PURPLE, OTHER: "#F2F2F2"}
SHARED = {"cache": 1.0, "shared": 1.0, "dram": 4.0}
"""Memories with ports, and how much longer than deep the area at each port is drawn."""


@style.styled
def draw_chip(chip: Chip) -> Figure:
    """The die with its cores and the memories at their ports, each part in its colour and with its area."""
    width, height = chip.width_mm, chip.height_mm
    areas = areas_mm2(chip)
    wide = min(8.5, max(4.0, 5.6 * width / height))
    figure = style.new_figure(wide + 2.6, min(7.5, max(3.4, wide * height / width + 0.9)))
    axes = figure.subplots()
    margin = 0.03 * max(width, height)
    axes.set(xlim=(-margin, width + margin), ylim=(-margin, height + margin), aspect="equal")
    axes.set(xlabel="x (mm)", ylabel="y (mm)")
    cores = f"{chip.core_count} core{'s' if chip.core_count > 1 else ''}"
    axes.set_title(f"{chip.name}: {cores}, {clock_text(chip)}, {peak_text(chip)}")
    axes.add_patch(Rectangle((0, 0), width, height, facecolor="white", edgecolor=style.FAINT, linewidth=1.2))
    _draw_cores(axes, chip, areas)
    _draw_memories(axes, chip, areas)
    title = f"{die_mm2(chip):,.5g} mm²"
    figure.legend(handles=list(_legend(chip, areas)), title=title, alignment="left", loc="outside right center")
    style.settle(figure)
    return figure


def _draw_cores(axes: Axes, chip: Chip, areas: Mapping[str, float]) -> None:
    """A rectangle for each site, or for each block of them; in it a band for each part; dashed where there is none."""
    sites = list(_sites(chip))
    thin = 0.6 if len(sites) < 300 else 0.2
    full = [rectangle for rectangle, is_core in sites if is_core]
    empty = [rectangle for rectangle, is_core in sites if not is_core]
    gone = [Rectangle((x, y), w, h) for x, y, w, h in empty]
    axes.add_collection(
        PatchCollection(gone, facecolor="none", edgecolor=style.GREY, linestyle="dashed", linewidth=thin)
    )
    bottom = 0.0
    each = chip.core.pitch[0] * chip.core.pitch[1] * chip.core_count
    for part in (*IN_CORE, OTHER):
        share = max(0.0, 1 - bottom) if part == OTHER else min(1 - bottom, areas.get(part, 0.0) / each)
        bands = [Rectangle((x, y + bottom * h), w, share * h) for x, y, w, h in full]
        axes.add_collection(PatchCollection(bands, facecolor=COLOURS[part], edgecolor="none", zorder=2))
        bottom += share
    outlines = [Rectangle((x, y), w, h) for x, y, w, h in full]
    axes.add_collection(PatchCollection(outlines, facecolor="none", edgecolor=style.FAINT, linewidth=thin, zorder=2.5))


def _sites(chip: Chip) -> Iterator[tuple[tuple[float, float, float, float], bool]]:
    """(left, bottom, width, height) of each rectangle, and whether a core is there."""
    (columns, rows), (dx, dy), (left, bottom) = chip.core.grid, chip.core.pitch, chip.core.origin
    block = 1
    while -(-columns // block) * -(-rows // block) > MOST_DRAWN:
        block += 1
    gap = (1 - SHARE) / 2
    for y in range(0, rows, block):
        for x in range(0, columns, block):
            width, height = min(block, columns - x) * dx, min(block, rows - y) * dy
            corner = (left + x * dx + gap * width, bottom + y * dy + gap * height)
            yield (*corner, SHARE * width, SHARE * height), y * columns + x < chip.core_count


def _draw_memories(axes: Axes, chip: Chip, areas: Mapping[str, float]) -> None:
    """A rectangle of its area at each port: square inside the die, along the edge at the edge."""
    for role, aspect in SHARED.items():
        if not chip.capacity_bytes(role):
            continue
        ports = chip.port_positions(role)
        area = max(areas.get(role, 0.0), 1e-3 * die_mm2(chip)) / len(ports)
        for x, y in ports:
            upright = min(x, chip.width_mm - x) <= min(y, chip.height_mm - y)
            depth = (area / aspect) ** 0.5
            w, h = (depth, area / depth) if upright else (area / depth, depth)
            corner = (_inside(x, w, chip.width_mm), _inside(y, h, chip.height_mm))
            axes.add_patch(
                Rectangle(corner, w, h, facecolor=COLOURS[role], edgecolor="white", alpha=0.85, linewidth=0.8, zorder=4)
            )


def _inside(middle: float, size: float, limit: float) -> float:
    """Where a rectangle of that size begins, so that it lies on the die."""
    return max(0.0, min(limit - size, middle - size / 2))


def _legend(chip: Chip, areas: Mapping[str, float]) -> Iterator[Patch]:
    names = {"dram": "DRAM interface", OTHER: "all else", "l1": "L1 beyond the sram"}
    for part in (*IN_CORE, *SHARED, "network", OTHER):
        if areas.get(part, 0.0) > 0:
            colour, edge = ("none", "none") if part == "network" else (COLOURS[part], style.FAINT)
            label = f"{names.get(part, part)}  {three(areas[part])} mm²"
            yield Patch(facecolor=colour, edgecolor=edge, linewidth=0.4, label=label)
    if chip.core_count < chip.core.sites:
        yield Patch(facecolor="none", edgecolor=style.GREY, linestyle="dashed", label="site without a core")
