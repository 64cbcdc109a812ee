"""From a result and its chip to the plain numbers that figures draw: roofs, peaks, places and gauges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from memsim.report.figures.roofline import Peak, Roof

if TYPE_CHECKING:
    from memsim.hierarchy import Chip
    from memsim.report.source import Outcome

GAUGES = ("matrix", "vector", "sram")
"""Parts of a core whose utilisation the floorplan shows."""


AFTER_THE_END = "final_write_back"
"""Operation of the ledger that costs energy but no time: what is dirty in a cache when the run ends."""
BEHIND_THE_CACHE = ("fill", "write_back")
"""Operations between a cache and its DRAM, which do not pass the bandwidth between the cache and the cores."""


def title_of(result: Outcome) -> str:
    """What was run on what."""
    return f"{result.workload} on {result.chip.name}"


def roofs(result: Outcome) -> list[Roof]:
    """Each memory level with a bandwidth, all cores together, and the bytes that passed it while the run lasted."""
    frame = result.energy.by("part", "level", "operation")
    served = frame[(frame["operation"] != AFTER_THE_END) & (frame["part"] == frame["level"])]
    served = served[(served["level"] != "cache") | ~served["operation"].isin(BEHIND_THE_CACHE)]
    moved = served.groupby("level")["bits"].sum()
    return [Roof(level, rate, int(moved.get(level, 0)) // 8) for level, rate in bandwidths(result.chip).items()]


def bandwidths(chip: Chip) -> dict[str, float]:
    """Peak bytes a second of each memory level of the chip, the slowest and furthest first."""
    rates = {
        "dram": (chip.dram.bandwidth, chip.dram.efficiency),
        "cache": (chip.cache.bandwidth, 1) if chip.cache else (None, 1),
        "shared": (chip.shared.bandwidth, 1) if chip.shared else (None, 1),
        "sram": (chip.core.sram.bandwidth, chip.core_count),
        "reg": (chip.core.reg.bandwidth, chip.core_count),
    }
    return {
        level: float(chip.rate_per_tick(rate) * factor / chip.tick)
        for level, (rate, factor) in rates.items()
        if rate is not None
    }


def peaks(result: Outcome) -> list[Peak]:
    """Peak speed of the matrix units by type, and of the vector units; types of equal speed share one line."""
    chip = result.chip
    clock = float(1 / chip.clock_period) * chip.core_count
    ledger = result.energy.by("part", "access")
    used = ledger[(ledger["count"] > 0) & ledger["part"].isin(("matrix", "vector"))]
    types = set(used.loc[used["part"] == "matrix", "access"])
    found = [Peak("vector", chip.core.vector.lanes * clock, bool((used["part"] == "vector").any()))]
    matrix = chip.core.matrix
    if matrix is not None:
        speeds: dict[float, list[str]] = {}
        for dtype in matrix.dtypes:
            speeds.setdefault(2 * float(matrix.peak_macs_per_cycle(dtype)) * clock, []).append(dtype)
        found += [_matrix_peak(speed, types.intersection(names), names) for speed, names in speeds.items()]
    return found


def _matrix_peak(speed: float, used: set[str], names: Sequence[str]) -> Peak:
    shown = sorted(used) if used else names
    return Peak("matrix " + ", ".join(shown), speed, bool(used))


def cores(result: Outcome) -> pd.DataFrame:
    """Each core: core, x_mm, y_mm (its centre), and the utilisation of its units: matrix, vector, sram."""
    chip = result.chip
    table = result.parts.set_index("part")["utilisation"]
    rows = []
    for i in range(chip.core_count):
        x, y = chip.core_position(i)
        rows.append((i, x, y, *(float(table.get(f"core{i}.{unit}", 0.0)) for unit in GAUGES)))
    return pd.DataFrame(rows, columns=["core", "x_mm", "y_mm", *GAUGES])


def memories(result: Outcome) -> pd.DataFrame:
    """Routers and memory ports: name, x_mm, y_mm, kind (``dram``, ``cache``, ``shared``, ``router``)."""
    rows = []
    for name, (x, y) in _places(result.chip).items():
        kind = next((k for k in ("dram", "cache", "shared", "core") if name.startswith(k)), "router")
        if kind != "core":
            rows.append((name, x, y, kind))
    if not any(kind == "dram" for *_, kind in rows):  # behind a cache, its ports are no nodes of the network
        rows += [(f"dram{i}", x, y, "dram") for i, (x, y) in enumerate(result.chip.port_positions("dram"))]
    return pd.DataFrame(rows, columns=["name", "x_mm", "y_mm", "kind"])


def links(result: Outcome) -> pd.DataFrame:
    """Each direction of each link, with the places of its ends: src, dst, bytes, utilisation, x0, y0, x1, y1 (mm)."""
    places = _places(result.chip)
    table = result.links[["src", "dst", "bytes", "utilisation"]].copy()
    for column, end, axis in (("x0", "src", 0), ("y0", "src", 1), ("x1", "dst", 0), ("y1", "dst", 1)):
        table[column] = [places[node][axis] for node in table[end]]
    return table


def _places(chip: Chip) -> dict[str, tuple[float, float]]:
    return {str(node): (float(data["pos"][0]), float(data["pos"][1])) for node, data in chip.graph.nodes(data=True)}
