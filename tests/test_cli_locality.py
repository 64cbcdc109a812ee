"""``memsim score`` and ``memsim dmd``: what they print and write, and what they say to bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from memsim import cli
from memsim.locality.loops import naive_matmul, to_json, to_text
from tests.locality.products import naive

PROGRAMS = Path(__file__).parent / "locality" / "programs.py"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "naive4.ir").write_text(naive(4), encoding="utf-8")
    return tmp_path


def prints(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    status = cli.run(arguments)
    captured = capsys.readouterr()
    assert (status, captured.err) == (0, "")
    return captured.out


def complains(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def scored(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(prints(capsys, "score", *arguments, "--json", "-"))


def test_a_model_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    told = scored(capsys, "naive4.ir", "--model", "dally1", "--machine", "matmul")
    wanted = {"model": "dally1", "dialect": "matmul", "version": "v0", "engine": "count", "cost": 1316, "correct": True}
    assert told.items() >= wanted.items()
    assert told["reads"] == 64 * 2 + 48 * 2 + 16


def test_every_model_that_can_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    text = prints(capsys, "score", "naive4.ir", "--json", "n.json")
    told = json.loads(Path("n.json").read_text(encoding="utf-8"))
    costs = {(one["model"], one["dialect"]): one["cost"] for one in told["models"]}
    assert told["cost"] == costs["dally1", "matmul"] == 1316
    assert costs["dally2", "half-diamond-ascending-x"] == 16_800
    assert (costs["bytedmd", "dev"], costs["bytedmd", "classic-14"]) == (721, 948)
    assert (costs["bytedmd", "l2-live"], costs["bytedmd", "l2-classic"]) == (721, 1_049)
    assert {"dally3", "dmc", "ard", "dmd"} <= {model for model, _ in costs}
    assert "1,316" in text
    assert "right: proved for all integers" in text


def test_what_a_model_cannot_take_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "tape.ir").write_text("recv 1;set 2,1;add 1,1,2;copy 3,1;send 3", encoding="utf-8")
    (folder / "cells.json").write_text('{"1": [3, 4], "2": [0, 1], "3": [0, 100]}', encoding="utf-8")
    told = scored(capsys, "tape.ir", "--placement", "cells.json")
    assert "dally1" in told["refused"]
    dally2 = next(one for one in told["models"] if one["model"] == "dally2")
    assert (dally2["cost"], dally2["time_ps"]) == (450, 300)
    assert told["correct"] is None


def test_loops_cost_what_their_straight_line_costs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = naive_matmul(4)
    (folder / "n.json").write_text(json.dumps(to_json(program)), encoding="utf-8")
    (folder / "n.loops").write_text(to_text(program), encoding="utf-8")
    straight = scored(capsys, "naive4.ir", "--model", "dally1")
    for name in ("n.json", "n.loops"):
        told = scored(capsys, name, "--model", "dally1")
        assert told["engine"] == "closed form"
        assert [told[key] for key in ("cost", "reads", "correct")] == [
            straight[key] for key in ("cost", "reads", "correct")
        ]


def test_a_wrong_program_fails_its_challenge(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wrong.ir").write_text(naive(4).replace("add", "sub", 1), encoding="utf-8")
    assert cli.run(["score", "wrong.ir", "--challenge", "matmul-4", "--json", "-"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["correct"] is False
    assert "output 0" in told["reason"]
    assert cli.run(["score", "wrong.ir"]) == 0, "without a challenge the score is what was asked for"
    assert "WRONG: output 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("1,2\nadd 3,1,x\n3\n", (), "p.ir: line 2, column 9: 'x' is not an address"),
        ("1,2\nadd 3,1,4\n3\n", (), "p.ir: line 2, column 1: address 4 is read but nothing was written to it"),
        ("1;add 2,1;2", (), "p.ir: line 1, column 3: address 2 is read but nothing was written to it"),
        ("", (), "p.ir: the program is empty"),
        ("1;set 2,300;2", ("--model", "dally1"), "p.ir: line 1, column 3: `set` to 300 on machine int8"),
        ("1;set 2,3;2", ("--model", "dally1", "--machine", "matmul"), "machine matmul has no `set`"),
        ("1;copy 2,1;2", ("--model", "dally1", "--machine", "int9"), "there is no machine 'int9'"),
        ("1;copy 2,1;2", ("--model", "dally4"), "there is no model 'dally4'"),
        ("1;copy 2,1;2", ("--challenge", "chess"), "there is no challenge 'chess'"),
        ("1;copy 2,1;2", ("--challenge", "matmul-4", "--machine", "int8"), "matmul-4 runs on machine matmul, not int8"),
        ("1;copy 2,1;2", ("--challenge", "matmul-4"), "matmul-4 has 32 inputs and 16 outputs, not 1 and 1"),
        ("1;copy 2,1;2", ("--placement", "none.json"), "none.json: no such file"),
        ("1;copy 2,1;2", ("--model", "bytedmd", "--dialect", "x"), "'x' is no dialect of ByteDMD"),
        ("1;copy 2,1;2", ("--plot", "p.png"), "--plot: there is nothing to draw"),
        ('{"format": 1}', (), "p.ir"),
        ("0" * 30 + ";7", (), "p.ir: line 1, column 30: there is no address 0"),
        ("1" * 1001 + ";7", (), "p.ir: line 1, column 1: an address of 1,001 digits"),
        ("1;set 2,256;2", (), "`set` to 256 on machine int8"),
        ("1;copy 2,1;2", ("--machine", "int9"), "there is no machine 'int9'"),
        ("1;set 2,7;2", ("--machine", "matmul"), "machine matmul has no `set`"),
        ("1;copy 2,1;2", ("--bytes", "0"), "0"),
        ("1;copy 2,1;2", ("--dialect", "dev"), "--dialect: is an option of bytedmd"),
        ("1;copy 2,1;2", ("--model", "dally2", "--machine", "int8"), "--machine: is an option of dally1"),
        ("1;copy 2,1;2", ("--near", "5"), "they vary nothing"),
        ("1;copy 2,1;2", ("--sensitivity",), "1 programs have no order"),
        ("recv 1;send 2", (), "line 1, column 8: address 2 is read but nothing was written to it"),
        ("word a 64:0 in 1,0;recv a", (), "p.ir: line 1"),
        ("word a 64:0;send a", ("--challenge", "matmul-4"), "p.ir"),
        ("1\n\xff\n1", (), "p.ir: line 2, column 1"),
    ],
)  # fmt: skip
def test_bad_programs_and_options(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, options: tuple[str, ...], message: str
) -> None:
    (folder / "p.ir").write_bytes(text.encode("latin-1"))
    told = complains(capsys, "score", "p.ir", *options)
    assert message in told
    assert "\n  mend: " in told
    assert "internal error" not in told


# memsim dmd ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dialect", "cost"), [("main", 69), ("dev", 72), ("classic-14", 98)])
def test_a_python_function(capsys: pytest.CaptureFixture[str], dialect: str, cost: int) -> None:
    arguments = json.dumps([[1.0] * 8, [1.0] * 8])
    told = json.loads(
        prints(capsys, "dmd", f"{PROGRAMS}:dot", "--args", arguments, "--dialect", dialect, "--json", "-")
    )
    assert (told["model"], told["dialect"], told["cost"]) == ("bytedmd", dialect, cost)
    assert prints(capsys, "dmd", f"{PROGRAMS}:dot", "--args", arguments, "--dialect", dialect).startswith(
        f"bytedmd ({dialect}, "
    )


def test_bytes_of_an_element(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = json.dumps([[[1.0] * 2] * 2] * 2)
    told = prints(capsys, "dmd", f"{PROGRAMS}:matmul_ijk", "--args", arguments, "--bytes", "4", "--json", "-")
    assert json.loads(told)["cost"] == 419


def test_what_a_function_prints_keeps_out_of_the_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "loud.py").write_text("def double(x):\n    print('hello')\n    return x + x\n", encoding="utf-8")
    assert cli.run(["dmd", "loud.py:double", "--args", "[3]", "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["cost"] == 2
    assert captured.err == "hello\n"


@pytest.mark.parametrize("body", ["x / 1e-320", "x - float('inf')", "x << 20000", "[float('nan')]"])
def test_returned_numbers_that_json_has_not(folder: Path, capsys: pytest.CaptureFixture[str], body: str) -> None:
    (folder / "odd.py").write_text(f"def odd(x):\n    return {body}\n", encoding="utf-8")
    told = json.loads(prints(capsys, "dmd", "odd.py:odd", "--args", "[3]", "--json", "-"))
    assert isinstance(told["value"], (str, list))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"1": [3, 4], "1": [0, 1]}', "the key '1' stands twice"),
        ('{"1": [3, 4.5]}', "'1': [3, 4.5] gives no cell"),
        ("[" * 100_000, "it nests too deep"),
        ('{"1": [3, ' + "1" * 5000 + "]}", "a number has too many digits"),
        ('{"' + "1" * 5000 + '": [3, 4]}', "gives no cell"),
        ("[1]", "is no JSON object"),
    ],
    ids=["twice", "fraction", "deep", "digits", "long key", "list"],
)
def test_bad_placements(folder: Path, capsys: pytest.CaptureFixture[str], text: str, message: str) -> None:
    (folder / "p.ir").write_text("1;1", encoding="utf-8")
    (folder / "cells.json").write_text(text, encoding="utf-8")
    assert message in complains(capsys, "score", "p.ir", "--placement", "cells.json")


def test_what_costs_nothing_has_no_ratio(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "free.ir").write_text("1;1", encoding="utf-8")
    assert cli.run(["score", "free.ir", "naive4.ir", "--model", "dally2", "--sensitivity", "--plot", "p.png"]) == 2
    assert "free costs nothing" in capsys.readouterr().err
    assert not (folder / "p.png").exists()


def test_escapes_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "leak.py").write_text("def leak(x):\n    return int(x) + 1\n", encoding="utf-8")
    assert cli.run(["dmd", "leak.py:leak", "--args", "[3]"]) == 0
    assert "leak.py:2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("bad.py:f", "[1]", "bad.py: line 1, column"),
        ("ok.py:g", "[1]", "ok.py: there is no function 'g'\n  mend: it has f"),
        ("none.py:f", "[1]", "none.py: no such file"),
        ("ok.py", "[1]", "'ok.py' is no FILE.py:function"),
        ("ok.py:f", "[1", "--args: line 1, column 3: no JSON"),
        ("ok.py:f", "1", "--args: 1 is no list\n  mend: one entry for each argument: [1]"),
        ("ok.py:f", "[1, 2]", "2 arguments do not fit"),
        ("ok.py:f", '["a"]', "'a' is no number"),
        ("raises.py:f", "[0]", "division by zero"),
        ("ends.py:f", "[0]", "ends.py:2: f raised SystemExit"),
        ("ok.py:f", "[" * 5000, "--args: it nests too deep"),
        ("ok.py:f", "[" * 900 + "1" + "]" * 900, "nest"),
        ("ok.py:f", "[" + "1" * 5000 + "]", "--args: a number has too many digits"),
        ("waits.py:f", "[0]", "it runs only when it is awaited or iterated"),
        ("leaves.py:f", "[0]", "leaves.py: line 1: the file cannot be loaded: SystemExit"),
    ],
)
def test_bad_functions_and_arguments(
    folder: Path, capsys: pytest.CaptureFixture[str], target: str, arguments: str, message: str
) -> None:
    files = {
        "bad.py": "def f(:\n",
        "ok.py": "def f(x):\n    return x\n",
        "raises.py": "def f(x):\n    return 1 / x\n",
        "leaves.py": "raise SystemExit(3)\n",
        "ends.py": "def f(x):\n    raise SystemExit(0)\n",
        "waits.py": "async def f(x):\n    return x\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    told = complains(capsys, "dmd", target, "--args", arguments)
    assert message in told
    assert "\n  mend: " in told
    assert "internal error" not in told


def test_a_spatial_program_runs_with_contention(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The published example: received in row 0, copied to row 1, sent from there."""
    (folder / "p.spatial").write_text("recv 0:64\ncore 0,1\ncopy 0:192, 0:64\nsend 0:192\n", encoding="utf-8")
    told = scored(capsys, "p.spatial")
    assert (told["model"], told["cost"], told["time_ns"]) == ("dally3", 1024, 9)
    assert (told["contention"]["energy_fj"], told["contention"]["cycles"]) == (1024, 9)
    assert set(told["refused"]) == {"dally1", "dally2", "bytedmd", "dmc", "ard", "dmd"}
    assert "time    9 cycles" in prints(capsys, "score", "p.spatial")
    assert "only dally3 has" in complains(capsys, "score", "p.spatial", "--model", "dally1")
