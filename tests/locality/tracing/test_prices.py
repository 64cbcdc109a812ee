"""Prices of random traces against the rules as they are written, and what a trace may not be."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import MemsimError
from memsim.locality.tracing import DIALECTS, Trace, depth_cost, depth_counts, price
from tests.locality.tracing import naive


@st.composite
def records(draw: st.DrawFn, longest: int = 40) -> naive.Record:
    """Traces with arguments of several sizes, values read again and again or never, and any of them returned."""
    sizes = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any))
    ends = np.cumsum([0, *sizes]).tolist()
    arguments = [list(range(ends[i], ends[i + 1])) for i in range(len(sizes))]
    known, operations = sum(sizes), []
    for _ in range(draw(st.integers(0, longest))):
        reads = draw(st.lists(st.integers(0, known - 1), max_size=4))
        makes = draw(st.booleans())
        operations.append((reads, known if makes else None))
        known += makes
    return naive.Record(arguments, operations, draw(st.lists(st.integers(0, known - 1), max_size=6)))


def trace_of(record: naive.Record) -> Trace:
    return Trace.of(
        [len(argument) for argument in record.arguments],
        [(reads, result is not None) for reads, result in record.operations],
        record.returned,
    )


@given(records(), st.integers(1, 8))
@pytest.mark.parametrize("dialect", DIALECTS)
def test_prices_follow_the_rules(dialect: str, record: naive.Record, size: int) -> None:
    assert price(trace_of(record), dialect, size).cost == naive.price(record, dialect, size)


@given(records())
@pytest.mark.parametrize("dialect", DIALECTS)
def test_counts_of_depths_are_the_prices_of_all_sizes(dialect: str, record: naive.Record) -> None:
    counts = depth_counts(trace_of(record), dialect)
    reads = sum(len(reads) for reads, _ in record.operations)
    exits = len(record.returned) if DIALECTS[dialect].two_stacks else 0
    score = price(trace_of(record), dialect)
    assert score.reads == counts.sum() == reads + exits
    assert score.cost == sum(int(count) * (isqrt(d - 1) + 1) for d, count in enumerate(counts) if d)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_times_are_renumbered_many_times_over(dialect: str) -> None:
    """More uses than the tree has times, by operations of one, two and many reads."""
    rng = np.random.default_rng(3)
    values, operations = 40, []
    for i in range(600):
        reads = rng.integers(max(0, values - 60), values, 25 if i % 50 == 0 else 1 + i % 3).tolist()
        operations.append((reads, values if i % 4 else None))
        values += bool(i % 4)
    record = naive.Record([list(range(40))], operations, rng.integers(0, values, 30).tolist())
    assert price(trace_of(record), dialect, 3).cost == naive.price(record, dialect, 3)


@given(st.integers(1, 10**30), st.integers(1, 50))
def test_bytes_of_an_element_cost_the_roots_of_their_depths(depth: int, size: int) -> None:
    first = (depth - 1) * size + 1
    assert depth_cost(depth, size) == sum(isqrt(d - 1) + 1 for d in range(first, first + size))


@pytest.mark.parametrize("size", [2**20, 2**28, 2**40, 10**30])
def test_large_elements_are_priced_exactly(size: int) -> None:
    record = naive.Record([[0, 1, 2]], [([0, 1], 3), ([3, 2, 0], 4)], [4])
    expected = sum(depth_cost(d, size) for d in (3, 2, 1, 3, 2))
    assert price(trace_of(record), "main", size).cost == expected


def test_a_trace_without_operations_costs_what_it_returns() -> None:
    empty = Trace.of([2], [], [1, 0, 1])
    assert [price(empty, dialect).cost for dialect in DIALECTS] == [0, 4, 0, 4, 5]


def test_columns_may_be_of_any_integers_and_not_writable() -> None:
    columns: list[Any] = [np.array(column, np.uint16) for column in ([0, 0], [0, 1, 2], [0, 2, 3], [], [2])]
    columns[3] = np.array([2, -1], np.int8)
    for column in columns:
        column.flags.writeable = False
    assert [price(Trace(*columns), dialect).cost for dialect in DIALECTS] == [4, 5, 4, 5, 5]


BAD: dict[str, tuple[Callable[[], Any], str, str]] = {
    "dialect": (lambda: price(Trace.of([1], [], []), "trunk"), "dialect", "'trunk' is no dialect of ByteDMD"),
    "dialect of a kind": (lambda: price(Trace.of([1], [], []), 3), "dialect", "3 is no dialect"),  # type: ignore[arg-type]
    "no bytes": (lambda: price(Trace.of([1], [], []), "main", 0), "bytes_per_element", "0 is no number of bytes"),
    "half a byte": (lambda: price(Trace.of([1], [], []), "main", 0.5), "bytes_per_element", "0.5 is no"),  # type: ignore[arg-type]
    "early read": (lambda: Trace.of([2], [([2], True)], []), "reads[0]", "value 2 is not made yet"),
    "negative read": (lambda: Trace.of([2], [([0, -1], True)], []), "reads[1]", "value -1 is not made yet"),
    "returned": (lambda: Trace.of([2], [([0], True)], [2, 3]), "returned[1]", "value 3 is not made yet"),
    "results": (lambda: _columns(results=[3]), "results", "a result is numbered 3, and the next number is 1"),
    "offsets": (lambda: _columns(offsets=[0, 2]), "offsets", "do not cut 1 reads into 1 operations"),
    "arguments": (lambda: _columns(arguments=[1, 0], results=[2]), "arguments", "do not ascend"),
    "floats": (lambda: _columns(reads=[0.5]), "reads", "1 axes of float64"),
    "axes": (lambda: _columns(reads=[[0]]), "reads", "2 axes of int64"),
}


def _columns(**changed: Any) -> Trace:
    columns: dict[str, Any] = {"arguments": [0], "reads": [0], "offsets": [0, 1], "results": [1], "returned": [1]}
    return Trace(**(columns | changed))


@pytest.mark.parametrize("name", BAD)
def test_bad_traces_and_choices_are_refused(name: str) -> None:
    attempt, where, cause = BAD[name]
    with pytest.raises(MemsimError) as caught:
        attempt()
    assert caught.value.where == where
    assert cause in caught.value.cause
    assert caught.value.mend
