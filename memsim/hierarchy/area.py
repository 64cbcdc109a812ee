"""Area of a chip by part, mm2: what the file gives, else an estimate from sizes and the technology's densities.

Estimates are known to about a factor of two: control, local wiring and redundancy lie in ``other``, the part of the
die that is not modelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from memsim.hierarchy.memories import Dram
from memsim.hierarchy.sram import TAG_SHARE, area_mm2

if TYPE_CHECKING:
    from memsim.hierarchy.chip import Chip

ARRAYS = ("reg", "sram", "l1", "cache", "shared")
"""Parts that are mostly SRAM."""
OTHER = "other"
"""The rest of the die: control, local wiring, chip-to-chip links, and all that is not modelled."""

PIN_GBITS = {"HBM2": 2.0, "HBM2E": 3.2, "HBM3": 5.2, "HBM3E": 8.0, "HBM4": 8.0, "GDDR5": 8.0, "GDDR6": 14.0,
             "GDDR6X": 19.0, "GDDR7": 28.0, "LPDDR4": 4.266, "LPDDR5": 6.4, "LPDDR5X": 8.533, "DDR3": 1.6,
             "DDR4": 3.2, "DDR5": 4.8}  # fmt: skip
"""Gbit/s of a pin, typical of each kind; a ``dram.part`` that is named tells its own. The width of the interface
follows from the bandwidth."""
HBM_PHY_MM2_PER_BIT = 10.45 / 1024
"""LLMCompass (Zhang et al., ISCA 2024), cost model, from a die photograph; PHYs do not shrink with the node."""
DDR_PHY_MM2_PER_BIT = 1.45 / 32
"""LLMCompass, cost model: DDR5; assumed for GDDR and LPDDR."""

WIRE_PITCH_UM = 0.08
"""Of upper-layer wires in a network: Dally, NOCS 2022 keynote, about 80 nm."""
BUFFER_FLITS = 8
"""Assumed: flits that each input of a router can hold."""
FLIP_FLOP_TRANSISTORS = 34
"""Assumed: 24 transistors in 70 % of the area."""


def estimates_mm2(chip: Chip) -> dict[str, float]:
    """Estimated area of each part of the chip, all cores together; parts that cost no area are left out."""
    return {part: area for part, area in _estimates(chip) if area > 0}


def _estimates(chip: Chip) -> Iterator[tuple[str, float]]:
    core, cell, count = chip.core, chip.unit_energies.sram_area, chip.core_count
    yield "matrix", count * _matrix_mm2(chip)
    yield "vector", count * (core.vector.lanes + core.vector.special_lanes) * _mac_mm2(chip, "fp32")
    yield "reg", count * area_mm2(core.reg.capacity, cell, core.reg.ports)
    yield "sram", count * area_mm2(core.sram.capacity, cell, core.sram.ports)
    if core.l1 and core.l1.capacity > core.sram.capacity:
        yield "l1", count * (1 + TAG_SHARE) * area_mm2(core.l1.capacity - core.sram.capacity, cell)
    if chip.cache:
        yield "cache", (1 + TAG_SHARE) * area_mm2(chip.cache.capacity, cell)
    if chip.shared:
        yield "shared", area_mm2(chip.shared.capacity, cell)
    yield "network", _network_mm2(chip)
    yield "dram", _phy_mm2(chip)


def _mac_mm2(chip: Chip, dtype: str) -> float:
    return chip.unit_energies.mac_area.get(dtype, 0.0) * 1e-6


def _matrix_mm2(chip: Chip) -> float:
    """The type that needs most area decides: all others use parts of the same multipliers."""
    unit = chip.core.matrix
    if unit is None:
        return 0.0
    return max(float(unit.peak_macs_per_cycle(dtype)) * _mac_mm2(chip, dtype) for dtype in unit.dtypes)


def _network_mm2(chip: Chip) -> float:
    """Buffers of flip-flops, and the crossing wires of each router or of the one crossbar."""
    density = chip.unit_energies.logic_density
    if not density:
        return 0.0
    width = float(chip.rate_per_tick(chip.network.link_bandwidth) * 8 * chip.clock_period / chip.tick)
    ports = sum(len(chip.memory_nodes(role)) for role in ("cache", "shared", "dram") if chip.capacity_bytes(role))
    if chip.network.topology == "crossbar":
        routers, inputs, outputs = 1, chip.core_count + ports, chip.core_count + ports
    else:
        routers, inputs, outputs = chip.core.sites, 5, 5
    buffers = inputs * BUFFER_FLITS * width * FLIP_FLOP_TRANSISTORS / density  # um2, as density is in 1/um2
    crossing = inputs * outputs * (width * WIRE_PITCH_UM) ** 2
    return routers * (buffers + crossing) * 1e-6


def _phy_mm2(chip: Chip) -> float:
    """PHYs of the DRAM; none where the technology knows no area at all."""
    if not chip.unit_energies.sram_area:
        return 0.0
    each = HBM_PHY_MM2_PER_BIT if chip.dram.kind.startswith("HBM") else DDR_PHY_MM2_PER_BIT
    return interface_bits(chip) * each


def interface_bits(chip: Chip) -> float:
    """Data pins of the DRAM: its bandwidth over that of a pin; 0 where the kind is not known."""
    rate = _pin_gbits(chip.dram)
    return float(chip.rate_per_tick(chip.dram.bandwidth) / chip.tick) * 8 / (rate * 1e9) if rate else 0.0


def _pin_gbits(dram: Dram) -> float:
    named = re.search(r"_(\d+)$", dram.part or "")
    return int(named[1]) / 1000 if named else PIN_GBITS.get(dram.kind, 0.0)


def areas_mm2(chip: Chip) -> dict[str, float]:
    """Area of each part, and ``other``, mm2: they add up to `die_mm2`, but for an `excess_mm2`."""
    parts = estimates_mm2(chip) | chip.area_mm2
    rest = _die_of(chip, parts) - sum(parts.values())
    return parts | {OTHER: max(0.0, rest)}


def die_mm2(chip: Chip) -> float:
    """Area of the die: as given, else the box around all cores and ports, or what the parts need if that is more."""
    return _die_of(chip, estimates_mm2(chip) | chip.area_mm2)


def _die_of(chip: Chip, parts: dict[str, float]) -> float:
    if chip.die_area_mm2 is not None:
        return chip.die_area_mm2
    return max(chip.width_mm * chip.height_mm, sum(parts.values()))


def excess_mm2(chip: Chip) -> float:
    """By how much the parts exceed the die that is given: 0 where they fit."""
    return max(0.0, sum((estimates_mm2(chip) | chip.area_mm2).values()) - die_mm2(chip))


def array_mm2(chip: Chip) -> float:
    """Area of SRAM arrays."""
    return sum(area for part, area in areas_mm2(chip).items() if part in ARRAYS)


def logic_mm2(chip: Chip) -> float:
    """Area of logic: the die without SRAM arrays and the PHYs of the DRAM."""
    areas = areas_mm2(chip)
    return sum(area for part, area in areas.items() if part not in ARRAYS and part != "dram")
