"""Elementwise expressions over a space, in the primitives of the ISA: what a kernel computes on each tile.

The functions of the graph are taken apart here: ``exp(x)`` is ``exp2(x log2 e)``, softmax is a maximum, a difference,
an exponential, a sum and a product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from memsim.isa.ops import DTYPES, VECTOR_OPS
from memsim.lowering.spaces import Access

LOG2_E = math.log2(math.e)
LEAF, GIVEN, IOTA, REDUCE = "leaf", "given", "iota", "reduce"


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tile-sized quantity of a kernel: a loaded tile, an index, an elementwise result or a reduction."""

    op: str
    """A primitive of `VECTOR_OPS`; ``leaf`` (a loaded tile), ``given`` (a tile that the kernel provides), ``iota`` (the
    index along ``axis``), ``reduce``."""
    args: tuple[Operand, ...]
    span: frozenset[int]
    """Axes of the space along which it varies."""
    dtype: str
    access: Access | None = None
    axis: int = -1
    how: str = ""
    """Of a reduction: sum or max. Of a given tile: its name."""

    @property
    def values(self) -> tuple[Value, ...]:
        """The arguments that are values."""
        return tuple(arg for arg in self.args if isinstance(arg, Value))


Operand: TypeAlias = Value | float


def leaf(access: Access) -> Value:
    """A tile of a tensor."""
    return Value(LEAF, (), access.span, access.dtype, access)


def given(name: str, span: frozenset[int], dtype: str) -> Value:
    """A tile that the kernel provides, such as an accumulator."""
    return Value(GIVEN, (), span, dtype, how=name)


def iota(axis: int) -> Value:
    """The index along an axis of the space."""
    return Value(IOTA, (), frozenset({axis}), "fp32", axis=axis)


def apply(op: str, *args: Operand) -> Value:
    """A primitive on values and scalars: fp32, or int32 where all are integers."""
    values = [arg for arg in args if isinstance(arg, Value)]
    span = frozenset[int]().union(*(value.span for value in values))
    is_float = VECTOR_OPS[op].special or any(DTYPES[value.dtype].is_float for value in values)
    return Value(op, args, span, "fp32" if is_float else "int32")


def reduced(how: str, value: Value, axis: int) -> Value:
    """Sum or maximum along an axis."""
    dtype = "fp32" if DTYPES[value.dtype].is_float else "int32"
    return Value(REDUCE, (value,), value.span - {axis}, dtype, axis=axis, how=how)


def order(roots: Sequence[Value]) -> Iterator[Value]:
    """Every value that the roots need, once, arguments before their users."""
    done: set[int] = set()
    stack: list[tuple[Value, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        value, ready = stack.pop()
        if id(value) in done:
            continue
        if ready:
            done.add(id(value))
            yield value
        else:
            stack.append((value, True))
            stack.extend((arg, False) for arg in reversed(value.values))


# ---- functions of the graph, in primitives ----


def exponential(x: Value, scale: float = 1.0) -> Value:
    """``exp(scale * x)``."""
    return apply("exp2", apply("mul", x, scale * LOG2_E))


def sigmoid(x: Value, scale: float = 1.0) -> Value:
    """``1 / (1 + exp(-scale * x))``."""
    return apply("recip", apply("add", exponential(x, -scale), 1.0))


def _tanh(x: Value) -> Value:
    return apply("sub", 1.0, apply("mul", apply("recip", apply("add", exponential(x, 2.0), 1.0)), 2.0))


def _gelu(x: Value) -> Value:
    # 0.5 (1 + tanh u) is sigmoid(2 u), with u = sqrt(2/pi) (x + 0.044715 x^3)
    inner = apply("mul", apply("add", apply("mul", apply("mul", x, x), 0.044715), 1.0), x)
    return apply("mul", x, sigmoid(inner, 2 * math.sqrt(2 / math.pi)))


def _gelu_slope(x: Value) -> Value:
    # the derivative of x s(x), with s = sigmoid(2 u) as above, is s + x s (1 - s) 2 u'
    square, scale = apply("mul", x, x), 2 * math.sqrt(2 / math.pi)
    inner = apply("mul", apply("add", apply("mul", square, 0.044715), 1.0), x)
    s = sigmoid(inner, scale)
    rise = apply("mul", apply("add", apply("mul", square, 3 * 0.044715), 1.0), scale)
    bend = apply("mul", apply("mul", apply("sub", 1.0, s), x), rise)
    return apply("mul", apply("add", bend, 1.0), s)


def _divide(a: Operand, b: Operand) -> Value:
    if isinstance(b, float):
        return apply("mul", a, 1.0 / b)
    return apply("mul", apply("recip", b), a)


ELEMENTWISE: dict[str, Callable[..., Value]] = {
    "div": _divide,
    "exp": exponential,
    "log": lambda x: apply("mul", apply("log2", x), math.log(2)),
    "tanh": _tanh,
    "sigmoid": sigmoid,
    "silu": lambda x: apply("mul", sigmoid(x), x),
    "gelu": _gelu,
    "gelu_slope": _gelu_slope,
    "relu": lambda x: apply("max", x, 0.0),
    "greater": lambda a, b: apply("gt", a, b),
    "maximum": lambda a, b: apply("max", a, b),
    "minimum": lambda a, b: apply("min", a, b),
}
"""How each elementwise operator that is not a primitive itself is made of primitives."""


def function(op: str, *args: Operand) -> Value:
    """An elementwise operator of the graph on values."""
    make = ELEMENTWISE.get(op)
    return make(*args) if make else apply(op, *args)


def softmax(x: Value, axis: int, scale: float = 1.0) -> Value:
    """``softmax(scale * x)`` along an axis, for a positive scale."""
    shifted = apply("sub", x, reduced("max", x, axis))
    powers = exponential(shifted, scale)
    return apply("mul", powers, apply("recip", reduced("sum", powers, axis)))


def log_softmax(x: Value, axis: int) -> Value:
    """``x - max(x) - log(sum(exp(x - max(x))))`` along an axis."""
    shifted = apply("sub", x, reduced("max", x, axis))
    return apply("sub", shifted, function("log", reduced("sum", exponential(shifted), axis)))


def mean(x: Value, axis: int, length: int) -> Value:
    """Mean along an axis of that length."""
    return apply("mul", reduced("sum", x, axis), 1.0 / length)


def layer_norm(x: Value, axis: int, length: int, eps: float, weight: Value | None, bias: Value | None) -> Value:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``."""
    centred = apply("sub", x, mean(x, axis, length))
    return _scaled(centred, axis, length, eps, weight, bias)


def rms_norm(x: Value, axis: int, length: int, eps: float, weight: Value | None) -> Value:
    """``x / sqrt(mean(x**2) + eps) * weight``."""
    return _scaled(x, axis, length, eps, weight, None)


def _scaled(x: Value, axis: int, length: int, eps: float, weight: Value | None, bias: Value | None) -> Value:
    variance = mean(apply("mul", x, x), axis, length)
    y = apply("mul", x, apply("rsqrt", apply("add", variance, eps)))
    y = y if weight is None else apply("mul", y, weight)
    return y if bias is None else apply("add", y, bias)
