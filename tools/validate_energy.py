"""Unit energies, SRAM, wires, area and power of whole GPUs beside the full reference tables.

``python tools/validate_energy.py DIR`` prints a line a comparison; ``validate.py --reference DIR`` may call
`comparisons`. Restated constants must agree exactly; models are compared with what they were not fitted to, and their
distance is what this prints.
"""

from __future__ import annotations

import csv
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from validate import Comparison, show

import memsim as ms
from memsim.hierarchy import Technology, technologies
from memsim.hierarchy.dram_split import HBM2
from memsim.hierarchy.paths import level_energies, stream_power_w
from memsim.hierarchy.sram import area_mm2, latency_ns
from memsim.hierarchy.wires import hop_pj_per_bit, wire_pj_per_bit_mm

MB = 1 << 20
STREAM_TOGGLE = 0.15
"""Of consecutive numbers in fp32: see docs/models/energy.md."""

DEFAULTS: dict[str, Callable[[Technology], float]] = {
    "Vdd": lambda t: t.voltage or 0,
    "wire_random_data C=0.42pF/mm": lambda t: 1000 * t.wire_energy,
    "wire_delay": lambda t: t.wire_delay,
    "sram_e0 (published-table fit)": lambda t: 1000 * t.sram_energy,
    "sram_slope (published-table fit)": lambda t: 1000 * t.sram_slope,
    "sram_e0 (Dally preset)": lambda t: 1000 * t.dally_energy,
    "sram_slope (Dally preset)": lambda t: 1000 * t.sram_curve("dally").slope,
    "sram_area": lambda t: t.sram_area,
    "regfile_small (FF)": lambda t: 1000 * (t.flip_flop_energy or 0),
    "regfile_gpu_bank": lambda t: 1000 * t.reg_energy,
    "leakage_logic": lambda t: t.leakage,
    "clock": lambda t: t.clock_energy,
    "noc_hop adder (x1.5 wire)": lambda t: 1000 * t.wire_energy * t.hop_factor,
} | {
    op: (lambda t, op=op: 1000 * t.op_energy[op])  # type: ignore[misc]
    for op in technologies()["n7"].op_energy
}


READS: dict[str, Callable[[Technology, int], float]] = {
    "published": lambda t, size: t.sram_pj_per_bit(size, family="published"),
    "dally": lambda t, size: t.sram_pj_per_bit(size, family="dally"),
}


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file as dictionaries."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def defaults(reference: Path) -> Iterator[Comparison]:
    """Every recommended default of the energy table, at each node."""
    for row in rows_of(reference / "energy" / "energy_constants.csv"):
        quantity = row["quantity"].removeprefix("DEFAULT ")
        if row["quantity"].startswith("DEFAULT") and quantity in DEFAULTS:
            value = float(row["value"])
            got = DEFAULTS[quantity](technologies()[f"n{row['node_nm']}"])
            yield Comparison(f"{quantity} at {row['node_nm']} nm", row["unit"], (value, value), got, "default")


def published() -> Iterator[Comparison]:
    """The published totals of validation_targets.csv."""

    def one(what: str, unit: str, value: float, got: float, source: str) -> Comparison:
        return Comparison(what, unit, (value, value), got, source)

    point, domain = technologies()["dally_2022"], technologies()["dally_2020"]
    yield one("64 bits from 256 MB", "pJ", 58, 64 * point.sram_pj_per_bit(256 * MB), "Dally, CACM 2022")
    yield one("64 bits over 40 mm", "pJ", 77, 64 * 40 * point.wire_energy, "Dally, CACM 2022")
    yield one("40 mm", "ns", 16, 40 * point.wire_delay / 1000, "Dally, CACM 2022")
    yield one("a bit from 100 MB", "pJ", 0.69, domain.sram_pj_per_bit(100 * MB), "Dally, CACM 2020")
    for size, pj in ((8, 10), (32, 20), (1024, 100)):
        got = 64 * technologies()["horowitz_45nm"].sram_pj_per_bit(size * 1024)
        yield one(f"64 bits from {size} KB, 45 nm", "pJ", pj, got, "Horowitz, ISSCC 2014")
    yield one("HBM2: activation", "pJ/bit", 1.21, HBM2.activation(0.66), "O'Connor, MICRO 2017")
    yield one("HBM2: all", "pJ/bit", 3.92, HBM2.pj_per_bit(0.66, 0.1875), "O'Connor, MICRO 2017")
    piton = wire_pj_per_bit_mm(0.42, 1.0)
    for toggle, pj in ((0.0, 3.58), (0.5, 11.16), (1.0, 16.68)):
        got = 64 * hop_pj_per_bit(piton, 1.095, toggle=toggle)
        yield one(f"Piton hop, toggle {toggle}", "pJ", pj, got, "McKeown, HPCA 2018")
    raw = 32 * 4 * wire_pj_per_bit_mm(0.42, 1.8, toggle=1.0)
    yield one("Raw hop, data that all toggle", "pJ", 85, raw, "Kim, ISLPED 2003")
    floo = 1000 * hop_pj_per_bit(wire_pj_per_bit_mm(0.42, 0.8), 1.0)
    yield one("FlooNoC hop, were it 1 mm", "fJ/bit", 19, floo, "Fischer, TVLSI 2025")


