"""The JSON form of a program, for tools: objects that mirror the classes of `memsim.isa.model`.

An expression is an integer, a name, or ``[operator, operands ...]``: ``["+", ["*", "y", 128], 3]``.
A statement has a ``kind``, the name of its class in lower case.
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any

from memsim.errors import ProgramError
from memsim.isa._json_errors import check_schema
from memsim.isa._json_read import read
from memsim.isa._json_schema import JSON_SCHEMA, STATEMENTS, VERSION
from memsim.isa.expr import Atom, Expr, FloorDiv, Min, Mod, Var
from memsim.isa.model import Program

__all__ = ["JSON_SCHEMA", "from_json", "to_json"]


def to_json(program: Program) -> dict[str, Any]:
    """Give the program as dicts, lists, strings and numbers; `from_json` undoes it."""
    return {"version": VERSION, **_encode(program)}


def from_json(document: Any) -> Program:
    """Read a program from its JSON form.

    Raises
    ------
    ProgramError
        With the JSON path of what is wrong, such as ``$.kernels[0].groups[0].rings[1].dtype``.
    """
    check_schema(document)
    return read(document)


def _encode(value: Any) -> Any:
    if isinstance(value, Expr):
        return _expression(value)
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ProgramError(f"{value} cannot be written in JSON", mend="use the finite extreme of the type")
    if not is_dataclass(value):
        return value
    kind = type(value).__name__.lower()
    given = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "place"}
    head = {"kind": kind} if kind in STATEMENTS else {}
    return {**head, **{name: _encode(item) for name, item in given.items() if item is not None}}


def _expression(expr: Expr) -> Any:
    parts = [_atom(atom) if factor == 1 else ["*", _atom(atom), factor] for atom, factor in expr.terms]
    if expr.const or not parts:
        parts.append(expr.const)
    return parts[0] if len(parts) == 1 else ["+", *parts]


def _atom(atom: Atom) -> Any:
    match atom:
        case Var(name):
            return name
        case FloorDiv(of, by):
            return ["//", _expression(of), by]
        case Mod(of, by):
            return ["%", _expression(of), by]
    return ["min" if isinstance(atom, Min) else "max", _expression(atom.left), _expression(atom.right)]
