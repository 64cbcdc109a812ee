"""``memsim measure``: files, options, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memsim import cli
from memsim.cli import _measure
from memsim.measure import Case, Effort, cases, cuda
from memsim.measure.nvml import Nvml
from memsim.validate.calls import Call
from memsim.validate.measured import read_file
from tests.measure.fakes import GPU, FakePynvml, FakeTorch

TINY = Effort(samples=3, batch_s=1e-4, warm_s=1e-3, window_s=0.2)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_measure, "_effort", lambda request: TINY)
    made = {
        "softmax": lambda: iter([
            Case("softmax", "softmax", Call("softmax", "fp32", rows=8, cols=n)) for n in (8, 16, 24)
        ])
    }  # fmt: skip
    monkeypatch.setattr(cases, "_SUITES", cases._SUITES | made)


def run(*arguments: object) -> int:
    return cli.run(["measure", *map(str, arguments)])


def test_a_run_on_the_cpu_writes_a_table_and_tells_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--backend", "cpu", "--suite", "softmax", "--out", "t.csv") == 0
    out, err = capsys.readouterr()
    assert "3 cases measured\nwrote t.csv" in out
    assert "say nothing of a GPU" in err
    about = json.loads(Path("t.json").read_text(encoding="utf-8"))
    assert about["gpu"].startswith("CPU ") and about["driver"] == "numpy" and "date" in about and "command" in about
    assert len(read_file(Path("t.csv"), chips={about["gpu"]: "toy"}).rows) == 3


def test_a_second_run_needs_resume(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--backend", "cpu", "--suite", "softmax", "--out", "t.csv") == 0
    assert run("--backend", "cpu", "--suite", "softmax", "--out", "t.csv") == 2
    assert run("--backend", "cpu", "--suite", "softmax", "--out", "t.csv", "--resume") == 0
    out, err = capsys.readouterr()
    assert "t.csv: is there already" in err
    assert "0 cases measured\n3 were in the file" in out


def test_a_run_on_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    torch = FakeTorch()
    opened = cuda.open_cuda(0, torch, Nvml.of(FakePynvml(torch), torch, 0))
    monkeypatch.setattr("memsim.measure.open_cuda", lambda index: opened)
    assert run("--suite", "softmax", "--out", "t.csv") == 0
    about = json.loads(Path("t.json").read_text(encoding="utf-8"))
    assert (about["gpu"], about["driver"], about["power_limit_w"], about["torch"]) == (GPU, "999.1", 700, "9.9")
    assert Path("t.csv").read_text(encoding="utf-8").startswith("# written by: memsim measure")
    torch.fails_on = "softmax"
    Path("t.csv").unlink()
    assert run("--suite", "softmax", "--out", "t.csv") == 1
    assert "failed: softmax fp32 8 x 8: CUDA error" in capsys.readouterr().out


def test_an_interrupt_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def told(what: str) -> None:
        if what.endswith("8 x 24"):
            raise KeyboardInterrupt

    monkeypatch.setattr(_measure, "_told", told)
    assert run("--backend", "cpu", "--suite", "softmax", "--out", "t.csv") == 130
    assert "t.csv holds what was measured; --resume goes on" in capsys.readouterr().err
    assert sum(line.startswith("softmax,") for line in Path("t.csv").read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--suite", "matmuls", "--backend", "cpu"), "--suite: no suite 'matmuls'"),
        (("--suite", ",", "--backend", "cpu"), "--suite: no suite is named"),
        (("--suite", "power", "--backend", "cpu"), "the suite 'power' cannot be measured through cpu"),
        (("--suite", "attention", "--backend", "wgpu"), "the suite 'attention' cannot be measured through wgpu"),
        (("--suite", "softmax", "--backend", "wgpu", "--adapter", "llvmpipe"), "its times say nothing of a GPU"),
        (("--backend", "tpu"), "--backend: no backend 'tpu'"),
        (("--backend", "cpu", "--adapter", "x"), "--adapter: belongs to --backend wgpu"),
        (("--like", "t4"), "--like: belongs to --backend wgpu"),
    ],
)
def test_what_is_wrong_is_told(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--out", "t.csv", *arguments) == 2
    assert said in capsys.readouterr().err
    assert not Path("t.csv").exists()


def test_a_folder_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--out", "no/t.csv", "--backend", "cpu") == 2
    assert "no/t.csv: cannot write: there is no folder" in capsys.readouterr().err
