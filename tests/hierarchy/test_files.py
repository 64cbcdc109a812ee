"""Chip files: what is written is read back, and reading one runs no code."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given

from memsim.errors import ChipError
from memsim.hierarchy import Chip
from tests.hierarchy.samples import chips, small


@given(chips)
def test_the_text_of_a_chip_gives_an_equal_chip(chip: Chip) -> None:
    text = chip.to_toml()
    again = Chip.from_text(text)
    assert again == chip
    assert again.to_toml() == text


@pytest.mark.parametrize("name", Chip.presets())
def test_presets_are_read_back(name: str) -> None:
    chip = Chip.preset(name)
    assert Chip.from_text(chip.to_toml()) == chip


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(small().to_toml(), encoding="utf-8")
    assert Chip.from_toml(path) == Chip.from_toml(str(path)) == small()


def test_numbers_are_written_as_people_write_them() -> None:
    chip = small(
        **{
            "dram.efficiency": "9/10",
            "core.matrix": {"kind": "systolic", "rows": 8, "cols": 8, "cycles_scale": {"int8": "1/3"}},
        }
    )
    data = tomllib.loads(chip.to_toml())
    assert data["clock"] == "1 GHz"
    assert data["core"]["pitch"] == ["2 mm", "1 mm"]
    assert data["core"]["sram"] == {"capacity": "64 KiB"}
    assert data["dram"]["efficiency"] == 0.9
    assert data["core"]["matrix"]["cycles_scale"] == {"int8": "1/3"}
    assert data["network"] == {"topology": "mesh", "link_bandwidth": "32 B/cycle", "hop_latency": "3 cycles"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('exit 3') B",
        "().__class__ B",
        "2**9**9**9 B",
        "1 B; import os",
        "{{1}} B",
        "%s B",
        "lambda: 1",
    ],
)
def test_text_is_never_run(text: str) -> None:
    with pytest.raises(ChipError, match=r"core\.sram\.capacity: .* is not a size in bytes|unknown unit"):
        small(**{"core.sram.capacity": text})


def test_importing_is_light() -> None:
    code = (
        "import sys, memsim.hierarchy; print([m for m in ('pint', 'networkx', 'numpy', 'tomlkit') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
