"""The file: a row at a time, gone on with after an interruption, and only with what it was begun for."""

from __future__ import annotations

from pathlib import Path

import pytest

from memsim.errors import MemsimError
from memsim.measure import Case, Timing, Writer
from memsim.measure.energy import Drawn
from memsim.measure.table import COLUMNS, row_of, write_curve
from memsim.validate.calls import Call
from memsim.validate.measured import read_file

ABOUT = {"gpu": "NVIDIA H200", "date": "2030-01-01"}
GEMM = Case("matmul", "gemm", Call("gemm", "bf16", m=8, n=16, k=32))
DECODE = Case("attention", "attn_decode", Call(
    "attn_decode", "bf16", batch=1, seq=64, heads=8, kv_heads=2, head_dim=128))  # fmt: skip
TIMING = Timing(1.5e-3, 1.4e-3, 1.7e-3, 21, 40, 3, "stream", 1980.0)


def row(case: Case, drawn: Drawn | None = None) -> dict[str, str]:
    return row_of(case, ABOUT["gpu"], "cold", TIMING, drawn)


def test_validate_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    writer = Writer(path, ABOUT)
    writer.append(row(GEMM, Drawn(690.0, 1.03, 1.5e-3, 100, 20.0)))
    writer.append(row(DECODE))
    first, second = read_file(path).rows
    assert (first.chip, first.call, first.protocol) == ("h200_sxm", GEMM.call, "cold")
    assert (first.lat_ms, first.lat_lo, first.lat_hi, first.sources) == (1.5, 1.4, 1.7, 1)
    assert (first.power_w, first.energy_j) == (690, 1.03)
    assert (second.call, second.power_w) == (DECODE.call, None)


def test_the_file_tells_of_its_run(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    Writer(path, ABOUT).append(row(GEMM))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["# gpu: NVIDIA H200", "# date: 2030-01-01", ",".join(COLUMNS)]
    values = dict(zip(COLUMNS, lines[3].split(","), strict=True))
    assert (values["spread_percent"], values["samples"], values["copies"], values["sm_mhz"]) == (
        "20",
        "21",
        "3",
        "1980",
    )


def test_each_row_is_on_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    writer = Writer(path, ABOUT)
    for count, case in enumerate((GEMM, DECODE), 1):
        writer.append(row(case))
        assert len(path.read_text(encoding="utf-8").splitlines()) == 3 + count


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    Writer(path, ABOUT).append(row(GEMM))
    before = path.read_bytes()
    with pytest.raises(MemsimError, match="is there already"):
        Writer(path, ABOUT)
    assert path.read_bytes() == before


def test_a_run_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    Writer(path, ABOUT).append(row(GEMM))
    again = Writer(path, ABOUT, resume=True)
    assert again.has(GEMM, ABOUT["gpu"]) and not again.has(DECODE, ABOUT["gpu"])
    again.append(row(DECODE))
    assert [r.call.kind for r in read_file(path).rows] == ["gemm", "attn_decode"]


def test_a_line_that_was_cut_short_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    writer = Writer(path, ABOUT)
    writer.append(row(GEMM))
    writer.append(row(DECODE))
    path.write_bytes(path.read_bytes()[:-20])
    again = Writer(path, ABOUT, resume=True)
    assert again.has(GEMM, ABOUT["gpu"]) and not again.has(DECODE, ABOUT["gpu"])
    again.append(row(DECODE))
    assert len(read_file(path).rows) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "was not written by this memsim measure"),
        (",".join(COLUMNS) + "\nmatmul,NVIDIA L4" + "," * (len(COLUMNS) - 2) + "\n", "holds measurements of NVIDIA L4"),
    ],
)
def test_another_file_is_not_gone_on_with(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MemsimError, match=said):
        Writer(path, ABOUT, resume=True)


def test_a_curve_has_the_same_comment(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    write_curve(path, ("a", "b"), [{"a": 1.25, "b": None}], ABOUT)
    assert path.read_text(encoding="utf-8") == "# gpu: NVIDIA H200\n# date: 2030-01-01\na,b\n1.25,\n"
