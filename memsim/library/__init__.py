"""Kernels as the GPU libraries write them, as real tile programs: what cuBLAS, FlashAttention or NCCL would launch.

Each family has a module with a builder (sizes, type and chip to a `Kernel`) and the choice among its variants that a
library makes. What was fitted to measured kernels, and nothing else, is a `Knob`.
"""

from memsim.library.kernel import Kernel
from memsim.library.knobs import KNOBS, Knob, knob, overridden

__all__ = ["KNOBS", "Kernel", "Knob", "knob", "overridden"]
