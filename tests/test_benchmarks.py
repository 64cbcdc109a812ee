"""The benchmarks measure what they say: the worker's counts and times are those of the library and of arithmetic."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import memsim
from memsim.workloads import workload

WORKER = Path(__file__).parent.parent / "benchmarks" / "worker.py"


def measured(**case: Any) -> dict[str, Any]:
    text = json.dumps({"name": "", "engine": "simpy", "warm": False, **case})
    done = subprocess.run([sys.executable, str(WORKER), text], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("source", ["uncontended", "streaming"])
def test_every_core_runs_five_instructions_a_trip(source: str) -> None:
    found = measured(source=source, sizes={"cores": 4, "trips": 10})
    assert found["instructions"] == 5 * 4 * 10
    # the matrix unit takes 64 cycles of 1 ns for each native step: 64 x 64 x 16
    assert found["time_s"] >= 1e-6 + 10 * 4 * 64e-9


def test_stages_are_those_of_one_run() -> None:
    found = measured(source="matmul", sizes={"m": 64, "n": 64, "k": 64}, changes={"launch": "3 us"})
    chip = memsim.Chip.preset("toy").replace({"launch": "3 us"})
    program = memsim.compile(workload("matmul", m=64, n=64, k=64), chip, name="matmul")
    assert found["time_s"] == memsim.simulate(program, chip, engine="simpy").time_s
    stages = ("graph", "compile", "verify", "plan", "simulate", "report")
    assert all(found[stage] > 0 for stage in stages)
    assert found["total"] == pytest.approx(sum(found[stage] for stage in stages))
    assert found["peak_mb"] >= found["before_mb"] > 0
