"""``memsim validate --data``: files, options and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memsim import cli
from memsim.hierarchy import Chip
from memsim.validate.measured import batch
from tests.validate.made import prediction

HEAD = "gpu,op,dtype,rows,cols,lat_ms\n"
TABLE = HEAD + "h100_sxm,softmax,fp32,4096,1024,0.02\nl4,gelu,fp32,4096,1024,0.1\nl4,gelu,fp32,4096,2048,0.2\n"


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each prediction is 0.11 ms, and says on which chip."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("memsim.engine.warm.is_compiled", lambda: True)
    monkeypatch.setattr(batch, "predict", lambda call, chip, protocol: prediction(0.11, power_w=chip.core_count))
    Path("t.csv").write_text(TABLE, encoding="utf-8")


def run(*arguments: object) -> int:
    return cli.run(["validate", *map(str, arguments)])


def test_a_table_is_printed_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", "t.csv", "--json", "o.json", "--plot", "o.png") == 0
    text = capsys.readouterr().out
    assert "softmax   h100_sxm     1  450.0 %  450.0 %  +450.0 %" in text
    record = json.loads(Path("o.json").read_text(encoding="utf-8"))
    assert {(s["op"], s["gpu"]): round(s["mape"], 6) for s in record["by"]} == {
        ("softmax", "h100_sxm"): 450, ("gelu", "l4"): 27.5,
    }  # fmt: skip
    assert Path("o.png").read_bytes().startswith(b"\x89PNG")


def test_json_to_stdout_leaves_the_table_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", "t.csv", "--json", "-") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["total"]["n"] == 3
    assert "the 3 worst rows" in err


def test_rows_are_a_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", "t.csv", "--rows", 2, "--seed", 5, "--json", "-") == 0
    assert sorted(r["op"] for r in json.loads(capsys.readouterr().out)["rows"]) == ["gelu", "softmax"]


def test_worst_says_how_many_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", "t.csv", "--worst", 1) == 0
    assert "the 1 worst rows\n  line 2: h100_sxm softmax fp32 4096 x 1024: " in capsys.readouterr().out


def test_a_chip_of_one_s_own(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text(Chip.preset("toy").to_toml(), encoding="utf-8")
    Path("t.csv").write_text(TABLE.replace("h100_sxm", "my GPU"), encoding="utf-8")
    assert run("--data", "t.csv", "--chip", "my GPU=mine.toml", "--chip", "l4=t4", "--json", "-") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    cores = {"my GPU": Chip.preset("toy").core_count, "l4": Chip.preset("t4").core_count}
    assert {r["gpu"]: r["predicted_power_w"] for r in rows} == cores


def test_a_row_that_cannot_be_predicted_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def predict(call, chip, protocol):
        if call.kind == "softmax":
            raise batch.MemsimError("no room", where="sram")
        return prediction(0.11)

    monkeypatch.setattr(batch, "predict", predict)
    assert run("--data", "t.csv") == 1
    assert "not predicted: 1 rows\n  1 from line 2: sram: no room" in capsys.readouterr().out


def test_an_interrupt_reports_what_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    def predict(call, chip, protocol):
        if call.kind == "softmax":
            raise KeyboardInterrupt
        return prediction(0.11)

    monkeypatch.setattr(batch, "predict", predict)
    assert run("--data", "t.csv", "--json", "o.json") == 130
    assert "interrupted: 2 rows were not predicted" in capsys.readouterr().out
    assert json.loads(Path("o.json").read_text(encoding="utf-8"))["interrupted"] is True


def test_unknown_rows_are_an_error_or_listed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(TABLE.replace("softmax", "moe"), encoding="utf-8")
    assert run("--data", "t.csv") == 2
    assert "t.csv: line 2, column op: no operator 'moe' is known" in capsys.readouterr().err
    assert run("--data", "t.csv", "--skip-unknown") == 0
    assert "passed over: 1 rows\n  1 from line 2: no operator 'moe' is known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "validate: it is not said what to compare with"),
        (("--local", "--data", "t.csv"), "validate: two things to compare with are named"),
        (("--data", "t.csv", "--adapter", "x"), "--adapter: belongs to --local"),
        (("--local", "--chip", "toy", "--rows", "3"), "--rows: belongs to --data"),
        (("--local",), "--chip: 0 chips are given, and --local compares one"),
        (("--data", "u.csv"), "u.csv: no such file"),
        (("--data", "t.csv", "--chip", "toy"), "--chip: 'toy' does not say which GPU of the file has this chip"),
        (("--data", "t.csv", "--chip", "l4=toy", "--chip", "l4=t4"), "--chip: the GPU 'l4' has two chips"),
        (("--data", "t.csv", "--plot", "o.xyz"), "o.xyz: '.xyz' is not an image format"),
        (("--data", "t.csv", "--json", "no/o.json"), "no/o.json: cannot write: there is no folder"),
    ],
)
def test_what_is_wrong_is_told(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err
