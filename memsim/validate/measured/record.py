"""A validation as plain values, for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from memsim.validate.calls import Call
from memsim.validate.measured.batch import Batch, knobs_now
from memsim.validate.measured.row import Row, Unknown
from memsim.validate.measured.summary import (
    Compared,
    Summary,
    by_gpu,
    by_op,
    by_op_and_gpu,
    total,
    worst,
)
from memsim.validate.measured.text import DISAGREEMENT
from memsim.validate.prediction import Prediction


def to_json(batch: Batch, unknown: Sequence[Unknown] = (), *, file: str = "", worst_rows: int = 20) -> dict[str, Any]:
    """Everything that was found. Errors are in percent, as ``unit`` says; ``worst_factor`` is a ratio.

    Parameters
    ----------
    batch
        What was predicted.
    unknown
        Rows that were passed over.
    file
        What was read.
    worst_rows
        How many of the worst are named.
    """
    compared = batch.compared
    return {
        "memsim": version("memsim"),
        "file": file,
        "unit": "percent",
        "by": [asdict(s) for s in by_op_and_gpu(compared)],
        "by_op": [asdict(s) for s in by_op(compared)],
        "by_gpu": [asdict(s) for s in by_gpu(compared)],
        "total": _or_none(total(compared)),
        "power": _quantity(compared, "power"),
        "energy": _quantity(compared, "energy"),
        "published_energies_differ": DISAGREEMENT,
        "worst": [c.row.line for c in worst(compared, worst_rows)],
        "rows": [row_json(c) for c in compared],
        "failed": [{"line": f.row.line, "gpu": f.row.gpu, "op": f.row.op, "reason": f.reason} for f in batch.failed],
        "skipped": [asdict(u) for u in unknown],
        "interrupted": batch.interrupted,
        "knobs": knobs_now(),
    }


def _or_none(summary: Summary | None) -> dict[str, Any] | None:
    return None if summary is None else asdict(summary)


def _quantity(compared: Sequence[Compared], quantity: str) -> dict[str, Any]:
    return {
        "by": [asdict(s) for s in by_op_and_gpu(compared, quantity)],
        "total": _or_none(total(compared, quantity)),
    }


def row_json(compared: Compared) -> dict[str, Any]:
    """A row: what was measured, what is predicted, and the error of each in percent.

    Parameters
    ----------
    compared
        The row.
    """
    row, found = compared.row, compared.prediction
    errors = {
        f"{quantity}_error": None if compared.pair(quantity) is None else compared.error(quantity)
        for quantity in ("time", "power", "energy")
    }
    return {
        "line": row.line, "op": row.op, "gpu": row.gpu, "chip": row.chip, "dtype": row.dtype, "protocol": row.protocol,
        "call": asdict(row.call), "flops": row.call.flops, "bytes": row.call.bytes,
        "measured_ms": row.lat_ms, "lat_lo": row.lat_lo, "lat_hi": row.lat_hi, "n_src": row.sources,
        "predicted_ms": 1e3 * found.time_s, "measured_power_w": row.power_w, "predicted_power_w": found.power_w,
        "measured_energy_j": row.energy_j, "predicted_energy_j": found.energy_j, **errors,
        "outside": compared.outside, "bound": found.bound, "choice": found.choice, "clock_hz": found.clock,
    }  # fmt: skip


def from_json(record: dict[str, Any]) -> tuple[Compared, ...]:
    """The rows of what `to_json` made, as far as figures and summaries need them.

    Parameters
    ----------
    record
        What was written.
    """
    return tuple(_compared(row) for row in record["rows"])


def _compared(entry: dict[str, Any]) -> Compared:
    row = Row(
        line=entry["line"], op=entry["op"], gpu=entry["gpu"], dtype=entry["dtype"], chip=entry["chip"],
        call=Call(**entry["call"]), protocol=entry["protocol"], lat_ms=entry["measured_ms"], lat_lo=entry["lat_lo"],
        lat_hi=entry["lat_hi"], sources=entry["n_src"], power_w=entry["measured_power_w"],
        energy_j=entry["measured_energy_j"],
    )  # fmt: skip
    found = Prediction(
        time_s=entry["predicted_ms"] / 1e3, bound=entry["bound"], choice=entry["choice"],
        energy_j=entry["predicted_energy_j"], power_w=entry["predicted_power_w"], clock=entry["clock_hz"],
    )  # fmt: skip
    return Compared(row, found)
