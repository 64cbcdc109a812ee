"""Clock and voltage of the cores: which clocks a board runs at, and which voltage each needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from pydantic import model_validator

from memsim.hierarchy.fields import Hertz, Volts
from memsim.hierarchy.part import Part
from memsim.hierarchy.problems import problem

STEP = Fraction(15 * 10**6)
"""Hz from one clock of an NVIDIA board to the next: ``nvidia-smi -q -d SUPPORTED_CLOCKS``."""


class Dvfs(Part):
    """A line of voltage over clock, flat below ``floor_clock``.

    The voltage is that of everything on the die: cores, caches and network. DRAM, its interface and the links to other
    chips have their own, and their clocks do not follow.
    """

    clock: Hertz
    """At which the unit energies and the static power of the chip hold."""
    voltage: Volts
    """At that clock."""
    floor_clock: Hertz
    """From here down the voltage falls no more."""
    floor_voltage: Volts
    lowest: Hertz
    """The slowest clock under load."""
    step: Hertz = STEP
    """From one clock to the next."""
    vector_clock: Hertz | None = None
    """Of kernels that leave the matrix units alone, where it is not the chip's ``clock``."""

    @model_validator(mode="after")
    def _in_order(self) -> Dvfs:
        for low, high in (("floor_clock", "clock"), ("lowest", "clock"), ("floor_voltage", "voltage")):
            if getattr(self, low) > getattr(self, high):
                raise problem(f"{low} is above {high}", f"lower it, or raise {high}", key=low)
        return self

    def volts_at(self, clock: Fraction) -> float:
        """Voltage at a clock in Hz; the line goes on above ``clock``."""
        if clock <= self.floor_clock or self.floor_clock == self.clock:
            return self.floor_voltage if clock <= self.floor_clock else self.voltage
        share = float((clock - self.floor_clock) / (self.clock - self.floor_clock))
        return self.floor_voltage + share * (self.voltage - self.floor_voltage)

    def volts_over_nominal(self, clock: Fraction) -> float:
        """Voltage at a clock in Hz over that at which the chip's energies hold; exactly 1 at ``clock``."""
        return 1.0 if clock == self.clock else self.volts_at(clock) / self.voltage

    def clocks_below(self, clock: Fraction) -> Iterator[Fraction]:
        """The clocks that a board has below one in Hz, fastest first, down to ``lowest``."""
        for number in range(math.ceil(clock / self.step) - 1, 0, -1):
            if number * self.step < self.lowest:
                return
            yield number * self.step
