"""Statistics of errors, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version

import pytest

from memsim.validate.measured import Batch, Failed, Unknown, by_gpu, by_op, by_op_and_gpu, from_json, show, to_json
from memsim.validate.measured.summary import ALL, summarise, total, worst
from tests.validate.made import compared, prediction, row

# predicted 1.1, 0.8, 1.5 ms of 1 ms: +10, -20, +50 %
THREE = [compared(1.1, line=2), compared(0.8, line=3), compared(1.5, line=4)]


def test_errors_are_in_percent_of_what_was_measured() -> None:
    found = summarise(THREE, "gemm", ALL)
    assert found.n == 3
    assert found.mape == pytest.approx((10 + 20 + 50) / 3)
    assert found.median_ape == pytest.approx(20)
    assert found.bias == pytest.approx((10 - 20 + 50) / 3)
    assert found.worst_factor == pytest.approx(1.5)
    assert (found.inside, found.outside, found.noise_floor) == (None, None, None)


def test_a_prediction_of_half_is_off_by_a_factor_of_two() -> None:
    assert summarise([compared(0.4), compared(1.5)], "gemm", ALL).worst_factor == pytest.approx(2.5)


def test_distance_is_from_the_nearer_end_of_the_span() -> None:
    span = {"lat_lo": 0.9, "lat_hi": 1.2, "sources": 3}
    rows = [compared(1.0, **span), compared(1.5, **span), compared(0.45, **span)]
    assert [c.outside for c in rows] == pytest.approx([0, 25, 50])
    found = summarise(rows, "gemm", ALL)
    assert found.inside == pytest.approx(100 / 3)
    assert found.outside == pytest.approx(25)
    assert found.noise_floor == pytest.approx(15)  # (1.2 - 0.9) / 2 of 1


def test_one_source_has_no_noise_floor_and_nothing_lies_within_it() -> None:
    rows = [compared(1.1, lat_lo=1.0, lat_hi=1.0), compared(1.1, lat_lo=0.9, lat_hi=1.1, sources=2)]
    found = summarise(rows, "gemm", ALL)
    assert found.noise_floor == pytest.approx(10)
    assert found.inside == pytest.approx(100)
    assert found.outside == pytest.approx(5)


def test_groups_are_those_of_the_file() -> None:
    rows = [compared(1.1), compared(1.2, gpu="l4"), compared(1.3, op="softmax"), compared(1.4)]
    assert [(s.op, s.gpu, s.n) for s in by_op_and_gpu(rows)] == [
        ("gemm", "h100_sxm", 2), ("gemm", "l4", 1), ("softmax", "h100_sxm", 1),
    ]  # fmt: skip
    assert [(s.op, s.gpu, s.n) for s in by_op(rows)] == [("gemm", ALL, 3), ("softmax", ALL, 1)]
    assert [(s.op, s.gpu, s.n) for s in by_gpu(rows)] == [(ALL, "h100_sxm", 3), (ALL, "l4", 1)]
    assert total(rows).n == 4
    assert total([]) is None


def test_power_and_energy_are_compared_where_they_were_measured() -> None:
    rows = [
        replace(compared(1.0), row=row(lat_ms=None, power_w=80.0)),
        replace(compared(1.0), row=row(energy_j=2.0)),
    ]  # fmt: skip
    assert total(rows).n == 1
    assert total(rows, "power").bias == pytest.approx(25)  # 100 W of 80
    assert total(rows, "energy").bias == pytest.approx(-50)  # 1 J of 2
    text = show(Batch(rows))
    assert "power; published values of the same thing differ by ±30 %" in text
    assert text.index("time") < text.index("power;") < text.index("energy;")


def test_the_worst_are_those_of_the_largest_factors() -> None:
    rows = [compared(1.5, line=2), compared(0.5, line=3), compared(1.0, line=4), compared(2.5, line=5)]
    assert [c.row.line for c in worst(rows, 3)] == [5, 3, 2]


def test_the_text_tells_tables_worst_rows_and_what_was_left_out() -> None:
    batch = Batch(THREE, [Failed(row(line=9), "no room"), Failed(row(line=8), "no room")], missing=4)
    text = show(batch, [Unknown(7, "no operator 'moe' is known")], worst_rows=1)
    assert "gemm      h100_sxm     3  26.7 %  20.0 %  +13.3 %" in text
    assert (
        "the 1 worst rows\n  line 4: h100_sxm gemm bf16 64 x 128 x 256: predicted 1.5 ms, measured 1 ms (+50 %)" in text
    )
    assert "a kernel; dram channels, busy 90% of the time" in text
    assert "not predicted: 2 rows\n  2 from line 9: no room" in text
    assert "passed over: 1 rows\n  1 from line 7: no operator 'moe' is known" in text
    assert "interrupted: 4 rows were not predicted" in text


def test_json_has_plain_names_and_reads_back() -> None:
    rows = [*THREE, compared(1.2, op="softmax", lat_lo=1.0, lat_hi=1.1, sources=3, power_w=90.0)]
    record = json.loads(json.dumps(to_json(Batch(rows), file="t.csv"), allow_nan=False))
    assert (record["unit"], record["memsim"], record["file"]) == ("percent", version("memsim"), "t.csv")
    first = record["by"][0]
    assert (first["op"], first["gpu"], first["n"]) == ("gemm", "h100_sxm", 3)
    assert first["mape"] == pytest.approx(80 / 3)
    assert {"median_ape", "bias", "outside", "noise_floor", "worst_factor"} <= set(first)
    assert record["total"]["n"] == 4
    assert record["power"]["total"]["mape"] == pytest.approx(100 / 9)
    assert record["energy"]["total"] is None
    assert record["worst"] == [4, 3, 2, 2]
    assert record["rows"][0]["time_error"] == pytest.approx(10)
    assert record["rows"][0]["flops"] == 2 * 64 * 128 * 256
    assert from_json(record) == tuple(rows)


def test_a_prediction_tells_its_kernel() -> None:
    assert to_json(Batch([compared(1.0)]))["rows"][0]["choice"] == prediction(1.0).choice
