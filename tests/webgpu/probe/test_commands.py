"""``memsim probe`` and ``memsim validate``, on software adapters and from files."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import typer

import memsim as ms
from memsim.cli import _probe, _validate
from memsim.cli._errors import guarded
from memsim.validate import SUITE
from memsim.webgpu import Adapter
from memsim.webgpu.probe import Check, Findings, Plan
from memsim.webgpu.probe.timing import Effort
from tests.webgpu.probe.fakes import GPU, found_on
from tests.webgpu.samples import ADAPTERS, adapter

app = typer.Typer()
app.command()(_probe.probe)
app.command()(_validate.validate)


def run(*arguments: str | Path) -> int:
    return guarded(lambda: app(args=[str(a) for a in arguments], prog_name="memsim", standalone_mode=False))


@pytest.fixture
def findings(tmp_path: Path) -> Path:
    path = tmp_path / "found.json"
    path.write_text(json.dumps(found_on("rtx_4090", 0.01).to_json()), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_software_adapter_has_values_only(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("probe", "--adapter", name) == 0
    told = capsys.readouterr().out
    assert "is a software adapter: timing means nothing here, so nothing is measured" in told
    assert "kernels compute what they should" in told
    assert "WRONG" not in told
    assert " ns" not in told and "GB/s" not in told


def test_the_values_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("probe", "--adapter", ADAPTERS[0], "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["timing"] is None and found["ok"] is True
    assert len(found["values"]) + len(found["left_out"]) == 16
    path = tmp_path / "values.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    assert run("probe", "--from", path) == 2
    assert "is a software adapter" in capsys.readouterr().err


def test_a_wrong_value_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = (Check("chase through 64 B", "it ends at 3, not 4"), Check("other", None))
    monkeypatch.setattr("memsim.webgpu.probe.check_values", lambda machine: wrong)
    assert run("probe", "--adapter", ADAPTERS[0]) == 1
    told = capsys.readouterr().out
    assert "WRONG  chase through 64 B: it ends at 3, not 4" in told
    assert "1 of 2 kernels" in told


@pytest.mark.parametrize(("option", "file"), [("--chip", "c.toml"), ("--plot", "p.png")])
def test_a_software_adapter_makes_no_chip_and_no_plot(
    option: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("probe", "--adapter", ADAPTERS[0], option, tmp_path / file) == 2
    message = capsys.readouterr().err
    assert f"{option}: no {option[2:]} can be made: " in message and "mend: choose a GPU" in message
    assert list(tmp_path.iterdir()) == []


def test_from_findings_to_a_chip(findings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chip, plot = tmp_path / "mine.toml", tmp_path / "mine.png"
    assert run("probe", "--from", findings, "--chip", chip, "--like", "rtx_4090", "--plot", plot) == 0
    assert "Latency of loads" in capsys.readouterr().out
    made = ms.Chip.from_toml(chip)
    assert made.name == "probed_test_gpu_9000" and "measured by memsim probe" in made.description
    assert chip.read_text(encoding="utf-8").startswith(f"# {GPU.name}, Vulkan, driver 1.0: measured by memsim probe")
    assert plot.stat().st_size > 20_000
    assert run("probe", "--from", findings, "--json", tmp_path / "again.json") == 0
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(findings.read_text())


def test_mistakes(findings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    mistakes = {
        ("probe", "--from", findings, "--quick"): "--from: nothing is measured with --from",
        ("probe", "--from", findings, "--like", "toy"): "--like: there is no chip to write",
        ("probe", "--from", findings, "--chip", tmp_path / "c.toml"): "no preset is called like 'Test GPU 9000'",
        ("probe", "--from", findings, "--chip", tmp_path / "c.toml", "--like", "toy"): "preset toy: has no cache",
        ("probe", "--from", broken): "is not JSON",
        ("probe", "--from", tmp_path / "none.json"): "no such file",
        ("probe", "--adapter", "Voodoo"): "no adapter is called 'Voodoo'",
        ("validate", "--chip", "toy"): "validate: it is not said what to compare with",
        ("validate", "--local", "--chip", "nosuch"): "unknown preset 'nosuch'",
        (
            "validate",
            "--local",
            "--chip",
            "toy",
            "--adapter",
            ADAPTERS[0],
            "--plot",
            tmp_path / "p.png",
        ): "no times to draw",
    }
    for arguments, message in mistakes.items():
        assert run(*arguments) == 2, arguments
        told = capsys.readouterr().err
        assert message in told and "mend: " in told, told
    assert not (tmp_path / "c.toml").exists()


def test_validation_on_a_software_adapter_is_of_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "values.json"
    chip = tmp_path / "chip.toml"
    made = ms.Chip.preset("rtx_4090").replace({"core.sram.capacity": "32 KiB"})
    chip.write_text(made.to_toml(), encoding="utf-8")
    assert run("validate", "--local", "--chip", chip, "--adapter", ADAPTERS[0], "--json", path) == 0
    told = capsys.readouterr().out
    assert "its times say nothing of a GPU, so none are compared. Values only:" in told
    assert f"{len(SUITE)} of {len(SUITE)} programs compute on it what the interpreter says" in told
    found = json.loads(path.read_text())
    assert found["ok"] and found["timing"] is None and len(found["values"]) == len(SUITE)


@pytest.fixture
def pretender(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The software adapter as if it were a GPU, at sizes that it can do: all is run but for the refusal."""
    found = replace(adapter(ADAPTERS[0]), kind="DiscreteGPU", name="Pretended GPU")
    monkeypatch.setattr("memsim.webgpu.find_adapter", lambda name: found)
    monkeypatch.setattr("memsim.webgpu.probe.machine.seconds_per_tick", lambda ticks, walls: 1e-9)  # see test_kernels
    tiny = Plan(largest=1 << 20, a_doubling=1, refinements=1, warm_loads=1 << 12, groups=8, effort=Effort(3e-4, 3))
    monkeypatch.setattr("memsim.webgpu.probe.FULL", tiny)
    monkeypatch.setattr("memsim.webgpu.probe.QUICKLY", tiny)
    return found


