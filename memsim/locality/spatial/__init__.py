"""The spatial computer (Model 3): instructions with cores of their own, priced serially or run with contention."""

from __future__ import annotations

from memsim.locality.spatial.machine import PUBLISHED, Machine, machine_of
from memsim.locality.spatial.program import SpatialProgram
from memsim.locality.spatial.result import SpatialResult
from memsim.locality.spatial.score import nearest_cells, on_one_tile, score, score_scalar
from memsim.locality.spatial.simulate import simulate
from memsim.locality.spatial.text import parse

__all__ = [
    "PUBLISHED",
    "Machine",
    "SpatialProgram",
    "SpatialResult",
    "machine_of",
    "nearest_cells",
    "on_one_tile",
    "parse",
    "score",
    "score_scalar",
    "simulate",
]
