"""What a function did to its scalars, as columns of integers: all that a price depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memsim.errors import MemsimError
from memsim.locality.shells import Array

NO_RESULT = -1
"""Stands where an operation makes no value."""


@dataclass(frozen=True, slots=True)
class Escape:
    """A place where a value left the trace, as a plain number or text whose later use nobody sees.

    Attributes
    ----------
    kind
        What took it: ``int``, ``float``, ``complex``, ``str``, ``repr``, ``format``; ``index`` or ``hash`` where a
        function was given it, such as ``range``.
    where
        File and line of the user's code, ``file:line``.
    count
        How often it happened there; each time was charged as one read.
    """

    kind: str
    where: str
    count: int


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """Operations over values, each of which is made once.

    Values have numbers. The elements of the arguments are 0, 1, …, argument by argument, lists flattened in their
    order; results of operations follow in the order in which they are made. Give any sequences of integers: they
    become arrays of int64.

    Attributes
    ----------
    arguments
        The argument that each element belongs to, ``(elements,)``, ascending from 0.
    reads
        The values that operations read, ``(reads,)``, operation after operation; one that reads a value twice has it
        twice.
    offsets
        Where each operation's reads begin in ``reads``, and at last their number: ``(operations + 1,)``, from 0.
    results
        The value that each operation makes, ``(operations,)``: the next number, or `NO_RESULT`.
    returned
        Values that are returned, in order; one that is returned twice stands twice.
    value
        What the function returned, in plain numbers; ``None`` if nothing was computed.
    escapes
        Where values left the trace.

    Raises
    ------
    MemsimError
        If a column breaks these rules.
    """

    arguments: Array
    reads: Array
    offsets: Array
    results: Array
    returned: Array
    value: Any = None
    escapes: tuple[Escape, ...] = ()

    def __post_init__(self) -> None:
        for name in ("arguments", "reads", "offsets", "results", "returned"):
            object.__setattr__(self, name, _column(getattr(self, name), name))
        _check_numbers(self)
        _check_order(self)

    @classmethod
    def of(
        cls,
        sizes: Sequence[int],
        operations: Iterable[tuple[Sequence[int], bool]],
        returned: Sequence[int],
    ) -> Trace:
        """A trace from Python's lists.

        Parameters
        ----------
        sizes
            Elements of each argument.
        operations
            For each, the values that it reads, and whether it makes one.
        returned
            The values that are returned.
        """
        listed = list(operations)
        makes = np.array([made for _, made in listed], dtype=bool)
        return cls(
            arguments=np.repeat(np.arange(len(sizes)), sizes),
            reads=np.array([value for read, _ in listed for value in read], dtype=np.int64),
            offsets=np.cumsum([0, *(len(read) for read, _ in listed)]),
            results=np.where(makes, sum(sizes) + np.cumsum(makes) - 1, NO_RESULT),
            returned=np.array(returned, dtype=np.int64),
        )

    @property
    def elements(self) -> int:
        """Scalars in the arguments."""
        return len(self.arguments)

    @property
    def operations(self) -> int:
        """Operations, with those that make no value."""
        return len(self.results)

    @property
    def values(self) -> int:
        """Values in all: elements and results."""
        return self.elements + int((self.results >= 0).sum())


def _column(given: object, name: str) -> Array:
    found = np.asarray(given)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise MemsimError(
            f"the column has {found.ndim} axes of {found.dtype}", where=name, mend="give a sequence of integers"
        )
    return np.ascontiguousarray(found, dtype=np.int64)


def _check_numbers(trace: Trace) -> None:
    """Refuse columns that do not fit together, and results that are not the next number."""
    steps, offsets = np.diff(trace.arguments), trace.offsets
    if trace.elements and (trace.arguments[0] < 0 or (steps < 0).any()):
        raise MemsimError(
            "the numbers of the arguments do not ascend", where="arguments", mend="number elements argument by argument"
        )
    fits = len(offsets) == trace.operations + 1 and offsets[0] == 0 and offsets[-1] == len(trace.reads)
    if not fits or (np.diff(offsets) < 0).any():
        raise MemsimError(
            f"the offsets do not cut {len(trace.reads)} reads into {trace.operations} operations",
            where="offsets",
            mend="ascend from 0 to the number of reads, one more than there are operations",
        )
    made = trace.results[trace.results != NO_RESULT]
    wrong = np.flatnonzero(made != np.arange(trace.elements, trace.elements + len(made)))
    if len(wrong):
        first = int(wrong[0])
        raise MemsimError(
            f"a result is numbered {made[first]}, and the next number is {trace.elements + first}",
            where="results",
            mend=f"number results in order, after the {trace.elements} elements; {NO_RESULT} for none",
        )


def _check_order(trace: Trace) -> None:
    """Refuse a read of a value that is not made yet."""
    before = trace.elements + np.cumsum(trace.results != NO_RESULT) - (trace.results != NO_RESULT)
    known = np.repeat(before, np.diff(trace.offsets))
    for name, values, limits in (("reads", trace.reads, known), ("returned", trace.returned, trace.values)):
        wrong = np.flatnonzero((values < 0) | (values >= limits))
        if len(wrong):
            at = int(wrong[0])
            raise MemsimError(
                f"value {values[at]} is not made yet", where=f"{name}[{at}]", mend="read what was made before"
            )


__all__ = ["NO_RESULT", "Escape", "Trace"]
