"""What a chip draws whatever it does, by part: as given, else leakage and clock from its area."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import PlainValidator

from memsim.hierarchy.area import array_mm2, logic_mm2
from memsim.hierarchy.problems import nearest, problem, shown

if TYPE_CHECKING:
    from memsim.hierarchy.chip import Chip

POWER_PARTS = ("leakage", "clock", "dram", "idle")
"""Leakage; the clock tree; background of the DRAM (standby, refresh, PHY); and all else that is always on."""
STATIC = "static"
"""Name of a power that is known only as a total."""
ARRAY_CLOCK = 0.15
"""Assumed: SRAM arrays load the clock with this share of what logic of their area does."""


def _power_part(value: object) -> str:
    if value not in POWER_PARTS:
        raise problem(f"unknown part of the power {shown(value)}", nearest(str(value), POWER_PARTS))
    return str(value)


PowerPart: TypeAlias = Annotated[str, PlainValidator(_power_part)]


def static_powers_w(chip: Chip) -> dict[str, float]:
    """Power by part, W: leakage and clock are derived where they are left out (assumed), the others are 0.

    A chip that gives ``static_power`` has that in all, as one part.
    """
    return static_powers_at(chip, chip.clock)


def static_powers_at(chip: Chip, clock: Fraction) -> dict[str, float]:
    """The same with the cores at another clock, in Hz.

    Leakage goes by V^2, as in `Technology.at_voltage`, the clock tree by V^2 f. A total goes by V (assumed): a part of
    it is the DRAM's, which keeps its voltage.
    """
    volts = chip.dvfs.volts_over_nominal(clock) if chip.dvfs else 1.0
    if chip.static_total_w is not None:
        return {STATIC: chip.static_total_w * volts}
    given = chip.power_w
    derived = {} if {"leakage", "clock"} <= given.keys() else {"leakage": leakage_w(chip), "clock": clock_w(chip)}
    powers = {**derived, **given}
    faster = float(clock / chip.dvfs.clock) if chip.dvfs else 1.0
    factors = {"leakage": volts**2, "clock": volts**2 * faster}
    return {part: powers[part] * factors.get(part, 1.0) for part in POWER_PARTS if part in powers}


def leakage_w(chip: Chip) -> float:
    """Leakage: area of logic and of arrays, times what each leaks in this technology, W."""
    technology = chip.unit_energies
    if not (technology.leakage or technology.sram_leakage):
        return 0.0
    return logic_mm2(chip) * technology.leakage + array_mm2(chip) * technology.sram_leakage


def clock_w(chip: Chip) -> float:
    """Clock tree: area of logic, and a share of that of arrays, times energy per mm2 and cycle, times clock, W.

    The clock is that for which the chip's energies hold.
    """
    technology = chip.unit_energies
    if not technology.clock_energy:
        return 0.0
    loaded = logic_mm2(chip) + ARRAY_CLOCK * array_mm2(chip)
    clock = chip.dvfs.clock if chip.dvfs else chip.clock
    return loaded * technology.clock_energy * 1e-12 * float(clock)
