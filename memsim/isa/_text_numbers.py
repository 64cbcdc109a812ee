"""Numbers and coordinate expressions of the text form."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from lark import Token

from memsim.errors import ProgramError
from memsim.isa._text_source import Node, Source, children, first_token
from memsim.isa.expr import Expr, ceil_div, maximum, minimum, var
from memsim.isa.lexical import MAX_INTEGER, check_expr, nearest, shorten

MAX_OPERANDS = 1000
"""Most operands of one written sum or product."""


def whole(source: Source, node: Node, what: str, least: int = 1) -> int:
    """The constant expression ``node`` as an integer of at least ``least``."""
    value = expression(source, node, ()).const
    if value < least:
        raise source.error(first_token(node), f"{what} must be at least {least}, found {value}")
    return value


def index_number(source: Source, token: Token) -> int:
    """A plain whole number, such as the slot in ``a@1``."""
    return _integer(source, token)


def real(source: Source, node: Node) -> float:
    """A number with an optional sign."""
    *sign, digits = children(node)
    value = float(digits)
    if not math.isfinite(value):
        raise source.error(
            digits,
            f"{shorten(digits)} is too large for a float",
            "the finite lowest fp32 is -3.4028234663852886e+38",
        )
    return -value if sign else value


def expression(source: Source, node: Node, variables: Collection[str]) -> Expr:
    """A sum, whose names must be among ``variables``."""
    head, *rest = _operands(source, node)
    total = _product(source, head, variables)
    for sign, term in zip(rest[::2], rest[1::2], strict=True):
        value = _product(source, term, variables)
        total = total + value if sign == "+" else total - value
    return _checked(source, node, total)


def _product(source: Source, node: Node, variables: Collection[str]) -> Expr:
    head, *rest = _operands(source, node)
    value = _factor(source, head, variables)
    for operator, factor in zip(rest[::2], rest[1::2], strict=True):
        right = _factor(source, factor, variables)
        if operator == "*":
            value = _times(source, operator, value, right)
        else:
            by = _divisor(source, operator, right)
            value = _checked(source, node, value // by if operator == "//" else value % by)
    return _checked(source, node, value)


def _factor(source: Source, node: Any, variables: Collection[str]) -> Expr:
    if isinstance(node, Token):
        return Expr(_integer(source, node)) if node.type == "NUMBER" else _variable(source, node, variables)
    parts = children(node)
    if node.data == "negative":
        return -_factor(source, parts[1], variables)
    if node.data == "sum":
        return expression(source, node, variables)
    function, left, right = parts
    first, second = expression(source, left, variables), expression(source, right, variables)
    if function == "ceildiv":
        return _checked(source, node, ceil_div(first, _divisor(source, function, second)))
    return _checked(source, node, minimum(first, second) if function == "min" else maximum(first, second))


def _operands(source: Source, node: Node) -> list[Any]:
    parts = children(node)
    if len(parts) > 2 * MAX_OPERANDS:
        raise source.error(first_token(node), f"the expression has more than {MAX_OPERANDS} operands", "simplify it")
    return parts


def _integer(source: Source, token: Token) -> int:
    if not token.isdigit():
        raise source.error(token, f"expected a whole number, found {shorten(token)}")
    if len(token) > 4000 or int(token) > MAX_INTEGER:
        raise source.error(token, f"{shorten(token)} is too large", f"whole numbers go up to {MAX_INTEGER}")
    return int(token)


def _variable(source: Source, token: Token, variables: Collection[str]) -> Expr:
    if token in variables:
        return var(str(token))
    if not variables:
        raise source.error(token, f"expected a constant, found the name `{shorten(token)}`", "write a number")
    raise source.error(
        token, f"`{shorten(token)}` is not a loop counter or block coordinate here", nearest(token, variables)
    )


def _times(source: Source, operator: Token, left: Expr, right: Expr) -> Expr:
    if left.is_constant or right.is_constant:
        return left * right
    cause = f"the product of `{left}` and `{right}` is not affine"
    raise source.error(operator, cause, "one factor must be a constant")


def _divisor(source: Source, operator: Token, by: Expr) -> int:
    if by.is_constant and by.const > 0:
        return by.const
    raise source.error(operator, f"`{operator}` needs a positive constant divisor, found {by}")


def _checked(source: Source, node: Node, value: Expr) -> Expr:
    try:
        return check_expr(value)
    except ProgramError as error:
        raise source.error(first_token(node), error.cause, error.mend) from None
