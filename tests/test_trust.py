"""``make trust``: the page says what the validation has found, no more."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from memsim.library import KNOBS
from memsim.validate.measured import Batch, Failed, to_json
from tests.validate.made import compared, row

TOOLS = Path(__file__).parent.parent / "tools"


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(TOOLS))
    tool = runpy.run_path(str(TOOLS / "draw_trust.py"))
    place = tool["main"].__globals__
    place["PAGE"], place["FIGURE"] = tmp_path / "trust.md", tmp_path / "trust" / "kernels.png"
    return tool


def written(tool: dict[str, Any], tmp_path: Path, batch: Batch) -> int:
    (tmp_path / "o.json").write_text(json.dumps(to_json(batch)), encoding="utf-8")
    return tool["main"](["--json", str(tmp_path / "o.json")])


def test_the_page_has_the_numbers_of_the_validation(tool: dict[str, Any], tmp_path: Path) -> None:
    rows = [compared(1.1 + 0.01 * n, line=n, lat_lo=0.9, lat_hi=1.05, sources=3) for n in range(2, 32)]
    assert written(tool, tmp_path, Batch(rows)) == 0
    page = (tmp_path / "trust.md").read_text(encoding="utf-8")
    assert "30 measured kernels" in page
    assert "| gemm | h100_sxm | 30 | 26.5 | 26.5 | +26.5 | 0.0 |" in page  # 12 to 41 %
    assert "mean absolute error of gemm on h100_sxm: at most 10 % | broken | 26.50 |" in page
    assert page.count("- h100_sxm, gemm bf16 64 x 128 x 256: predicted ") == 20
    assert (
        "predicted 1410 µs, measured 1000 µs (+41 %). a kernel; dram channels, busy 90% of the time."
        in page.replace("\n  ", " ")
    )
    assert all(f"- `{name}` = " in page for name in KNOBS)
    assert "## Known failures and their causes" in page and "±30 %" in page
    assert (tmp_path / "trust" / "kernels.png").read_bytes().startswith(b"\x89PNG")
    assert max(map(len, page.splitlines())) <= 220


def test_power_has_a_table_where_it_was_measured(tool: dict[str, Any], tmp_path: Path) -> None:
    assert written(tool, tmp_path, Batch([compared(1.0, power_w=80.0)])) == 0
    page = (tmp_path / "trust.md").read_text(encoding="utf-8")
    assert "| gemm | h100_sxm | 1 | 25.0 | 25.0 | +25.0 | 1.25 |" in page
    assert "MAPE of power" in page and "MAPE of energy" not in page


def test_a_validation_with_failures_makes_no_page(
    tool: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert written(tool, tmp_path, Batch([compared(1.0)], [Failed(row(), "no room")])) == 1
    assert not (tmp_path / "trust.md").exists()
    assert "the page would not tell of them" in capsys.readouterr().err
