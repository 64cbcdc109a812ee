"""What the queues of one core did, and when they did nothing: one lane a queue, as in a Gantt chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from memsim.errors import MemsimError
from memsim.report.figures import style
from memsim.report.intervals import binned_share, gaps, pack
from memsim.report.units import PREFIXES, exponent_of, si

FAMILIES: dict[str, tuple[str, str]] = {
    "load": ("load", style.BLUE),
    "gather": ("load", style.BLUE),
    "store": ("store", style.SKY),
    "copy": ("copy, send", style.PURPLE),
    "send": ("copy, send", style.PURPLE),
    "mma": ("matrix", style.VERMILLION),
    "fill": ("fill, iota", style.YELLOW),
    "iota": ("fill, iota", style.YELLOW),
}
"""Family and colour of each instruction; whatever is not listed runs on the vector unit."""
VECTOR = ("vector", style.ORANGE)

READABLE_EVENTS = 30
"""Instructions of the busiest queue that still read well side by side."""
MAX_LABELS = 300
OVERVIEW_BINS = 400


def readable_window(trace: pd.DataFrame) -> tuple[float, float]:
    """From the first instruction to the `READABLE_EVENTS`-th of the busiest queue, s; all of a short run."""
    counts = trace.groupby("queue").size()
    start, end = float(trace["start_s"].min()), float(trace["end_s"].max())
    if int(counts.max()) <= 2 * READABLE_EVENTS:
        return start, end
    stop = _end_of(trace[trace["queue"] == counts.idxmax()], READABLE_EVENTS)
    others = [_end_of(events, 3) for _, events in trace.groupby("queue")]
    return start, max([stop, *(t for t in others if t - start < 2 * (stop - start))])


def _end_of(events: pd.DataFrame, number: int) -> float:
    """End of the ``number``-th instruction to end, or of the last one, s."""
    ends = np.sort(events["end_s"].to_numpy(float))
    return float(ends[min(number, len(ends)) - 1])


@style.styled
def draw_timeline(
    trace: pd.DataFrame, core: int = 0, window: tuple[float, float] | None = None, title: str = "timeline"
) -> Figure:
    """Gantt chart of one core: a lane a queue (cut where transfers overlap), and above it the whole run.

    Parameters
    ----------
    trace
        Columns core, queue, op, detail, start_s, end_s.
    core
        The core to show.
    window
        (start, end) to show, s; by default the beginning, as far as it can be read.
    """
    events = trace[trace["core"] == core].sort_values(["start_s", "end_s"], kind="stable")
    if events.empty:
        cores = sorted(int(c) for c in trace["core"].unique())
        known = f"cores {cores[0]} to {cores[-1]} have one" if cores else "the trace is empty"
        raise MemsimError(f"core {core} has no events in the trace", where="timeline", mend=known)
    start, end = window or readable_window(events)
    shown = events[(events["end_s"] >= start) & (events["start_s"] <= end)]
    if end <= start or shown.empty:
        last = float(events["end_s"].max())
        raise MemsimError(
            f"no events between {si(start, 's')} and {si(end, 's')}",
            where=f"timeline of core {core}",
            mend=f"choose (start, end) in seconds within 0 and {last:.3g}",
        )
    queues = _in_order(events)
    lanes = {queue: pack(*_spans(shown, queue)) for queue in queues}
    return _compose(events, shown, queues, lanes, (start, end), f"{title}, core {core}")


def _in_order(events: pd.DataFrame) -> list[str]:
    """Queues in the order in which data meets them: those that load, then those that compute, then those that store."""
    ranks = {"load": 0, "copy, send": 1, "store": 3}
    order = events["op"].map(lambda op: ranks.get(family(str(op))[0], 2)).groupby(events["queue"], sort=False).median()
    return [str(queue) for queue in order.sort_values(kind="stable").index]


def _compose(
    events: pd.DataFrame, shown: pd.DataFrame, queues: list[str], lanes: dict[str, np.ndarray],
    window: tuple[float, float], title: str,
) -> Figure:  # fmt: skip
    heights = {queue: min(3.0, max(1.0, 0.5 * (1 + int(lanes[queue].max(initial=0))))) for queue in queues}
    tall = 1.3 + 0.5 * sum(heights.values())
    if window[0] <= float(events["start_s"].min()) and window[1] >= float(events["end_s"].max()):
        figure = style.new_figure(10, tall)
        axes = figure.subplots()
    else:
        figure = style.new_figure(10, tall + 0.6 + 0.16 * len(queues))
        overview, axes = figure.subplots(2, 1, height_ratios=[0.32 * len(queues), sum(heights.values())])
        _overview(overview, events, queues, window)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    exponent = exponent_of(window[1])
    scale = 10.0**-exponent
    top, centres = 0.0, []
    for queue in queues:
        _lane(axes, shown[shown["queue"] == queue], lanes[queue], top, heights[queue], scale, window)
        centres.append(top + heights[queue] / 2)
        top += heights[queue]
        axes.axhline(top, color=style.PALE, linewidth=0.8)
    axes.set_yticks(centres, queues)
    axes.set(ylim=(top, 0), xlim=(window[0] * scale, window[1] * scale), xlabel=f"time ({PREFIXES[exponent]}s)")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    _legend(axes, shown)
    style.settle(figure)
    _labels(axes, shown, queues, lanes, heights, scale)
    return figure


def _spans(events: pd.DataFrame, queue: str) -> tuple[np.ndarray, np.ndarray]:
    mine = events[events["queue"] == queue]
    return mine["start_s"].to_numpy(float), mine["end_s"].to_numpy(float)


def _lane(
    axes: Axes, events: pd.DataFrame, lanes: np.ndarray, top: float, height: float, scale: float,
    window: tuple[float, float],
) -> None:  # fmt: skip
    """Bars of one queue, coloured by family, and hatched where the queue waits between two of them."""
    starts, ends = events["start_s"].to_numpy(float), events["end_s"].to_numpy(float)
    idle = [(a * scale, (b - a) * scale) for a, b in gaps(starts, ends, window)]
    band = (top + 0.1, height - 0.2)
    axes.broken_barh(idle, band, facecolor="#FAFAFA", edgecolor=style.GREY, hatch="////", linewidth=0)
    thick = (height - 0.2) / (1 + lanes.max(initial=0))
    families = events["op"].map(family).to_numpy()
    for lane in range(1 + int(lanes.max(initial=0))):
        for name, colour in dict.fromkeys(families):
            mine = (lanes == lane) & np.array([f == (name, colour) for f in families], dtype=bool)
            spans = [(a * scale, (b - a) * scale) for a, b in zip(starts[mine], ends[mine], strict=True)]
            y = (top + 0.1 + lane * thick, thick * 0.94)
            axes.broken_barh(spans, y, facecolor=colour, edgecolor="white", linewidth=0.4)


def _overview(axes: Axes, events: pd.DataFrame, queues: list[str], window: tuple[float, float]) -> None:
    """How busy each queue was throughout the run, and which part of it is shown below."""
    run_end = float(events["end_s"].max())
    exponent = exponent_of(run_end)
    scale = 10.0**-exponent
    shares = np.array([binned_share(*_spans(events, q), run_end, OVERVIEW_BINS) for q in queues])
    axes.imshow(
        shares, aspect="auto", cmap="Greys", vmin=0, vmax=1.25, extent=(0, run_end * scale, len(queues) - 0.5, -0.5),
        interpolation="nearest",
    )  # fmt: skip
    axes.axvspan(
        window[0] * scale,
        window[1] * scale,
        fill=False,
        edgecolor=style.VERMILLION,
        linewidth=1.6,
        clip_on=False,
        zorder=5,
    )
    axes.set_yticks(range(len(queues)), queues, fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7.5)
    frame = si(window[1] - window[0], "s")
    words = f"this core until {si(run_end, 's')}: darker is busier; below: the {frame} in the frame"
    axes.set_title(words, fontsize=8.5, fontweight="normal")
    axes.set_xlabel(f"time ({PREFIXES[exponent]}s)", fontsize=7.5, labelpad=1)
    for side in axes.spines.values():
        side.set_visible(False)


def _legend(axes: Axes, shown: pd.DataFrame) -> None:
    used = list(dict.fromkeys(shown["op"].map(family)))
    handles = [Patch(facecolor=colour, label=name) for name, colour in used]
    handles.append(Patch(facecolor="white", edgecolor=style.GREY, hatch="////", label="waiting", linewidth=0))
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(handles),
        borderaxespad=0.2,
        handlelength=1.2,
        columnspacing=1.2,
    )


def _labels(
    axes: Axes, shown: pd.DataFrame, queues: Sequence[str], lanes: dict[str, np.ndarray], heights: dict[str, float],
    scale: float,
) -> None:  # fmt: skip
    """Name the bars that are wide enough for it: the detail of a transfer, the operation of the rest."""
    low, high = axes.get_xlim()
    top, drawn = 0.0, 0
    for queue in queues:
        mine = shown[shown["queue"] == queue]
        thick = (heights[queue] - 0.2) / (1 + int(lanes[queue].max(initial=0)))
        for event, lane in zip(mine.to_dict("records"), lanes[queue], strict=True):
            left, right = max(low, float(event["start_s"]) * scale), min(high, float(event["end_s"]) * scale)
            if drawn >= MAX_LABELS or (right - left) * 60 < high - low:
                continue
            y = top + 0.1 + (int(lane) + 0.47) * thick
            drawn += _label(axes, _words(event), left, right, y, family(str(event["op"]))[1])
        top += heights[queue]


def _label(axes: Axes, words: Sequence[str], left: float, right: float, y: float, colour: str) -> bool:
    text = axes.text(
        (left + right) / 2, y, "", ha="center", va="center", fontsize=7.5, color=style.ink_on(colour), in_layout=False
    )
    for candidate in words:
        text.set_text(candidate)
        if style.fits(text, left, right, axes, margin=2):
            return True
    text.remove()
    return False


def _words(event: Mapping[Any, Any]) -> list[str]:
    """Labels for one event, the most telling first; the first that fits is drawn."""
    op, detail = str(event["op"]), str(event["detail"] or "")
    words = [f"{op} {detail}", detail, op] if detail else [op]
    return [word for word in dict.fromkeys(words) if word]


def family(op: str) -> tuple[str, str]:
    """Family and colour of an instruction, by the first word of its name."""
    return FAMILIES.get(op.split(" ")[0].lower(), VECTOR)
