"""Operations on nodes: elementwise functions, reductions, softmax, norms, rotary embedding."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from memsim.errors import WorkloadError
from memsim.isa.ops import DTYPES
from memsim.workloads.graph import Node, Operand, elementwise
from memsim.workloads.shapes import axis_number, check_dtype, shown


def exp(x: Node) -> Node:
    """``e**x``."""
    return elementwise("exp", x)


def log(x: Node) -> Node:
    """Natural logarithm."""
    return elementwise("log", x)


def sqrt(x: Node) -> Node:
    """Square root."""
    return elementwise("sqrt", x)


def rsqrt(x: Node) -> Node:
    """``1 / sqrt(x)``."""
    return elementwise("rsqrt", x)


def recip(x: Node) -> Node:
    """``1 / x``."""
    return elementwise("recip", x)


def sin(x: Node) -> Node:
    """Sine, of radians."""
    return elementwise("sin", x)


def cos(x: Node) -> Node:
    """Cosine, of radians."""
    return elementwise("cos", x)


def tanh(x: Node) -> Node:
    """Hyperbolic tangent."""
    return elementwise("tanh", x)


def sigmoid(x: Node) -> Node:
    """``1 / (1 + exp(-x))``."""
    return elementwise("sigmoid", x)


def relu(x: Node) -> Node:
    """``max(x, 0)``."""
    return elementwise("relu", x)


def gelu(x: Node) -> Node:
    """Gaussian error linear unit in its tanh form (Hendrycks and Gimpel, arXiv:1606.08415)."""
    return elementwise("gelu", x)


def gelu_slope(x: Node) -> Node:
    """The derivative of `gelu`."""
    return elementwise("gelu_slope", x)


def silu(x: Node) -> Node:
    """``x * sigmoid(x)``."""
    return elementwise("silu", x)


def absolute(x: Node) -> Node:
    """``|x|``."""
    return elementwise("abs", x)


def maximum(a: Operand, b: Operand) -> Node:
    """The larger of two, elementwise."""
    return elementwise("maximum", a, b)


def minimum(a: Operand, b: Operand) -> Node:
    """The smaller of two, elementwise."""
    return elementwise("minimum", a, b)


def greater(a: Operand, b: Operand) -> Node:
    """1 where ``a > b``, else 0."""
    return elementwise("greater", a, b)


def cast(x: Node, dtype: str) -> Node:
    """``x`` rounded to another type; fp8 and integers saturate."""
    return replace(elementwise("cast", x), dtype=check_dtype(dtype, "cast"))


def sum(x: Node, axis: int = -1, *, keepdims: bool = False) -> Node:
    """Sum along one axis, int32 for integers. A vector's has shape (1,)."""
    return _reduce("sum", x, axis, keepdims)


def max(x: Node, axis: int = -1, *, keepdims: bool = False) -> Node:
    """Maximum along one axis. A vector's has shape (1,)."""
    return _reduce("max", x, axis, keepdims)


def mean(x: Node, axis: int = -1, *, keepdims: bool = False) -> Node:
    """Mean along one axis. A vector's has shape (1,)."""
    check_float("mean", x)
    return _reduce("mean", x, axis, keepdims)


def softmax(x: Node, axis: int = -1) -> Node:
    """``exp(x) / sum(exp(x))`` along an axis, after subtraction of the maximum."""
    check_float("softmax", x)
    return _node("softmax", (x,), x, axis=axis_number("softmax", axis, x.shape))


def log_softmax(x: Node, axis: int = -1) -> Node:
    """``log(softmax(x))`` along an axis as ``x - max - log(sum(exp(x - max)))``, which never takes the log of 0."""
    check_float("log_softmax", x)
    return _node("log_softmax", (x,), x, axis=axis_number("log_softmax", axis, x.shape))


