"""The command line on good input: what it prints, what it writes, and that both agree with the library."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import memsim
from memsim import cli
from memsim.engine.simulate import ENGINES
from memsim.hierarchy import Chip
from memsim.isa import analyze, format, from_json, parse

EXAMPLES = Path(__file__).parent.parent / "examples"
MATMUL = EXAMPLES / "matmul.tile"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("memsim.engine.warm.is_compiled", lambda: True)  # what a first run says is tested elsewhere
    return tmp_path


def memsim_prints(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What ``memsim ARGUMENTS`` prints; it must succeed and say nothing on stderr."""
    status = cli.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert (status, captured.err) == (0, "")
    return captured.out


# The whole ----------------------------------------------------------------------------------------------------------


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = memsim_prints(capsys, "--help")
    for command in ("run", "workloads", "chips", "asm", "check", "analyze"):
        assert f"  {command} " in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert memsim_prints(capsys, "--version") == f"memsim {memsim.__version__}\n"


@pytest.mark.parametrize("start", [["-m", "memsim"], ["-c", "from memsim.cli import main; main()"]], ids=["-m", "main"])
def test_as_a_process_it_ends_with_its_status(start: list[str]) -> None:
    good = subprocess.run([sys.executable, *start, "chips", "list"], capture_output=True, text=True, check=False)
    bad = subprocess.run([sys.executable, *start, "run", "no.tile"], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "no.tile: no such file\n  mend: check the name\n"


def test_a_closed_pipe_is_no_error() -> None:
    script = f"{sys.executable} -m memsim chips toml toy | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_told() -> None:
    script = f"{sys.executable} -m memsim chips toml toy > /dev/full"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "No space left on device\n")


