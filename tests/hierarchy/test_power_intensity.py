"""Power of a stream that also computes, beside eight boards of A100 SXM4 40 GB (te42kyfo/gpu-benches, gpu-roofline).

The table restates 23 of 43 intensities: mean, lowest and highest of the boards, whose sensors differ by up to 5 %.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from memsim.hierarchy import Chip
from memsim.hierarchy.paths import stream_power_w

DATA = Path(__file__).parent / "data" / "a100_power.csv"
STREAM_TOGGLE = 0.15  # of consecutive numbers, as the benchmark has them: docs/models/energy.md


def measured() -> list[dict[str, float]]:
    with DATA.open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("row", measured(), ids=lambda row: f"{row['flop_per_byte']:g} FLOP/B")
def test_power_is_that_of_the_boards(row: dict[str, float]) -> None:
    chip = Chip.preset("a100_sxm_40").replace({"toggle": STREAM_TOGGLE})
    watts = stream_power_w(chip, 1e9 * row["gb_per_s"], 1e9 * row["gflop_per_s"])
    assert watts == pytest.approx(row["mean_w"], rel=0.03)
    assert row["lowest_w"] < watts < row["highest_w"]
