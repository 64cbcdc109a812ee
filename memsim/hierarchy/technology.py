"""Unit energies, delays and densities of named technologies, each with its source; a chip may define its own.

The data are in ``technologies/*.toml``; this module reads them and says what the numbers mean.
"""

from __future__ import annotations

import math
import tomllib
from functools import cache
from importlib import resources
from typing import Any

from pydantic import Field, ValidationInfo, model_validator

from memsim.errors import ChipError
from memsim.hierarchy.fields import (
    BitArea,
    BitEnergy,
    Capacitance,
    ClockEnergy,
    Density,
    Fraction01,
    GateDelay,
    MacArea,
    MacEnergy,
    Node,
    OpEnergy,
    PowerDensity,
    Ratio,
    Volts,
    WireDelay,
    WireEnergy,
)
from memsim.hierarchy.matrix import DType
from memsim.hierarchy.part import Part
from memsim.hierarchy.parts import VectorClass
from memsim.hierarchy.problems import nearest, problem, shown
from memsim.hierarchy.sram import Curve, Delay, SramFamily, access_pj_per_bit, slope_of
from memsim.hierarchy.wires import RANDOM, Convention, at_toggle, delay_factor, voltage_factor, wire_pj_per_bit_mm

REG_BANK = 4096
"""Bytes of a bank of a GPU's register file (Gebhart et al., ISCA 2011): ``reg_energy`` is of one; larger files have
more of them, smaller ones come down to flip-flops with the square root of their size."""


class Technology(Part):
    """What moving and computing cost. Anything left out costs nothing.

    All energies hold at ``voltage`` and for random data; `at_voltage` scales them.
    """

    name: str = "own"
    node: Node | None = None
    """nm; only a name."""
    voltage: Volts | None = None
    """At which the energies hold; with a ``base``, the base's are scaled to it."""
    threshold: Volts = 0.3
    """Of a transistor, for the delay at other voltages."""
    logic_density: Density = 0.0
    """Million transistors a mm2."""

    wire_energy: WireEnergy = 0.0
    """pJ/bit/mm of a repeated wire, by ``wire_convention``; unless given, C V^2 / 4."""
    wire_convention: Convention = "quarter"
    wire_capacitance: Capacitance | None = None
    """pF/mm with repeaters."""
    wire_delay: WireDelay = 0.0
    """ps/mm with repeaters."""
    hop_factor: Ratio = 1.0
    """Energy of a hop of a network on chip over that of its wire with random data."""

    sram_family: SramFamily = "published"
    """Which energies an SRAM has that does not choose for itself."""
    sram_energy: BitEnergy = 0.0
    """Published fit: pJ/bit of a vanishingly small SRAM."""
    sram_slope: BitEnergy = 0.0
    """Published fit: pJ/bit for each square root of a bit of capacity."""
    sram_trip: Ratio = 3.0
    """Published fit: way of an access, there and back, over the side of the array; for the time only."""
    dally_energy: BitEnergy = 0.0
    """Dally: pJ/bit of a subarray."""
    dally_wire: WireEnergy = 0.0
    """Dally: pJ/bit/mm of the wires to it."""
    dally_trip: Ratio = 1.0
    """Dally: way of an access, there and back, over the side of the array."""
    sram_area: BitArea = 0.0
    """um2 a bit, with periphery."""
    sram_delay: GateDelay = 0.0
    """ps of a vanishingly small SRAM."""
    reg_energy: BitEnergy = 0.0
    """pJ/bit of a register file bank of 4 KiB."""
    flip_flop_energy: BitEnergy | None = None
    """pJ/bit of a flip-flop; unless given, registers cost the same whatever their size."""

    leakage: PowerDensity = 0.0
    """W/mm2 of logic."""
    sram_leakage: PowerDensity = 0.0
    """W/mm2 of SRAM arrays."""
    clock_energy: ClockEnergy = 0.0
    """pJ/mm2/cycle of logic."""

    op_energy: dict[str, OpEnergy] = Field(default_factory=dict)
    """pJ of single operations as published, such as ``fp32_add``."""
    mac_energy: dict[DType, MacEnergy] = Field(default_factory=dict)
    """pJ per multiply-accumulate, by operand type."""
    vector_energy: dict[VectorClass, OpEnergy] = Field(default_factory=dict)
    """pJ per element, by class of operation."""
    mac_area: dict[DType, MacArea] = Field(default_factory=dict)
    """um2 of a multiply-accumulator, by operand type."""
    dram_energy: dict[str, BitEnergy] = Field(default_factory=dict)
    """pJ/bit by the kind of DRAM: the device with its I/O; the host's controller and PHY are not in it."""
    toggle_share: dict[str, Fraction01] = Field(default_factory=dict)
    """Share of an energy, with random data, that goes with the bits that toggle: by part of the chip."""
    uncertainty: dict[str, Ratio] = Field(default_factory=dict)
    """Half the width of a quantity's band over its value: 0.25 is plus or minus 25 %; 1 is a factor of two."""
    sources: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _wire_from_capacitance(self) -> Technology:
        if self.wire_capacitance is not None and self.voltage is not None and self.wire_convention == "quarter":
            self.fill_in("wire_energy", wire_pj_per_bit_mm(self.wire_capacitance, self.voltage))
        if self.voltage is not None and self.voltage <= self.threshold:
            raise problem(
                f"a voltage of {self.voltage:g} V does not exceed the threshold of {self.threshold:g} V",
                "raise voltage, or lower threshold",
                key="voltage",
            )
        return self

    # SRAM and registers ------------------------------------------------------------------------------------------

    def sram_curve(self, family: SramFamily | None = None) -> Curve:
        """Energy of an SRAM over its size, in one of the two families."""
        wire = at_toggle(self.wire_energy, self.wire_convention, RANDOM)
        if (family or self.sram_family) == "published":
            return Curve(self.sram_energy, self.sram_slope, wire, self.sram_area)
        slope = slope_of(self.dally_trip, self.dally_wire, self.sram_area)
        return Curve(self.dally_energy, slope, self.dally_wire, self.sram_area)

    def sram_latency(self, family: SramFamily | None = None) -> Delay:
        """Latency of an SRAM over its size."""
        trip = self.sram_trip if (family or self.sram_family) == "published" else self.dally_trip
        return Delay(self.sram_delay, trip, self.wire_delay, self.sram_area)

    def sram_pj_per_bit(
        self, capacity: int, ports: int = 1, banks: int = 1, family: SramFamily | None = None
    ) -> float:  # fmt: skip
        """Energy of one bit read from or written to an SRAM of ``capacity`` bytes."""
        return access_pj_per_bit(self.sram_curve(family), capacity, ports, banks)

    def reg_pj_per_bit(self, capacity: int, ports: int = 1) -> float:
        """Energy of one bit read from or written to a register file of ``capacity`` bytes."""
        least = self.reg_energy if self.flip_flop_energy is None else self.flip_flop_energy
        share = math.sqrt(min(capacity, REG_BANK) / REG_BANK)
        return access_pj_per_bit(Curve(least + (self.reg_energy - least) * share, 0.0, 0.0, 0.0), capacity, ports)

    # Voltage and data --------------------------------------------------------------------------------------------

    def wire_pj_per_bit_mm(self, toggle: float = RANDOM) -> float:
        """Energy of a bit over a millimetre of wire, with ``toggle`` transitions a bit."""
        return at_toggle(self.wire_energy, self.wire_convention, toggle)

    def with_toggle(self, energy: float, part: str, toggle: float) -> float:
        """An energy of a part of the chip with random data, as it is with ``toggle`` transitions a bit."""
        share = self.toggle_share.get(part, 0.0)
        return energy * (1 - share + share * toggle / RANDOM)

    def at_voltage(self, volts: float) -> Technology:
        """The same technology at another voltage: energies of the chip by V^2, delays by the alpha-power law.

        DRAM has a voltage of its own. Repeated wires slow down by the square root of the factor of gates, as their
        repeaters' share in the delay. Leakage is taken to go by V^2: as V, with a current that rises about as V.
        """
        if self.voltage is None:
            mend = "leave voltage out, or give the technology its own"
            raise ChipError(f"technology {self.name} has no voltage to scale from", where="voltage", mend=mend)
        energy = voltage_factor(volts, self.voltage)
        values = {name: getattr(self, name) for name in self.model_fields_set} | {"voltage": volts}
        for name in _BY_VOLTAGE & self.model_fields_set:
            values[name] = _times(values[name], energy)
        scaled = Technology(**values)  # refuses a voltage that does not exceed the threshold
        gates = delay_factor(volts, self.voltage, self.threshold)
        slower = {"sram_delay": self.sram_delay * gates, "wire_delay": self.wire_delay * math.sqrt(gates)}
        return scaled.model_copy(update=slower)


