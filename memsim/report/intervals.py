"""Arithmetic on spans of time: lanes in which nothing overlaps, gaps, busy shares and rates a bin."""

from __future__ import annotations

import heapq
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def pack(starts: Array, ends: Array) -> Array:
    """Lane of each span such that spans of one lane never overlap, with as few lanes as possible.

    Spans come in order of their starts. A span that starts where another ends may share its lane. Greedy
    first-free assignment is optimal for intervals (Cormen et al., Introduction to Algorithms, 16.1).
    """
    lanes = np.zeros(len(starts), dtype=np.int64)
    free: list[int] = []
    running: list[tuple[Any, int]] = []
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        while running and running[0][0] <= start:
            heapq.heappush(free, heapq.heappop(running)[1])
        lane = heapq.heappop(free) if free else len(running)
        lanes[i] = lane
        heapq.heappush(running, (end, lane))
    return lanes


def gaps(starts: Array, ends: Array, window: tuple[float, float]) -> list[tuple[float, float]]:
    """Parts of ``window`` that no span covers, between the first and the last span of it; starts are in order."""
    if len(starts) == 0:
        return []
    reached = np.maximum.accumulate(ends)[:-1]
    following = starts[1:]
    open_ = following > reached
    clipped = [
        (max(window[0], float(a)), min(window[1], float(b)))
        for a, b in zip(reached[open_], following[open_], strict=True)
    ]
    return [(a, b) for a, b in clipped if b > a]


def cumulative(starts: Array, ends: Array, amounts: Array, at: Array) -> Array:
    """Sum of ``amounts`` up to each time ``at``, each spread evenly over its span (all at once if it is empty)."""
    lasting = ends > starts
    first, last, rate = starts[lasting], ends[lasting], amounts[lasting] / (ends[lasting] - starts[lasting])
    total = _ramps(first, rate, at) - _ramps(last, rate, at)
    instant = np.argsort(starts[~lasting], kind="stable")
    steps = np.concatenate([[0.0], np.cumsum(amounts[~lasting][instant])])
    return np.asarray(total + steps[np.searchsorted(starts[~lasting][instant], at, side="right")])


def _ramps(begin: Array, rate: Array, at: Array) -> Array:
    """Sum over spans of rate x (time since begin), where that is positive."""
    order = np.argsort(begin, kind="stable")
    begin, rate = begin[order], rate[order]
    slope = np.concatenate([[0.0], np.cumsum(rate)])
    offset = np.concatenate([[0.0], np.cumsum(rate * begin)])
    passed = np.searchsorted(begin, at, side="right")
    return np.asarray(slope[passed] * at - offset[passed])


def binned(starts: Array, ends: Array, amounts: Array, end: float, bins: int) -> Array:
    """Amount that falls into each of ``bins`` equal bins of 0 .. ``end``; together they hold all of it."""
    edges = np.linspace(0.0, end, bins + 1)
    levels = cumulative(starts.astype(float), ends.astype(float), amounts.astype(float), edges)
    levels[0] = 0.0
    return np.diff(levels)


def binned_share(starts: Array, ends: Array, end: float, bins: int) -> Array:
    """Share of each bin of 0 .. ``end`` in which at least one span is open; spans in order of their starts."""
    if end <= 0 or len(starts) == 0:
        return np.zeros(bins)
    reached = np.concatenate([[-np.inf], np.maximum.accumulate(ends)[:-1]])
    fresh = np.maximum(starts, reached)
    keep = ends > fresh
    return binned(fresh[keep], ends[keep], ends[keep] - fresh[keep], end, bins) / (end / bins)
