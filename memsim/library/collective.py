"""Temporary."""
from __future__ import annotations
from dataclasses import dataclass
from functools import lru_cache
from memsim.engine import simulate
from memsim.hierarchy import System
from memsim.lowering.collectives import collective

@dataclass(frozen=True, slots=True)
class Run:
    time_s: float
    energy_j: float
    choice: str

@lru_cache(maxsize=256)
def run_collective(op: str, system: System, elements: int, dtype: str) -> Run:
    work = collective(op, system.count, elements, dtype=dtype)
    r = simulate(work.program, system.as_chip())
    return Run(r.time_s, r.energy_j, work.algorithm)
