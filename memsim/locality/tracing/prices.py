"""The price of a trace: how deep each read reaches into a stack of the values used last.

A Fenwick tree holds a mark at the time of each value's last use, so a depth is a difference of two sums, and a value
that leaves takes its mark away: O(log m) a read for m values on the stack. Depths are counted first; what a depth
costs, and how many bytes an element has, is applied to the counts, in exact integers of any size.
"""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite, isqrt
from typing import Any, TypeAlias

import numpy as np

from memsim.caches.fenwick import add, renumber, sum_to
from memsim.compiled import bare_inlined, compiled
from memsim.errors import MemsimError
from memsim.locality.scores import Score
from memsim.locality.shells import Array, integer_root, prefix_distance
from memsim.locality.tracing.columns import NO_RESULT, Trace
from memsim.locality.tracing.dialects import dialect_named

FOREVER = 2**62
"""The last read of a value that stays to the end."""

NEVER = -1
"""The last read of a value that is not used."""

LEAST_TIMES = 64

MOST_BITS = 4096
"""Of an integer in JSON; Python reads no more than 4300 digits."""

Stack: TypeAlias = tuple[Array, Array, Array, Array, Array]
"""Tree, last, owner, weights and clock; see `_run`."""


def depth_cost(depth: int, bytes_per_element: int) -> int:
    """What it costs to read the element at ``depth``, counted from 1: its bytes lie at depths in bytes.

    ``U(d b) - U((d - 1) b)`` with ``U`` the prefix sum of ``ceil(sqrt)``; see `shells.prefix_distance`.
    """
    upper = depth * bytes_per_element
    return prefix_distance(upper) - prefix_distance(upper - bytes_per_element)


def depth_counts(trace: Trace, dialect: str = "main") -> Array:
    """How many reads reach each depth in elements, under one dialect; int64, ``counts[0]`` is 0."""
    rules = dialect_named(dialect)
    reads, offsets, results = trace.reads, trace.offsets, trace.results
    if rules.two_stacks:
        reads, offsets, results = _with_exit(trace)
    lasts = _last_reads(reads, trace.values)
    if not rules.two_stacks:
        lasts[trace.returned] = FOREVER
    if not rules.evicts:
        lasts[:] = FOREVER
    pushed = np.argsort(-trace.arguments if rules.reverses else trace.arguments, kind="stable")
    waiting = np.zeros(0, np.int64)
    if rules.two_stacks:
        waiting = np.zeros(trace.elements, np.int64)
        waiting[pushed] = np.arange(trace.elements, 0, -1)
    else:
        pushed = pushed[lasts[pushed] != NEVER]
    peak = int(_peak(trace.elements, reads, offsets, results, lasts))
    times = max(2 * peak, LEAST_TIMES) + int(np.diff(offsets).max(initial=0)) + 1
    counts = np.zeros(max(peak, trace.elements) + 1, np.int64)
    start = np.zeros(0, np.int64) if rules.two_stacks else pushed
    _run(start, waiting, reads, offsets, results, lasts, rules.one_by_one, times, counts)
    return counts


def price(trace: Trace, dialect: str = "main", bytes_per_element: int = 1) -> Score:
    """Price a trace under one dialect of ByteDMD, exactly.

    Parameters
    ----------
    trace
        What was done: of a function, from `trace`, or of anything else that fills its columns.
    dialect
        The rules; see `DIALECTS`.
    bytes_per_element
        Size of every element; depths count bytes.

    Returns
    -------
    Score
        ``reads`` are those that were priced, with those at exit where the dialect has them. Details are
        ``bytes_per_element``, ``elements``, ``operations``, ``value`` (as JSON has it) and ``escapes``.

    Raises
    ------
    MemsimError
        If there is no such dialect, or an element has no byte.
    """
    if isinstance(bytes_per_element, bool) or not isinstance(bytes_per_element, int) or bytes_per_element < 1:
        raise MemsimError(
            f"{bytes_per_element!r} is no number of bytes",
            where="bytes_per_element",
            mend="use a whole number of at least 1",
        )
    counts = depth_counts(trace, dialect)
    return Score(
        model="bytedmd",
        dialect=dialect,
        version=dialect_named(dialect).version,
        engine="fenwick",
        cost=_total(counts, bytes_per_element),
        unit="distance",
        reads=int(counts.sum()),
        reason="values are not checked",
        details={
            "bytes_per_element": bytes_per_element,
            "elements": trace.elements,
            "operations": trace.operations,
            "value": _plain(trace.value),
            "escapes": [asdict(escape) for escape in trace.escapes],
        },
    )


