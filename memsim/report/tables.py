"""A result as plain data, for ``--json`` and for programs that read it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from memsim.report.records import energy_records, records
from memsim.report.screen import written_back_at_the_end

if TYPE_CHECKING:
    from memsim.report.source import Outcome


def to_json(result: Outcome, *, checked: bool = False, max_rel_err: float | None = None) -> dict[str, Any]:
    """Headline numbers and small tables of ``result``, in types that `json.dumps` writes.

    Parameters
    ----------
    result
        What was simulated.
    checked
        Whether the numerics of the same program were compared with the reference.
    max_rel_err
        Largest relative error found by that check, or None where there was none.

    Returns
    -------
    dict
        workload, chip, engine, time_s, cycles, energy_j, power_w, clock_hz, power_cap (None, or of a run that kept to a
        limit: limit_w, free_power_w, free_clock_hz, power_w, clock_hz, why, slowed), energy_by_part and
        energy_by_tensor (name -> joules), bytes_by_level (name -> bytes), final_write_back_bytes, flops,
        executed_flops, mfu, mbu, bottleneck, bounds (name -> s), ticks, tick_s (an exact fraction, as text), checked,
        max_rel_err.
    """
    data = {
        "workload": result.workload,
        "chip": result.chip.name,
        "engine": result.engine,
        "time_s": result.time_s,
        "cycles": result.cycles,
        "ticks": int(result.ticks),
        "tick_s": str(result.tick_s),
        "energy_j": result.energy_j,
        "power_w": result.energy_j / result.time_s if result.time_s else 0.0,
        "clock_hz": float(result.chip.clock),
        "power_cap": _power_cap(result),
        "energy_by_part": _joules(result, "part"),
        "energy_by_tensor": _joules(result, "tensor"),
        "bytes_by_level": {level: int(size) for level, size in result.bytes_by_level.items()},
        "final_write_back_bytes": written_back_at_the_end(result),
        "flops": int(result.flops),
        "executed_flops": int(result.executed_flops),
        "mfu": result.mfu,
        "mbu": result.mbu,
        "bottleneck": result.bottleneck,
        "bounds": {str(b["bound"]): b["time_s"] for b in records(result, "bounds")},
        "checked": bool(checked),
        "max_rel_err": max_rel_err,
    }
    return {key: _finite(value) for key, value in data.items()}


def _power_cap(result: Outcome) -> dict[str, Any] | None:
    cap = getattr(result, "power_cap", None)
    return None if cap is None else {**asdict(cap), "slowed": cap.slowed}


def _joules(result: Outcome, column: str) -> dict[str, float]:
    return {str(row[column]): float(row["energy_j"]) for row in energy_records(result, column)}


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: they become null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
