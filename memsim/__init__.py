"""Script a chip, compile a workload to a static tile program, and see what it costs in time and energy.

Every name here is loaded when it is first used, so ``import memsim`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memsim import engine, hierarchy, isa, locality, lowering, report, workloads
    from memsim.engine import Result, simulate
    from memsim.errors import ChipError, MemsimError, ProgramError, WorkloadError
    from memsim.hierarchy import Chip
    from memsim.isa import (
        Program,
        ProgramBuilder,
        analyze,
        from_json,
        interpret,
        parse,
        to_json,
        verify,
    )
    from memsim.lowering import CheckReport, check, compile
    from memsim.report import Comparison, compare
    from memsim.workloads import random_inputs, reference, tensor

__all__ = [
    "CheckReport",
    "Chip",
    "ChipError",
    "Comparison",
    "MemsimError",
    "Program",
    "ProgramBuilder",
    "ProgramError",
    "Result",
    "WorkloadError",
    "analyze",
    "check",
    "compare",
    "compile",
    "engine",
    "from_json",
    "hierarchy",
    "interpret",
    "isa",
    "locality",
    "lowering",
    "parse",
    "random_inputs",
    "reference",
    "report",
    "simulate",
    "tensor",
    "to_json",
    "verify",
    "workloads",
]

_HOMES = {
    "engine": ["Result", "simulate"],
    "errors": ["ChipError", "MemsimError", "ProgramError", "WorkloadError"],
    "hierarchy": ["Chip"],
    "isa": ["Program", "ProgramBuilder", "analyze", "from_json", "interpret", "parse", "to_json", "verify"],
    "lowering": ["CheckReport", "check", "compile"],
    "report": ["Comparison", "compare"],
    "workloads": ["random_inputs", "reference", "tensor"],
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("memsim")
    if name in __all__:
        module = import_module(f"memsim.{_MODULE_OF.get(name, name)}")
        value = getattr(module, name) if name in _MODULE_OF else module
        globals()[name] = value
        return value
    raise AttributeError(f"module 'memsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
