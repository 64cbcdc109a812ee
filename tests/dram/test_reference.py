"""Against Ramulator 2.1 and DRAMsim3, driven with the same traffic: every row that is known, within stated bounds."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from memsim.dram import Measured, simulate

DATA = Path(__file__).parent / "data"
CONFIGURATIONS = {
    "r2_hbm2_mop": ("hbm2_2000", "mop4clxor"),
    "r2_hbm2_co": ("hbm2_2000", "robaracoch"),
    "r2_ddr4_mop": ("ddr4_3200", "mop4clxor"),
    "d3_ddr4_bglow": ("ddr4_d3", "d3_ddr4_bglow"),
}


def rows_of(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def measured(name: str) -> list[tuple[dict[str, str], Measured]]:
    return [(row, of(row)) for row in rows_of(name)]


def of(row: dict[str, str]) -> Measured:
    part, address = CONFIGURATIONS[row["config"]]
    load = {"mlp": int(row["val"])} if row["mode"] == "mlp" else {"rate": float(row["val"])}
    return simulate(part, row["pattern"], map=address, reads=int(row["read_pct"]), n=int(row["n"]), **load)


def off(got: float, expected: str) -> float:
    return abs(got / float(expected) - 1) if float(expected) else abs(got)


@pytest.mark.parametrize("name", ["ramulator2.csv", "dramsim3_energy.csv"])
def test_bandwidth_and_latency(name: str) -> None:
    bandwidth = [off(m.bandwidth_gbs, row["bw_GBps"]) for row, m in measured(name)]
    latency = [off(m.latency_cycles, row["lat_cyc"]) for row, m in measured(name)]
    assert max(bandwidth) <= 0.02
    assert max(latency) <= 0.04
    assert median(bandwidth) <= 0.001
    assert median(latency) <= 0.001


def test_row_hits() -> None:
    for row, m in measured("ramulator2.csv"):
        assert m.row_hit_rate == pytest.approx(float(row["row_hit_rate"]), abs=0.006), row


def test_energy_and_its_split() -> None:
    names = {"act_pj": "activate", "rd_pJ": "read", "wr_pJ": "write", "ref_pJ": "refresh", "bg_pJ": "background"}
    for row, m in measured("dramsim3_energy.csv"):
        assert off(m.energy_pj_per_byte, row["energy_pJ_per_B"]) <= 0.012, row
        for key, name in names.items():
            if key in row:
                assert m.energy_pj[name] == pytest.approx(float(row[key]), rel=0.03, abs=1e6), (row, name)
