"""The chip seen from above, to scale: how busy each core is, and how many bytes passed each link."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import Bbox

from memsim.report.figures import style
from memsim.report.units import PREFIXES, exponent_of, si

GAUGE_COLOURS = {"matrix": style.VERMILLION, "vector": style.ORANGE, "sram": style.GREEN}
MEMORY_COLOURS = {"dram": style.BLUE, "cache": style.SKY, "shared": style.SKY, "router": style.FAINT}

CORE_SHARE = 0.62
"""Part of its pitch that a core is drawn as; the rest shows the links between."""
PORT_PIXELS = 24
"""Side of a port's mark."""
ROOM_FOR_NUMBERS = 26
"""Pixels that a gauge needs for its percentage to be printed."""


@style.styled
def draw_floorplan(
    cores: pd.DataFrame,
    nodes: pd.DataFrame,
    links: pd.DataFrame,
    pitch_mm: tuple[float, float],
    title: str = "floorplan",
) -> Figure:
    """Cores with gauges of their units' utilisation, memories at their ports, links by the bytes they carried.

    Parameters
    ----------
    cores
        Columns core, x_mm, y_mm (centre), and one column of utilisation (0 to 1) a unit: matrix, vector, sram.
    nodes
        The other network nodes: name, x_mm, y_mm, kind (dram, cache, shared, router).
    links
        Columns src, dst, bytes, x0, y0, x1, y1 (mm).
    pitch_mm
        Distance from core to core, (x, y), mm.
    """
    size = (CORE_SHARE * pitch_mm[0], CORE_SHARE * pitch_mm[1])
    limits = _limits(cores, nodes, size)
    figure = style.new_figure(*_page(limits))
    axes = figure.subplots()
    axes.set_title(title)
    axes.set(xlim=limits[:2], ylim=limits[2:], aspect="equal", xlabel="x (mm)", ylabel="y (mm)")
    gauges = [name for name in GAUGE_COLOURS if name in cores and (cores[name] > 0).any()]
    _draw_links(figure, axes, links, min(pitch_mm))
    _draw_cores(axes, cores, size, gauges)
    _draw_nodes(axes, nodes)
    _legend(figure, nodes, gauges)
    style.settle(figure)
    _write(axes, cores, nodes, size, gauges)
    return figure


def _limits(cores: pd.DataFrame, nodes: pd.DataFrame, size: tuple[float, float]) -> tuple[float, float, float, float]:
    """The box around all cores and ports, with a margin for their names."""
    half = np.array(size) / 2
    places = cores[["x_mm", "y_mm"]].to_numpy(float)
    ports = nodes[["x_mm", "y_mm"]].to_numpy(float)
    corners = np.concatenate([places - half, places + half, ports])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = 0.07 * float((high - low).max())
    return float(low[0] - margin), float(high[0] + margin), float(low[1] - margin), float(high[1] + margin)


def _page(limits: tuple[float, float, float, float]) -> tuple[float, float]:
    """Inches: as wide as needed for 6.4 inches of height, within 6 to 11."""
    aspect = (limits[1] - limits[0]) / (limits[3] - limits[2])
    width = min(11.0, max(6.0, 5.3 * aspect + 1.9))
    return width, min(7.2, max(3.6, (width - 1.9) / aspect + 1.3))


def traffic_colours() -> Colormap:
    """Light to dark, even in lightness for every kind of colour vision: the dark part of viridis, reversed."""
    import matplotlib as mpl

    return ListedColormap(mpl.colormaps["viridis_r"](np.linspace(0.12, 1, 256)), name="traffic")


def _draw_links(figure: Figure, axes: Axes, links: pd.DataFrame, pitch: float) -> None:
    """Two lines a link, one a direction, each on the right of its way; wider and darker with more bytes."""
    lengths = np.hypot(links["x1"] - links["x0"], links["y1"] - links["y0"])
    drawn = links[lengths > 1e-9 * pitch].sort_values("bytes", kind="stable")
    most = float(drawn["bytes"].max()) if len(drawn) else 0.0
    exponent = exponent_of(most)
    scale = Normalize(0, most * 10.0**-exponent or 1.0)
    colours = traffic_colours()
    quiet, busy = drawn[drawn["bytes"] == 0], drawn[drawn["bytes"] > 0]
    shift = min(0.055 * pitch, 0.01 * float(np.ptp(axes.get_xlim())))
    axes.add_collection(LineCollection(list(_segments(quiet, shift)), colors=style.PALE, linewidths=0.8, zorder=1))
    amounts = busy["bytes"].to_numpy(float)
    widths = 0.6 + 5 * np.sqrt(amounts / most) if most else amounts
    shades = colours(scale(amounts * 10.0**-exponent))
    axes.add_collection(LineCollection(list(_segments(busy, shift)), colors=shades, linewidths=widths, zorder=2))
    if most:
        bar = figure.colorbar(ScalarMappable(scale, colours), ax=axes, shrink=0.75, pad=0.02)
        bar.set_label(f"traffic of a link, each direction ({PREFIXES[exponent]}B)")
        bar.outline.set_visible(False)


def _segments(links: pd.DataFrame, shift: float) -> np.ndarray:
    start, end = links[["x0", "y0"]].to_numpy(float), links[["x1", "y1"]].to_numpy(float)
    way = end - start
    length = np.hypot(way[:, 0], way[:, 1])[:, None]
    side = shift * np.column_stack([way[:, 1], -way[:, 0]]) / np.where(length > 0, length, 1)
    return np.stack([start + side, end + side], axis=1)