def _plain(value: Any) -> Any:
    """A returned value as JSON has it: what it has no numbers for as text, tuples as lists."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, int) and abs(value) >> MOST_BITS:
        return hex(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else str(value)


def _total(counts: Array, size: int) -> int:
    """Counts times costs; in int64 where a bound shows that nothing overflows."""
    deepest = (len(counts) - 1) * size
    root = isqrt(deepest) + 1
    if 4 * root**3 < FOREVER and int(counts.sum()) * size * root < FOREVER:
        return int(_weigh(counts, size))
    return sum(int(counts[d]) * depth_cost(d, size) for d in np.flatnonzero(counts).tolist())


def _with_exit(trace: Trace) -> tuple[Array, Array, Array]:
    """The columns with the reads at exit, which are one operation."""
    reads = np.concatenate([trace.reads, trace.returned])
    return reads, np.append(trace.offsets, len(reads)), np.append(trace.results, NO_RESULT)


@compiled
def _last_reads(reads: Array, values: int) -> Array:
    lasts = np.full(values, -1, np.int64)
    for i in range(len(reads)):
        lasts[reads[i]] = i
    return lasts


@compiled
def _peak(elements: int, reads: Array, offsets: Array, results: Array, lasts: Array) -> int:
    """An upper bound of the values on the stack at once: elements that are used count from the start."""
    live = 0
    for item in range(elements):
        if lasts[item] >= 0:
            live += 1
    peak = live
    for operation in range(len(results)):
        for i in range(offsets[operation], offsets[operation + 1]):
            if lasts[reads[i]] == i:
                live -= 1
        if results[operation] >= 0 and lasts[results[operation]] >= 0:
            live += 1
            peak = max(peak, live)
    return peak


@compiled
def _run(
    start: Array,
    waiting: Array,
    reads: Array,
    offsets: Array,
    results: Array,
    lasts: Array,
    one_by_one: bool,
    times: int,
    counts: Array,
) -> None:
    """Count the depth of every read.

    ``start`` is on the stack at first, from the bottom; ``waiting`` holds the fixed depths of arguments not read yet.
    """
    stack = (
        np.zeros(times + 1, np.int64),  # tree: a mark at the time of each value's last use
        np.zeros(len(lasts), np.int64),  # last: this time for each value, 0 where it is not on the stack
        np.zeros(times + 1, np.int64),  # owner: the value used at each time
        np.ones(len(lasts), np.int8),  # weights of the marks
        np.zeros(2, np.int64),  # the time, and the values on the stack
    )
    for item in start:
        _place(stack, item)
    for operation in range(len(results)):
        low, high = offsets[operation], offsets[operation + 1]
        if one_by_one:
            for i in range(low, high):
                counts[_depth(stack, waiting, reads[i])] += 1
                _move(stack, waiting, reads[i], lasts[reads[i]] > i)
        elif high > low:
            _read_at_once(stack, waiting, reads, low, high, lasts, counts)
        if results[operation] >= 0 and lasts[results[operation]] >= 0:
            _place(stack, results[operation])


@bare_inlined
def _read_at_once(stack: Stack, waiting: Array, reads: Array, low: int, high: int, lasts: Array, counts: Array) -> None:
    """Price all reads of an operation, then move its values to the top in the order of their first reads."""
    tree, last, owner, weights, clock = stack
    for i in range(low, high):
        counts[_depth(stack, waiting, reads[i])] += 1
    if clock[0] + high - low >= len(tree):  # so that no renumbering comes between, and times tell who has moved
        clock[0] = renumber(tree, last, owner, weights)
    before = clock[0]
    for i in range(low, high):
        if last[reads[i]] <= before:
            _move(stack, waiting, reads[i], lasts[reads[i]] >= high)


@bare_inlined
def _depth(stack: Stack, waiting: Array, item: int) -> int:
    """How deep a value lies: where it waits, or below the values used since its last use."""
    tree, last, _, _, clock = stack
    fixed = waiting[item] if item < len(waiting) else 0
    depth: int = fixed if fixed > 0 else clock[1] - sum_to(tree, last[item]) + 1
    return depth


@bare_inlined
def _move(stack: Stack, waiting: Array, item: int, stays: bool) -> None:
    """Take a value from where it is, and put it on top if it stays."""
    tree, last, _, _, clock = stack
    if item < len(waiting):
        waiting[item] = 0
    if last[item] > 0:
        add(tree, last[item], -1)
        last[item] = 0
        clock[1] -= 1
    if stays:
        _place(stack, item)


@bare_inlined
def _place(stack: Stack, item: int) -> None:
    """Put a value that is not on the stack on top of it."""
    tree, last, owner, weights, clock = stack
    if clock[0] + 1 == len(tree):
        clock[0] = renumber(tree, last, owner, weights)
    clock[0] += 1
    clock[1] += 1
    add(tree, clock[0], 1)
    last[item] = clock[0]
    owner[clock[0]] = item


@compiled
def _weigh(counts: Array, size: int) -> int:
    total, below = 0, 0
    for depth in range(1, len(counts)):
        above = _prefix(depth * size)
        total += counts[depth] * (above - below)
        below = above
    return total


@bare_inlined
def _prefix(address: int) -> int:
    """`prefix_distance` in int64, for roots whose cube times four is below 2^62."""
    full = integer_root(address)
    return full * (full + 1) * (4 * full - 1) // 6 + (address - full * full) * (full + 1)


__all__ = ["depth_cost", "depth_counts", "price"]
