"""Bad command lines, files, chips and programs: each ends with one message (place, cause, mend) and status 2."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from memsim import cli
from memsim.cli import _errors
from memsim.errors import MemsimError

PROGRAM = """\
program p
tensor A dram fp32 [64, 64]
tensor C dram fp32 [64, 64]
kernel k blocks (y 2) {
  ring a sram fp32 [32, 64] depth 2
  queue load { load a <- A[y*32, 0] }
  queue store { store C[y*32, 0] <- a  pop a }
}
"""

PRODUCT = """\
program product
kernel k blocks (b 1) {
  ring a sram bf16 [16, 16]
  ring c reg fp32 [16, 16]
  queue q { fill a 1
    mma c = a a }
}
"""

CORE = """\
[core]
grid = [2, 1]
pitch = ["1 mm", "1 mm"]
[core.sram]
capacity = "4 KiB"
"""

CHIP = f"""\
name = "small"
clock = "1 GHz"
{CORE}[dram]
capacity = "1 GiB"
bandwidth = "10 GB/s"
[network]
link_bandwidth = "16 B/cycle"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one of each kind of good and bad file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    files = {
        "good.tile": PROGRAM,
        "small.toml": CHIP,
        "empty.tile": "",
        "syntax.tile": PROGRAM.replace("<- A", "< A"),
        "unknown_ring.tile": PROGRAM.replace("pop a", "pop aa"),
        "bounds.tile": PROGRAM.replace("A[y*32, 0]", "A[y*64, 0]"),
        "rates.tile": PROGRAM.replace("  pop a", "  pop a  pop a"),
        "types.tile": PROGRAM.replace("C dram fp32", "C dram bf16"),
        "role.tile": PROGRAM.replace("C dram", "C hbm"),
        "negative.tile": PROGRAM.replace("load a <- A[y*32, 0]", "loop i y - 1 { load a <- A[y*32, 0] }"),
        "product.tile": PRODUCT,
        "not_toml.toml": "name = ",
        "no_unit.toml": CHIP.replace('"10 GB/s"', "10"),
        "bad_unit.toml": CHIP.replace('"10 GB/s"', '"10 GHz"'),
        "unknown_key.toml": CHIP.replace('capacity = "4 KiB"', 'capacty = "4 KiB"'),
        "negative.toml": CHIP.replace('"1 GiB"', '"-1 GiB"'),
        "no_core.toml": CHIP.replace(CORE, ""),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "binary.tile").write_bytes(b"program \xff\xfe")
    (tmp_path / "a_folder").mkdir()
    return tmp_path


