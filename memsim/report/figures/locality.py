"""The locality of a program, or of a few side by side: misses, live set, reuse distances, distances of reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    MultipleLocator,
    NullLocator,
    PercentFormatter,
)

from memsim.errors import MemsimError
from memsim.locality.diagnosis import Diagnosis
from memsim.report.figures import style

MOST_PROGRAMS = 4
"""Programs that one page compares."""

_PLACES = {True: "distance of the place", False: "distance in an LRU stack: root of the depth in bytes"}

_WIDE = 72
"""Letters of a label that takes half the page."""

_CLEAR = 7
"""Points from an axis to its labels that keep the first of them clear of the zero of the other axis."""

_POWERS = ("", "Ki", "Mi", "Gi", "Ti")


@style.styled
def draw_diagnosis(diagnoses: Sequence[Diagnosis], capacities: Mapping[str, int] | None = None) -> Figure:
    """Four panels for up to `MOST_PROGRAMS` programs; grey lines mark ``capacities``, by name.

    Raises
    ------
    MemsimError
        If there are none or too many, or their items are not counted in the same unit.
    """
    _check(diagnoses)
    figure = style.new_figure(10, 7.2)
    panels = figure.subplots(2, 2)
    _misses(panels[0, 0], diagnoses, capacities or {})
    _live(panels[0, 1], diagnoses)
    _reuse(panels[1, 0], diagnoses)
    _distances(panels[1, 1], diagnoses)
    keys = [Line2D([], [], color=c, lw=2.2) for c, _ in zip(style.CYCLE, diagnoses, strict=False)]
    labels = [_label(d) for d in diagnoses]
    columns = 2 if len(labels) > 1 and max(map(len, labels)) <= _WIDE else 1
    figure.legend(keys, labels, loc="outside upper left", ncols=columns)
    return figure


def _check(diagnoses: Sequence[Diagnosis]) -> None:
    if not 1 <= len(diagnoses) <= MOST_PROGRAMS:
        raise MemsimError(
            f"{len(diagnoses)} programs for one page", where="figure", mend=f"draw 1 to {MOST_PROGRAMS} at a time"
        )
    kinds = list(dict.fromkeys(d.unit for d in diagnoses))
    if len(kinds) > 1:
        raise MemsimError(
            f"one program counts {kinds[0]}s and another {kinds[1]}s", where="figure", mend="draw them apart"
        )


def _label(d: Diagnosis) -> str:
    return f"{d.name}: {d.accesses:,} accesses, {d.items:,} items ({d.noun}), cost {d.cost:,}"


def _misses(axes: Axes, diagnoses: Sequence[Diagnosis], capacities: Mapping[str, int]) -> None:
    """What misses over the capacity, from the first capacity at which something hits."""
    for colour, d in zip(style.CYCLE, diagnoses, strict=False):
        right = max(2 * d.footprint, 2)
        x = np.concatenate([[0.5], d.misses["capacity"][1:], [right]])
        y = np.concatenate([d.misses["missed"], d.misses["missed"][-1:]]) / max(1, d.volume)
        axes.step(x, y, where="post", color=colour, lw=1.6)
    most = max(2 * d.footprint for d in diagnoses)
    first = [int(d.misses["capacity"][1]) for d in diagnoses if len(d.misses["capacity"]) > 1]
    least = min(first, default=most // 8)
    axes.set_xlim(max(0.75, least / 2), max(most, 2 * least, *capacities.values()))
    _binary(axes, diagnoses[0].unit)
    for name, capacity in capacities.items():
        axes.axvline(capacity, color=style.GREY, lw=1, zorder=0)
        label = axes.annotate(name, (capacity, 1.0), xytext=(-3, 0), textcoords="offset points", ha="right", va="top",
                              rotation=90, fontsize=8, color=style.FAINT)  # fmt: skip
        style.halo(label)
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"capacity of a fully associative LRU cache in {diagnoses[0].unit}s")
    axes.set_ylabel("share that misses")
    axes.set_title("Miss-ratio curve")


def _live(axes: Axes, diagnoses: Sequence[Diagnosis]) -> None:
    """The live set over time; time in percent where there are several programs."""
    together = len(diagnoses) > 1
    for colour, d in zip(style.CYCLE, diagnoses, strict=False):
        time = np.append(d.live["time"], d.accesses) * (100 / d.accesses if together else 1)
        axes.step(time, np.append(d.live["live"], d.live["live"][-1]), where="post", color=colour, lw=1.4)
    top = max(d.peak_live for d in diagnoses)
    axes.set_ylim(0, 1.12 * top)
    axes.set_xlim(0, 100 if together else diagnoses[0].accesses)
    _plain(axes)
    axes.tick_params(axis="x", pad=_CLEAR)
    axes.yaxis.set_major_locator(MultipleLocator(_step(top)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value)))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}{' %' if together else ''}"))
    axes.set_xlabel("time: share of the accesses" if together else "time in accesses")
    axes.set_ylabel(f"{diagnoses[0].unit}s alive")
    axes.set_title("Live set, at most " + ", ".join(_amount(d.peak_live) for d in diagnoses))


def _reuse(axes: Axes, diagnoses: Sequence[Diagnosis]) -> None:
    """What is accessed by reuse distance; first uses stand apart, at the right."""
    bins = max(len(d.reuse["accesses"]) for d in diagnoses)
    least = min(int(np.argmax(d.reuse["accesses"] > 0)) for d in diagnoses)
    width = 0.84 / len(diagnoses)
    for i, (colour, d) in enumerate(zip(style.CYCLE, diagnoses, strict=False)):
        counts = np.zeros(bins + 2)
        counts[: len(d.reuse["volume"])] = d.reuse["volume"]
        counts[-1] = d.footprint
        places = np.arange(least, bins + 2) + (i - (len(diagnoses) - 1) / 2) * width
        axes.bar(places, counts[least:] / d.volume, width, color=colour)
    shown = list(range(least, bins, -(-(bins - least) // 9)))
    axes.xaxis.set_major_locator(FixedLocator([*shown, bins + 1]))
    axes.set_xticklabels([*(_amount(2**b >> 1) for b in shown), "first\nuse"])
    _plain(axes)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"{diagnoses[0].unit}s of other items since the last use, from this up to twice as many")
    axes.set_ylabel("share of what is accessed")
    axes.set_title("Reuse distances")


def _distances(axes: Axes, diagnoses: Sequence[Diagnosis]) -> None:
    """Reads, and what they cost, up to each distance."""
    far = 1.0
    for colour, d in zip(style.CYCLE, diagnoses, strict=False):
        x = np.asarray(d.distances["distance"], float)
        if not len(x):
            continue
        far = max(far, float(x[-1]))
        for name, dashes in (("read", "-"), ("cost", (0, (3, 1.5)))):
            amounts = np.asarray(d.distances[name], float)
            share = np.cumsum(amounts) / amounts.sum()
            axes.step(np.append(x, 2 * x[-1]), np.append(share, 1), where="post", color=colour, lw=1.5, ls=dashes)
    axes.set_xlim(0.9, max(2.0, 1.3 * far))
    _binary(axes, "")
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    keys = [Line2D([], [], color=style.INK, lw=1.5, ls=dashes) for dashes in ("-", (0, (3, 1.5)))]
    axes.legend(keys, ["of what is read", "of what it costs"], loc="upper left")
    axes.set_xlabel(_PLACES[diagnoses[0].placed])
    axes.set_ylabel("share at this distance or nearer")
    axes.set_title("Distances of reads")


def _step(top: int) -> int:
    """Between ticks up to ``top``: a power of two from 1024 on, else a round number."""
    round_ones = (1, 2, 5, 10, 20, 50, 100, 200)
    steps = round_ones if top < 1024 else tuple(1 << power for power in range(8, 62))
    return next(step for step in steps if step * 6 >= top)


def _plain(axes: Axes) -> None:
    axes.grid(axis="y")
    axes.tick_params(length=0)


def _binary(axes: Axes, unit: str) -> None:
    """A logarithmic axis in powers of two."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value)))
    axes.grid(axis="both")
    axes.tick_params(length=0)
    axes.tick_params(axis="x", pad=_CLEAR)


def _amount(value: float) -> str:
    """A number in powers of 1024."""
    power = 0
    while value >= 1024 and power < len(_POWERS) - 1:
        value, power = value / 1024, power + 1
    return f"{value:.4g}" + (f" {_POWERS[power]}" if power else "")
