"""Power over arithmetic intensity, and rates of large products under limits of power: model beside measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from memsim.report.figures import style


class Intensity(NamedTuple):
    """Runs at one arithmetic intensity, watts."""

    flop_per_byte: float
    lowest_w: float
    mean_w: float
    highest_w: float
    model_w: float


class Rate(NamedTuple):
    """Large products on one board, TFLOP/s."""

    measured: tuple[float, float]
    """From a typical to the best one."""
    model: float
    free: float
    """The model's without a limit of power."""


@style.styled
def draw_power(board: str, runs: Sequence[Intensity], rates: Mapping[str, Rate]) -> Figure:
    """Both side by side.

    Parameters
    ----------
    board
        What the runs over intensity are of.
    runs
        By intensity, in any order.
    rates
        By board, from top to bottom.
    """
    figure = style.new_figure(9.6, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1))
    _intensities(left, board, sorted(runs))
    _rates(right, rates)
    return figure


def _intensities(axes: Axes, board: str, runs: Sequence[Intensity]) -> None:
    x = [run.flop_per_byte for run in runs]
    below = [run.mean_w - run.lowest_w for run in runs]
    above = [run.highest_w - run.mean_w for run in runs]
    means = [run.mean_w for run in runs]
    axes.errorbar(
        x, means, yerr=(below, above), fmt="o", color=style.FAINT, markersize=3.5, linewidth=1, label="eight boards"
    )
    axes.plot(x, [run.model_w for run in runs], color=style.VERMILLION, linewidth=1.8, label="memsim")
    axes.set(xscale="log", ylim=(0, None), xlabel="arithmetic intensity (FLOP/B)", ylabel="power (W)")
    _ticks(axes, (0.25, 1, 4, 16, 64))
    axes.set_title(f"{board}: power over intensity")
    axes.legend(loc="lower left")


def _rates(axes: Axes, rates: Mapping[str, Rate]) -> None:
    for y, rate in enumerate(rates.values()):
        low, high = rate.measured
        axes.plot(
            (low, high), (y, y), color=style.GREY, linewidth=7, solid_capstyle="butt", label="" if y else "measured"
        )
        axes.plot(rate.free, y, "o", color=style.ORANGE, markerfacecolor="white", label="" if y else "without a limit")
        axes.plot(rate.model, y, "o", color=style.VERMILLION, label="" if y else "memsim")
    axes.set(xscale="log", xlabel="large products (TFLOP/s)", yticks=range(len(rates)), yticklabels=list(rates))
    axes.set(ylim=(len(rates) - 0.4, -0.6))
    _ticks(axes, (50, 100, 200, 400, 800, 1600))
    axes.set_title("Under each board's limit of power")
    axes.grid(axis="x")
    axes.legend(loc="upper right")


def _ticks(axes: Axes, values: Sequence[float]) -> None:
    """Plain numbers at those of ``values`` that a logarithmic axis shows."""
    low, high = axes.get_xlim()
    shown = [value for value in values if low <= value <= high]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.minorticks_off()