def test_long_output_arrives_whole_and_with_its_status() -> None:
    command = [sys.executable, "-m", "memsim", "asm", str(MATMUL), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert from_json(json.loads(done.stdout)) == parse(MATMUL.read_text(encoding="utf-8"))


# Chips --------------------------------------------------------------------------------------------------------------


def test_chips_lists_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    text = memsim_prints(capsys, "chips")
    assert text == memsim_prints(capsys, "chips", "list")
    assert [line.split()[0] for line in text.splitlines()[1:]] == list(Chip.presets())
    assert "989.4 TFLOP/s bf16" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", Chip.presets())
def test_the_text_of_a_preset_is_that_chip(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = memsim_prints(capsys, "chips", "toml", name)
    assert Chip.from_text(text) == Chip.preset(name)


def test_the_text_of_a_file_is_that_chip(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chip = Chip.preset("toy").replace({"name": "mine", "core.sram.capacity": "1 MiB"})
    (folder / "mine.toml").write_text(chip.to_toml(), encoding="utf-8")
    shown = tomllib.loads(memsim_prints(capsys, "chips", "toml", "mine.toml"))
    assert shown["name"] == "mine"
    assert shown["core"]["sram"]["capacity"] == "1 MiB"


def test_a_shown_chip_has_its_parts_a_drawing_and_its_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    text = memsim_prints(capsys, "chips", "show", "h100_sxm")
    assert "132 on 12 x 12 sites" in text
    assert "989.4 TFLOP/s bf16, fp16" in text
    assert "50 MiB in 80 slices" in text
    drawn = [line for line in text.splitlines() if line.startswith("|")]
    assert ("".join(drawn).count("□"), "".join(drawn).count("C")) == (132, 2)
    assert "from a source" in text


def test_a_shown_chip_is_drawn_into_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    memsim_prints(capsys, "chips", "show", "toy", "--plot", "toy.png")
    assert (folder / "toy.png").stat().st_size > 10_000


def test_technologies_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    from memsim.hierarchy import technologies

    text = memsim_prints(capsys, "chips", "technologies")
    first = [line.split()[0] for line in text.splitlines() if line]
    assert [word for word in first if word in technologies()] == list(technologies())


# Tile programs ------------------------------------------------------------------------------------------------------


def test_asm_prints_the_canonical_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = memsim_prints(capsys, "asm", MATMUL)
    assert parse(text) == parse(MATMUL.read_text(encoding="utf-8"))
    assert text == format(parse(text))


def test_asm_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(memsim_prints(capsys, "asm", MATMUL, "--json"))
    assert from_json(data) == parse(MATMUL.read_text(encoding="utf-8"))


def test_check_says_what_was_checked(capsys: pytest.CaptureFixture[str]) -> None:
    text = memsim_prints(capsys, "check", MATMUL)
    assert text == f"{MATMUL}: ok: program matmul: 1 kernel, 16 blocks, 9 instructions\n"
    assert memsim_prints(capsys, "check", MATMUL, "--chip", "toy").endswith("; it fits toy\n")


def test_analyze_prints_and_writes_the_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = memsim_prints(capsys, "analyze", MATMUL, "--json", "counts.json")
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    analysis = analyze(parse(MATMUL.read_text(encoding="utf-8")))
    assert counts["flops"] == analysis.flops == 2 * 512**3
    assert counts["bytes_read"]["dram"] == 4 * 2 * 512 * 512 * 2  # each tile of A and B is fetched four times
    assert counts["routes"] == {"dram -> sram": 4 * 2 * 512 * 512 * 2, "reg -> dram": 512 * 512 * 4}
    assert counts["peak_bytes"] == dict(analysis.peak_bytes)
    assert [row["count"] for row in counts["instructions"]] == [e.count for e in analysis.executions]
    assert f"{counts['bytes_read']['dram']:,}" in text


def test_multicast_fetches_each_tile_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    memsim_prints(capsys, "analyze", EXAMPLES / "matmul_multicast.tile", "--json", "counts.json")
    counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    assert counts["bytes_read"]["dram"] == 2 * 512 * 512 * 2


# Running ------------------------------------------------------------------------------------------------------------


def test_a_tile_program_runs_with_every_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"json": "r.json", "trace": "t.json", "program": "p.tile"}
    figures = {name: f"{name}.png" for name in ("plot", "roofline", "timeline", "floorplan")}
    options = [part for name, file in {**files, **figures}.items() for part in (f"--{name}", file)]
    text = memsim_prints(capsys, "run", MATMUL, *options)
    assert "matmul on toy" in text
    assert "numbers not checked: a tile file has no reference" in text
    result = memsim.simulate(parse(MATMUL.read_text(encoding="utf-8")), Chip.preset("toy"))
    numbers = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert numbers["time_s"] == result.time_s
    assert numbers["energy_j"] == result.energy_j
    assert sum(numbers["energy_by_part"].values()) == pytest.approx(numbers["energy_j"], rel=1e-12)
    assert (numbers["workload"], numbers["chip"], numbers["engine"]) == ("matmul", "toy", ENGINES[0])
    assert (numbers["checked"], numbers["max_rel_err"], numbers["check_passed"]) == (False, None, None)
    assert max(numbers["bounds"].values()) <= numbers["time_s"]
    assert 0 < max(numbers["utilisation"].values()) <= 1
    assert json.loads((folder / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    assert parse((folder / "p.tile").read_text(encoding="utf-8")) == parse(MATMUL.read_text(encoding="utf-8"))
    for file in figures.values():
        assert (folder / file).read_bytes().startswith(PNG)


def test_json_to_stdout_is_all_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["run", str(MATMUL), "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["cycles"] > 0
    assert captured.err == "numbers not checked: a tile file has no reference\n"


def test_settings_change_the_chip(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cycles = {}
    for bandwidth in ("32 GB/s", "512 GB/s"):
        settings = ("--set", f"dram.bandwidth={bandwidth}", "-s", "dram.channels=8", "--json", "r.json")
        memsim_prints(capsys, "run", MATMUL, *settings)
        cycles[bandwidth] = json.loads((folder / "r.json").read_text(encoding="utf-8"))["cycles"]
    moved = 4 * 2 * 512 * 512 * 2 + 512 * 512 * 4  # bytes; a cycle is 1 ns
    assert cycles["32 GB/s"] > moved / 32 > cycles["512 GB/s"]


def test_a_chip_file_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.toml").write_text(
        memsim_prints(capsys, "chips", "toml", "toy").replace('name = "toy"', 'name = "mine"'), encoding="utf-8"
    )
    assert "matmul on mine" in memsim_prints(capsys, "run", MATMUL, "--chip", "mine.toml")


EMPTY = """\
program empty
tensor A dram fp32 [64, 64]
kernel k blocks (y 2) {
  ring a sram fp32 [32, 64]
  queue load { loop i 0 { load a <- A[0, 0] } }
  queue eat { loop i 0 { pop a } }
}
"""


def test_a_program_that_does_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty.tile").write_text(EMPTY, encoding="utf-8")
    figures = [f"--{name}={name}.png" for name in ("plot", "roofline", "floorplan")]
    text = memsim_prints(capsys, "run", "empty.tile", "--json", "r.json", *figures)
    assert "empty on toy" in text
    numbers = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert numbers["flops"] == 0
    assert numbers["time_s"] == 1e-6  # the launch
    memsim_prints(capsys, "analyze", "empty.tile")
