"""Where the time of serving a language model goes, and time per output token over the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from memsim.report.figures.style import CYCLE, PALE, new_figure, save, styled

_SMALLEST = 0.02
"""Of a step's time: what takes less is drawn as the rest."""


@styled
def draw_steps(title: str, steps: Mapping[str, Sequence[tuple[str, float]]]) -> Figure:
    """A bar for each step, cut by kernel.

    Parameters
    ----------
    title
        What was simulated.
    steps
        Name of each step, and the seconds of its kernels by their names.
    """
    figure = new_figure(7.2, 1.7 * len(steps))
    for place, (name, kernels) in enumerate(steps.items()):
        axes = figure.add_subplot(len(steps), 1, place + 1)
        left = 0.0
        for number, (kernel, time_ms) in enumerate(_pieces(kernels)):
            colour = PALE if kernel == "rest" else CYCLE[number % len(CYCLE)]
            axes.barh(0, time_ms, left=left, color=colour, edgecolor="white", linewidth=0.6, label=kernel)
            left += time_ms
        axes.set(yticks=[], xlim=(0, left), xlabel="ms")
        axes.set_title(f"{title}\n{name}, {left:.2f} ms" if place == 0 else f"{name}, {left:.2f} ms", fontsize=9)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
    return figure


def _pieces(kernels: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Kernels in ms, the longest first, then the rest."""
    total = sum(time for _, time in kernels)
    by_name: dict[str, float] = {}
    for name, time in kernels:
        by_name[name] = by_name.get(name, 0.0) + time
    ordered = sorted(by_name.items(), key=lambda item: -item[1])
    pieces = [(name, time * 1e3) for name, time in ordered if time >= _SMALLEST * total]
    rest = total * 1e3 - sum(time for _, time in pieces)
    return [*pieces, ("rest", rest)] if rest > 0 else pieces


def plot_time_per_token(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    path: str | Path,
    *,
    title: str,
    measured: Mapping[str, Sequence[tuple[int, float]]] | None = None,
) -> Path:
    """Draw time per output token over the batch.

    Parameters
    ----------
    curves
        Points (batch, seconds) of each line, by its name.
    path
        File to write.
    title
        What was simulated.
    measured
        Points of the same lines that were measured.
    """
    return save(_draw_curves(curves, measured or {}, title), path)


@styled
def _draw_curves(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    measured: Mapping[str, Sequence[tuple[int, float]]],
    title: str,
) -> Figure:
    figure = new_figure(6.6, 3.9)
    axes = figure.add_subplot()
    for colour, (name, points) in zip(CYCLE, curves.items(), strict=False):
        batches, times = zip(*points, strict=True)
        axes.plot(batches, [time * 1e3 for time in times], color=colour, marker="o", markersize=3, label=name)
        if name in measured:
            batches, times = zip(*measured[name], strict=True)
            axes.plot(batches, [time * 1e3 for time in times], "x", color=colour, label=f"{name}, measured")
    axes.set_xscale("log", base=2)
    batches_shown = sorted({batch for points in curves.values() for batch, _ in points})
    axes.set_xticks(batches_shown, [str(batch) for batch in batches_shown], minor=False)
    axes.set(xlabel="sequences", ylabel="time per output token (ms)", ylim=(0, None), title=title)
    axes.grid(axis="y")
    axes.legend()
    return figure
