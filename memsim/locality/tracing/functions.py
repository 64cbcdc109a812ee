"""The functions of `math` during a trace: operations with a traced result, where Python would take a float away."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, CellType, FunctionType, MethodType
from typing import Any

from memsim.locality.tracing.traced import Traced, record, record_one

Function = Callable[..., Any]

AS_OPERATORS = ("floor", "ceil", "trunc", "prod", "sumprod")
"""These work by operators of what they are given, which are traced."""


def _replacement(function: Function) -> Function:
    @functools.wraps(function)
    def call(*operands: Any, **options: Any) -> Any:
        if len(operands) == 1 and not options and type(operands[0]) is Traced:
            return record_one(function, operands[0]._number, operands[0]._value)
        return record(function, operands, options)

    return call


_REPLACEMENTS: dict[int, tuple[Function, Function]] = {
    id(function): (function, _replacement(function))
    for name, function in vars(math).items()
    if isinstance(function, BuiltinFunctionType) and name not in AS_OPERATORS
}


@contextmanager
def replaced_functions(function: object) -> Iterator[None]:
    """Replace the functions of `math` there, and where ``function`` finds them under names of its own.

    That is in the globals of its module, and in what it and the functions in its closure closed over. All of it is put
    back afterwards, unless it was assigned anew meanwhile.
    """
    namespaces, cells = _reach(function)
    changed: list[tuple[dict[str, Any], str, Function, Function]] = []
    filled: list[tuple[CellType, Function, Function]] = []
    try:
        for namespace in (vars(math), *namespaces):
            for name, value in list(namespace.items()):
                if id(value) in _REPLACEMENTS:
                    before, during = _REPLACEMENTS[id(value)]
                    changed.append((namespace, name, before, during))
                    namespace[name] = during
        for cell in cells:
            if id(_content(cell)) in _REPLACEMENTS:
                before, during = _REPLACEMENTS[id(_content(cell))]
                filled.append((cell, before, during))
                cell.cell_contents = during
        yield
    finally:
        for namespace, name, before, during in changed:
            if namespace.get(name) is during:
                namespace[name] = before
        for cell, before, during in filled:
            if _content(cell) is during:
                cell.cell_contents = before


def _reach(function: object) -> tuple[list[dict[str, Any]], list[CellType]]:
    """The globals and the filled cells of a function, of what it wraps, and of the functions in those cells."""
    seen: dict[int, FunctionType] = {}
    left = _functions(function)
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            for content in (*map(_content, one.__closure__ or ()), getattr(one, "__wrapped__", None)):
                left.extend(_functions(content))
    namespaces = {id(one.__globals__): one.__globals__ for one in seen.values()}
    cells = {id(cell): cell for one in seen.values() for cell in one.__closure__ or ()}
    return list(namespaces.values()), list(cells.values())


def _functions(thing: object) -> list[FunctionType]:
    """The Python function behind something callable, in a list; empty where there is none."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    thing = thing.__func__ if isinstance(thing, MethodType) else thing
    found = thing if isinstance(thing, FunctionType) else inspect.getattr_static(type(thing), "__call__", None)
    return [found] if isinstance(found, FunctionType) else []


def _content(cell: CellType) -> object:
    try:
        found: object = cell.cell_contents
    except ValueError:  # not assigned yet
        return None
    return found


__all__ = ["replaced_functions"]
