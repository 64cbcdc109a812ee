"""Energy of a call: the board's own counter over a window of seconds, and what it draws when idle.

Counters of A100 and H100 follow 25 ms in every 100 (Yang et al., "Part-time power measurements", SC'24), so short runs
can be off by tens of percent; over 20 s that is below one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from memsim.measure.protocol import Effort, Loaded

SETTLE_S = 3.0
"""Seconds from the last work to the idle window, and of load before a window begins: temperature and clocks settle."""


class Meter(Protocol):
    """Counts what a board draws."""

    def energy_j(self) -> float:
        """Joules since some moment."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn in a window."""

    power_w: float
    energy_j: float
    """Of a call."""
    time_s: float
    """Of a call, the host's clock over the window."""
    calls: int
    window_s: float


Clock = Callable[[], float]


def idle_power(
    meter: Meter, effort: Effort, clock: Clock = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> float:
    """Watts of the board at rest, with this process's context open.

    Parameters
    ----------
    meter
        Counts energy.
    effort
        How long the window is.
    clock, sleep
        Of the host.
    """
    sleep(SETTLE_S)
    joules, begun = meter.energy_j(), clock()
    sleep(effort.window_s)
    return (meter.energy_j() - joules) / (clock() - begun)


def energy_of(
    meter: Meter, loaded: Loaded, call_s: float, effort: Effort, unit: int = 1, clock: Clock = time.monotonic
) -> Drawn:
    """Repeat a call for a window, and count.

    Parameters
    ----------
    meter
        Counts energy.
    loaded
        What runs.
    call_s
        Seconds of a call, roughly.
    effort
        How long the window is.
    unit
        Calls are made by so many, where they are a graph.
    clock
        Of the host.
    """
    calls = unit * max(1, math.ceil(0.05 / (call_s * unit)))
    begun = clock()
    while clock() - begun < min(SETTLE_S, effort.window_s):
        loaded.batch(calls, 0)
    joules, begun, done = meter.energy_j(), clock(), 0
    while clock() - begun < effort.window_s:
        loaded.batch(calls, done)
        done += calls
    drawn, window = meter.energy_j() - joules, clock() - begun
    return Drawn(drawn / window, drawn / done, window / done, done, window)
