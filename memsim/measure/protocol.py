"""How a call is timed, on any device: warm up, rotate buffers, batch, repeat; the median with its spread.

A *batch* is so many calls in a row, timed from outside, long enough for the clock to tell. Calls take the buffers in
turn; those of all copies are `ROTATION` times as large as the last-level cache, so that no call finds anything of the
one before. Buffers hold normal random numbers: zeros would draw less power, and let clocks rise.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from memsim.errors import MemsimError
from memsim.measure.cases import Case

ROTATION = 2.0
"""Bytes of all copies over those of the cache, at least."""
MOST_COPIES = 4096
SHORT_S = 200e-6
"""Calls shorter than this are launched as a graph, where the device has such: the host would be slower than the GPU."""
MOST_CALLS = 100_000
"""Of a batch."""
LARGEST_GRAPH = MOST_COPIES
"""Calls of a graph."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to measure."""

    samples: int = 21
    """Batches, of which the median is told."""
    batch_s: float = 5e-3
    """Seconds of a batch, at least."""
    warm_s: float = 0.2
    """Seconds of calls before any that counts: clocks rise, caches fill, libraries choose their kernels."""
    window_s: float = 20.0
    """Seconds over which energy is counted: counters are updated a few times a second."""


THOROUGH = Effort()
QUICKLY = Effort(samples=7, batch_s=2e-3, warm_s=0.05, window_s=5.0)


class Loaded(Protocol):
    """A case on a device, with its buffers."""

    def batch(self, calls: int, first: int) -> float:
        """Seconds of so many calls, of which the first takes copy ``first``."""

    def capture(self, calls: int) -> None:
        """Make a graph of so many calls; `batch` then launches whole graphs."""

    def release(self) -> None:
        """Give the memory back."""


class Device(Protocol):
    """What measures."""

    name: str
    """As the driver calls it."""
    backend: str
    cache_bytes: int
    """Of the last-level cache."""
    memory_bytes: int
    has_graphs: bool

    def refuses(self, case: Case) -> str | None:
        """Why a case cannot run here, or None."""

    def load(self, case: Case, copies: int) -> Loaded:
        """Put so many copies of the operands of a case on the device, filled with random numbers."""

    def clock_mhz(self) -> float | None:
        """Of the cores, now; None where nobody tells."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a call."""

    median: float
    low: float
    """10th percentile of batches."""
    high: float
    """90th percentile."""
    samples: int
    calls: int
    """Of a batch."""
    copies: int
    mode: str
    """``graph`` or ``stream``."""
    clock_mhz: float | None

    @property
    def spread(self) -> float:
        """Distance of the percentiles over the median."""
        return (self.high - self.low) / self.median


def copies_of(case: Case, device: Device) -> int:
    """How many copies of the operands are taken in turn, at least two.

    Raises
    ------
    MemsimError
        Two copies do not fit the memory of the device.
    """
    size = case.call.bytes
    copies = min(MOST_COPIES, max(2, math.ceil(ROTATION * device.cache_bytes / size)))
    if copies * size > 0.8 * device.memory_bytes:
        raise MemsimError(
            f"two copies of its operands take {2 * size / 1e9:.3g} GB of {device.memory_bytes / 1e9:.3g}",
            where=case.label,
            mend="use a device with more memory",
        )
    return copies


def protocol_of(case: Case, device: Device) -> str:
    """What the cache holds when a call begins, as `memsim.validate.protocol` names it.

    Parameters
    ----------
    case, device
        What is measured, and where. Calls so small that even `MOST_COPIES` of them fit the cache find everything there.
    """
    return "cold" if copies_of(case, device) * case.call.bytes > device.cache_bytes else "same"


def time_case(device: Device, case: Case, effort: Effort = THOROUGH) -> Timing:
    """Time a case.

    Parameters
    ----------
    device
        Where.
    case
        What.
    effort
        How long batches are, and how many.
    """
    copies = copies_of(case, device)
    loaded = device.load(case, copies)
    try:
        return time_loaded(device, loaded, copies, effort)
    finally:
        loaded.release()


def time_loaded(device: Device, loaded: Loaded, copies: int, effort: Effort) -> Timing:
    """Time what is on the device: see `time_case`."""
    one = _warm(loaded, copies, effort)
    mode, unit = "stream", 1
    if device.has_graphs and one < SHORT_S:
        unit = min(LARGEST_GRAPH, copies * math.ceil(effort.batch_s / (4 * one * copies)))
        loaded.capture(unit)
        mode = "graph"
    calls = min(MOST_CALLS, unit * math.ceil(effort.batch_s / (one * unit)))
    seconds, clocks, first = [], [], 0
    _ = loaded.batch(calls, first)  # a graph's first launch uploads it
    for _ in range(effort.samples):
        first += calls
        seconds.append(loaded.batch(calls, first % copies) / calls)
        clocks += [clock for clock in (device.clock_mhz(),) if clock is not None]
    low, high = percentile(seconds, 0.1), percentile(seconds, 0.9)
    clock = statistics.median(clocks) if clocks else None
    return Timing(statistics.median(seconds), low, high, len(seconds), calls, copies, mode, clock)


def _warm(loaded: Loaded, copies: int, effort: Effort) -> float:
    """Every copy once, then on until the time is over; the seconds of a call, roughly."""
    spent = loaded.batch(copies, 0)
    calls, last = copies, spent / copies
    while spent < effort.warm_s:
        calls = min(MOST_CALLS, max(1, math.ceil(effort.batch_s / max(last, 1e-9))))
        took = loaded.batch(calls, 0)
        spent, last = spent + took, took / calls
        if took <= 0:
            raise MemsimError("the clock stands still", where="a batch", mend="report this with the name of the device")
    return last


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of some values lies, by linear interpolation.

    Parameters
    ----------
    values
        At least one.
    share
        From 0 to 1.
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
