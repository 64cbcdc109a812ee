"""From a graph and a chip to a tile program: fusion, tiling, placement, all decided before anything runs."""

from memsim.lowering.check import TOLERANCE, CheckReport, check, tolerance_of
from memsim.lowering.compile import compile
from memsim.lowering.conv_plan import ConvPlan, plan_conv
from memsim.lowering.facts import Facts
from memsim.lowering.matmul_plan import MatmulPlan, plan_matmul
from memsim.lowering.vector_plan import VectorPlan, plan_vector

__all__ = [
    "TOLERANCE",
    "CheckReport",
    "ConvPlan",
    "Facts",
    "MatmulPlan",
    "VectorPlan",
    "check",
    "compile",
    "plan_conv",
    "plan_matmul",
    "plan_vector",
    "tolerance_of",
]
