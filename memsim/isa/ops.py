"""One table of what the tile instructions compute: data types, elementwise primitives, reductions.

The interpreter, the lowering, the engine and the tests read this table, so each primitive is defined once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np


@dataclass(frozen=True, slots=True)
class DType:
    """A storage type: its width, its numpy twin, and the type in which arithmetic on it is done."""

    name: str
    bits: int
    numpy: np.dtype[Any]
    is_float: bool
    lowest: float
    """The finite lowest value: what a mask uses, since hardware may assume that no infinity occurs."""

    @property
    def bytes(self) -> int:
        """Bytes of one element."""
        return self.bits // 8


_FLOAT_LIMITS: Callable[[Any], Any] = ml_dtypes.finfo


def _float(name: str, kind: Any) -> DType:
    dtype = np.dtype(kind)
    return DType(name, dtype.itemsize * 8, dtype, True, float(_FLOAT_LIMITS(dtype).min))


def _int(name: str, kind: Any) -> DType:
    dtype = np.dtype(kind)
    return DType(name, dtype.itemsize * 8, dtype, False, float(np.iinfo(dtype).min))


DTYPES: dict[str, DType] = {
    d.name: d
    for d in (
        _float("fp32", np.float32),
        _float("fp16", np.float16),
        _float("bf16", ml_dtypes.bfloat16),
        _float("fp8_e4m3", ml_dtypes.float8_e4m3fn),  # OCP FP8: no infinities, saturates at +-448
        _float("fp8_e5m2", ml_dtypes.float8_e5m2),
        _int("int8", np.int8),
        _int("int32", np.int32),
    )
}

MMA_TYPES: dict[str, str] = {  # operand type -> accumulator type
    "fp32": "fp32",
    "fp16": "fp32",
    "bf16": "fp32",
    "fp8_e4m3": "fp32",
    "fp8_e5m2": "fp32",
    "int8": "int32",
}


@dataclass(frozen=True, slots=True)
class VectorOp:
    """An elementwise primitive on fp32 (or int32) values, rounded once to the destination's type."""

    name: str
    arity: int
    compute: Callable[..., Any]
    """The numpy definition, elementwise with broadcasting."""
    special: bool = False
    """Whether a GPU computes it in its special-function unit."""


def _compare(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: function(a, b).astype(np.result_type(a, b))


VECTOR_OPS: dict[str, VectorOp] = {
    op.name: op
    for op in (
        VectorOp("cast", 1, lambda a: a),
        VectorOp("neg", 1, np.negative),
        VectorOp("abs", 1, np.abs),
        VectorOp("floor", 1, np.floor),
        VectorOp("recip", 1, lambda a: np.float32(1) / a, special=True),
        VectorOp("sqrt", 1, np.sqrt, special=True),
        VectorOp("rsqrt", 1, lambda a: np.float32(1) / np.sqrt(a), special=True),
        VectorOp("exp2", 1, np.exp2, special=True),
        VectorOp("log2", 1, np.log2, special=True),
        VectorOp("sin", 1, np.sin, special=True),
        VectorOp("cos", 1, np.cos, special=True),
        VectorOp("add", 2, np.add),
        VectorOp("sub", 2, np.subtract),
        VectorOp("mul", 2, np.multiply),
        VectorOp("max", 2, np.maximum),
        VectorOp("min", 2, np.minimum),
        VectorOp("ge", 2, _compare(np.greater_equal)),
        VectorOp("gt", 2, _compare(np.greater)),
        VectorOp("eq", 2, _compare(np.equal)),
        VectorOp("where", 3, lambda c, a, b: np.where(c != 0, a, b)),
    )
}


@dataclass(frozen=True, slots=True)
class ReduceOp:
    """A reduction along one axis, in fp32 (or int32); `interpret` states the order of its sums."""

    name: str
    compute: Callable[..., Any]


REDUCE_OPS: dict[str, ReduceOp] = {
    op.name: op
    for op in (
        ReduceOp("sum", np.add.reduce),
        ReduceOp("max", np.maximum.reduce),
        ReduceOp("min", np.minimum.reduce),
    )
}


def round_to(values: Any, name: str) -> Any:
    """Round ``values`` to type ``name``: nearest-even; fp8 and integers saturate at the finite extremes."""
    target = DTYPES[name]
    values = np.asarray(values)
    if values.dtype == target.numpy:
        return values
    if not target.is_float:
        low, high = np.iinfo(target.numpy).min, np.iinfo(target.numpy).max
        rounded = np.rint(values.astype(np.float64)) if values.dtype.kind not in "iu" else values
        return np.clip(rounded, low, high).astype(target.numpy)
    if target.bits == 8:
        values = np.clip(values.astype(np.float32), target.lowest, -target.lowest)
    return values.astype(target.numpy)
