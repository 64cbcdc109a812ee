"""The DRAM model beside Ramulator 2.1 and DRAMsim3, under the same traffic."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from validate import Comparison

from memsim.dram import simulate

CONFIGURATIONS = {
    "r2_hbm2_mop": ("hbm2_2000", "mop4clxor"),
    "r2_hbm2_co": ("hbm2_2000", "robaracoch"),
    "r2_ddr4_mop": ("ddr4_3200", "mop4clxor"),
    "d3_ddr4_bglow": ("ddr4_d3", "d3_ddr4_bglow"),
}
"""Part and address map of each configuration of the reference tables."""

SOURCES = {"ramulator2.csv": "Ramulator 2.1", "dramsim3_energy.csv": "DRAMsim3"}


def comparisons(reference: Path) -> Iterator[Comparison]:
    """Bandwidth, latency and energy of every row of dram/ramulator2.csv and dram/dramsim3_energy.csv."""
    for name, source in SOURCES.items():
        with (reference / "dram" / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["config"] in CONFIGURATIONS:
                    yield from _of_row(row, source)


def _of_row(row: dict[str, str], source: str) -> Iterator[Comparison]:
    part, address = CONFIGURATIONS[row["config"]]
    load = {"mlp": int(row["val"])} if row["mode"] == "mlp" else {"rate": float(row["val"])}
    got = simulate(part, row["pattern"], map=address, reads=int(row["read_pct"]), n=int(row["n"]), **load)
    what = f"{row['config']} {row['pattern']} {row['read_pct']} % {row['mode']} {row['val']}"
    pairs = (
        ("GB/s", row["bw_GBps"], got.bandwidth_gbs),
        ("cycles", row["lat_cyc"], got.latency_cycles),
        ("pJ/B", row["energy_pJ_per_B"], got.energy_pj_per_byte),
    )
    for unit, text, simulated in pairs:
        if text and float(text):
            yield Comparison(what, unit, (float(text), float(text)), simulated, source)
