"""The example programs for the Sutro Group's challenges: right on every instance, at the cost that they print."""

from __future__ import annotations

import runpy
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from memsim.locality.scalar import dally1
from memsim.locality.scalar.execute import execute
from memsim.locality.scalar.text import parse

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples" / "sutro"
COSTS = {"8-2": 5_352, "20-3": 37_021, "32-5": 119_190}


def run(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    monkeypatch.setattr("sys.argv", [name, *arguments])
    return runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_symmetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    results = run("symmetry.py", monkeypatch, "--out", str(tmp_path))["results"]
    assert results == {6: (20, True), 16: (72, True)}
    for n, (cost, _) in results.items():
        program = parse((tmp_path / f"symmetry-{n}.ir").read_bytes())
        assert dally1.score(program, "int8").cost == cost
        # each input once, at 1 ... n; an `and` a pair but the first, of addresses 1 and 2; the output at 1
        assert cost == sum(dally1.distances(program.addresses)) + 3 * (n // 2 - 1) + 1
    assert "right on all 65,536 instances" in capsys.readouterr().out


def test_small_parities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    results = run("parity.py", monkeypatch, "8-2", "20-3", "--out", str(tmp_path))["results"]
    assert results == {size: (COSTS[size], True) for size in ("8-2", "20-3")}
    for size, (cost, _) in results.items():
        assert dally1.score(parse((tmp_path / f"parity-{size}.ir").read_bytes()), "int8").cost == cost
    assert "1,140 instances" in capsys.readouterr().out


def test_the_large_parity_is_right_on_every_mask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("parity.py", monkeypatch, "32-5")["results"]["32-5"] == (COSTS["32-5"], True)
    text = capsys.readouterr().out
    assert "right on 201,376 instances of seed 2026" in text
    assert "published: best 382,794 (" in text


def test_the_documentation_has_the_costs() -> None:
    page = (ROOT / "docs" / "models" / "scalar.md").read_text(encoding="utf-8")
    assert "| " + " | ".join(f"{cost:,}" for cost in (*COSTS.values(), 20, 72)) + " |" in page


def test_parity_does_not_depend_on_how_many_bits_are_in_the_mask() -> None:
    """Every mask of six bits, on the samples of one instance each: 64 of them, with none to all bits."""
    parity = runpy.run_path(str(EXAMPLES / "parity.py"))["parity"]
    program = parse(parity(6, 6))
    samples = [[int(i == j or (j > i and (i * j) % 3 == 1)) for j in range(6)] for i in range(6)]  # a triangle: rank 6
    masks = [[mask >> i & 1 for i in range(6)] for mask in range(64)]
    inputs = [
        [*chain(*samples), *(sum(x & y for x, y in zip(row, mask, strict=True)) % 2 for row in samples)]
        for mask in masks
    ]
    assert execute(program, inputs, "int8").tolist() == masks
