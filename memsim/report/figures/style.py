"""One look for every figure: size, type, colours that colour-blind readers can tell apart, and label placing.

Colours are those of Okabe and Ito, "Color Universal Design" (2008), https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, cast

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from memsim.errors import MemsimError

ORANGE, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, PALE, INK, FAINT = "#999999", "#E6E6E6", "#222222", "#666666"

CYCLE = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW, FAINT)
DPI = 150

PART_COLOURS: Mapping[str, str] = {
    "dram": BLUE,
    "cache": SKY,
    "shared": SKY,
    "wires": PURPLE,
    "routers": "#8F4F77",
    "links": "#5D3A6E",
    "sram": GREEN,
    "reg": YELLOW,
    "matrix": VERMILLION,
    "vector": ORANGE,
    "dma": FAINT,
    "static": "#CCCCCC",
}
"""A part has the same colour in every figure: memories are cool, arithmetic is warm."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so figures are alike everywhere
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 9,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with `STYLE`, whatever the user's own settings are, and leave those as they were."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` by ``height`` inches that is not tied to any window."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: str | Path) -> Path:
    """Write ``figure`` as the suffix of ``path`` says: .png, .pdf, .svg (.png where there is none).

    Raises
    ------
    MemsimError
        If the suffix is no image format, or the file cannot be written.
    """
    target = Path(path)
    target = target if target.suffix else target.with_suffix(".png")
    formats = figure.canvas.get_supported_filetypes()
    if target.suffix[1:].lower() not in formats:
        known = ", ".join(f".{name}" for name in sorted(formats))
        raise MemsimError(f"{target.suffix!r} is not an image format", where=str(path), mend=f"end the name in {known}")
    try:
        with mpl.rc_context(STYLE):
            figure.savefig(target, dpi=DPI)
    except OSError as error:
        raise MemsimError(
            f"cannot write the figure: {error.strerror}", where=str(target), mend="choose a folder that exists"
        ) from error
    return target


def colour_of(names: Iterable[str], fixed: Mapping[str, str] = PART_COLOURS) -> dict[str, str]:
    """A colour for each name: the fixed one where it has one, else the next of the cycle not yet taken."""
    listed = list(dict.fromkeys(names))
    colours = {name: fixed[name] for name in listed if name in fixed}
    free = [c for c in CYCLE if c not in colours.values()] or list(CYCLE)
    others = [name for name in listed if name not in colours]
    return colours | {name: free[i % len(free)] for i, name in enumerate(others)}


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on ``colour`` (relative luminance, ITU-R BT.709)."""
    red, green, blue = to_rgb(colour)
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5 else INK


def darker(colour: str, factor: float = 0.72) -> str:
    """The colour, dark enough for thin letters on white."""
    red, green, blue = to_rgb(colour)
    light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    factor = factor if light < 0.7 else 0.5
    return to_hex((red * factor, green * factor, blue * factor))


def halo(text: Text, width: float = 3) -> Text:
    """Give ``text`` a white outline, so that lines behind it do not cross its letters."""
    text.set_path_effects([withStroke(linewidth=width, foreground="white")])
    return text


def settle(figure: Figure) -> None:
    """Do the layout now, so that positions on the page are known while labels are placed, and freeze it."""
    for _ in range(2):  # a second pass settles axes of fixed aspect
        figure.draw_without_rendering()
    figure.set_layout_engine("none")


def extent(text: Text) -> Bbox:
    """The rectangle that ``text`` covers, in pixels."""
    return text.get_window_extent()


def fits(text: Text, left: float, right: float, axes: Axes, margin: float = 4) -> bool:
    """Whether ``text`` is narrower than the span ``left`` to ``right`` (data units of ``axes``), in pixels."""
    x0, x1 = axes.transData.transform([(left, 0), (right, 0)])[:, 0]
    return bool(extent(text).width + 2 * margin <= abs(x1 - x0))


def place(text: Text, candidates: Sequence[tuple[float, float]], taken: list[Bbox], inside: Bbox) -> bool:
    """Put ``text`` at the first candidate position where it lies ``inside`` and meets no ``taken`` rectangle.

    Its own rectangle is then taken as well. Where no candidate is free the text is removed: a missing label
    misleads less than an unreadable one. Returns whether it was placed.
    """
    to_pixels = text.get_transform().transform
    here, box = to_pixels(text.get_position()), extent(text)
    moved = to_pixels(np.asarray(candidates)) - here
    left, right, bottom, top = box.x0 + moved[:, 0], box.x1 + moved[:, 0], box.y0 + moved[:, 1], box.y1 + moved[:, 1]
    free = (left >= inside.x0) & (right <= inside.x1) & (bottom >= inside.y0) & (top <= inside.y1)
    for other in taken:
        free &= (left >= other.x1) | (right <= other.x0) | (bottom >= other.y1) | (top <= other.y0)
    if free.any():
        best = int(np.argmax(free))
        text.set_position(candidates[best])
        taken.append(Bbox.from_extents(left[best], bottom[best], right[best], top[best]))
        return True
    text.remove()
    return False


def all_texts(figure: Figure) -> list[Text]:
    """Every visible, non-empty text of the figure: titles, ticks, labels, legends."""
    found = cast("list[Text]", figure.findobj(Text))
    unseen = _labels_beyond(figure)
    return [text for text in found if text.get_visible() and text.get_text().strip() and text not in unseen]


def overlaps(figure: Figure, slack: float = 1) -> list[tuple[str, str]]:
    """Pairs of texts whose rectangles meet by more than ``slack`` pixels: empty in a figure that reads well."""
    figure.draw_without_rendering()
    boxes = [(text.get_text(), extent(text).padded(-slack)) for text in all_texts(figure)]
    return [
        (first, second)
        for i, (first, box) in enumerate(boxes)
        for second, other in boxes[i + 1 :]
        if box.overlaps(other)
    ]


def _labels_beyond(figure: Figure) -> set[Artist]:
    """Labels of ticks beyond the limits of their axis: they exist, but are not drawn."""
    beyond: set[Artist] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            margin = 1e-6 * (high - low)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low - margin <= tick.get_loc() <= high + margin:
                    beyond |= {tick.label1, tick.label2}
    return beyond