def test_every_study_runs_on_a_real_device(pretender: Adapter, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    assert run("probe", "--json", path, "--plot", tmp_path / "p.png") == 0
    found = Findings.from_json(json.loads(path.read_text()))
    assert found.device.name == pretender.name
    assert (found.chases[0].footprint, found.chases[-1].footprint) == (4096, 1 << 20)
    assert {stream.kind for stream in found.streams} == {"read", "copy"}
    assert set(found.fma_g) == set(found.matrix_g) == {"f32", "f16", "i32"}
    assert [groups for groups, _ in found.fma_groups] == [1, 2, 4, 8]
    assert found.submit_us > 0
    assert found.dispatch_us is not None and found.dispatch_us.median > 0


def test_a_device_without_a_preset_is_not_measured_for_a_chip(
    pretender: Adapter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("probe", "--chip", tmp_path / "c.toml") == 2
    assert "no preset is called like 'Pretended" in capsys.readouterr().err


def test_validation_of_a_real_device(
    pretender: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from memsim import validate

    cases = [replace(case, timed=case.small) for case in SUITE if case.name in ("copy", "softmax", "matmul")]
    monkeypatch.setattr("memsim.validate.validate", partial(validate.validate, cases=cases))
    monkeypatch.setattr("memsim.validate.cross_check", partial(validate.cross_check, cases=cases))
    path, plot = tmp_path / "errors.json", tmp_path / "errors.png"
    assert run("validate", "--local", "--quick", "--chip", "rtx_4090", "--json", path, "--plot", plot) == 0
    found = json.loads(path.read_text())
    assert [row["kind"] for row in found["rows"]] == [case.kind for case in cases]
    assert all(row["measured_s"]["median"] > 0 and row["predicted_s"] > 0 for row in found["rows"])
    assert set(found["mape"]) == {"stream", "matmul", "softmax", "all"}
    assert plot.stat().st_size > 10_000
    assert "mean absolute percentage error" in capsys.readouterr().out


def test_wrong_values_end_a_validation(
    pretender: Adapter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from memsim import validate

    right = validate.cross_check(ms.Chip.preset("toy"), pretender, SUITE[:1])
    wrong = [(case, replace(c, tensors=tuple(replace(t, outside=t.elements) for t in c.tensors))) for case, c in right]
    monkeypatch.setattr("memsim.validate.cross_check", lambda chip, where: wrong)
    assert run("validate", "--local", "--chip", "toy") == 1
    assert "WRONG  stream     copy: " in capsys.readouterr().err
