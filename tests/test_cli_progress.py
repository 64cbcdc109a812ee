"""What a person sees of a long run: the bar, the note on compilation, and a clean end when it is interrupted."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from memsim import cli
from memsim.cli import _run
from memsim.cli._console import amounts, phase
from memsim.cli._files import replacing
from memsim.engine import warm
from memsim.engine.simulate import ENGINES

ENDLESS = """\
program endless
tensor A dram fp32 [32, 64]
kernel k blocks (b 1) {
  ring a sram fp32 [32, 64] depth 2
  queue load { loop i 1000000000000 { load a <- A[0, 0] } }
  queue eat { loop i 1000000000000 { pop a } }
}
"""


# The bar ------------------------------------------------------------------------------------------------------------


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_phase_that_ends_at_once_shows_nothing() -> None:
    console = terminal()
    with phase("simulating", "instructions", console=console, after_s=3600) as report:
        report(1, 2)
    assert shown(console) == ""


def test_a_long_phase_shows_a_bar_with_amounts() -> None:
    console = terminal()
    with phase("simulating", "instructions", console=console, after_s=0) as report:
        while "instructions" not in shown(console):  # a thread draws it
            report(12_000_000, 3_400_000_000)
    assert "simulating" in shown(console)
    assert "12.0 M of 3.40 G instructions" in shown(console)


def test_where_nobody_watches_nothing_is_shown() -> None:
    console = Console(file=io.StringIO())
    with phase("simulating", "instructions", console=console, after_s=0) as report:
        report(1, 2)
    assert shown(console) == ""


def test_amounts_and_the_rate() -> None:
    assert amounts(2_000_000, 8_000_000_000, 0.5, "instructions") == "2.00 M of 8.00 G instructions, 4.00 M/s"
    assert amounts(0, 10**30, 0.0, "instructions").endswith("instructions")
    assert amounts(1, 2, 3.0, "") == ""


# Compilation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_a_cold_engine_says_once_that_it_compiles(
    compiled: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warm, "is_compiled", lambda: compiled)
    _run.announce_compilation()
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("compiling the engine (once per installation, about") == (0 if compiled else 1)


def test_the_engine_is_the_first_unless_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run.engine_named(None) == ENGINES[0]
    assert [_run.engine_named(name) for name in ENGINES] == list(ENGINES)
    assert cli.run(["run", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ENGINES)


# Interruption -------------------------------------------------------------------------------------------------------

HEARING = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background, it may be ignored
"""
SIMULATING = (
    HEARING
    + """\
from contextlib import contextmanager
from memsim.cli import _run, main

@contextmanager
def phase(name, noun=""):
    yield lambda done, total: print(name, flush=True)

_run.phase = phase
main()
"""
)
COMPILING = (
    HEARING
    + """\
import memsim.lowering
from memsim.cli import main

def compile(*_, **__):
    print("compiling", flush=True)
    while True:
        pass

memsim.lowering.compile = compile
main()
"""
)


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        *((SIMULATING, ["endless.tile", "--engine", engine, "--no-fold"]) for engine in ENGINES),
        (COMPILING, ["matmul"]),
    ],
    ids=[*(f"simulating-{engine}" for engine in ENGINES), "compiling"],
)
def test_ctrl_c_ends_with_one_message_and_no_file(script: str, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "endless.tile").write_text(ENDLESS, encoding="utf-8")
    (tmp_path / "r.json").write_text("as it was", encoding="utf-8")
    command = [sys.executable, "-c", script, "run", *arguments, "--json", "r.json", "--trace", "t.json"]
    command += ["--trace-to", "1 us"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline(), process.stderr.read()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        error = process.stderr.read()
    lines = [line for line in error.splitlines() if not line.startswith("compiling the engine")]
    assert (process.returncode, lines) == (130, ["interrupted"])
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["endless.tile", "r.json"]


def test_a_file_is_replaced_only_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), replacing(path) as target:
        target.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "old"
    with replacing(path) as target:
        target.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_what_is_no_plain_file_is_written_as_it_is() -> None:
    with replacing(Path("/dev/null")) as target:
        assert target == Path("/dev/null")
