"""Predicted against measured.

On this machine: `validate` runs a suite of workloads on the simulator and on the device it describes. `SUITE` is what
is run, `GpuTimer` measures it on an adapter, `cross_check` compares values alone.

By a table of measurements: `memsim.validate.predict.predict` says what a call takes on a chip;
`memsim.validate.measured` reads tables and compares.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memsim.validate.calls import Call
    from memsim.validate.local import GpuTimer, Timer, cross_check, validate
    from memsim.validate.prediction import Prediction
    from memsim.validate.rows import ALL, Row, Validation, show
    from memsim.validate.suite import SUITE, Case, named

_MODULE_OF = {
    "ALL": "rows",
    "Call": "calls",
    "Case": "suite",
    "GpuTimer": "local",
    "Prediction": "prediction",
    "Row": "rows",
    "SUITE": "suite",
    "Timer": "local",
    "Validation": "rows",
    "cross_check": "local",
    "named": "suite",
    "show": "rows",
    "validate": "local",
}
__all__ = [
    "ALL",
    "SUITE",
    "Call",
    "Case",
    "GpuTimer",
    "Prediction",
    "Row",
    "Timer",
    "Validation",
    "cross_check",
    "named",
    "show",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
