"""Unit energies of named technologies, each with its source; a chip may name one or define its own."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from pydantic import Field, ValidationInfo

from memsim.hierarchy.fields import BitEnergy, MacEnergy, OpEnergy, WireEnergy
from memsim.hierarchy.matrix import DType
from memsim.hierarchy.part import Part
from memsim.hierarchy.parts import VectorClass
from memsim.hierarchy.problems import nearest, problem, shown


class Technology(Part):
    """What moving and computing cost. Anything left out costs nothing.

    SRAM costs ``sram_energy + sram_slope * sqrt(bits)`` per bit read or written: a fixed part, and wires along the
    side of a square array.
    """

    name: str = "own"
    wire_energy: WireEnergy = 0.0
    """pJ/bit/mm of random data on a repeated wire."""
    sram_energy: BitEnergy = 0.0
    """pJ/bit of a vanishingly small SRAM."""
    sram_slope: BitEnergy = 0.0
    """pJ/bit for each square root of a bit of capacity."""
    reg_energy: BitEnergy = 0.0
    """pJ/bit of a register file bank."""
    dram_energy: dict[str, BitEnergy] = Field(default_factory=dict)
    """pJ/bit by the kind of DRAM."""
    mac_energy: dict[DType, MacEnergy] = Field(default_factory=dict)
    """pJ per multiply-accumulate, by operand type."""
    vector_energy: dict[VectorClass, OpEnergy] = Field(default_factory=dict)
    """pJ per element, by class of operation."""
    sources: dict[str, str] = Field(default_factory=dict)

    def sram_pj_per_bit(self, capacity: int) -> float:
        """Energy of one bit read from or written to an SRAM of ``capacity`` bytes."""
        return self.sram_energy + self.sram_slope * math.sqrt(8 * capacity)


HOROWITZ = "Horowitz, Computing's Energy Problem, ISSCC 2014, Fig. 1.1.9"
TPU4I = "Jouppi et al., Ten Lessons From Three Generations Shaped Google's TPUv4i, ISCA 2021, Table 2"
DALLY_2023 = "Dally, Energy Efficiency and AI Hardware, Stanford AHA retreat, 31 Aug 2023, slide 8"
DALLY_2020 = "Dally, Turakhia, Han, Domain-Specific Hardware Accelerators, CACM 63(7), 2020"
N5_OVER_N7 = "7 nm value x 0.70: TSMC, N5 against N7 at equal speed"
N3_OVER_N5 = "5 nm value x 0.66: TSMC, N3E against N5 at equal speed"
N16 = "logarithmic interpolation between 45 nm and 7 nm"

_ANCHORS = {
    "n45": (HOROWITZ, "0.42 pF/mm at 0.9 V, C V^2 / 4"),
    "n16": (N16, "0.42 pF/mm at 0.8 V, C V^2 / 4"),
    "n7": (TPU4I, "0.42 pF/mm at 0.75 V, C V^2 / 4"),
    "n5": (N5_OVER_N7, "0.42 pF/mm at 0.7 V, C V^2 / 4"),
    "n3": (N3_OVER_N5, "0.42 pF/mm at 0.65 V, C V^2 / 4"),
}
_MEASURED_MESHES = (
    "capacitance measured on the meshes of Raw (Kim et al., ISLPED 2003), Piton (McKeown et al., HPCA 2018), ET-SoC-1"
)

# fJ at each node, in the order of _ANCHORS: published operations, and SRAM reads fitted by e0 + slope * sqrt(bits).
_FEMTOJOULE = {
    "wire": (85.0, 67.0, 59.0, 51.0, 44.0),
    "sram": (20.0, 95.0, 110.0, 77.0, 51.0),
    "slope": (0.544, 0.148, 0.038, 0.027, 0.018),
    "reg": (62.0, 32.0, 21.0, 15.0, 10.0),
    "int8_mul": (200.0, 112.0, 70.0, 49.0, 32.0),
    "int32_add": (100.0, 51.0, 30.0, 21.0, 14.0),
    "bf16_mul": (680.0, 354.0, 210.0, 147.0, 97.0),
    "fp16_mul": (1100.0, 573.0, 340.0, 238.0, 157.0),
    "fp32_mul": (3700.0, 2078.0, 1310.0, 917.0, 605.0),
    "fp32_add": (900.0, 557.0, 380.0, 266.0, 176.0),
}

DRAM_ENERGY = {
    "HBM2": 3.92,
    "HBM2E": 4.3,
    "HBM3": 3.9,
    "HBM3E": 3.44,
    "GDDR5": 14.0,
    "GDDR6": 7.5,
    "LPDDR4": 4.0,
    "LPDDR5": 4.0,
    "DDR4": 20.0,
    "DDR5": 15.0,
}
"""pJ/bit of the DRAM device with its I/O; the host's controller and PHY are not in it."""

