"""Tiles of a matrix product that are searched: which boxes of the iteration space follow one another.

A list of steps (`memsim.locality.optimise.products`) that covers each product once is an order; to split a box, to move
a face between two boxes, to merge them, to put steps elsewhere or to turn one round gives another. Each is priced with
a copy for every cluster of reads and the allocation of `memsim.locality.optimise.colouring`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.colouring import by_end, layered_cost
from memsim.locality.optimise.copies import _clusters, _copied, insert_copies
from memsim.locality.optimise.products import SUM_FIRST, _product, product_schedule
from memsim.locality.optimise.values import Schedule, _lives
from memsim.locality.shells import Array

GAPS = (0, 8, 14, 24, 48, 100)
"""Instructions between reads beyond which a copy is not kept; 0 for no copies."""

MOST_STEPS = 192


def panels(n: int, width: int, chain: int) -> Array:
    """Steps of all rows by ``width`` columns, one panel of columns after another, with ``chain`` products a sum."""
    edges = [round(n * p / -(-n // width)) for p in range(-(-n // width) + 1)]
    columns = list(pairwise(edges))
    ks = [(k, min(k + chain, n)) for k in range(0, n, chain)]
    return np.array([(0, n, *js, *k, SUM_FIRST) for js in columns for k in ks], np.int64)


def families(n: int) -> Iterator[Array]:
    """Panels of every width and every length of chain up to 4."""
    for width in range(1, n + 1):
        for chain in range(1, min(n, 4) + 1):
            if -(-n // width) * -(-n // chain) <= MOST_STEPS // 2:
                yield panels(n, width, chain)


def schedule_of_steps(n: int, steps: Array, gap: int) -> Schedule:
    """The schedule of steps, with copies for reads at most ``gap`` instructions apart."""
    schedule = product_schedule(n, steps)
    return insert_copies(schedule, gap) if gap else schedule


def steps_cost(n: int, steps: Array, gap: int) -> int:
    """What `schedule_of_steps` costs with the addresses of `colouring.allocate`."""
    unknown = np.zeros((2, 1), np.int64)
    return int(_cost(n, steps, gap, unknown, unknown.copy(), 2**62))


def anneal_steps(
    n: int, steps: Array, gap: int, trials: int, seed: int, hot: float, cold: float = 0.5
) -> tuple[Array, int]:
    """Change steps at random, and keep what is cheaper, or by chance a little dearer.

    Parameters
    ----------
    n
        Rows of the matrices.
    steps
        To start from.
    gap
        Of copies; see `schedule_of_steps`.
    trials
        Changes to try.
    seed
        Of the random numbers: the same seed gives the same steps.
    hot, cold
        The temperature at the first and at the last trial, in units of cost.

    Returns
    -------
    steps, cost
        The cheapest that were met, and their cost.
    """
    best = np.zeros((MOST_STEPS, 7), np.int64)
    count, cost = _anneal(n, steps, gap, trials, seed, hot, cold, best)
    return best[:count].copy(), int(cost)


@compiled
def _cost(n: int, steps: Array, gap: int, past: Array, now: Array, limit: int) -> int:
    ops, sources, outputs = _product(n, steps)
    inputs = 2 * n * n
    if gap > 0:
        clusters, sizes = _clusters(sources, inputs, gap)
        ops, sources, _, outputs = _copied(
            ops, sources, np.zeros(len(ops), np.int64), outputs, inputs, clusters, sizes > 1
        )
    start, end, reads = _lives(sources, outputs, inputs)
    order = by_end(end)
    return layered_cost(start[order], end[order], reads[order], past, now, limit)


@compiled
def _anneal(
    n: int, steps: Array, gap: int, trials: int, seed: int, hot: float, cold: float, best: Array
) -> tuple[int, int]:
    np.random.seed(seed)
    now, trial = np.zeros((MOST_STEPS, 7), np.int64), np.zeros((MOST_STEPS, 7), np.int64)
    count = least_count = len(steps)
    now[:count], best[:count] = steps, steps
    profile, tried = np.zeros((2, 96), np.int64), np.zeros((2, 96), np.int64)
    cost = least = _cost(n, now[:count], gap, np.zeros((2, 1), np.int64), profile, 2**62)
    for t in range(trials):
        heat = hot * (cold / hot) ** (t / trials)
        trial[:count] = now[:count]
        changed = _change(trial, count)
        if changed < 0:
            continue
        limit = cost - int(heat * np.log(1 - np.random.random()))
        found = _cost(n, trial[:changed], gap, profile, tried, limit)
        if found > limit:
            continue
        now, trial, profile, tried = trial, now, tried, profile
        count, cost = changed, found
        if cost < least:
            least, least_count = cost, count
            best[:count] = now[:count]
    return least_count, least


@compiled
def _change(steps: Array, count: int) -> int:
    """Change steps at random, in place; returns how many there are then, -1 where nothing changed."""
    kind = np.random.random()
    at = np.random.randint(0, count)
    if kind < 0.2:
        return _relocate(steps, count, at, 1)
    if kind < 0.3:
        return _split(steps, count, at)
    if kind < 0.72:
        return _move_face(steps, count, at)
    if kind < 0.93:
        last = at + 1 if kind < 0.87 else np.random.randint(at, count) + 1
        bit = 1 << np.random.randint(0, 5)
        for s in range(at, last):
            steps[s, 6] ^= bit
        return count
    return _relocate(steps, count, at, np.random.randint(1, count - at + 1))


@compiled
def _relocate(steps: Array, count: int, at: int, length: int) -> int:
    """Put a run of steps at another time, mostly nearby; a long one is turned round now and then."""
    run = steps[at : at + length].copy()
    if length > 1 and np.random.random() < 0.5:
        run = run[::-1].copy()
    to = np.random.randint(0, count - length + 1)
    if np.random.random() < 0.7:
        to = min(max(at + np.random.randint(-3, 4), 0), count - length)
    for s in range(at, count - length):
        steps[s] = steps[s + length]
    for s in range(count - length - 1, to - 1, -1):
        steps[s + length] = steps[s]
    steps[to : to + length] = run
    return count


@compiled
def _split(steps: Array, count: int, at: int) -> int:
    """Cut a box in two, which follow each other or not."""
    axis = 2 * np.random.randint(0, 3)
    low, high = steps[at, axis], steps[at, axis + 1]
    if high - low < 2 or count == MOST_STEPS:
        return -1
    cut = np.random.randint(low + 1, high)
    steps[count] = steps[at]
    steps[at, axis + 1], steps[count, axis] = cut, cut
    to = at + np.random.randint(0, 2)
    if np.random.random() < 0.3:
        to = np.random.randint(0, count + 1)
    new = steps[count].copy()
    for s in range(count, to, -1):
        steps[s] = steps[s - 1]
    steps[to] = new
    return count + 1


@compiled
def _move_face(steps: Array, count: int, at: int) -> int:
    """Move the face between a box and the one beyond it, if they fit; one that has become empty is left out."""
    axis = 2 * np.random.randint(0, 3)
    beyond = -1
    for s in range(count):
        fits = steps[s, axis] == steps[at, axis + 1]
        for other in range(0, 6, 2):
            if other != axis:
                fits &= steps[s, other] == steps[at, other] and steps[s, other + 1] == steps[at, other + 1]
        if fits:
            beyond = s
    if beyond < 0:
        return -1
    shift = np.random.randint(1, 3) if np.random.random() < 0.8 else 2**20
    shift = shift if np.random.random() < 0.5 else -shift
    cut = min(max(steps[at, axis + 1] + shift, steps[at, axis]), steps[beyond, axis + 1])
    steps[at, axis + 1], steps[beyond, axis] = cut, cut
    for s in (at, beyond):
        if steps[s, axis] == steps[s, axis + 1]:
            for later in range(s, count - 1):
                steps[later] = steps[later + 1]
            return count - 1
    return count