def _of_size(value: Callable[[Technology, int], float], size: int, technology: Technology) -> float:
    return value(technology, size)


def cacti(reference: Path) -> Iterator[Comparison]:
    """Median over CACTI 7's sizes from 8 KB to 32 MB, at 45 nm and, interpolated, at 32 and 22 nm."""
    sweep = [row for row in rows_of(reference / "energy" / "cacti_sram_sweep.csv") if float(row["kb"]) >= 8]

    def at(node: float, value: Callable[[Technology], float]) -> float:
        coarse, fine = (45, 28) if node > 28 else (28, 16)
        share = math.log(coarse / node) / math.log(coarse / fine)
        ends = [value(technologies()[f"n{name}"]) for name in (coarse, fine)]
        return float(ends[0] * (ends[1] / ends[0]) ** share)

    def medians(cell: str, node: int, key: str, scale: float, value: Callable[[Technology, int], float]) -> float:
        rows = [row for row in sweep if row["cell"] == cell and int(row["node"]) == node]
        sizes = [(1024 * int(row["kb"]), scale * float(row[key])) for row in rows]
        return statistics.median(at(node, partial(_of_size, value, size)) / found for size, found in sizes)

    for node in (45, 32, 22):
        for cell in ("itrs-hp", "itrs-lop"):
            for family, read in READS.items():
                got = medians(cell, node, "fJ_bit_rd", 1e-3, read)
                yield Comparison(f"read, {family}, over CACTI {cell} {node} nm", "x", (1, 1), got, "CACTI 7")
        got = medians("itrs-hp", node, "access_ns", 1, lambda t, size: latency_ns(t.sram_latency(), size))
        yield Comparison(f"latency over CACTI itrs-hp {node} nm", "x", (1, 1), got, "CACTI 7")
        got = medians("itrs-hp", node, "area_mm2", 1, lambda t, size: area_mm2(size, t.sram_area))
        yield Comparison(f"area over CACTI itrs-hp {node} nm", "x", (1, 1), got, "CACTI 7")


def gpus(reference: Path) -> Iterator[Comparison]:
    """Levels of A100 and GH200, and the power of each run over arithmetic intensity."""
    measured = {"a100_sxm_40": (1.59, 4.71, 13.11), "h100_sxm": (1.45, 4.87, 11.68)}
    for name, levels in measured.items():
        found = level_energies(ms.Chip.preset(name))
        for level, value, got in zip(("L1", "L2", "HBM"), levels, found, strict=True):
            yield Comparison(f"{level} of {name}", "pJ/bit", (value, value), got, "Antepara, SC'25")
    chip = ms.Chip.preset("a100_sxm_40").replace({"toggle": STREAM_TOGGLE})
    rows = rows_of(reference / "gpu" / "power_vs_intensity.csv")
    errors = [
        stream_power_w(chip, 1e9 * float(r["gb_per_s"]), 1e9 * float(r["gflop_per_s_fp32"])) / float(r["power_w"]) - 1
        for r in rows
        if r["gpu"] == "A100-SXM4-40GB"
    ]
    mean, worst = statistics.fmean(map(abs, errors)), max(errors, key=abs)
    for what, error in ((f"mean of {len(errors)} runs", mean), ("worst run", worst)):
        yield Comparison(f"power over intensity, {what}", "x", (1, 1), 1 + error, "te42kyfo/gpu-benches")


def comparisons(reference: Path) -> Iterator[Comparison]:
    """All of the above."""
    yield from defaults(reference)
    yield from published()
    yield from cacti(reference)
    yield from gpus(reference)


if __name__ == "__main__":
    show(comparisons(Path(sys.argv[1])))
