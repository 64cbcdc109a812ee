"""Running a kernel of the library: time and energy under the chip's limit of power, of long kernels from samples.

A tile of a product takes hundreds of steps along k that are all alike. Where a kernel has very many, two kernels with
fewer steps, equal in all else, tell what a step takes and what the rest takes; time, and energy of each kind, are
straight lines over the number of steps, for each step loads and multiplies as much as any other. Tests compare with
whole runs. What samples cannot tell is whether operands that are larger than the cache are met there again.

Where the limit of power takes some of the clock, and the die is busy most of the time, that time goes by the clock and
the rest does not: no further run is needed. Else `memsim.engine.power.simulate_capped` finds the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from memsim.engine.power import BUSY, Spent, TimeLine, fitting_clock, mean_power_w, running_chip, simulate_capped, spent
from memsim.engine.result import Result
from memsim.engine.simulate import simulate
from memsim.hierarchy import Chip
from memsim.hierarchy.power import static_powers_at
from memsim.isa import Program
from memsim.library.kernel import Kernel, Sample

Cached = Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call of the library takes."""

    time_s: float
    """Launch included."""
    energy_j: float
    """Static energy included; what caches write back after the end is the next call's."""
    power_w: float
    """Mean over the time."""
    clock_hz: float
    """Of the cores, under the limit of power."""
    bottleneck: str
    """What is busiest."""


def _always(_: float) -> bool:
    return True


def run(kernel: Kernel, chip: Chip, cached: Cached = (), limited: Callable[[float], bool] = _always) -> Outcome:
    """Simulate a kernel.

    Parameters
    ----------
    kernel
        What a builder of the library made.
    chip
        ``kernel.chip``, or as it is with other data (`memsim.engine.power.with_normal_data`).
    cached
        What the cache holds at the start: see `memsim.simulate`.
    limited
        From the seconds of a run at the full clock, whether the chip's limit of power acts on it.
    """
    chip = running_chip(kernel.program, chip)
    steps = _Steps(kernel.steps, kernel.samples)
    runs = [simulate(each, chip, cached=cached) for each in steps.programs or (kernel.program,)]
    parts = [spent(each) for each in runs]
    time_s = steps.at_full([each.time_s for each in runs])
    energy = Spent(steps.at_full([part.core_j for part in parts]), steps.at_full([part.other_j for part in parts]))
    power_w = (energy.core_j + energy.other_j) / time_s + chip.static_power_w
    free = Outcome(time_s, power_w * time_s, power_w, float(chip.clock), runs[-1].bottleneck)
    if chip.tdp_w is None or chip.dvfs is None or power_w <= chip.tdp_w or not limited(time_s):
        return free
    on_die = steps.at_full([_busy_on_die_s(each) for each in runs]) / time_s
    if on_die >= BUSY:
        line = TimeLine(time_s * (1 - on_die), time_s * on_die * float(chip.clock))
        clock = fitting_clock(chip, chip.dvfs, line, energy, Fraction(0), chip.clock)
        if clock is not None:
            return _slowed(chip, clock, line, energy, free.bottleneck)
    whole = None if kernel.samples else runs[0]
    result = simulate_capped(kernel.program, chip, free=whole, cached=cached)
    power_w = mean_power_w(result)
    return Outcome(result.time_s, power_w * result.time_s, power_w, float(result.chip.clock), result.bottleneck)


def _slowed(chip: Chip, clock: Fraction, line: TimeLine, energy: Spent, bottleneck: str) -> Outcome:
    assert chip.dvfs is not None
    volts = chip.dvfs.volts_over_nominal(clock) / chip.volts_over_nominal
    time_s = line.time_s(clock)
    dynamic_j = energy.core_j * volts**2 + energy.other_j
    power_w = dynamic_j / time_s + sum(static_powers_at(chip, clock).values())
    return Outcome(time_s, power_w * time_s, power_w, float(clock), bottleneck)


def _busy_on_die_s(run: Result) -> float:
    return run.time_s * max(share for kind, share in run.busiest.items() if kind != "dram")


@dataclass(frozen=True, slots=True)
class _Steps:
    """The line through two samples, at the number of steps of the whole; or the whole itself."""

    steps: int
    samples: tuple[Sample, ...]

    @property
    def programs(self) -> tuple[Program, ...]:
        """What is run."""
        return tuple(sample.program for sample in self.samples)

    def at_full(self, values: Sequence[float]) -> float:
        """The value of the whole kernel, from those of the samples."""
        if not self.samples:
            return values[0]
        (few, many), (low, high) = values, (sample.steps for sample in self.samples)
        return few + (many - few) * (self.steps - low) / (high - low)
