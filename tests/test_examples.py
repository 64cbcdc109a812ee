"""Each example runs as a user would run it; what it prints and writes is what it claims."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

import memsim as ms
from memsim.webgpu.browser import serving
from tests.webgpu.chromium import browser

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
PROGRAMS = sorted(EXAMPLES.glob("*.tile"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    return tmp_path


def run(name: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_every_example_has_a_test_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [p.name for p in SCRIPTS if f'"{p.name}"' not in source] == []


def test_first_chip(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (EXAMPLES / "first_chip.py").read_text(encoding="utf-8")
    assert len(script.splitlines()) < 40
    small, large = run("first_chip.py")["results"].values()
    assert large.bytes_by_level["dram"] < small.bytes_by_level["dram"], "more SRAM, larger tiles, less traffic"
    assert large.energy_j < small.energy_j
    text = capsys.readouterr().out
    assert "64 KiB of SRAM" in text
    assert "512 KiB of SRAM" in text
    assert {p.name for p in folder.iterdir()} == {"first_chip_64KiB.png", "first_chip_512KiB.png"}


def test_serving(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("serving.py")
    steps, measured = found["steps"], found["MEASURED_MS"]
    for batch, time_ms in measured.items():
        assert steps[1, batch].time_s * 1e3 == pytest.approx(time_ms, rel=0.1)
        assert steps[4, batch].time_s < steps[1, batch].time_s
    assert "gate, up" in capsys.readouterr().out
    assert {p.name for p in folder.iterdir()} == {"serving.png"}


def test_collectives(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curves = run("collectives.py")["curves"]
    best = {size: max(curves, key=lambda name: dict(curves[name])[size]) for size, _ in curves["ring"]}
    assert best[4096] in ("halving_doubling", "tree"), "few messages win on short vectors"
    assert dict(curves["ring"])[1 << 30] == pytest.approx(360e9, rel=0.01), "and every byte counts on long ones"
    assert dict(curves["tree"])[1 << 30] < 0.7 * dict(curves["ring"])[1 << 30]
    assert "link" in capsys.readouterr().out
    assert {p.name for p in folder.iterdir()} == {"collectives.png"}


def test_column_walk(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("column_walk.py")
    results, opened = found["results"], found["opened"]
    assert {result.bytes_by_level["dram"] for result in results.values()} == {1024 * 8192 * 2}
    hashed, linear = (
        results["by columns", kind].time_s / results["by rows", kind].time_s for kind in ("hashed", "linear")
    )
    assert 2 < hashed < linear, "each burst in a row of its own; and where rows are a power of two, in one channel"
    bursts = 1024 * 8192 * 2 // 32
    assert opened["by columns", "hashed"] == pytest.approx(bursts, rel=0.01)
    assert opened["by rows", "hashed"] < bursts / 20
    assert "rows opened" in capsys.readouterr().out
    assert {p.name for p in folder.iterdir()} == {"column_walk.png"}


def test_fusion(capsys: pytest.CaptureFixture[str]) -> None:
    results = run("fusion.py")["results"]
    one, two = results["one kernel"], results["two kernels"]
    tensor = 1024 * 1024 * 4
    assert one.bytes_by_level["dram"] == 4 * tensor  # a, b, c in; the result out
    assert two.bytes_by_level["dram"] == 6 * tensor  # and the product out and in again
    assert (len(one.kernels), len(two.kernels)) == (1, 2)
    assert one.energy_j < two.energy_j
    assert one.time_s < two.time_s
    assert re.search(r"fusion saves [1-9]\d* uJ, \d+%", capsys.readouterr().out)


def test_flash_vs_naive(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("flash_vs_naive.py")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    traffic = {(int(tokens), kind): float(megabytes) for tokens, kind, megabytes, *_ in rows}
    for tokens in (128, 256, 512):
        assert traffic[tokens, "flash"] < traffic[tokens, "naive"]
    saved = {n: traffic[n, "naive"] - traffic[n, "flash"] for n in (128, 256, 512)}
    assert saved[512] > 2.5 * saved[256] > 2.5**2 * saved[128], "the score matrix grows with the square"
    assert (folder / "flash_512.png").exists()


def test_mlp_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("mlp_training.py")
    losses = found["losses"]
    assert losses[0] > 0.5
    assert np.mean(losses[-10:]) < 0.1 < np.mean(losses[50:60])
    assert found["accuracy"] > 0.9, "a straight line gets two thirds of two spirals"
    toy, h100 = (found["results"][name] for name in ("toy", "h100_sxm"))
    assert h100.energy_j > 3 * toy.energy_j, "a step this small leaves a large chip idle, and it leaks"
    for result in (toy, h100):
        assert result.energy_j == pytest.approx(found["energies"][result.chip.name].sum() / 1e6)
    assert "new points right" in capsys.readouterr().out
    assert {p.name for p in folder.iterdir()} == {"mlp_training.png"}


def test_webgpu_training(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["webgpu_training.py", "--steps", "60", "--out", str(folder / "page")])
    found = run("webgpu_training.py")
    joules = {prediction.chip: prediction.energy_j for prediction in found["predicted"]}
    assert joules.keys() == {"a17_pro", "snapdragon_8gen1", "snapdragon_8gen2"}
    text = capsys.readouterr().out
    for name, energy in joules.items():
        assert re.search(rf"{name}: a step takes \d+ us and {energy * 1e6:.0f} uJ", text)
    losses = found["losses"]
    assert losses[-5:].mean() < 0.7 * losses[:5].mean()
    (folder / "browser").mkdir()
    with browser(folder / "browser") as chromium, serving(folder / "page") as url:
        chromium.open(url)
        chromium.until("window.memsim && window.memsim.state !== 'running'")
        page = chromium.run("return window.memsim")
    assert page["ok"], page
    np.testing.assert_allclose(page["values"]["loss"], losses, rtol=1e-4)


@pytest.mark.slow
def test_demo(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["demo.py", "--out", str(folder / "figures")])
    run("demo.py")
    text = capsys.readouterr().out
    for title in ("matmul on h100_sxm", "matmul on toy", "llama_layer on h100_sxm", "llama_layer on toy"):
        assert title in text
    assert len(list((folder / "figures").glob("*.png"))) == 12


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.name)
def test_tile_programs_compute_the_product(path: Path) -> None:
    program = ms.parse(path.read_text(encoding="utf-8"), file=path.name)
    ms.verify(program, ms.Chip.preset("toy"))
    generator = np.random.default_rng(1)
    a, b = (generator.standard_normal((512, 512), np.float32) for _ in range(2))
    a, b = (x.astype(ms.isa.DTYPES["bf16"].numpy) for x in (a, b))
    got = ms.interpret(program, {"A": a, "B": b})["C"]
    want = a.astype(np.float64) @ b.astype(np.float64)
    assert np.abs(got - want).max() < 1e-3


def test_multicast_saves_traffic_time_and_energy() -> None:
    chip = ms.Chip.preset("toy")
    texts = (path.read_text(encoding="utf-8") for path in PROGRAMS)
    alone, together = (ms.simulate(ms.parse(text), chip) for text in texts)
    one_pass = 512 * 512 * (2 + 2 + 4)
    assert alone.bytes_by_level["dram"] == 4 * 2 * 512 * 512 * 2 + 512 * 512 * 4
    assert together.bytes_by_level["dram"] == one_pass
    assert together.time_s < alone.time_s
    assert together.energy_j < alone.energy_j