CASES = [
    # the command line itself
    ("rum", "No such command 'rum'", "--help"),
    ("run", "Missing argument", "--help"),
    ("run matmul --chp toy", "No such option: --chp", "--help"),
    ("run matmul --set", "requires an argument", "--help"),
    ("run matmul extra", "extra", "--help"),
    ("asm", "Missing argument", "--help"),
    ("chips shw toy", "No such command 'shw'", "--help"),
    # names
    ("run matmull", "there is no workload 'matmull'", "did you mean 'matmul'?"),
    ("run matmul --chip toi", "toi", "did you mean 'toy'?"),
    ("run matmul --engine simpyy", "--engine: no engine 'simpyy'", "simpy"),
    ("chips show h100", "h100", "h100_sxm"),
    # settings
    ("run matmul --set m", "--set: 'm' is not key=value", "--set m=4096"),
    ("run matmul --set m=big", "--set m: m takes a whole number, found 'big'", "--set m="),
    ("run matmul --set m=1 --set m=2", "m is set twice", "keep one"),
    ("run matmul --set mm=4", "nothing is called 'mm'", "did you mean"),
    ("run matmul --set m=0", "0", ""),
    ("run matmul --set m=-4", "-4", ""),
    ("run matmul --set dtype=bf61", "bf61", "bf16"),
    ("run matmul --set core.sram.capcity=1KiB", "core.sram.capcity", "core.sram.capacity"),
    ("run matmul --set core.sram.capacity=lots", "lots", "256 KiB"),
    ("run matmul --set core.sram.capacity=64", "holds 64 bytes", "raise core.sram.capacity"),
    ("run good.tile --set m=4", "nothing is called 'm'", ""),
    # files
    ("run missing.tile", "missing.tile: no such file", "check the name"),
    ("run god.tile", "god.tile: no such file", "did you mean good.tile?"),
    ("asm a_folder", "a_folder: is a folder, not a file", "name a file in it"),
    ("asm binary.tile", "binary.tile: is not a text file: byte 8 is not UTF-8", "UTF-8"),
    ("check nowhere/p.tile", "nowhere/p.tile: no such file", "there is no folder nowhere"),
    ("run good.tile --chip missing.toml", "missing.toml", ""),
    ("run good.tile --chip a_folder/", "a_folder", "name a file in it"),
    ("run good.tile --json a_folder", "a_folder: cannot write: it is a folder", "name a file in it"),
    ("run good.tile --plot nowhere/p.png", "there is no folder", "create the folder first"),
    ("run good.tile --plot p.bmpp", "bmpp", "png"),
    ("analyze good.tile --json nowhere/r.json", "there is no folder", "create the folder first"),
    ("run good.tile --check", "a tile file has no reference to check against", "run by name"),
    # windows of a trace
    ("run good.tile --trace-from 1us", "there is no trace to limit", "--trace FILE.json"),
    ("run good.tile --trace-core 0", "there is no trace to limit", "--trace FILE.json"),
    ("run good.tile --trace t.json --trace-from 12", "--trace-from: '12' has no unit", '"12 us"'),
    ("run good.tile --trace t.json --trace-from soon", "--trace-from: 'soon' is not a duration", '"12 us"'),
    ("run good.tile --trace t.json --trace-to 3GB", "--trace-to: '3GB' is not a duration", '"12 us"'),
    ("run good.tile --trace t.json --trace-to 3uss", "--trace-to: unknown unit 'uss'", '"12 us"'),
    ("run good.tile --trace t.json --trace-from=-1us", "-1us is before the run begins", "0s"),
    ("run good.tile --trace t.json --trace-from 2us --trace-to 2000ns", "the window ends at 2000ns, not", "later"),
    ("run good.tile --trace t.json --trace-core 16", "there is no core 16: the chip has 16", "from 0 to 15"),
    ("run good.tile --trace t.json --trace-core=-1", "a core is a whole number from 0, found -1", ""),
    ("run good.tile --trace t.json --trace-core x", "--trace-core", "--help"),
    # programs
    ("asm empty.tile", "empty.tile", "program"),
    ("asm syntax.tile", "syntax.tile: line 6", ""),
    ("check unknown_ring.tile", "unknown_ring.tile: line 7", "did you mean"),
    ("check bounds.tile", "bounds.tile: line 6", ""),
    ("check rates.tile", "a", ""),
    ("check types.tile", "types.tile: line 7", ""),
    ("check role.tile --chip toy", "hbm", ""),
    ("check negative.tile", "negative.tile: line 6", ""),
    ("check good.tile --chip small.toml", "sram", ""),
    ("check product.tile --chip small.toml", "product.tile: line 6, column 5: mma c: chip small has no", "core.matrix"),
    # chips
    ("chips show not_toml.toml", "not_toml.toml", ""),
    ("chips show no_unit.toml", "no_unit.toml: line 10: dram.bandwidth: 10 has no unit", "64 B/cycle"),
    ("chips show bad_unit.toml", "dram.bandwidth", "64 B/cycle"),
    ("chips show unknown_key.toml", "core.sram.capacty", "did you mean 'capacity'?"),
    ("chips show negative.toml", "dram.capacity", "256 KiB"),
    ("chips show no_core.toml", "core", ""),
]


@pytest.mark.parametrize(("command", "cause", "mend"), CASES, ids=[case[0] for case in CASES])
def test_bad_input_is_told_in_one_message(
    command: str, cause: str, mend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.run(command.split())
    captured = capsys.readouterr()
    assert status == 2, captured.err
    assert cause in captured.err
    assert mend in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert not re.search(r"[\w/]+\.py\b", captured.err), "the message names a source file of memsim"


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


def test_interruption_is_said_and_has_the_shells_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert _errors.guarded(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_interruption_of_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("memsim.cli._run.prepare", lambda *_: raising(KeyboardInterrupt())())
    assert cli.run(["run", "matmul"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_defect_asks_for_a_report_and_names_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert _errors.guarded(raising(ZeroDivisionError("division by zero"))) == 70
    message = capsys.readouterr().err
    assert re.search(r"internal error at test_cli_errors\.py:\d+: ZeroDivisionError: division by zero", message)
    assert "please report it" in message


def test_an_error_of_the_operating_system_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert _errors.guarded(raising(OSError(28, "No space left on device", "r.json"))) == 2
    assert capsys.readouterr().err == "r.json: No space left on device\n"


def test_brackets_in_a_message_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert _errors.guarded(raising(MemsimError("A[0] is [bold] out", mend="use A[1]"))) == 2
    assert capsys.readouterr().err == "A[0] is [bold] out\n  mend: use A[1]\n"


def test_unwritable_file(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    assert cli.run(["analyze", "good.tile", "--json", "r.json"]) == 2
    assert "r.json: cannot write: permission denied" in capsys.readouterr().err
    assert not (folder / "r.json").exists()
