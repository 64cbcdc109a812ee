"""What has been counted in a kernel's run by some moment, as numbers that can be subtracted and multiplied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from memsim.engine.fast import words as w
from memsim.engine.fast.machine import Places
from memsim.engine.memory import Memory
from memsim.engine.servers import Array
from memsim.engine.tally import Counts

SAFE = 1 << 61
"""Products below this stay 64-bit integers."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts by name (arrays of one length each), bytes and router bytes of each flow, and instructions."""

    arrays: Mapping[str, Counts]
    flows: Mapping[int, tuple[int, int]]
    executed: int

    def plus(self, other: Counted, times: int = 1) -> Counted:
        """The sum with so many times another."""
        arrays = {name: _plus(counts, other.arrays[name], times) for name, counts in self.arrays.items()}
        flows = dict(self.flows)
        for key, (size, routers) in other.flows.items():
            known = flows.get(key, (0, 0))
            flows[key] = known[0] + size * times, known[1] + routers * times
        return Counted(arrays, flows, self.executed + other.executed * times)

    def with_more(self, name: str, index: int, amount: int) -> Counted:
        """The same with one count larger."""
        counts = self.arrays[name].astype(object)
        counts[index] += amount
        return Counted({**self.arrays, name: counts}, self.flows, self.executed)


def measure(m: Array, memory: Memory, places: Places) -> Counted:
    """What the arrays of a run have counted."""
    arrays = {
        "servers": m[places.servers : places.servers_end].copy(),
        "kernel": m[places.stalls : places.counts_end].copy(),
        "banks": memory.busy.copy(),
        "tensors": memory.counts.ravel().copy(),
    }
    rows = flow_rows(m)
    flows = {key: (size, routers) for key, size, routers in rows.tolist()}
    return Counted(arrays, flows, int(m[w.EXECUTED]))


def flow_rows(m: Array) -> Array:
    """(key, bytes, router bytes) of each flow."""
    first, last = int(m[w.FLOW_BASE]), int(m[w.FLOW_BASE] + m[w.FLOW_ROOM] * w.FLOW_WORDS)
    rows: Array = m[first:last].reshape(-1, w.FLOW_WORDS)
    return rows[rows[:, w.FLOW_KEY] >= 0]


def _plus(a: Counts, b: Counts, times: int) -> Counts:
    """``a + b * times``, in Python's integers where 64 bits may not do."""
    largest = int(np.abs(b).max(initial=0)) * abs(times) + int(np.abs(a).max(initial=0))
    if largest >= SAFE and a.dtype != object:
        a = a.astype(object)
    if largest >= SAFE and b.dtype != object:
        b = b.astype(object)
    total: Counts = a + b * times
    return total
