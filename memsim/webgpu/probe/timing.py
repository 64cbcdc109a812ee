"""How a time is measured: warm up, make samples long enough to resolve, repeat, and tell the median with its quartiles.

A *sample* is one dispatch of so many trips. Its length is chosen so that the clock's grain and the host's part in it
are small: at least `TARGET_S`, and `GRAINS` grains of the clock. The first dispatch compiles and is never counted.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memsim.errors import MemsimError

TARGET_S = 2e-3
"""Seconds of a sample at least."""
GRAINS = 100
"""Grains of the clock in a sample at least: one is then within 1 % of it."""
LEAST_GRAINS = 20
"""A sample of fewer, that cannot be made longer, is refused."""
GROWTH = 16
"""A sample grows by this factor at most while its length is sought: drivers stop what takes seconds."""
REPEATS = 9
"""Samples, of which the median is told."""
QUICK_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured number: the median of samples, and their quartiles."""

    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""
    samples: int

    @property
    def spread(self) -> float:
        """Distance of the quartiles over the median."""
        return (self.high - self.low) / self.median if self.median else math.inf

    @classmethod
    def of(cls, values: Sequence[float]) -> Measured:
        """Median and quartiles of some numbers: at least one, none of them negative."""
        low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
        return cls(statistics.median(values), low, high, len(values))

    def rate(self, work: float) -> Measured:
        """Work over these seconds: the slow quartile is the low one."""
        return Measured(work / self.median, work / self.high, work / self.low, self.samples)

    def times(self, factor: float) -> Measured:
        """In another unit."""
        return Measured(factor * self.median, factor * self.low, factor * self.high, self.samples)


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to measure."""

    target_s: float = TARGET_S
    repeats: int = REPEATS


THOROUGH = Effort()
QUICK = Effort(TARGET_S, QUICK_REPEATS)


def measure(
    sample: Callable[[int], float],
    grain_s: float,
    *,
    step: int = 1,
    most: int = 1 << 30,
    warm: int = 0,
    effort: Effort = THOROUGH,
    what: str = "a kernel",
) -> Measured:
    """Seconds of a trip.

    Parameters
    ----------
    sample
        Seconds that a number of trips took.
    grain_s
        Seconds that the clock can tell apart.
    step, most
        Trips are a multiple of ``step``, and at most ``most``.
    warm
        Trips before the first that counts.
    effort
        How long samples are, and how many.
    what
        Named in errors.

    Raises
    ------
    MemsimError
        Not even the longest sample can be told from the grain of the clock.
    """
    most, target = max(step, most // step * step), max(effort.target_s, GRAINS * grain_s)
    sample(step)  # compiles
    trips, done = _long_enough(sample, target, grain_s, step, step, most)
    while done < warm:
        sample(trips)
        done += trips
    found = [sample(trips) for _ in range(effort.repeats)]
    while statistics.median(found) < target / 2 and trips < most:  # something else made it seem long enough
        trips, _ = _long_enough(sample, target, grain_s, min(most, 2 * trips), step, most)
        found = [sample(trips) for _ in range(effort.repeats)]
    if statistics.median(found) < LEAST_GRAINS * grain_s or min(found) <= 0:
        raise MemsimError(
            f"{trips} trips take {statistics.median(found):.3g} s, and the clock has a grain of {grain_s:.3g} s",
            where=what,
            mend="use a device with timestamps, or a clock with a finer grain",
        )
    return Measured.of([seconds / trips for seconds in found])


def _long_enough(
    sample: Callable[[int], float], target_s: float, grain_s: float, trips: int, step: int, most: int
) -> tuple[int, int]:
    """Trips for a sample of so many seconds, from some on, and those that were made to find out."""
    done = 0
    while True:
        seconds = min(sample(trips), sample(trips))
        done += 2 * trips
        if seconds >= target_s or trips >= most:
            return trips, done
        growth = GROWTH if seconds <= grain_s else min(GROWTH, 1.2 * target_s / seconds)
        trips = min(most, max(trips + step, math.ceil(trips * growth / step) * step))


def seconds_per_tick(ticks: Sequence[float], walls: Sequence[float]) -> float | None:
    """What a tick of the device is worth, by the host's clock; None where its ticks do not follow it.

    Parameters
    ----------
    ticks
        Of dispatches of growing length.
    walls
        Seconds of the same dispatches by the host's clock, with submission and fence. These add a constant, so the
        slope is what counts.
    """
    if len(ticks) < 2 or min(ticks) <= 0 or max(ticks) < 2 * min(ticks):
        return None
    slope, intercept = statistics.linear_regression(ticks, walls)
    far = max(abs(slope * t + intercept - wall) / wall for t, wall in zip(ticks, walls, strict=True))
    if slope <= 0 or far > 0.25:
        return None
    return 1e-9 if abs(slope / 1e-9 - 1) < 0.1 else slope
