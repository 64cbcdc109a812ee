"""``memsim run`` on a chip that may not draw what it would."""

from __future__ import annotations

import json

import pytest

from memsim import cli
from memsim.hierarchy import Chip

MATMUL = ("run", "matmul", "--chip", "a100_sxm", "--set", "m=2048", "--set", "n=2048", "--set", "k=1024", "--no-check")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("memsim.engine.warm.is_compiled", lambda: True)


def memsim_prints(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    status = cli.run(list(arguments))
    captured = capsys.readouterr()
    assert (status, captured.err) == (0, "") or "--json" in arguments
    return captured.out


def test_a_run_that_draws_too_much_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "power cap:" not in memsim_prints(capsys, *MATMUL, "--set", "tdp=900W")
    text = memsim_prints(capsys, *MATMUL, "--set", "tdp=200W")
    assert "exceed 200 W of a100_sxm: its clock would fall (--power-cap)" in text


def test_the_clock_falls_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    options = (*MATMUL, "--set", "tdp=200W", "--power-cap")
    text = memsim_prints(capsys, *options)
    assert "W at 1.41 GHz exceed 200 W: " in text
    data = json.loads(memsim_prints(capsys, *options, "--json", "-"))
    cap = data["power_cap"]
    assert cap["slowed"] and cap["limit_w"] == 200
    assert data["clock_hz"] == cap["clock_hz"] < cap["free_clock_hz"] == float(Chip.preset("a100_sxm").clock)
    assert cap["power_w"] < 1.03 * 200 < cap["free_power_w"]


def test_a_chip_without_a_limit_cannot_keep_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["run", "softmax", "--chip", "toy", "--power-cap"]) == 2
    assert "chip toy has no tdp" in capsys.readouterr().err
