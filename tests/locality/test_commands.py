"""``memsim diagnose`` and ``memsim score --sensitivity``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memsim.cli import app
from memsim.errors import MemsimError
from tests.locality.products import naive, tiled

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "120"})
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture
def products(tmp_path: Path) -> tuple[Path, Path]:
    files = tmp_path / "naive.ir", tmp_path / "tiled.ir"
    for file, text in zip(files, (naive(16), tiled(16, 4)), strict=True):
        file.write_text(text)
    return files


def row(output: str, first: str) -> list[str]:
    """The cells of the first line that begins with a cell."""
    return next(line.split() for line in output.splitlines() if line.strip().startswith(first))


def test_scalar_programs_side_by_side(products: tuple[Path, Path]) -> None:
    output = run("diagnose", *products)
    assert row(output, "naive") == ["naive", "tiled"]
    assert row(output, "accesses")[1:] == ["24,576", "29,696"]
    assert row(output, "cost of distance")[3:] == ["340,704", "133,783"]
    assert row(output, "peak live set")[3:] == ["528", "words", "593", "words"]
    assert row(output, "1,024")[1:] == ["3.13%", "2.75%"]
    assert row(output, "first use ")[2:] == ["3.13%", "2.75%"]


def test_values(products: tuple[Path, Path]) -> None:
    output = run("diagnose", products[0], "--values")
    assert row(output, "item")[1:] == ["value"]
    assert row(output, "peak live set")[3:] == ["528", "words"]


def test_a_tile_program_on_a_chip(tmp_path: Path) -> None:
    figure = tmp_path / "figure.png"
    output = run("diagnose", EXAMPLES / "matmul.tile", "--chip", "toy", "--plot", figure)
    assert row(output, "accesses")[1:] == ["272"]
    assert row(output, "footprint")[1:] == ["2,097,152", "bytes"]
    assert figure.read_bytes().startswith(b"\x89PNG")
    one = run("diagnose", EXAMPLES / "matmul.tile", "--chip", "toy", "--core", 1, "--memory", "sram")
    assert row(one, "matmul") == ["matmul,", "core", "1"]


def test_json(products: tuple[Path, Path], tmp_path: Path) -> None:
    told = json.loads(run("diagnose", products[0], "--json", "-"))
    assert [p["cost"] for p in told["programs"]] == [340_704]
    target = tmp_path / "out.json"
    run("diagnose", *products, "--json", target)
    assert [p["name"] for p in json.loads(target.read_text())["programs"]] == ["naive", "tiled"]


def test_mistakes(products: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(MemsimError, match="no such file"):
        run("diagnose", tmp_path / "none.ir")
    with pytest.raises(MemsimError, match="5 programs for one page"):
        run("diagnose", *products, *products, products[0], "--plot", tmp_path / "f.png")
    with pytest.raises(MemsimError, match=r"matmul.tile counts bytes and .*naive.ir words"):
        run("diagnose", products[0], EXAMPLES / "matmul.tile")
    with pytest.raises(MemsimError, match=r"^--core: .*naive.ir is no tile program"):
        run("diagnose", *products, "--core", 0)
    with pytest.raises(MemsimError, match="is not an image format"):
        run("diagnose", products[0], "--plot", tmp_path / "f.txt")
    with pytest.raises(MemsimError, match="nothing of it lies in shared"):
        run("diagnose", EXAMPLES / "matmul.tile", "--memory", "shared")
    assert not list(tmp_path.glob("f*"))


def test_rankings(products: tuple[Path, Path], tmp_path: Path) -> None:
    figure, target = tmp_path / "figure.png", tmp_path / "out.json"
    output = run("score", *products, "--plot", figure, "--json", target, "--sensitivity")
    assert row(output, "Model 2") == ["Model", "2", "1.25", "nJ", "(1)", "1.45", "nJ", "(2)", "1.00"]
    assert row(output, "wire 100") == ["wire", "100", "3.51", "nJ", "(2)", "1.60", "nJ", "(1)", "1", "-1.00"]
    assert "wire 280: tiled is cheaper than naive, 0.366 of it; it is 1.15 of it in Model 2" in output
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert len(json.loads(target.read_text())["sensitivity"]["flips"]) == 2


def test_every_combination(products: tuple[Path, Path]) -> None:
    output = run("score", *products, "--full", "--sensitivity")
    told = json.loads(run("score", *products, "--full", "--json", "-", "--sensitivity"))["sensitivity"]
    flipping = len({flip["variation"] for flip in told["flips"]})
    assert f"{flipping} of 179 variations flip a pair" in output
    assert f"and {len(told['flips']) - 20} more" in output


def test_nothing_flips(products: tuple[Path, Path], tmp_path: Path) -> None:
    same = tmp_path / "same.ir"
    same.write_text(products[0].read_text())
    assert "no pair of programs changes its order against Model 2" in run("score", products[0], same, "--sensitivity")
    with pytest.raises(MemsimError, match="1 programs have no order"):
        run("score", same, "--sensitivity")
    again = json.loads(run("score", same, tmp_path / "naive.ir", "--near", 100, "--json", "-", "--sensitivity"))[
        "sensitivity"
    ]
    priced = [r["activation_fj"] for r in again["rows"] if r["variation"] == "row activation"]
    assert priced[0] == priced[1] > 0
