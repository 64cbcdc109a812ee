"""Tracing a Python function over scalars: its arguments go in traced, and what it returns comes out in numbers."""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Number
from typing import Any

import numpy as np

from memsim.errors import MemsimError
from memsim.locality.scores import Score
from memsim.locality.tracing.columns import Trace
from memsim.locality.tracing.functions import replaced_functions
from memsim.locality.tracing.prices import price
from memsim.locality.tracing.recorder import Recorder, new_number, of_user
from memsim.locality.tracing.traced import Traced, activate

PATIENCE_S = 600.0
"""How long a trace waits for one in another thread."""

_turn = threading.Lock()
_holder = -1


def bytedmd(
    function: Callable[..., Any], args: Sequence[Any], dialect: str = "main", bytes_per_element: int = 1
) -> Score:
    """Run a function on traced numbers and price its data movement under ByteDMD.

    Parameters
    ----------
    function
        Any Python function over numbers, and lists of them. It runs once, for real.
    args
        Its arguments: plain numbers, and lists or tuples of them, nested as deep as needed.
    dialect
        ``main``, ``dev``, ``classic-14``, ``l2-live`` or ``l2-classic``; see `DIALECTS`.
    bytes_per_element
        Size of every element; depths count bytes.

    Returns
    -------
    Score
        See `price`.

    Raises
    ------
    MemsimError
        If an argument is no number, a value is taken away in a way that cannot be priced, the function raises, or what
        it returns is no number, list, tuple or dict.
    """
    return price(trace(function, args), dialect, bytes_per_element)


def trace(function: Callable[..., Any], args: Sequence[Any]) -> Trace:
    """Run a function on traced numbers and record what it does; see `bytedmd` for parameters and errors.

    One trace runs at a time: those of other threads wait, and one inside a traced function is refused.
    """
    global _holder
    name = _name(function)
    _check_call(function, args, name)
    if _holder == threading.get_ident():
        raise MemsimError(
            "a trace inside a traced function", where=name, mend="call that function itself, or trace it alone"
        )
    if not _turn.acquire(timeout=PATIENCE_S):
        raise MemsimError(
            f"another trace has run for {PATIENCE_S:.0f} s", where=name, mend="trace in one thread at a time"
        )
    try:
        _holder = threading.get_ident()
        return _trace(function, args, name)
    finally:
        _holder = -1
        _turn.release()


def _trace(function: Callable[..., Any], args: Sequence[Any], name: str) -> Trace:
    recorder = Recorder()
    arguments: list[int] = []
    given = _all_wrapped(args, name, arguments)
    if not arguments:
        raise MemsimError("the arguments hold no number", where=name, mend="give at least one number to trace")
    recorder.first = _first(given)
    activate(recorder)
    try:
        with replaced_functions(function):
            result = function(*given)
    except (Exception, SystemExit) as error:
        failure: BaseException | None = error
    else:
        failure = None
    finally:
        activate(None)
    if recorder.refused is not None:  # even if the function caught it
        raise recorder.refused
    if failure is not None:
        _raise(failure, name)
    returned: list[int] = []
    value = _returned(result, name, returned)
    return replace(recorder.columns(arguments, returned), value=value)


def _name(function: object) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


def _check_call(function: object, args: object, name: str) -> None:
    """Refuse what cannot be called with these arguments."""
    if not callable(function):
        raise MemsimError(f"a {type(function).__name__} is no function", where="function", mend="give a function")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise MemsimError("it runs only when it is awaited or iterated", where=name, mend="trace a plain function")
    if not isinstance(args, (list, tuple)):
        raise MemsimError(
            f"the arguments are a {type(args).__name__}",
            where=name,
            mend="give a list of arguments, such as ([1, 2], [3, 4])",
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none
        return
    try:
        signature.bind(*args)
    except TypeError as error:
        raise MemsimError(
            f"{len(args)} arguments do not fit {name}{signature}: {error}", where=name, mend="give one for each name"
        ) from error


def _all_wrapped(args: Sequence[Any], name: str, arguments: list[int]) -> list[Any]:
    try:
        return [_wrapped(arg, i, f"argument {i + 1}", arguments) for i, arg in enumerate(args)]
    except RecursionError:
        raise MemsimError("the lists nest too deep, or hold themselves", where=name, mend="give flatter ones") from None


def _wrapped(arg: Any, index: int, where: str, arguments: list[int]) -> Any:
    """An argument with traced values for its numbers; adds ``index`` to ``arguments`` for each."""
    if isinstance(arg, Number) and not isinstance(arg, Traced):
        arguments.append(index)
        return Traced(arg.item() if isinstance(arg, np.generic) else arg, new_number())
    if isinstance(arg, (list, tuple)):
        parts = [_wrapped(part, index, f"{where}[{i}]", arguments) for i, part in enumerate(arg)]
        return parts if isinstance(arg, list) else tuple(parts)
    shown = repr(arg) if isinstance(arg, str) and len(arg) < 40 else f"a {type(arg).__name__}"
    mend = "give its .tolist()" if isinstance(arg, np.ndarray) else "give numbers, and lists or tuples of them"
    raise MemsimError(f"{shown} is no number", where=where, mend=mend)


def _first(given: object) -> int:
    """The number of the first traced value."""
    left = [given]
    while left:
        one = left.pop()
        if type(one) is Traced:
            return one._number
        if isinstance(one, (list, tuple)):
            left.extend(reversed(one))
    raise AssertionError("no traced value")  # pragma: no cover - checked by the caller


def _raise(error: BaseException, name: str) -> None:
    """Tell where the user's function went wrong."""
    if isinstance(error, MemsimError):
        raise error
    where = name
    for frame, line in traceback.walk_tb(error.__traceback__):
        if of_user(frame):
            where = f"{frame.f_code.co_filename}:{line}"
    raise MemsimError(
        f"{name} raised {type(error).__name__}: {error}",
        where=where,
        mend="see that it runs on plain numbers, and asks no more of them than operators and functions of math",
    ) from error


def _returned(result: Any, where: str, returned: list[int]) -> Any:
    """What was returned, in plain numbers; adds the numbers of its traced values to ``returned``."""
    try:
        return _unwrapped(result, f"what {where} returns", returned)
    except RecursionError as error:
        raise MemsimError("what is returned holds itself", where=where, mend="return plain lists") from error


def _unwrapped(result: Any, where: str, returned: list[int]) -> Any:
    if type(result) is Traced:
        returned.append(result._number)
        return result._value
    if result is None or isinstance(result, Number):
        return result
    if isinstance(result, (list, tuple)):
        parts = [_unwrapped(part, where, returned) for part in result]
        return parts if isinstance(result, list) else tuple(parts)
    if isinstance(result, dict):
        if any(type(key) is Traced for key in result):
            raise MemsimError("a key of a dict is traced", where=where, mend="return it as a value")
        return {key: _unwrapped(part, where, returned) for key, part in result.items()}
    shown = repr(result) if isinstance(result, str) and len(result) < 40 else f"a {type(result).__name__}"
    raise MemsimError(
        f"{shown} is no number, list, tuple or dict", where=where, mend="return numbers, and lists, tuples or dicts"
    )


__all__ = ["bytedmd", "trace"]
