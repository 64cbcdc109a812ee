"""The example runs as a user would run it: its three programs compute the product, and tell what it says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest

from memsim.locality.spatial import SpatialProgram

EXAMPLE = Path(__file__).parents[3] / "examples" / "sutro" / "spatial_matmul.py"


def computed(program: SpatialProgram, given: list[int]) -> list[int]:
    """The outputs, with the instructions in their order; the example has copies, products and sums."""
    words = dict(zip(program.inputs.tolist(), given, strict=True))
    for index, (target, *sources) in enumerate(program.operands.tolist()):
        values = [words[slot] for slot in sources if slot >= 0]
        name = program.instruction(index).split()[0]
        words[target] = {"copy": lambda v: v[0], "mul": np.prod, "add": sum}[name](values)
    return [int(words[slot]) for slot in program.outputs.tolist()]


@pytest.mark.parametrize("way", ["corner", "straight", "skewed"])
@pytest.mark.parametrize("p", [1, 2, 4])
def test_each_program_computes_the_product(way: str, p: int) -> None:
    product = runpy.run_path(str(EXAMPLE), run_name="example")["product"]
    a, b = np.random.default_rng(1).integers(-9, 9, (2, 4, 4))
    got = computed(product(4, p, way), [*a.reshape(-1).tolist(), *b.reshape(-1).tolist()])
    assert np.array_equal(np.reshape(got, (4, 4)), a @ b)


def test_the_example_shows_what_it_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["spatial_matmul.py", "figures/product.png"])
    results: dict[tuple[str, int], Any] = runpy.run_path(str(EXAMPLE), run_name="__main__")["results"]
    for p in (2, 4, 8, 16):
        straight, skewed, corner = (results[way, p] for way in ("straight", "skewed", "corner"))
        assert straight.energy_fj == skewed.energy_fj < corner.energy_fj
        assert straight.serial_cycles == skewed.serial_cycles < corner.serial_cycles
        assert skewed.makespan < straight.makespan < corner.makespan
        assert max(skewed.bounds.values()) <= skewed.makespan
    far = results["corner", 16]
    assert far.makespan < 1.01 * far.bounds["busiest scratchpad"], "the corner's scratchpad decides"
    assert far.bounds["critical path"] < far.makespan / 3, "which waiting for values alone does not show"
    text = capsys.readouterr().out
    assert len(re.findall(r"tiles, (corner|straight|skewed)", text)) == 15
    assert (tmp_path / "figures" / "product.png").stat().st_size > 10_000
