"""The die as blocks, one a part, each as large as its area: together they are the die."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from memsim.report.figures import style

if TYPE_CHECKING:
    from memsim.hierarchy import Chip

COLOURS = {**style.PART_COLOURS, "l1": "#66C2A5", "network": style.PURPLE, "other": "#F2F2F2"}


class Block(NamedTuple):
    """A part's rectangle, mm."""

    part: str
    x: float
    y: float
    width: float
    height: float


def area_blocks(areas: dict[str, float], width: float) -> list[Block]:
    """A rectangle for each part, in strips across a die of a given width; their areas are those of the parts, mm2.

    Parts are laid in order, largest first; a strip takes another part as long as its blocks get squarer by it.
    """
    left = sorted(((area, part) for part, area in areas.items() if area > 0), reverse=True)
    blocks: list[Block] = []
    y = 0.0
    while left:
        count = 1
        while count < len(left) and _worst(left[: count + 1], width) <= _worst(left[:count], width):
            count += 1
        strip, left = left[:count], left[count:]
        height = sum(area for area, _ in strip) / width
        x = 0.0
        for area, part in strip:
            blocks.append(Block(part, x, y, area / height, height))
            x += area / height
        y += height
    return blocks


def _worst(strip: list[tuple[float, str]], width: float) -> float:
    """The longest side over the shortest, of the worst block of a strip."""
    height = sum(area for area, _ in strip) / width
    return max(max(area / height**2, height**2 / area) for area, _ in strip)


def draw_area_blocks(axes: Axes, chip: Chip) -> list[Rectangle]:
    """The die of a chip as blocks of its parts; returns them with labels that tell their areas."""
    areas = chip.area()
    width = (sum(areas.values()) * chip.width_mm / max(chip.height_mm, 1e-9)) ** 0.5
    blocks = area_blocks(areas, width)
    height = max(block.y + block.height for block in blocks)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xlabel="mm", ylabel="mm")
    drawn = []
    for block in blocks:
        rectangle = Rectangle(block[1:3], block.width, block.height, edgecolor="white", linewidth=1.5)
        rectangle.set_facecolor(COLOURS.get(block.part, style.PALE))
        rectangle.set_label(f"{block.part}: {areas[block.part]:.3g} mm²")
        axes.add_patch(rectangle)
        drawn.append(rectangle)
        if block.width > 0.022 * width * len(block.part) and block.height > 0.06 * height:
            middle = (block.x + block.width / 2, block.y + block.height / 2)
            style.halo(axes.text(*middle, block.part, ha="center", va="center"))
    return drawn


@style.styled
def draw_areas(chip: Chip) -> Figure:
    """A figure of `draw_area_blocks`, with the area of each part."""
    figure = style.new_figure(7.0, 5.2)
    axes = figure.subplots()
    blocks = draw_area_blocks(axes, chip)
    axes.set_title(f"{chip.name}: {chip.die_mm2:.4g} mm² by part")
    figure.legend(handles=blocks, loc="outside right upper", handlelength=1)
    return figure
