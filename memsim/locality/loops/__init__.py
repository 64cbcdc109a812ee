"""Programs with loops, scored without running them: `parse` or `program` makes one, `score` prices it."""

from __future__ import annotations

from memsim.locality.loops.builder import loop, op, program, ref, region
from memsim.locality.loops.histograms import access_counts
from memsim.locality.loops.initialised import check_initialised
from memsim.locality.loops.jsonform import from_json, to_json
from memsim.locality.loops.kernels import naive_matmul, nearest_neighbour, tiled_matmul
from memsim.locality.loops.model import Loop, LoopProgram, Operation, Ref, Region
from memsim.locality.loops.scoring import score
from memsim.locality.loops.text import parse, read
from memsim.locality.loops.unrolling import unroll
from memsim.locality.loops.writing import to_text

__all__ = [
    "Loop",
    "LoopProgram",
    "Operation",
    "Ref",
    "Region",
    "access_counts",
    "check_initialised",
    "from_json",
    "loop",
    "naive_matmul",
    "nearest_neighbour",
    "op",
    "parse",
    "program",
    "read",
    "ref",
    "region",
    "score",
    "tiled_matmul",
    "to_json",
    "to_text",
    "unroll",
]
