"""`memsim microbench dram`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memsim import cli


def test_the_numbers_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["microbench", "dram", "--part", "ddr4_3200", "--pattern", "rand", "--mlp", "4", "--n=2000", "--json=-"]
    assert cli.run(arguments) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["bandwidth_gbs"] == pytest.approx(4.9, rel=0.02)
    assert numbers["efficiency"] == pytest.approx(numbers["bandwidth_gbs"] / 25.6)
    assert numbers["latency_ns"] == pytest.approx(0.625 * numbers["latency_cycles"])
    assert numbers["row_hit_rate"] < 0.01
    split = sum(numbers["energy_pj"].values())
    assert numbers["energy_pj_per_byte"] == pytest.approx(split / numbers["bytes"])


def test_the_report_and_the_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "load.png"
    arguments = ["microbench", "dram", "--pattern", "streams4", "--reads", "67", "--n", "500", "--plot", str(figure)]
    assert cli.run(arguments) == 0
    assert figure.stat().st_size > 10_000
    out = capsys.readouterr().out
    assert "hbm2_2000: streams4, 67 % reads, 16 reads outstanding" in out
    assert "GB/s" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--part", "hbm9_2000"], "no DRAM part"),
        (["--page", "close"], "did you mean 'closed'"),
        (["--scheduler", "fifo"], "no scheduler"),
        (["--pattern", "zigzag"], "the patterns are"),
        (["--plot", "nowhere/x.png"], "there is no folder"),
    ],
)
def test_a_mistake_is_told(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["microbench", "dram", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
