"""From a document that fits the schema to the classes of `memsim.isa.model`, guided by their type hints."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from memsim.errors import ProgramError
from memsim.isa import model
from memsim.isa._json_errors import DEEPEST, describe
from memsim.isa._json_schema import STATEMENTS
from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.lexical import check_expr, check_integer, check_name, nearest
from memsim.isa.model import Program

_OPERATORS = ("+", "*", "//", "%", "min", "max")
_NAMED: Mapping[type, Mapping[str, str]] = {
    model.Program: {"name": "program"},
    model.Tensor: {"name": "tensor", "role": "memory role"},
    model.Kernel: {"name": "kernel"},
    model.Group: {"name": "group"},
    model.Ring: {"name": "ring", "memory": "memory role"},
    model.Queue: {"name": "queue"},
    model.Loop: {"var": "loop variable"},
}
"""Fields that name something, and what."""
_STATEMENT_CLASSES = {kind: getattr(model, kind.capitalize()) for kind in STATEMENTS}


def read(document: Mapping[str, Any]) -> Program:
    """The program of a document that `check_schema` has passed."""
    program: Program = _object(Program, document, "$")
    return program


def _object(cls: type, data: Mapping[str, Any], path: str) -> Any:
    hints = _hints(cls)
    given = {name: _value(hints[name], data[name], f"{path}.{name}") for name in hints if name in data}
    for name, what in _NAMED.get(cls, {}).items():
        check_name(data[name], what, f"{path}.{name}")
    if cls is model.Group:
        for i, (axis, _) in enumerate(data["grid"]):
            check_name(axis, "block coordinate", f"{path}.grid[{i}][0]")
    return cls(**given)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(cls).items() if name != "place"}


def _value(hint: Any, data: Any, path: str) -> Any:
    if hint is Expr:
        return _expression(data, path)
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), data, path)
    if get_origin(hint) in (Union, types.UnionType):
        return _union(get_args(hint), data, path)
    if hint is float:
        return _real(data, path)
    return int(data) if hint is int else data if hint in (str, bool) else _object(hint, data, path)


def _tuple(hints: tuple[Any, ...], data: list[Any], path: str) -> tuple[Any, ...]:
    each = [hints[0]] * len(data) if hints[-1] is Ellipsis else hints
    return tuple(_value(hint, item, f"{path}[{i}]") for i, (hint, item) in enumerate(zip(each, data, strict=True)))


def _union(hints: tuple[Any, ...], data: Any, path: str) -> Any:
    """A statement of some kind, a tile or a number, or something optional that is there."""
    if isinstance(data, dict):
        return _object(_STATEMENT_CLASSES[data["kind"]] if "kind" in data else model.Tile, data, path)
    return _value(next(hint for hint in hints if hint not in (type(None), model.Tile)), data, path)


def _real(data: float, path: str) -> float:
    value = float(data) if abs(data) < 1e308 or isinstance(data, float) else math.inf
    if not math.isfinite(value):
        raise ProgramError(f"expected a finite number, found {describe(data)}", where=path)
    return value


def _expression(data: Any, path: str, depth: int = 0) -> Expr:
    if isinstance(data, str):
        return var(check_name(data, "coordinate", path))
    if (isinstance(data, int) and not isinstance(data, bool)) or (isinstance(data, float) and data.is_integer()):
        return Expr(check_integer(int(data), path))
    if not isinstance(data, list) or len(data) < 3 or depth > DEEPEST:
        raise ProgramError(
            f"expected a whole number, a name or [operator, operands ...], found {describe(data)}", where=path
        )
    operator, *rest = data
    if operator not in _OPERATORS:
        raise ProgramError(
            f"unknown operator {describe(operator)}", where=f"{path}[0]", mend=nearest(str(operator), _OPERATORS)
        )
    operands = [_expression(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(rest, 1)]
    return check_expr(_apply(operator, operands, path), path)


def _apply(operator: str, operands: list[Expr], path: str) -> Expr:
    left, right = operands[:2]
    if operator == "+":
        return sum(operands[1:], left)
    if operator == "*":
        return _product(operands, path)
    if len(operands) != 2:
        raise ProgramError(f"`{operator}` takes 2 operands, found {len(operands)}", where=path)
    if operator in ("min", "max"):
        return minimum(left, right) if operator == "min" else maximum(left, right)
    if not right.is_constant or right.const <= 0:
        raise ProgramError(f"`{operator}` needs a positive constant divisor, found {right}", where=f"{path}[2]")
    return left // right.const if operator == "//" else left % right.const


def _product(factors: list[Expr], path: str) -> Expr:
    result = Expr(1)
    for factor in factors:
        if not (result.is_constant or factor.is_constant):
            raise ProgramError(
                f"the product of `{result}` and `{factor}` is not affine",
                where=path,
                mend="one factor must be a constant",
            )
        result = result * factor
    return result
