"""``make validate``: what it compares with, its own arithmetic, and what it says where there is no data."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "validate.py"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(TOOL.parent))
    return runpy.run_path(str(TOOL))


def test_systolic_arrays_take_the_published_cycles(tool: dict[str, Any]) -> None:
    found = list(tool["systolic"]())
    assert [c.measured[0] for c in found] == [14303, 12255]
    assert [c.error for c in found] == [0, 0]


@pytest.mark.parametrize(("simulated", "error"), [(9.0, -0.1), (10.0, 0.0), (15.0, 0.0), (20.0, 0.0), (25.0, 0.25)])
def test_error_is_the_distance_from_the_published_range(tool: dict[str, Any], simulated: float, error: float) -> None:
    comparison = tool["Comparison"]("x", "ms", (10.0, 20.0), simulated, "nobody")
    assert comparison.error == pytest.approx(error)


def test_own_tables_are_read_and_simulated(tool: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "validation").mkdir()
    rows = "workload,chip,settings,time_s,source\nmatmul,toy,m=128 n=64 k=64 transpose_b=true,1e-5,me\n"
    (tmp_path / "validation" / "mine.csv").write_text(rows, encoding="utf-8")
    (row,) = tool["own_tables"]()
    expected = tool["simulated_time"]("matmul", "toy", m=128, n=64, k=64, transpose_b=True)
    assert row.simulated == expected * 1e3
    assert row.measured == pytest.approx((1e-2, 1e-2))
    assert row.source == "me"


def test_absent_data_is_said(tool: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    main = tool["main"]
    main.__globals__["gpu"] = lambda: iter(())  # the large product takes half a minute
    assert main([]) == 0
    text = capsys.readouterr().out
    assert text.count("+0.0%") == 2
    assert "no tables of measurements in validation/" in text
    assert "no folder of reference tables was named" in text


CONSTANTS = """\
quantity,value,unit,node_nm,conditions,source,confidence
DEFAULT wire_random_data C=0.42pF/mm,{wire},fJ/bit-mm,7,recommended default,a table,high
DEFAULT leakage_logic,0.08,W/mm2,7,recommended default,a table,low
"""


@pytest.mark.parametrize(("wire", "status"), [(59, 0), (60, 1)])
def test_a_constant_that_is_not_its_source_s_fails(
    tool: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], wire: int, status: int
) -> None:
    main = tool["main"]
    main.__globals__["gpu"] = lambda: iter(())
    (tmp_path / "energy").mkdir()
    (tmp_path / "energy" / "energy_constants.csv").write_text(CONSTANTS.format(wire=wire), encoding="utf-8")
    sheet = "chip,parameter,value,unit,source\nTPUv4,dram_bw,1.2e12,B/s,a paper\nTPUv4,cores,2,,a paper\n"
    (tmp_path / "energy" / "chip_presets.csv").write_text(sheet, encoding="utf-8")
    assert main(["--reference", str(tmp_path)]) == status
    text = capsys.readouterr().out
    assert ("not what their sources say: wire_energy at 7 nm" in text) == bool(status)
    assert "no gpu/kernel_times.csv there" in text


# Claims ---------------------------------------------------------------------------------------------------------------


def record(**values: float) -> dict[str, Any]:
    """A validation with one group: gemm on h100_sxm."""
    group = {"op": "gemm", "gpu": "h100_sxm", "mape": 8.0, "outside": 1.0, "worst_factor": 2.0, **values}
    whole = {**group, "op": "all", "gpu": "all"}
    return {"by": [group], "by_op": [], "by_gpu": [], "total": whole, "failed": []}


def test_a_claim_holds_below_its_bar_and_breaks_above(tool: dict[str, Any]) -> None:
    claims = tool["claims"]
    assert claims.broken(record()) == []
    (found,) = claims.broken(record(mape=10.5))
    assert (found.claim.op, found.claim.gpu, found.claim.measure, found.found) == ("gemm", "h100_sxm", "mape", 10.5)
    (found,) = claims.broken(record(worst_factor=3.5))
    assert found.claim.text == "worst factor of all on all: at most 3"


def test_broken_claims_and_rows_that_fail_fail_the_command(
    tool: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert not tool["judge"](record())
    assert tool["judge"](record(mape=10.5))
    assert tool["judge"](record() | {"failed": [{"line": 3}]})
    text = capsys.readouterr().out
    assert "BROKEN         10.50  mean absolute error of gemm on h100_sxm: at most 10 %" in text
    assert "kept            8.00  mean absolute error of gemm" in text
    assert "not measured       -  mean absolute error of add" in text
    assert "1 rows could not be predicted" in text


def test_a_goal_that_is_not_reached_breaks_nothing(tool: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    claims = tool["claims"]
    monkeypatch.setattr(claims, "CLAIMS", (claims.Claim("gemm", "h100_sxm", "mape", 5, claimed=False),))
    assert claims.broken(record()) == []
    assert "not reached" in claims.show(record())


def test_measured_kernels_are_predicted_and_judged(
    tool: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gpu").mkdir()
    rows = "gpu,op,dtype,m,n,k,lat_ms\nh100_sxm,gemm,bf16,128,1024,256,0.004\n"
    (tmp_path / "gpu" / "kernel_times.csv").write_text(rows, encoding="utf-8")
    found = tool["kernels"](tmp_path)
    assert (found["total"]["n"], found["failed"]) == (1, [])
    assert "1 measured kernels of gpu/kernel_times.csv" in capsys.readouterr().out