def _draw_cores(axes: Axes, cores: pd.DataFrame, size: tuple[float, float], gauges: list[str]) -> None:
    """A square a core, and inside it one upright gauge a unit, filled as far as the unit was busy."""
    corners = [(x - size[0] / 2, y - size[1] / 2) for x, y in zip(cores["x_mm"], cores["y_mm"], strict=True)]
    outline = [Rectangle(corner, *size) for corner in corners]
    axes.add_collection(PatchCollection(outline, facecolor="white", edgecolor=style.FAINT, linewidth=0.8, zorder=3))
    for k, gauge in enumerate(gauges):
        width, height = size[0] * 0.8 / len(gauges), size[1] * 0.54
        for share, colour, layer in ((None, style.PALE, 4), (cores[gauge], GAUGE_COLOURS[gauge], 5)):
            filled = np.ones(len(cores)) if share is None else np.clip(share, 0, 1)
            bars = [
                Rectangle((x + size[0] * 0.1 + k * width, y + size[1] * 0.22), width * 0.86, height * part)
                for (x, y), part in zip(corners, filled, strict=True)
            ]
            axes.add_collection(PatchCollection(bars, facecolor=colour, edgecolor="none", zorder=layer))


def _draw_nodes(axes: Axes, nodes: pd.DataFrame) -> None:
    for kind, group in nodes.groupby("kind", sort=False):
        router = kind == "router"
        axes.plot(
            group["x_mm"], group["y_mm"], "o" if router else "s", markersize=3 if router else 11, linestyle="none",
            color=MEMORY_COLOURS[str(kind)], markeredgecolor="white", zorder=2.5 if router else 6,
        )  # fmt: skip


def _legend(figure: Figure, nodes: pd.DataFrame, gauges: list[str]) -> None:
    handles = [Patch(facecolor=GAUGE_COLOURS[g], label=f"{g} busy") for g in gauges]
    kinds = [k for k in ("cache", "shared", "dram") if (nodes["kind"] == k).any()]
    handles += [Patch(facecolor=MEMORY_COLOURS[k], label=f"{k} port") for k in kinds]
    if handles:
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=len(handles),
            handlelength=1,
            columnspacing=1.2,
            handletextpad=0.5,
        )


def _write(axes: Axes, cores: pd.DataFrame, nodes: pd.DataFrame, size: tuple[float, float], gauges: list[str]) -> None:
    """Percentages in the gauges and core numbers, where they fit; names of the memory ports, where there is room."""
    taken: list[Bbox] = []
    width = abs(np.diff(axes.transData.transform([(0, 0), (size[0], 0)])[:, 0])[0])
    if width >= ROOM_FOR_NUMBERS * max(1, len(gauges)):
        for core in cores.to_dict("records"):
            _write_core(axes, core, size, gauges, taken)
    inside = axes.get_window_extent()
    for x, y in zip(cores["x_mm"], cores["y_mm"], strict=True):
        corners = [(x - size[0] / 2, y - size[1] / 2), (x + size[0] / 2, y + size[1] / 2)]
        taken.append(Bbox(axes.transData.transform(corners)))
    ports = nodes[nodes["kind"] != "router"]
    for x, y in axes.transData.transform(ports[["x_mm", "y_mm"]].to_numpy(float)):
        taken.append(Bbox.from_bounds(x - PORT_PIXELS / 2, y - PORT_PIXELS / 2, PORT_PIXELS, PORT_PIXELS))
    middle = (float(cores["x_mm"].mean()), float(cores["y_mm"].mean()))
    for node in ports.itertuples():
        text = style.halo(axes.text(0, 0, str(node.name), fontsize=7.5, ha="center", va="center", zorder=8))
        text.set_in_layout(False)
        place = (float(str(node.x_mm)), float(str(node.y_mm)))
        style.place(text, _beside(axes, place, middle), taken, inside)


def _write_core(
    axes: Axes, core: Mapping[Any, Any], size: tuple[float, float], gauges: list[str], taken: list[Bbox]
) -> None:
    left, bottom = core["x_mm"] - size[0] / 2, core["y_mm"] - size[1] / 2
    width = size[0] * 0.8 / max(1, len(gauges))
    words = [(left + size[0] / 2, bottom + size[1] * 0.87, f"core {core['core']:.0f}")]
    for k, gauge in enumerate(gauges):
        middle = left + size[0] * 0.1 + (k + 0.43) * width
        words.append((middle, bottom + size[1] * 0.12, f"{100 * core[gauge]:.0f}%"))
    for x, y, word in words:
        text = axes.text(x, y, word, fontsize=6.5, ha="center", va="center", zorder=7, in_layout=False)
        taken.append(style.extent(text))


def _beside(axes: Axes, place: tuple[float, float], middle: tuple[float, float]) -> list[tuple[float, float]]:
    """Positions around a port, data units: on the side away from the chip's middle first."""
    (px, py), (mx, my) = axes.transData.transform([place, middle])
    outward = math.atan2(py - my, px - mx)
    turns = sorted((math.radians(t) for t in range(0, 360, 45)), key=lambda t: -math.cos(t - outward))
    ways = [(reach, turn) for reach in (1.0, 1.4, 2.0) for turn in turns]
    spots = [(px + reach * 38 * math.cos(turn), py + reach * 24 * math.sin(turn)) for reach, turn in ways]
    return [(float(x), float(y)) for x, y in axes.transData.inverted().transform(spots)]


def busiest_link(links: pd.DataFrame) -> str:
    """The link that carried most, in words."""
    if links.empty or not links["bytes"].max():
        return "no traffic"
    row = links.nlargest(1, "bytes").iloc[0]
    return f"{row['src']} to {row['dst']}: {si(float(row['bytes']), 'B')}"
