"""Tile programs on a real GPU: WGSL made from the ISA's own table, run through WebGPU, compared with the interpreter.

`crosscheck` runs a program on both and compares every tensor; `run` only runs it; `adapters` and `find_adapter` name
the devices of this machine; `shaders` gives the WGSL as text. The package ``wgpu`` is needed (``memsim[wgpu]``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memsim.webgpu.comparison import Agreement, CrossCheck, crosscheck
    from memsim.webgpu.device import Adapter, adapters, find_adapter
    from memsim.webgpu.execute import Run, run, shaders
    from memsim.webgpu.inputs import inputs_for
    from memsim.webgpu.shader import Limits, Options, Shader

__all__ = [
    "Adapter",
    "Agreement",
    "CrossCheck",
    "Limits",
    "Options",
    "Run",
    "Shader",
    "adapters",
    "crosscheck",
    "find_adapter",
    "inputs_for",
    "run",
    "shaders",
]

_MODULE_OF = {
    "Adapter": "device",
    "Agreement": "comparison",
    "CrossCheck": "comparison",
    "Limits": "shader",
    "Options": "shader",
    "Run": "execute",
    "Shader": "shader",
    "adapters": "device",
    "crosscheck": "comparison",
    "find_adapter": "device",
    "inputs_for": "inputs",
    "run": "execute",
    "shaders": "execute",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
