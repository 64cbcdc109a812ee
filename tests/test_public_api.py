"""The public names: all there, documented, and loaded only when they are used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import memsim

ROOT = Path(__file__).parent.parent
HEAVY = {"numpy", "pandas", "numba", "matplotlib", "networkx", "simpy", "pydantic", "pint", "lark", "scipy"}


def loaded_by(code: str) -> set[str]:
    """Top-level modules that are loaded after ``code`` has run in a fresh interpreter."""
    script = f"{code}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", memsim.__all__)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    assert inspect.getdoc(getattr(memsim, name))


def test_names_for_the_type_checker_are_those_that_load() -> None:
    tree = ast.parse(Path(memsim.__file__).read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert declared == set(memsim.__all__)
    assert sorted(memsim.__all__) == sorted(set(memsim.__all__))


def test_dir_lists_public_names() -> None:
    assert set(memsim.__all__) < set(dir(memsim))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        _ = memsim.simulat


def test_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert memsim.__version__ == project["version"]


def test_importing_memsim_loads_nothing_heavy() -> None:
    assert not loaded_by("import memsim") & HEAVY


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    assert not loaded_by("import memsim.cli") & HEAVY - {"pydantic"}  # some versions of typer load it


def test_each_error_is_a_memsim_error() -> None:
    for name in ("ChipError", "ProgramError", "WorkloadError"):
        assert issubclass(getattr(memsim, name), memsim.MemsimError)
