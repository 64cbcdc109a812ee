"""ByteDMD: what a Python function over scalars costs on a stack of the values that it used last.

`trace` runs a function and records what it does; `price` prices the record under a dialect; `bytedmd` does both.
"""

from memsim.locality.tracing.columns import NO_RESULT, Escape, Trace
from memsim.locality.tracing.dialects import DIALECTS, Dialect
from memsim.locality.tracing.front import bytedmd, trace
from memsim.locality.tracing.prices import depth_cost, depth_counts, price

__all__ = [
    "DIALECTS",
    "NO_RESULT",
    "Dialect",
    "Escape",
    "Trace",
    "bytedmd",
    "depth_cost",
    "depth_counts",
    "price",
    "trace",
]
