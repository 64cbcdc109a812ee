"""Predicted against measured: `validate` runs a suite of workloads on the simulator and on the device it describes.

`SUITE` is what is run, `GpuTimer` measures it on an adapter, `cross_check` compares values alone.
"""

from memsim.validate.local import GpuTimer, Timer, cross_check, validate
from memsim.validate.rows import ALL, Row, Validation, show
from memsim.validate.suite import SUITE, Case, named

__all__ = [
    "ALL",
    "SUITE",
    "Case",
    "GpuTimer",
    "Row",
    "Timer",
    "Validation",
    "cross_check",
    "named",
    "show",
    "validate",
]
