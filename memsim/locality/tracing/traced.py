"""A number that is traced: what Python does with it is recorded, and computed for real."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from numbers import Number
from threading import get_ident
from typing import Any, NoReturn

import numpy as np

from memsim.errors import MemsimError
from memsim.locality.tracing.recorder import MADE, READ, Recorder, new_number, place_of_user, steers

Function = Callable[..., Any]

# The recorder of the running trace; its parts stand here because every operation needs them.
_recorder: Recorder | None = None
_append: Callable[[int], None] = list[int]().append
_thread: int = -1


def activate(recorder: Recorder | None) -> None:
    """Let operations be recorded there, or nowhere."""
    global _recorder, _append, _thread
    _recorder = recorder
    if recorder is None:
        _append, _thread = list[int]().append, -1
    else:
        _append, _thread = recorder.events.append, recorder.thread


class Traced:
    """A number with its number among the values of a trace; operations are added from tables below."""

    __slots__ = ("_number", "_value")

    # isinstance() answers as for the number, so that functions which ask take the branch that they would take.
    __class__ = property(lambda self: type(self._value))

    def __init__(self, value: Any, number: int) -> None:
        self._value = value
        self._number = number

    def __pow__(self, exponent: Any, modulus: Any = None) -> Any:
        if modulus is None:
            return _power(self, exponent)
        return record(pow, (self, exponent, modulus))

    def __divmod__(self, other: Any) -> Any:
        return record(divmod, (self, other)) if _known(other) else NotImplemented

    def __rdivmod__(self, other: Any) -> Any:
        return record(divmod, (other, self)) if _known(other) else NotImplemented

    def __round__(self, digits: Any = None) -> Any:
        return record(round, (self,) if digits is None else (self, operator.index(digits)))

    def __copy__(self) -> Traced:
        return self

    def __deepcopy__(self, memo: object) -> Traced:
        return self

    def __format__(self, form: str) -> str:
        return format(_escaped(self, "format"), form)

    def __repr__(self) -> str:
        if get_ident() != _thread:  # in a message, after the trace
            return f"Traced({self._value!r})"
        return repr(_escaped(self, "repr"))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        _running().refuse("a traced value is pickled", "return it instead")

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        _running().refuse("a traced value is converted to a numpy array", "keep traced values in lists")

    def __array_function__(self, function: Function, *args: object) -> NoReturn:
        _running().refuse(f"numpy.{function.__name__} is given a traced value", "write it with loops over lists")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: object) -> Any:
        plain = [one.item() if isinstance(one, np.generic) else one for one in inputs]
        function = UFUNCS.get(ufunc.__name__)
        if function is None or method != "__call__" or kwargs or not all(_known(one) for one in plain):
            _running().refuse(
                f"numpy.{ufunc.__name__} is given a traced value", "use Python's operators and the functions of math"
            )
        return record(function, plain)


def _stray() -> NoReturn:
    cause = "a traced value is used outside of its trace" if _recorder is None else "another thread uses a traced value"
    mend = "return what is needed" if _recorder is None else "do everything in the thread that is traced"
    if _recorder is None:
        raise MemsimError(cause, where=place_of_user(), mend=mend)
    _recorder.refuse(cause, mend)


def _running() -> Recorder:
    if get_ident() != _thread or _recorder is None:
        _stray()
    return _recorder


def _known(operand: object) -> bool:
    """Whether an operand is traced or a constant."""
    return type(operand) in _PLAIN or isinstance(operand, Number)


def record(function: Function, operands: Sequence[Any], options: dict[str, Any] | None = None) -> Any:
    """Apply a function as one operation that reads the traced values among its operands, in their order.

    Operands in lists count too. A function that gives a pair makes two results. Without a traced operand, nothing is
    recorded.
    """
    numbers: list[int] = []
    plain = [_plain(operand, numbers) for operand in operands]
    named = {name: _plain(operand, numbers) for name, operand in (options or {}).items()}
    if not numbers:
        return function(*plain, **named)
    if get_ident() != _thread:
        _stray()
    for number in numbers:
        _append(number)
    try:
        result = function(*plain, **named)
    except BaseException:
        _append(READ)
        raise
    if isinstance(result, tuple):
        return tuple(_made(part) for part in result)
    return _made(result)


def record_one(function: Function, number: int, *operands: Any) -> Any:
    """The same for plain operands, of which one is the value of a number: quicker."""
    if get_ident() != _thread:
        _stray()
    _append(number)
    try:
        result = function(*operands)
    except BaseException:
        _append(READ)
        raise
    if isinstance(result, tuple):
        return tuple(_made(part) for part in result)
    return _made(result)


def _made(value: Any) -> Traced:
    _append(MADE)
    return Traced(value, new_number())


def _plain(operand: Any, numbers: list[int]) -> Any:
    """An operand with numbers for traced values, which are added to ``numbers``."""
    if type(operand) is Traced:
        numbers.append(operand._number)
        return operand._value
    if isinstance(operand, (list, tuple, Iterator)):
        return [_plain(one, numbers) for one in operand]
    return operand


def _escaped(self: Traced, kind: str) -> Any:
    _running().escape(kind, self._number)
    return self._value


def _forward(function: Function) -> Function:
    """The method ``self op other``. Written out, as this is where tracing spends its time."""

    def operate(self: Traced, other: Any) -> Any:
        if get_ident() != _thread:
            _stray()
        if type(other) is Traced:
            _append(self._number)
            _append(other._number)
            other = other._value
        elif type(other) in _PLAIN or isinstance(other, Number):
            _append(self._number)
        else:
            return NotImplemented
        try:
            value = function(self._value, other)
        except BaseException:
            _append(READ)
            raise
        _append(MADE)
        return Traced(value, new_number())

    return operate


def _reflected(function: Function) -> Function:
    """The method ``other op self``: Python calls it where ``other`` is not traced."""

    def operate(self: Traced, other: Any) -> Any:
        return record_one(function, self._number, other, self._value) if _known(other) else NotImplemented

    return operate


def _unary(function: Function) -> Function:
    def operate(self: Traced) -> Any:
        return record_one(function, self._number, self._value)

    return operate


def _branch(self: Traced) -> bool:
    """A read that steers the program."""
    if get_ident() != _thread:
        _stray()
    _append(self._number)
    _append(READ)
    return bool(self._value)


def _place(kind: str, function: Function) -> Function:
    """A read that finds a place, in a list or in a table; in a call, the plain number goes who knows where."""

    def read(self: Traced) -> Any:
        if steers(sys._getframe(1)):
            _running()
            _append(self._number)
            _append(READ)
            return function(self._value)
        return function(_escaped(self, kind))

    return read


def _escape(kind: str, function: Function) -> Function:
    def read(self: Traced) -> Any:
        return function(_escaped(self, kind))

    return read


ARITHMETIC = ["add", "sub", "mul", "truediv", "floordiv", "mod", "lshift", "rshift", "and_", "or_", "xor"]
COMPARISONS = ["lt", "le", "gt", "ge", "eq", "ne"]
UNARY: dict[str, Function] = {
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
}
PLACES: dict[str, Function] = {"index": operator.index, "hash": hash}
ESCAPES: dict[str, Function] = {"int": int, "float": float, "complex": complex, "str": str}
UFUNCS: dict[str, Function] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "power": pow,
    "left_shift": operator.lshift,
    "right_shift": operator.rshift,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}
"""What numpy calls for an operator between one of its scalars, as a constant, and a traced value."""

_PLAIN = frozenset((int, float, bool, complex, Traced))
_power = _forward(pow)


def _add_methods() -> None:
    methods: dict[str, Function] = {"rpow": _reflected(pow)}
    for name in ARITHMETIC:
        methods[name.rstrip("_")] = _forward(getattr(operator, name))
        methods["r" + name.rstrip("_")] = _reflected(getattr(operator, name))
    methods |= {name: _forward(getattr(operator, name)) for name in COMPARISONS}
    methods |= {name: _unary(function) for name, function in UNARY.items()}
    methods |= {"bool": _branch} | {name: _place(name, function) for name, function in PLACES.items()}
    methods |= {name: _escape(name, function) for name, function in ESCAPES.items()}
    for name, method in methods.items():
        setattr(Traced, f"__{name}__", method)


_add_methods()

__all__ = ["Traced", "activate", "record", "record_one"]
