"""A kernel's time and energy at the chip's clock and below it: what a step under a limit of power is added up from.

Two runs give the time over the clock, a + b / clock; dynamic energy of the die goes by the square of its voltage
(`memsim.hierarchy.Dvfs`), that of the DRAM stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from memsim.engine import Result, simulate
from memsim.engine.ledger import FINAL_WRITE_BACK, STATIC
from memsim.engine.power import OWN_VOLTAGE, running_chip
from memsim.hierarchy import Chip
from memsim.hierarchy.power import static_powers_at
from memsim.library.calls import kernel_of, warm_tensors
from memsim.library.steps import Call


@dataclass(frozen=True, slots=True)
class Ran:
    """One call of a kernel, simulated at one clock."""

    chip: Chip
    """At the clock it ran at."""
    time_s: float
    core_j: float
    """Dynamic energy of what has the cores' voltage; what caches hold at the end is the next kernel's."""
    other_j: float
    bound: str
    choice: str

    @property
    def energy_j(self) -> float:
        """Joules, static ones included."""
        return self.core_j + self.other_j + self.time_s * sum(self.chip.static_powers_w.values())


def ran(call: Call, chip: Chip) -> Ran:
    """The call at the chip's clock, or at that of kernels without matrix units if it is one; simulated once."""
    return _ran(call.op, call.sizes, call.dtype, chip)


def slowed(call: Call, chip: Chip, clock: Fraction) -> Ran:
    """The call at a lower clock, in Hz: on the line through its runs at the chip's clock and at its lowest voltage."""
    fast = ran(call, chip)
    slow = ran(call, chip.at_clock(_probe(chip)))
    periods = [1 / float(each.chip.clock) for each in (fast, slow)]
    cycles = (slow.time_s - fast.time_s) / (periods[1] - periods[0])
    cycles = min(max(cycles, 0.0), fast.time_s / periods[0])
    time_s = fast.time_s + cycles * (1 / float(clock) - periods[0])
    at = chip.at_clock(clock)
    volts = at.volts_over_nominal / fast.chip.volts_over_nominal
    return Ran(at, time_s, fast.core_j * volts**2, fast.other_j, fast.bound, fast.choice)


def static_w(chip: Chip, clock: Fraction) -> float:
    """What a chip draws at a clock whatever it does."""
    return sum(static_powers_at(chip, clock).values())


def _probe(chip: Chip) -> Fraction:
    """The clock of the second run: the fastest at the lowest voltage."""
    assert chip.dvfs is not None
    below = list(chip.dvfs.clocks_below(chip.clock))
    return next((clock for clock in below if clock <= chip.dvfs.floor_clock), below[-1])


@lru_cache(maxsize=4096)
def _ran(op: str, sizes: tuple[int, ...], dtype: str, chip: Chip) -> Ran:
    call = Call(op, op, sizes, dtype)
    kernel = kernel_of(call, chip)
    runs_on = running_chip(kernel.program, kernel.chip)
    result = simulate(kernel.program, runs_on, cached=warm_tensors(call, kernel, kernel.chip))
    core_j, other_j = _dynamic_j(result)
    return Ran(runs_on, result.time_s, core_j, other_j, result.bottleneck, kernel.choice)


def _dynamic_j(result: Result) -> tuple[float, float]:
    """Joules of what has the cores' voltage, and of what has its own."""
    core, other = [0.0], [0.0]
    for row in result.energy.records("part", "operation"):
        if row["part"] != STATIC["part"] and row["operation"] != FINAL_WRITE_BACK:
            (other if row["part"] in OWN_VOLTAGE else core).append(row["energy_j"])
    return sum(core), sum(other)
