"""Measure the local GPU with WGSL microbenchmarks, and make a chip of what was found.

`device_of` describes an adapter, `GpuMachine` opens it, `probe` measures it, `chip_from` makes a `Chip` of the findings
and a preset. `check_values` looks at the values of all kernels, which is all that a software adapter is good for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memsim.webgpu.probe.chip import chip_from, chip_text, preset_like
    from memsim.webgpu.probe.findings import Device, Findings
    from memsim.webgpu.probe.ladder import Level, levels_of
    from memsim.webgpu.probe.machine import GpuMachine, Machine, device_of
    from memsim.webgpu.probe.studies import FULL, QUICKLY, Plan, probe, software_error
    from memsim.webgpu.probe.text import show
    from memsim.webgpu.probe.timing import Measured, measure
    from memsim.webgpu.probe.values import Check, check_values, left_out

_MODULE_OF = {
    "Check": "values",
    "Device": "findings",
    "FULL": "studies",
    "Findings": "findings",
    "GpuMachine": "machine",
    "Level": "ladder",
    "Machine": "machine",
    "Measured": "timing",
    "Plan": "studies",
    "QUICKLY": "studies",
    "check_values": "values",
    "chip_from": "chip",
    "chip_text": "chip",
    "device_of": "machine",
    "left_out": "values",
    "levels_of": "ladder",
    "measure": "timing",
    "preset_like": "chip",
    "probe": "studies",
    "show": "text",
    "software_error": "studies",
}
__all__ = [
    "FULL",
    "QUICKLY",
    "Check",
    "Device",
    "Findings",
    "GpuMachine",
    "Level",
    "Machine",
    "Measured",
    "Plan",
    "check_values",
    "chip_from",
    "chip_text",
    "device_of",
    "left_out",
    "levels_of",
    "measure",
    "preset_like",
    "probe",
    "show",
    "software_error",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
