"""Arrays that tell trackers what is written and read, a whole array at a time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np

from memsim.errors import MemsimError
from memsim.locality.scores import Score
from memsim.locality.trackers.clock import MemTracker
from memsim.locality.trackers.stack import LRUStackTracker

Values: TypeAlias = np.ndarray[Any, np.dtype[Any]]

KNOWN = "@, elementwise operators, comparisons, sum() and .T"
"""What a tracked array can do."""


class ArrayLog:
    """Writes and reads of arrays, given to a `MemTracker` (`clock`) and an `LRUStackTracker` (`stack`)."""

    def __init__(self) -> None:
        self.clock = MemTracker()
        self.stack = LRUStackTracker()
        self._arrays = 0

    def array(self, values: object) -> TrackedArray:
        """Write an array of numbers and give it back, tracked.

        Raises
        ------
        MemsimError
            If the values are no numbers, or there are none.
        """
        try:
            found = np.asarray(values)
        except ValueError:  # rows of several lengths
            found = np.asarray(None)
        if found.dtype.kind not in "biufc":
            raise MemsimError(
                f"a {type(values).__name__} is no array of numbers",
                where="array",
                mend="give numbers, in rows of one length",
            )
        return self._written(found)

    def scores(self) -> tuple[Score, Score, Score]:
        """DMC, ARD and DMD of everything so far."""
        return (*self.clock.scores(), self.stack.score())

    def _written(self, values: Any) -> TrackedArray:
        found = np.asarray(values)
        if not found.size:
            raise MemsimError(
                f"an array of shape {found.shape} has no element", where="array", mend="use arrays that hold something"
            )
        name = self._arrays
        self._arrays += 1
        self.clock.write(name, found.size)
        self.stack.write(name, found.size)
        return TrackedArray(found, name, self)

    def _read(self, array: TrackedArray) -> None:
        self.clock.read(array._name)
        self.stack.read(array._name)


def _forward(function: Callable[..., Any]) -> Callable[..., TrackedArray]:
    def operate(self: TrackedArray, other: Any) -> TrackedArray:
        self._check_operand(other)
        return self._apply(function, self, other)

    return operate


def _reflected(function: Callable[..., Any]) -> Callable[..., TrackedArray]:
    def operate(self: TrackedArray, other: Any) -> TrackedArray:
        self._check_operand(other)
        return self._apply(function, other, self)

    return operate


def _unary(function: Callable[..., Any]) -> Callable[[TrackedArray], TrackedArray]:
    def operate(self: TrackedArray) -> TrackedArray:
        return self._apply(function, self)

    return operate


class TrackedArray:
    """An array that tells its `ArrayLog` when it is read; results are new arrays, written after that.

    Operands are read in the order in which they stand, an array that stands twice twice. Constants (numbers) are free.
    A transpose is the same array seen otherwise: nothing is read or written. Everything else is refused.
    """

    __slots__ = ("_log", "_name", "_values")

    def __init__(self, values: Values, name: int, log: ArrayLog) -> None:
        self._values, self._name, self._log = values, name, log

    @property
    def values(self) -> Values:
        """A copy of the numbers, for looking at: no read."""
        return self._values.copy()

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        shape: tuple[int, ...] = self._values.shape
        return shape

    @property
    def T(self) -> TrackedArray:  # numpy's name
        """The transpose, which is the same array: free."""
        return TrackedArray(self._values.T, self._name, self._log)

    def sum(self, axis: int | None = None) -> TrackedArray:
        """The sum of all elements, or along one axis: reads the array and writes the result."""
        return self._apply(lambda values: values.sum(axis=axis), self)

    __add__, __radd__ = _forward(operator.add), _reflected(operator.add)
    __sub__, __rsub__ = _forward(operator.sub), _reflected(operator.sub)
    __mul__, __rmul__ = _forward(operator.mul), _reflected(operator.mul)
    __truediv__, __rtruediv__ = _forward(operator.truediv), _reflected(operator.truediv)
    __floordiv__, __rfloordiv__ = _forward(operator.floordiv), _reflected(operator.floordiv)
    __mod__, __rmod__ = _forward(operator.mod), _reflected(operator.mod)
    __pow__, __rpow__ = _forward(operator.pow), _reflected(operator.pow)
    __lt__, __le__ = _forward(operator.lt), _forward(operator.le)
    __gt__, __ge__ = _forward(operator.gt), _forward(operator.ge)
    __eq__: Any = _forward(operator.eq)  # as numpy: element by element
    __ne__: Any = _forward(operator.ne)
    __hash__ = object.__hash__
    __neg__, __pos__, __abs__ = _unary(operator.neg), _unary(operator.pos), _unary(operator.abs)

    def __matmul__(self, other: Any) -> TrackedArray:
        """The matrix product. It writes a copy of its right operand (its columns as rows), and reads that and the left.

        The published numbers have one array written between the operands and what is read of them; this is the reading
        that explains it. Making the copy reads nothing.
        """
        if not isinstance(other, TrackedArray):
            self._refuse(f"combined with a {type(other).__name__}")
        self._check_operand(other)
        _check_product(self._values.shape, other._values.shape)
        columns = self._log._written(other._values.T)
        return self._apply(lambda left, right: left @ right.T, self, columns)

    def _apply(self, function: Callable[..., Any], *operands: Any) -> TrackedArray:
        """Read the tracked operands, and write what the function makes of all."""
        tracked = [one for one in operands if isinstance(one, TrackedArray)]
        plain = [one._values if isinstance(one, TrackedArray) else one for one in operands]
        try:
            result = function(*plain)
        except (TypeError, ValueError) as error:
            shapes = " and ".join(str(np.shape(one)) for one in plain)
            raise MemsimError(
                f"numpy refuses operands of shape {shapes}: {error}", where="operand", mend="give shapes that fit"
            ) from error
        for one in tracked:
            self._log._read(one)
        return self._log._written(result)

    def _check_operand(self, other: object) -> None:
        """Refuse what is neither a constant nor an array of the same log."""
        if not isinstance(other, (TrackedArray, int, float, complex, np.number)):
            self._refuse(f"combined with a {type(other).__name__}")
        if isinstance(other, TrackedArray) and other._log is not self._log:
            raise MemsimError("the arrays have different logs", where="operand", mend="make them with one ArrayLog")

    def _refuse(self, what: str) -> NoReturn:
        raise MemsimError(f"a tracked array is {what}", where=f"array {self._name}", mend=f"use {KNOWN}")

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse("converted to a plain array (to look at it, use .values)")

    def __array_function__(self, function: Callable[..., Any], *args: object) -> NoReturn:
        self._refuse(f"given to numpy.{function.__name__}")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: object) -> NoReturn:
        self._refuse(f"given to numpy.{ufunc.__name__}, or combined with a plain array")

    def __getitem__(self, key: object) -> NoReturn:
        self._refuse("indexed or iterated over")

    def __bool__(self) -> NoReturn:
        self._refuse("used as a condition")

    def __float__(self) -> NoReturn:
        self._refuse("converted to a number (to look at it, use .values)")

    __int__ = __complex__ = __index__ = __float__

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self._refuse("copied or pickled")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Python and numpy ask what an object can do
            raise AttributeError(name)
        self._refuse(f"asked for .{name}")

    def __repr__(self) -> str:
        return f"TrackedArray({self._values!r})"


def _check_product(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """Refuse what has no matrix product."""
    if not 1 <= len(left) <= 2 or not 1 <= len(right) <= 2 or left[-1] != right[0]:
        raise MemsimError(
            f"arrays of shape {left} and {right} have no product", where="@", mend="give shapes (m, k) and (k, n)"
        )


__all__ = ["ArrayLog", "TrackedArray"]
