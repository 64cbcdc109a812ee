"""The ISA's table of primitives as WGSL: each numpy definition is called once with symbols, and says what it does.

`memsim.isa.ops` defines every elementwise primitive and every reduction as a numpy function. Called with a `Traced`
instead of an array, the same function builds a WGSL expression, because numpy hands its functions over to their
arguments (NEP 13 and NEP 18). So there is one definition, and no second one that could drift from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memsim.isa.ops import REDUCE_OPS, VECTOR_OPS

_INFIX = {
    np.add: "+",
    np.subtract: "-",
    np.multiply: "*",
    np.divide: "/",
}
_COMPARE = {np.greater_equal: ">=", np.greater: ">", np.equal: "==", np.not_equal: "!="}
_CALLS = {
    np.absolute: "abs",
    np.floor: "floor",
    np.sqrt: "sqrt",
    np.exp2: "exp2",
    np.log2: "log2",
    np.sin: "sine",
    np.cos: "cosine",
    np.maximum: "max",
    np.minimum: "min",
}
INEXACT = frozenset({"exp2", "log2", "sine", "cosine"})
"""Functions that may be off by more than a rounding, on any device."""
ROUNDED = frozenset({"sqrt", "/"})
"""Those that WGSL lets be off by an ulp or two; the software adapters round them correctly."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A WGSL expression of one element: its text, its type (``f32``, ``i32`` or ``bool``), the functions in it."""

    text: str
    kind: str
    calls: frozenset[str] = frozenset()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "reduce":
            return ufunc
        args = [_traced(value, self.kind) for value in inputs]
        calls = frozenset().union(*(arg.calls for arg in args))
        texts = [arg.text for arg in args]
        kind = next((arg.kind for arg in args if arg.kind != "bool"), "bool")
        if ufunc in _COMPARE:
            return Traced(f"({texts[0]} {_COMPARE[ufunc]} {texts[1]})", "bool", calls)
        if ufunc in _INFIX:
            sign = _INFIX[ufunc]
            return Traced(f"({texts[0]} {sign} {texts[1]})", kind, calls | ({sign} & ROUNDED))
        if ufunc is np.negative:
            return Traced(f"(-{texts[0]})", kind, calls)
        if ufunc is np.floor and kind == "i32":
            return args[0]
        name = _CALLS[ufunc]
        return Traced(f"{name}({', '.join(texts)})", kind, calls | ({name} & (INEXACT | ROUNDED)))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function is np.result_type:
            return next(arg.kind for arg in args if isinstance(arg, Traced))
        if function is np.where:
            condition, yes, no = args
            kind = next(arg.kind for arg in (yes, no) if isinstance(arg, Traced))
            yes, no = _traced(yes, kind), _traced(no, kind)
            calls = yes.calls | no.calls | condition.calls
            return Traced(f"select({no.text}, {yes.text}, {condition.text})", kind, calls)
        raise TypeError(f"{function} has no WGSL form")

    def __ne__(self, other: object) -> Any:
        return self.__array_ufunc__(np.not_equal, "__call__", self, other)

    __hash__ = None  # type: ignore[assignment]

    def __rtruediv__(self, other: Any) -> Any:
        return self.__array_ufunc__(np.divide, "__call__", other, self)

    def astype(self, kind: str) -> Traced:
        """The values in another type; only truth becomes numbers."""
        one, zero = ("1.0", "0.0") if kind == "f32" else ("1", "0")
        return Traced(f"select({zero}, {one}, {self.text})", kind, self.calls)


def _traced(value: Any, kind: str) -> Traced:
    return value if isinstance(value, Traced) else Traced(literal(value, kind), kind)


def vector_expression(op: str, args: Sequence[Traced]) -> Traced:
    """The WGSL expression of an elementwise primitive.

    Parameters
    ----------
    op
        Its name in `memsim.isa.ops.VECTOR_OPS`.
    args
        Its operands, all of the type that it computes in.
    """
    result: Traced = VECTOR_OPS[op].compute(*args)
    return result


def reduce_expression(op: str, kind: str) -> Callable[[str, str], str]:
    """How a reduction combines two values: a function of their texts."""
    ufunc = REDUCE_OPS[op].compute(Traced("x", kind))
    return lambda a, b: ufunc(Traced(a, kind), Traced(b, kind)).text


def literal(value: Any, kind: str) -> str:
    """A number as WGSL text, exactly."""
    if kind == "i32":
        return _integer(int(value))
    single = np.float32(value)
    if not np.isfinite(single):
        return f"bitcast<f32>({int(single.view(np.uint32))}u + never)"
    text = repr(float(single))
    return f"({text}f)" if text.startswith("-") else f"{text}f"


def _integer(value: int) -> str:
    if value == -(2**31):
        return "i32(-2147483647 - 1)"
    return f"i32({value})" if value < 0 else str(value)
