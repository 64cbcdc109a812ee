"""Tables of exact integers as equal-length columns, and sums of them by groups: what the ledger adds up with.

Amounts are never negative. They are ``int64`` as long as no product or sum can pass 2^62, else Python integers
(``dtype=object``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from memsim.engine.tally import Counts

Columns: TypeAlias = dict[str, np.ndarray[Any, Any]]
"""Equal-length columns by name."""

SAFE = 2**62
WIDE = 2**31
"""More rows than any table has: a column of a wider range is numbered by its distinct values."""


def integers(values: Sequence[int]) -> Counts:
    """A list as a column."""
    return np.array(values, dtype=np.int64 if max(values, default=0) < SAFE else object)


def product(amounts: Counts, factors: Counts) -> Counts:
    """Element by element (with broadcasting), exactly."""
    if amounts.dtype != object and factors.dtype != object and _most(amounts) * _most(factors) < SAFE:
        return np.asarray(amounts * factors)
    return np.asarray(amounts.astype(object) * factors.astype(object))


def narrowed(amounts: Counts) -> Counts:
    """The same integers as ``int64`` where all fit."""
    return amounts.astype(np.int64) if amounts.dtype == object and _most(amounts) < SAFE else amounts


def concatenated(tables: Sequence[Columns], names: Iterable[str]) -> Columns:
    """The rows of all tables, in order, in the columns ``names``."""
    return {name: np.concatenate([table[name] for table in tables]) for name in names}


def grouped(table: Columns, by: Sequence[str], sums: Sequence[str]) -> Columns:
    """One row for each distinct combination of the columns ``by``, in their order, with the sums of other columns."""
    code = _combined([table[name] for name in by], len(table[sums[0]]))
    order = np.argsort(code, kind="stable")
    code = code[order]
    starts = np.flatnonzero(np.diff(code, prepend=code[:1] - 1))
    result = {name: table[name][order[starts]] for name in by}
    for name in sums:
        result[name] = _sums(table[name][order], starts)
    return result


def chosen(table: Columns, rows: np.ndarray[Any, Any]) -> Columns:
    """Some rows of a table, given as their numbers or as a mask."""
    return {name: values[rows] for name, values in table.items()}


def exact_totals(counts: Counts) -> list[int]:
    """The sum of each row of a matrix."""
    safe = counts.dtype == object or float(counts.sum(dtype=np.float64)) < SAFE
    return list(map(int, (counts if safe else counts.astype(object)).sum(axis=1)))


def _combined(columns: Sequence[np.ndarray[Any, Any]], rows: int) -> Counts:
    """One number for each row, equal where all columns are, in the order of the first column, then the next."""
    code, size = np.zeros(rows, dtype=np.int64), 1
    for column in columns if rows else ():
        values, count = _ranged(column)
        if size * count >= SAFE:
            code = np.unique(code, return_inverse=True)[1]
            size = rows
        code = code * count + values
        size *= count
    return code


def _ranged(column: np.ndarray[Any, Any]) -> tuple[Counts, int]:
    """The column as numbers from 0 that are in the same order, and one more than they can be."""
    if column.dtype.kind != "f":
        low = int(column.min())
        count = int(column.max()) - low + 1
        if count < WIDE:
            return column - low, count
    return np.unique(column, return_inverse=True)[1], len(column)


def _sums(values: np.ndarray[Any, Any], starts: Counts) -> np.ndarray[Any, Any]:
    if not len(starts):
        return values
    if values.dtype.kind == "i" and float(values.sum(dtype=np.float64)) >= SAFE:
        values = values.astype(object)
    return np.asarray(np.add.reduceat(values, starts))


def _most(amounts: Counts) -> int:
    return int(amounts.max()) if amounts.size else 0