_BY_VOLTAGE = {
    "wire_energy", "sram_energy", "sram_slope", "dally_energy", "dally_wire", "reg_energy", "flip_flop_energy",
    "op_energy", "mac_energy", "vector_energy", "leakage", "sram_leakage", "clock_energy",
}  # fmt: skip


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, dict):
        return {key: of * factor for key, of in value.items()}
    return None if value is None else value * factor


# Names ---------------------------------------------------------------------------------------------------------------

_ORDER = ("n45", "n28", "n16", "n7", "n5", "n3")


@cache
def technology_names() -> tuple[str, ...]:
    """Names of the technologies that come with memsim: nodes from coarse to fine, then the others."""
    folder = resources.files("memsim.hierarchy") / "technologies"
    names = {p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")}
    return (*_ORDER, *sorted(name for name in names - {*_ORDER} if not name.startswith("_")))


@cache
def _packaged(name: str) -> Technology:
    path = resources.files("memsim.hierarchy") / "technologies" / f"{name}.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    base = table.pop("base", None)
    own = Technology.model_validate({"name": name, **table}, context={"file": path.name})
    return _on_base(_packaged(base), own) if base else own


@cache
def technologies() -> dict[str, Technology]:
    """All named technologies."""
    return {name: _packaged(name) for name in technology_names()}


def named_technology(name: object) -> Technology:
    """The technology of that name, or advice on the nearest one."""
    if name not in technology_names():
        raise problem(f"unknown technology {shown(name)}", nearest(str(name), technology_names()))
    return _packaged(str(name))


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
    if base is None:
        return Technology.model_validate(table, context=info.context)
    own = Technology.model_validate({"name": f"own, from {base}", **table}, context=info.context)
    return _on_base(named_technology(base), own)


def _on_base(base: Technology, own: Technology) -> Technology:
    """The base's numbers, at the voltage of its own if there is one, with its own in their place."""
    if own.voltage is not None and base.voltage is not None:
        base = base.at_voltage(own.voltage)  # above the threshold: it was read
    merged = {name: getattr(base, name) for name in base.model_fields_set}
    for name in own.model_fields_set:
        given = getattr(own, name)
        merged[name] = {**merged.get(name, {}), **given} if isinstance(given, dict) else given
    if "wire_capacitance" in own.model_fields_set and "wire_energy" not in own.model_fields_set:
        merged.pop("wire_energy", None)
    return Technology(**merged)
