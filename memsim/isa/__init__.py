"""The tile instruction set: programs as data, their text and JSON forms, and what can be decided before running.

`Program` holds `Kernel`, `Group`, `Ring`, `Queue`, `Loop` and the instructions. `parse` and `format` are its text
form, `to_json` and `from_json` its JSON form, `ProgramBuilder` writes one in Python. `verify` proves that it
keeps the rules, `analyze` counts what it will do without running it, `interpret` computes its values on numpy.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memsim.isa.analyze import Analysis, analyze
    from memsim.isa.builder import ProgramBuilder
    from memsim.isa.expr import Expr, ceil_div, maximum, minimum, var
    from memsim.isa.format import format
    from memsim.isa.interpret import interpret
    from memsim.isa.jsonform import JSON_SCHEMA, from_json, to_json
    from memsim.isa.model import (
        Copy,
        Fill,
        Gather,
        Group,
        Instruction,
        Iota,
        Kernel,
        Load,
        Loop,
        Mma,
        Pop,
        Program,
        Push,
        Queue,
        Reduce,
        Region,
        Ring,
        Send,
        Statement,
        Store,
        Target,
        Tensor,
        Tile,
        Vector,
    )
    from memsim.isa.ops import DTYPES, MMA_TYPES, REDUCE_OPS, VECTOR_OPS, DType
    from memsim.isa.text import parse, parse_file
    from memsim.isa.verify import Machine, verify

__all__ = [
    "DTYPES",
    "JSON_SCHEMA",
    "MMA_TYPES",
    "REDUCE_OPS",
    "VECTOR_OPS",
    "Analysis",
    "Copy",
    "DType",
    "Expr",
    "Fill",
    "Gather",
    "Group",
    "Instruction",
    "Iota",
    "Kernel",
    "Load",
    "Loop",
    "Machine",
    "Mma",
    "Pop",
    "Program",
    "ProgramBuilder",
    "Push",
    "Queue",
    "Reduce",
    "Region",
    "Ring",
    "Send",
    "Statement",
    "Store",
    "Target",
    "Tensor",
    "Tile",
    "Vector",
    "analyze",
    "ceil_div",
    "format",
    "from_json",
    "interpret",
    "maximum",
    "minimum",
    "parse",
    "parse_file",
    "to_json",
    "var",
    "verify",
]

_MODULE_OF = {
    "Analysis": "analyze",
    "DType": "ops",
    "DTYPES": "ops",
    "Expr": "expr",
    "JSON_SCHEMA": "jsonform",
    "MMA_TYPES": "ops",
    "Machine": "verify",
    "ProgramBuilder": "builder",
    "REDUCE_OPS": "ops",
    "VECTOR_OPS": "ops",
    "analyze": "analyze",
    "ceil_div": "expr",
    "format": "format",
    "from_json": "jsonform",
    "interpret": "interpret",
    "maximum": "expr",
    "minimum": "expr",
    "parse": "text",
    "parse_file": "text",
    "to_json": "jsonform",
    "var": "expr",
    "verify": "verify",
}
"""Module of each public name; those that are not listed are in `model`."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import memsim.isa` is quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF.get(name, 'model')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__


class _Facade(ModuleType):
    """Keeps the functions `verify`, `analyze`, `interpret` and `format`, whose modules have the same names.

    Importing `memsim.isa.verify` would else bind that module over the function here.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Facade
