"""What the command line loads: help answers at once, for nothing heavy is imported; a run loads only what it uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"numpy", "pandas", "numba", "matplotlib", "networkx", "simpy", "pint", "lark", "scipy", "ml_dtypes"}
MATMUL = Path(__file__).parent.parent / "examples" / "matmul.tile"


def loaded_by(*arguments: str) -> set[str]:
    """Top-level modules that are loaded when ``memsim ARGUMENTS`` has ended well."""
    script = "import sys\nfrom memsim.cli import run\nstatus = run()\nprint()\nprint(status, *sys.modules)"
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, *modules = done.stdout.splitlines()[-1].split()
    assert status == "0", done.stderr
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["run", "--help"], ["chips", "--help"], ["analyze", "--help"]],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by(*arguments) & HEAVY


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (["workloads"], {"pandas", "numba", "matplotlib", "networkx", "simpy", "scipy"}),
        (["chips"], {"pandas", "numba", "matplotlib", "simpy", "scipy"}),
        (["asm", str(MATMUL)], {"pandas", "numba", "matplotlib", "networkx", "simpy", "scipy", "pint"}),
        (["run", "matmul", "--set", "m=64"], {"matplotlib", "pandas", "scipy", "lark"}),
    ],
    ids=["workloads", "chips", "asm", "run"],
)
def test_a_command_loads_what_it_uses(arguments: list[str], unused: set[str]) -> None:
    assert not loaded_by(*arguments) & unused
