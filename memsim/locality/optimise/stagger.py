"""Columns of a matrix product that come and go: chunks of k in turn, over and over, for those that are there.

Column ``j`` enters at step ``entries[j]`` and has met every chunk of k once when it leaves. Between two panels of
columns nothing would be held near the processor; where columns take turns, as many are held all the time, and each
load of A serves more of them.
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.products import SUM_FIRST
from memsim.locality.optimise.tiles import MOST_STEPS, _cost
from memsim.locality.shells import Array


def staggered(n: int, entries: Array, turns: int) -> Array:
    """Steps of ``n`` by ``n`` matrices whose columns enter at ``entries`` and meet ``turns`` chunks of k."""
    return np.asarray(_staggered(n, entries, turns))


def anneal_entries(
    n: int, turns: int, width: int, gap: int, trials: int, seed: int, hot: float, cold: float = 1.0
) -> tuple[Array, int]:
    """Search for good entries of columns, from panels of ``width`` columns.

    Parameters
    ----------
    n
        Rows of the matrices.
    turns
        Chunks of k, as even as can be.
    width
        Columns that enter together at first.
    gap
        Of copies; see `memsim.locality.optimise.tiles`.
    trials, seed, hot, cold
        As of `memsim.locality.optimise.tiles.anneal_steps`.

    Returns
    -------
    steps, cost
        The cheapest that were met, and their cost.
    """
    entries, cost = _anneal(n, turns, width, gap, trials, seed, hot, cold)
    return staggered(n, entries, turns), int(cost)


@compiled
def _staggered(n: int, entries: Array, turns: int) -> Array:
    steps, count = np.zeros((entries.max() + turns, 7), np.int64), 0
    for t in range(len(steps)):
        first, last = n, 0
        for j in range(n):
            if entries[j] <= t < entries[j] + turns:
                first, last = min(first, j), j + 1
        if last > 0:
            turn = t % turns
            steps[count, 1], steps[count, 2], steps[count, 3] = n, first, last
            steps[count, 4], steps[count, 5], steps[count, 6] = turn * n // turns, (turn + 1) * n // turns, SUM_FIRST
            count += 1
    return steps[:count].copy()


@compiled
def _anneal(
    n: int, turns: int, width: int, gap: int, trials: int, seed: int, hot: float, cold: float
) -> tuple[Array, int]:
    np.random.seed(seed)
    now = np.arange(n) // width * turns
    best, profile, tried = now.copy(), np.zeros((2, 96), np.int64), np.zeros((2, 96), np.int64)
    cost = least = _cost(n, _staggered(n, now, turns), gap, np.zeros((2, 1), np.int64), profile, 2**62)
    for t in range(trials):
        heat = hot * (cold / hot) ** (t / trials)
        trial = now.copy()
        first, last = np.random.randint(0, n), np.random.randint(0, n)
        kind = np.random.random()
        if kind < 0.5:
            last = first
        if kind < 0.8:
            trial[min(first, last) : max(first, last) + 1] += 2 * np.random.randint(0, 2) - 1
        else:
            trial[first] = trial[last]
        trial = np.sort(trial - trial.min())
        if trial[-1] + turns > MOST_STEPS:
            continue
        limit = cost - int(heat * np.log(1 - np.random.random()))
        found = _cost(n, _staggered(n, trial, turns), gap, profile, tried, limit)
        if found > limit:
            continue
        now, cost, profile, tried = trial, found, tried, profile
        if cost < least:
            best, least = now.copy(), cost
    return best, least
