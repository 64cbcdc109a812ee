"""The comparison of presets with a table of data sheets: what a row stands for, and that a wrong one is seen."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).parent.parent / "tools"
# Restated: NVIDIA A100 whitepaper V1.0; NVIDIA GA102 whitepaper; Jouppi et al., TPU v4, ISCA 2023, Table 4.
ROWS = """chip,parameter,value,unit,source
A100-40GB-SXM,flops_bf16,312000000000000.0,FLOP/s dense,whitepaper
A100-40GB-SXM,dram_bw,1555000000000.0,B/s,whitepaper
A100-40GB-SXM,transistors,54200000000.0,,whitepaper
RTX-3090,flops_fp16_tensor,142000000000000.0,FLOP/s fp16-acc; 71e12 fp32-acc,whitepaper
TPUv4,die_area,<600,mm2,paper
TPUv4,power_min_mean_max,121/170/192,W,paper
ET-SoC-1,die_area,570,mm2,paper
"""


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(TOOLS))
    return runpy.run_path(str(TOOLS / "validate_presets.py"))


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    (tmp_path / "energy").mkdir()
    (tmp_path / "energy" / "chip_presets.csv").write_text(ROWS, encoding="utf-8")
    return tmp_path


def test_rows_that_a_preset_should_follow_are_compared(tool: dict[str, Any], reference: Path) -> None:
    found = list(tool["comparisons"](reference))
    assert [c.what for c in found] == [
        "flops_bf16 of a100_sxm_40",
        "dram_bw of a100_sxm_40",
        "die_area of tpu_v4",
    ]
    assert all(abs(c.error) < 0.005 for c in found)


def test_a_wrong_row_fails(tool: dict[str, Any], reference: Path) -> None:
    assert tool["main"](reference) == 0
    table = reference / "energy" / "chip_presets.csv"
    table.write_text(ROWS.replace("1555000000000.0", "1600500000000.0"), encoding="utf-8")
    assert tool["main"](reference) == 1


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("826", (826, 826)),
        ("989000000000000.0", (989e12, 989e12)),
        ("2600000000000000.0", (2.55e15, 2.65e15)),
        ("2000000000000.0", (1.95e12, 2.05e12)),
        ("<400", (0, 400)),
        ("121/170/192", None),
    ],
)
def test_few_digits_stand_for_all_that_round_to_them(
    tool: dict[str, Any], text: str, span: tuple[float, float] | None
) -> None:
    assert tool["stands_for"](text) == (pytest.approx(span) if span else None)
