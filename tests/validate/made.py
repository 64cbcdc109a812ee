"""Rows and predictions that are made up, with errors that can be worked out by hand."""

from __future__ import annotations

from typing import Any

from memsim.validate.calls import Call
from memsim.validate.measured import Compared, Row
from memsim.validate.prediction import Prediction

GEMM = Call("gemm", "bf16", m=64, n=128, k=256)


def row(line: int = 2, op: str = "gemm", gpu: str = "h100_sxm", call: Call = GEMM, **values: Any) -> Row:
    given = {"lat_ms": 1.0, "sources": 1, **values}
    return Row(line, op, gpu, call.dtype, "h100_sxm", call, "same", **given)


def prediction(time_ms: float, power_w: float = 100.0, energy_j: float = 1.0) -> Prediction:
    return Prediction(time_ms / 1e3, "dram channels, busy 90% of the time", "a kernel", energy_j, power_w, 1e9)


def compared(time_ms: float, **values: Any) -> Compared:
    return Compared(row(**values), prediction(time_ms))
