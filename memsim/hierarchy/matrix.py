"""Matrix units: dot-product engines and systolic arrays, with closed-form cycles and operand traffic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import Field, PlainValidator, model_validator

from memsim.hierarchy.fields import Count, Factor, MacEnergy, Time, whole
from memsim.hierarchy.part import Part
from memsim.hierarchy.problems import nearest, problem, shown
from memsim.hierarchy.units import Duration

DTYPES = ("fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "int8")
"""Operand types of a matrix instruction."""


def _dtype(value: object) -> str:
    if value not in DTYPES:
        raise problem(f"unknown operand type {shown(value)}", nearest(str(value), DTYPES))
    return str(value)


class Native(NamedTuple):
    """One native step of a dot-product engine: an m x n x k product every ``cycles`` cycles."""

    m: int
    n: int
    k: int
    cycles: int


def _native(value: object) -> Native:
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        raise problem(f"{shown(value)} is not [m, n, k, cycles]", "write such as [16, 16, 16, 4]")
    return Native(*(whole(v) for v in value))


DType: TypeAlias = Annotated[str, PlainValidator(_dtype)]
NativeStep: TypeAlias = Annotated[Native, PlainValidator(_native)]


class Operands(NamedTuple):
    """Elements that one instruction moves between the unit and the memories of its operands."""

    a_reads: int
    b_reads: int
    c_reads: int
    c_writes: int


class MatrixUnit(Part):
    """A core's matrix unit; ``c[m, n] += a[m, k] @ b[k, n]``.

    Kind ``"dot"`` takes ``native`` steps. Kind ``"systolic"`` is an array of ``rows`` x ``cols`` cells with the cycle
    counts of SCALE-Sim (Samajdar et al., ISPASS 2020), times ``cycles_scale``, which lists the types supported.
    An instruction is split along n over ``count`` arrays that work at once and share the broadcast of ``a``.
    """

    kind: Literal["dot", "systolic"] = "dot"
    native: dict[DType, NativeStep] = Field(default_factory=dict)
    n_step: Count | None = None
    """A native step may be narrower: any multiple of this along n, in cycles that shrink with it; None: only whole."""
    rows: Count | None = None
    cols: Count | None = None
    dataflow: Literal["weight_stationary", "output_stationary"] = "weight_stationary"
    cycles_scale: dict[DType, Factor] = Field(default_factory=dict)
    count: Count = 1
    latency: Time = Duration(Fraction(0), "cycle")
    """Cycles from the end of a dot-product instruction to its result; a systolic array's follow from its shape."""
    pause: Time = Duration(Fraction(0), "cycle")
    """Cycles before each dot-product instruction in which the unit stands still: a barrier and the way of the first
    operands, where the threads that multiply load as well and nobody else uses the unit."""
    energy: dict[DType, MacEnergy] | None = None
    """pJ per multiply-accumulate; types that are left out have the technology's."""

    @model_validator(mode="after")
    def _complete(self) -> MatrixUnit:
        for key, value in (("latency", self.latency), ("pause", self.pause)):
            if value.unit != "cycle":
                raise problem(f"{value} is not in cycles", 'write such as "16 cycles"', key=key)
        if self.kind == "dot":
            if not self.native:
                raise problem("a dot-product unit needs its native steps", "add native = {bf16 = [16, 16, 16, 4]}")
            for dtype, step in self.native.items():
                if self.n_step and step.n % self.n_step:
                    raise problem(
                        f"steps of {self.n_step} columns do not divide the native {step.n} of {dtype}",
                        f"use a divisor of {step.n}",
                        key="n_step",
                    )
            if self.rows or self.cols or self.cycles_scale:
                raise problem("rows, cols and cycles_scale belong to a systolic array", 'set kind = "systolic"')
            return self
        if not (self.rows and self.cols and self.cycles_scale):
            raise problem(
                "a systolic array needs rows, cols and cycles_scale",
                "add rows = 128, cols = 128, cycles_scale = {bf16 = 1}",
            )
        if self.native or self.n_step:
            raise problem("native steps belong to a dot-product unit", 'set kind = "dot"', key="native")
        return self

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Operand types that the unit supports."""
        return tuple(self.native or self.cycles_scale)

    def supports(self, dtype: str) -> bool:
        """Whether the unit multiplies this operand type."""
        return dtype in self.dtypes

    def peak_macs_per_cycle(self, dtype: str) -> Fraction:
        """Multiply-accumulates a cycle of all arrays, at full use."""
        if self.kind == "dot":
            m, n, k, cycles = self.native[dtype]
            return Fraction(self.count * m * n * k, cycles)
        rows, cols = self._array
        return self.count * rows * cols / self.cycles_scale[dtype]

    def cycles(self, m: int, n: int, k: int, dtype: str) -> tuple[Fraction, Fraction]:
        """(interval, latency) of one instruction in cycles.

        The unit takes the next instruction after the interval; the result is there after interval + latency.
        """
        n = -(-n // self.count)
        if self.kind == "dot":
            step = self.native[dtype]
            steps = math.ceil(m / step.m) * math.ceil(k / step.k)
            busy = Fraction(steps * self._columns(n, step.n) * step.cycles, step.n)
            return busy + self.pause.value, self.latency.value
        rows, cols = self._array
        scale = self.cycles_scale[dtype]
        folds, each = -(-n // cols), 2 * rows + cols + m - 2
        if self.dataflow == "weight_stationary":
            folds *= -(-k // rows)
        else:
            folds, each = folds * -(-m // rows), rows + cols + k - 2
        total = max(1, folds * each - 1)
        drain = min(rows + cols - 2, total - 1)
        return (total - drain) * scale, drain * scale

    def operand_elements(self, m: int, n: int, k: int, dtype: str, *, accumulate: bool = True) -> Operands:
        """Elements of a, b and c that one instruction reads and writes; without ``accumulate`` no c from before.

        A dot-product engine reads all operands at each native step, rounded up to whole steps. A weight-stationary
        array reads b once, a once for each fold of n, and passes c once for each fold of k; an output-stationary one
        passes c once, and reads a for each fold of n and b for each fold of m.
        """
        each = -(-n // self.count)
        if self.kind == "dot":
            step = self.native[dtype]
            deep, high = math.ceil(k / step.k), math.ceil(m / step.m)
            arrays, rest = divmod(n, each)
            wide = arrays * self._columns(each, step.n) + self._columns(rest, step.n)
            c, passes = high * wide * step.m, deep
            a = high * math.ceil(each / step.n) * deep * step.m * step.k
            b = high * wide * deep * step.k
        else:
            rows, cols = self._array
            weights = self.dataflow == "weight_stationary"
            c, passes = m * n, -(-k // rows) if weights else 1
            a = -(-each // cols) * m * k
            b = k * n if weights else -(-m // rows) * k * n
        return Operands(a, b, c * (passes if accumulate else passes - 1), c * passes)

    def _columns(self, n: int, native: int) -> int:
        """Columns that native steps take for ``n`` of them: whole steps, and a last one that may be narrower."""
        grain = self.n_step or native
        return -(-n // grain) * grain

    @property
    def _array(self) -> tuple[int, int]:
        assert self.rows and self.cols
        return self.rows, self.cols
