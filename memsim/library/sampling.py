"""Running a kernel of the library: time and energy under the chip's limit of power, of long kernels from samples.

A tile of a product takes hundreds of steps along k that are all alike. Where a kernel has very many, two kernels with
fewer steps, equal in all else, tell what a step takes and what the rest takes; time, and energy of each kind, are
straight lines over the number of steps, for each step loads and multiplies as much as any other. Tests compare with
whole runs. What samples cannot tell is whether operands that are larger than the cache are met there again.
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
    if kernel.samples:
        outcome = _from_samples(kernel, chip, cached, limited)
        if outcome is not None:
            return outcome
    result = simulate(kernel.program, running_chip(kernel.program, chip), cached=cached)
    if limited(result.time_s):
        result = simulate_capped(kernel.program, chip, free=result, cached=cached)
    return _outcome(result)


def _outcome(result: Result) -> Outcome:
    power_w = mean_power_w(result)
    return Outcome(result.time_s, power_w * result.time_s, power_w, float(result.chip.clock), result.bottleneck)


def _from_samples(kernel: Kernel, chip: Chip, cached: Cached, limited: Callable[[float], bool]) -> Outcome | None:
    """None where time does not follow the clock as a busy die's does, so that a limit of power takes whole runs."""
    chip = running_chip(kernel.program, chip)
    runs = [simulate(sample.program, chip, cached=cached) for sample in kernel.samples]
    line = _Steps(kernel.steps, kernel.samples)
    time_s = line.at_full([run.time_s for run in runs])
    parts = [spent(run) for run in runs]
    energy = Spent(line.at_full([p.core_j for p in parts]), line.at_full([p.other_j for p in parts]))
    bottleneck = runs[-1].bottleneck
    power = (energy.core_j + energy.other_j) / time_s + chip.static_power_w
    if chip.tdp_w is None or chip.dvfs is None or power <= chip.tdp_w or not limited(time_s):
        return Outcome(time_s, power * time_s, power, float(chip.clock), bottleneck)
    on_die = line.at_full([_busy_on_die_s(run) for run in runs]) / time_s
    if on_die < BUSY:
        return None
    over_clock = TimeLine(time_s * (1 - on_die), time_s * on_die * float(chip.clock))
    clock = fitting_clock(chip, chip.dvfs, over_clock, energy, Fraction(0), chip.clock)
    return None if clock is None else _slowed(chip, clock, over_clock, energy, bottleneck)


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
    """The line through two samples, at the number of steps of the whole."""

    steps: int
    samples: tuple[Sample, ...]

    def at_full(self, values: Sequence[float]) -> float:
        """The value of the whole kernel, from those of the samples."""
        (few, many), (low, high) = values, (sample.steps for sample in self.samples)
        return few + (many - few) * (self.steps - low) / (high - low)