def layer_norm(x: Node, weight: Node | None = None, bias: Node | None = None, *, eps: float = 1e-5) -> Node:
    """``(x - mean) / sqrt(variance + eps) * weight + bias`` along the last axis (Ba et al., arXiv:1607.06450)."""
    return _norm("layer_norm", x, [("weight", weight), ("bias", bias)], eps)


def rms_norm(x: Node, weight: Node | None = None, *, eps: float = 1e-5) -> Node:
    """``x / sqrt(mean(x**2) + eps) * weight`` along the last axis (Zhang and Sennrich, arXiv:1910.07467)."""
    return _norm("rms_norm", x, [("weight", weight)], eps)


def rope(x: Node, *, heads: int = 1, base: float = 10000.0, offset: int = 0, step: int = 1) -> Node:
    """Rotary position embedding (Su et al., arXiv:2104.09864), pairing the halves of each head as Llama does.

    Parameters
    ----------
    x
        Shape [positions, heads * dim], with a leading batch dimension or none; dim is even.
    heads
        Number of heads.
    base
        Wavelengths run from 2 pi to 2 pi ``base`` positions.
    offset
        Position of the first row.
    step
        From the position of a row to that of the next. With 0 all are at ``offset``: the heads [heads, dim] of a token.
    """
    check_float("rope", x)
    check_heads("rope", "x", x, heads)
    dim = x.shape[-1] // heads
    if dim % 2:
        raise WorkloadError(f"heads of odd size {dim}", where="rope", mend="the halves of a head are rotated as pairs")
    if base <= 0 or offset < 0 or step < 0:
        cause = f"base {base}, offset {offset} and step {step}"
        raise WorkloadError(cause, where="rope", mend="base > 0, offset >= 0 and step >= 0")
    return _node("rope", (x,), x, heads=heads, base=float(base), offset=offset, step=step)


def _node(op: str, args: tuple[Node, ...], like: Node, **attributes: Any) -> Node:
    return Node(op, args, like.shape, like.dtype, MappingProxyType(attributes))


def _reduce(op: str, x: Node, axis: int, keepdims: bool) -> Node:
    number = axis_number(op, axis, x.shape)
    kept = (*x.shape[:number], 1, *x.shape[number + 1 :])
    dropped = (*x.shape[:number], *x.shape[number + 1 :]) or (1,)
    attributes = MappingProxyType({"axis": number, "keepdims": keepdims})
    dtype = "int32" if op == "sum" and not DTYPES[x.dtype].is_float else x.dtype
    return Node(op, (x,), kept if keepdims else dropped, dtype, attributes)


def _norm(op: str, x: Node, parameters: list[tuple[str, Node | None]], eps: float) -> Node:
    check_float(op, x)
    if eps < 0:
        raise WorkloadError(f"eps {eps} is negative", where=op)
    given = [(name, node) for name, node in parameters if node is not None]
    for name, node in given:
        if node.shape != x.shape[-1:]:
            raise WorkloadError(
                f"{name} of shape {shown(node.shape)} for rows of {x.shape[-1]}",
                where=op,
                mend=f"give it shape {shown(x.shape[-1:])}",
            )
    return _node(op, (x, *(node for _, node in given)), x, eps=float(eps), given=tuple(name for name, _ in given))


def check_float(op: str, x: Node) -> None:
    """Refuse integers."""
    if not DTYPES[x.dtype].is_float:
        raise WorkloadError(f"operand of type {x.dtype}", where=op, mend="cast(x, 'fp32') first")


def check_heads(op: str, name: str, x: Node, heads: int) -> None:
    """Refuse what is not rows of ``heads * dim``."""
    if len(x.shape) not in (2, 3):
        raise WorkloadError(
            f"{name} of shape {shown(x.shape)}", where=op, mend="rows x (heads * dim), or batch x rows x (heads * dim)"
        )
    if heads < 1 or x.shape[-1] % heads:
        raise WorkloadError(
            f"{name} of shape {shown(x.shape)} does not divide into {heads} heads",
            where=op,
            mend="the last dimension is heads * dim",
        )
