"""What a run adds up: busy times, bytes and stalls, exact however often a period is repeated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from memsim.engine.fast.counted import SAFE
from memsim.engine.fast.flows import LENGTHS
from memsim.engine.fast.machine import Lasting
from memsim.engine.fast.program import Flat
from memsim.engine.servers import BUSY, BYTES, Array
from memsim.engine.tally import Counts, Crossed, RouteFlows, objects

Stalls = dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The totals at a boundary between kernels."""

    tick: int
    executed: int
    servers: Array
    banks: Array
    more_servers: Counts
    more_banks: Counts
    stalls: Stalls


@dataclass
class Totals:
    """Sums over the run so far: what the arrays of `Lasting` count, and what was skipped, as Python integers."""

    lasting: Lasting
    executed: int
    stalls: Stalls
    more_servers: Counts
    """What folding has skipped of the words of each server."""
    more_banks: Counts

    @classmethod
    def of(cls, lasting: Lasting) -> Totals:
        """Nothing has happened."""
        servers, banks = np.zeros_like(lasting.servers, dtype=object), np.zeros_like(lasting.memory.busy, dtype=object)
        return cls(lasting, 0, defaultdict(int), servers, banks)

    def snapshot(self, tick: int) -> Snapshot:
        """The totals now."""
        servers, banks = self.lasting.servers.copy(), self.lasting.memory.busy.copy()
        return Snapshot(tick, self.executed, servers, banks, self.more_servers, self.more_banks, dict(self.stalls))

    def repeat(self, before: Snapshot, now: Snapshot, times: int) -> None:
        """Add what happened between two snapshots so many times more."""
        servers = (now.servers - before.servers) + (now.more_servers - before.more_servers)
        banks = (now.banks - before.banks) + (now.more_banks - before.more_banks)
        self.more_servers = self.more_servers + servers * times  # snapshots keep the old ones
        self.more_banks = self.more_banks + banks * times
        self.executed += (now.executed - before.executed) * times
        for key, ticks in now.stalls.items():
            self.stalls[key] += (ticks - before.stalls.get(key, 0)) * times

    def add(self, servers: Counts, banks: Counts) -> None:
        """Add what a kernel has skipped: words of each server, busy ticks of each bank."""
        self.more_servers = self.more_servers + servers
        self.more_banks = self.more_banks + banks

    def sums(self) -> tuple[list[int], list[int], list[int]]:
        """Busy ticks and bytes of each server, and busy ticks of each bank."""
        servers = self.lasting.servers + self.more_servers
        banks = self.lasting.memory.busy + self.more_banks
        return servers[:, BUSY].tolist(), servers[:, BYTES].tolist(), banks.tolist()


def stalls_of(counts: Counts, width: int, flat: Flat) -> Stalls:
    """Ticks by queue name and reason, in the words of the specification, from ``width`` counts for each queue."""
    reasons = [
        "waiting for a transfer to end (limit in flight)",
        "waiting for the dma engine",
        "waiting for the matrix unit",
        "waiting for the vector unit",
        "working",
        "waiting for a memory port",
    ]
    for ring in flat.ring_names:
        reasons += [f"waiting for data in {ring}", f"waiting for space in {ring}"]
        reasons += [f"waiting for reads of {ring} to end", f"waiting for the result in {ring}"]
    found: dict[tuple[str, str], int] = defaultdict(int)
    for queue, row in zip(flat.queue_names, counts.reshape(-1, width).tolist(), strict=True):
        for reason, ticks in zip(reasons, row, strict=True):
            if ticks:
                found[queue, reason] += ticks
    return found


def flows_of(flows: Mapping[int, tuple[int, int]], lengths: list[tuple[float, Crossed]], cores: int) -> RouteFlows:
    """Bytes on the network by step, core, and wire length with the links crossed."""
    rows = sorted(flows.items())
    keys = np.array([key for key, _ in rows], dtype=np.int64)
    mm = np.array([mm for mm, _ in lengths] or [0.0])[keys % LENGTHS]
    crossed = objects([crossed for _, crossed in lengths] or [()])[keys % LENGTHS]
    sizes, routers = exact([size for _, (size, _) in rows]), exact([passed for _, (_, passed) in rows])
    return RouteFlows(keys // LENGTHS // cores, keys // LENGTHS % cores, mm, crossed, sizes, routers)


def exact(counts: list[int]) -> Counts:
    """An array of integers, of Python's own where 64 bits do not do."""
    return np.array(counts, dtype=np.int64 if max(counts, default=0) < SAFE else object)
