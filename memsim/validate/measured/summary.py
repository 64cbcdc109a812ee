"""Errors of predictions, by operator and GPU. All in percent of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from memsim.validate.measured.row import Row
from memsim.validate.prediction import Prediction

ALL = "all"
"""Operator or GPU of the lines over several."""
QUANTITIES = ("time", "power", "energy")


@dataclass(frozen=True, slots=True)
class Compared:
    """A row and its prediction."""

    row: Row
    prediction: Prediction

    def pair(self, quantity: str) -> tuple[float, float] | None:
        """Predicted and measured, in ms, W or J; None where the row does not have the quantity.

        Parameters
        ----------
        quantity
            One of `QUANTITIES`.
        """
        predicted, measured = {
            "time": (1e3 * self.prediction.time_s, self.row.lat_ms),
            "power": (self.prediction.power_w, self.row.power_w),
            "energy": (self.prediction.energy_j, self.row.energy_j),
        }[quantity]
        return None if measured is None else (predicted, measured)

    def error(self, quantity: str = "time") -> float:
        """Predicted over measured, less 1, in percent: negative where the prediction is too small."""
        pair = self.pair(quantity)
        assert pair is not None
        return 100 * (pair[0] / pair[1] - 1)

    @property
    def factor(self) -> float:
        """Of the two times, the larger over the smaller."""
        ratio = 1 + self.error() / 100
        return max(ratio, 1 / ratio)

    @property
    def outside(self) -> float | None:
        """Distance of the time from the span of sources, in percent of its nearer end; 0 inside; None without one."""
        if self.row.lat_lo is None or self.row.lat_hi is None:
            return None
        time_ms = 1e3 * self.prediction.time_s
        nearest = min(max(time_ms, self.row.lat_lo), self.row.lat_hi)
        return 100 * abs(time_ms - nearest) / nearest


@dataclass(frozen=True, slots=True)
class Summary:
    """Errors of several rows, in percent unless said otherwise."""

    op: str
    gpu: str
    n: int
    """Rows."""
    mape: float
    """Mean absolute percentage error."""
    median_ape: float
    bias: float
    """Mean of signed errors."""
    inside: float | None
    """Rows within the span of their sources, of those with several."""
    outside: float | None
    """Mean distance from that span."""
    noise_floor: float | None
    """Mean of half the span of sources over their median, of rows with several."""
    worst_factor: float
    """No percentage: the largest ratio of predicted and measured, or its inverse."""


def summarise(compared: Sequence[Compared], op: str, gpu: str, quantity: str = "time") -> Summary:
    """Errors of some rows.

    Parameters
    ----------
    compared
        At least one, each with the quantity.
    op, gpu
        What they have in common, or `ALL`.
    quantity
        One of `QUANTITIES`.
    """
    errors = [c.error(quantity) for c in compared]
    ratios = [1 + error / 100 for error in errors]
    timed = compared if quantity == "time" else ()
    outside = [c.outside for c in timed if c.outside is not None]
    spanned = [c.outside for c in timed if _half_span(c.row) is not None]
    halves = [half for c in timed if (half := _half_span(c.row)) is not None]
    return Summary(
        op=op,
        gpu=gpu,
        n=len(errors),
        mape=statistics.fmean(map(abs, errors)),
        median_ape=statistics.median(map(abs, errors)),
        bias=statistics.fmean(errors),
        inside=100 * sum(distance == 0 for distance in spanned) / len(spanned) if spanned else None,
        outside=statistics.fmean(outside) if outside else None,
        noise_floor=statistics.fmean(halves) if halves else None,
        worst_factor=max(max(ratio, 1 / ratio) for ratio in ratios),
    )


def _half_span(row: Row) -> float | None:
    if row.sources < 2 or row.lat_lo is None or row.lat_hi is None or row.lat_ms is None:
        return None
    return 100 * (row.lat_hi - row.lat_lo) / 2 / row.lat_ms


Key: TypeAlias = Callable[[Compared], tuple[str, str]]


def by_op_and_gpu(compared: Iterable[Compared], quantity: str = "time") -> tuple[Summary, ...]:
    """A summary for each operator on each GPU, as the file names them, in the order of the file.

    Parameters
    ----------
    compared
        Rows; those without the quantity are left out.
    quantity
        One of `QUANTITIES`.
    """
    return _grouped(compared, quantity, lambda c: (c.row.op, c.row.gpu))


def by_op(compared: Iterable[Compared], quantity: str = "time") -> tuple[Summary, ...]:
    """A summary for each operator over all GPUs: see `by_op_and_gpu`."""
    return _grouped(compared, quantity, lambda c: (c.row.op, ALL))


def by_gpu(compared: Iterable[Compared], quantity: str = "time") -> tuple[Summary, ...]:
    """A summary for each GPU over all operators: see `by_op_and_gpu`."""
    return _grouped(compared, quantity, lambda c: (ALL, c.row.gpu))


def total(compared: Iterable[Compared], quantity: str = "time") -> Summary | None:
    """A summary of all rows; None if none has the quantity."""
    return next(iter(_grouped(compared, quantity, lambda c: (ALL, ALL))), None)


def _grouped(compared: Iterable[Compared], quantity: str, key: Key) -> tuple[Summary, ...]:
    groups: dict[tuple[str, str], list[Compared]] = {}
    for c in compared:
        if c.pair(quantity) is not None:
            groups.setdefault(key(c), []).append(c)
    return tuple(summarise(found, *names, quantity) for names, found in groups.items())


def worst(compared: Iterable[Compared], most: int = 20) -> tuple[Compared, ...]:
    """The rows whose times are off by the largest factors, the worst first.

    Parameters
    ----------
    compared
        Rows.
    most
        How many.
    """
    timed = [c for c in compared if c.pair("time") is not None]
    return tuple(sorted(timed, key=lambda c: (-c.factor, c.row.line))[:most])