_DRAM_SOURCE = (
    "HBM2, GDDR5: O'Connor et al., Fine-Grained DRAM, MICRO-50 2017; HBM2E, HBM3E: Moon et al. (SK hynix), IEDM 2023; "
    "HBM3: from JEDEC currents; GDDR6: Micron; LPDDR4: CACM 63(7) 2020; DDR4: TPUv4i Table 2; "
    "LPDDR5, DDR5: assumed: scaled from their forerunners"
)


def _node(name: str, column: int) -> Technology:
    anchor, wire = _ANCHORS[name]
    pj = {key: row[column] / 1000 for key, row in _FEMTOJOULE.items()}
    multiply, add = pj["fp32_mul"], pj["fp32_add"]
    bf16 = pj["bf16_mul"] + add
    return Technology(
        name=name,
        wire_energy=pj["wire"],
        sram_energy=pj["sram"],
        sram_slope=pj["slope"],
        reg_energy=pj["reg"],
        dram_energy=DRAM_ENERGY,
        mac_energy={
            "fp32": multiply + add,
            "fp16": pj["fp16_mul"] + add,
            "bf16": bf16,
            "fp8_e4m3": bf16 / 2,
            "fp8_e5m2": bf16 / 2,
            "int8": pj["int8_mul"] + pj["int32_add"],
        },
        vector_energy={"simple": (multiply + add) / 2, "special": 2 * (multiply + add), "reduce": add},
        sources={
            "wire_energy": f"{wire}; {_MEASURED_MESHES}",
            "sram_energy": f"fit to reads of 8 KB, 32 KB and 1 MB; {anchor}",
            "sram_slope": f"the same fit; {anchor}",
            "reg_energy": "GPU main register bank, Gebhart et al., ISCA 2011 (from memory), scaled to the node",
            "dram_energy": _DRAM_SOURCE,
            "mac_energy": f"product in the operand type plus a sum in fp32 (int8: int32); {anchor}; "
            "fp8: assumed: half of bf16, as its peak rate is twice",
            "vector_energy": f"{anchor}; simple: assumed: half additions, half products, in fp32; reduce: an addition; "
            "special: assumed: a polynomial of second degree, two multiply-adds",
        },
    )


def _dally_founding() -> Technology:
    """Dally's three numbers, and nothing else: distance, small memories and additions."""
    adds = {"fp32": 64, "fp16": 48, "bf16": 48, "fp8_e4m3": 40, "fp8_e5m2": 40, "int8": 40}
    return Technology(
        name="dally_founding",
        wire_energy=0.1,
        sram_energy=0.05,
        mac_energy={dtype: bits * 0.001 for dtype, bits in adds.items()},
        vector_energy={"simple": 0.032, "special": 0.032, "reduce": 0.032},
        sources={
            "wire_energy": f"100 fJ/bit/mm, {DALLY_2023}; also {DALLY_2020}",
            "sram_energy": f"50 fJ/bit for a small RAM (8 KB), {DALLY_2023}; "
            "larger ones pay distance, by the floorplan",
            "mac_energy": f"1 fJ/bit for an addition, {DALLY_2023}; assumed: a multiply-accumulate as one addition of "
            "the operand's and one of the accumulator's bits",
            "vector_energy": f"1 fJ/bit for an addition of 32 bits, {DALLY_2023}; assumed for all operations",
        },
    )


def _wire_only() -> Technology:
    return Technology(
        name="wire_only",
        wire_energy=0.1,
        sources={"wire_energy": f"100 fJ/bit/mm, {DALLY_2023}; everything else is free: the pure cost of distance"},
    )


@cache
def technologies() -> dict[str, Technology]:
    """All named technologies."""
    nodes = [_node(name, column) for column, name in enumerate(_ANCHORS)]
    return {t.name: t for t in (*nodes, _dally_founding(), _wire_only())}


def read_technology(value: object, info: ValidationInfo) -> str | Technology:
    """A technology as a chip gives it: a known name, or a table, perhaps with the name of its ``base``."""
    if isinstance(value, Technology):
        return value
    if isinstance(value, str):
        return named_technology(value).name
    if not isinstance(value, dict):
        raise problem(f"{shown(value)} is not a technology", 'write a name, such as "n7", or a table of unit energies')
    table: dict[str, Any] = dict(value)
    base = table.pop("base", None)
    own = Technology.model_validate(table, context=info.context)
    if base is None:
        return own
    merged = dict(named_technology(base)) | {"name": f"own, from {base}"}
    for name in own.model_fields_set:
        given = getattr(own, name)
        merged[name] = merged[name] | given if isinstance(given, dict) else given
    return Technology(**merged)


def named_technology(name: object) -> Technology:
    """The technology of that name, or advice on the nearest one."""
    if name not in technologies():
        raise problem(f"unknown technology {shown(name)}", nearest(str(name), technologies()))
    return technologies()[str(name)]
