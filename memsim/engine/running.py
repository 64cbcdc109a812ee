"""The hardware of one SimPy run: its state, and what has been counted so far."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from memsim.engine.cached import Cached, dirty_bytes, fill_cache, left_dirty
from memsim.engine.extents import Part
from memsim.engine.hardware import ROWS, Hardware, Hop, Route, bank_count
from memsim.engine.memory import PIECE_WORDS, read, write
from memsim.engine.servers import FIRST, SERVER_WORDS, serve, serve_bytes
from memsim.engine.tally import ByKind, Crossed, RouteFlows, Tally, counts_by_tensor, objects


class Counter:
    """Counts of one kernel while it runs: by step and core, and for routes by (step, core, wires, links crossed)."""

    def __init__(self, steps: int, cores: int) -> None:
        self.shape = steps, cores
        self.executions, self.moved, self.entered, self.fetched = (
            [[0] * cores for _ in range(steps)] for _ in range(4)
        )
        self.empty = [False] * steps
        self.flows: dict[tuple[int, int, float, Crossed], list[int]] = defaultdict(lambda: [0, 0])

    def tally(self, by_tensor: dict[str, ByKind]) -> Tally:
        """The counts as arrays."""
        counts = (self.executions, self.moved, self.entered, self.fetched)
        keys, amounts = list(self.flows), list(self.flows.values())
        flows = RouteFlows(
            np.array([k[0] for k in keys], dtype=np.int64),
            np.array([k[1] for k in keys], dtype=np.int64),
            np.array([k[2] for k in keys], dtype=np.float64),
            objects([k[3] for k in keys]),
            np.array([a[0] for a in amounts], dtype=np.int64),
            np.array([a[1] for a in amounts], dtype=np.int64),
        )
        executions, moved, entered, fetched = (np.array(count, dtype=np.int64).reshape(self.shape) for count in counts)
        empty = np.array(self.empty, dtype=np.bool_)
        return Tally(executions, moved, entered, fetched, empty, flows, by_tensor)


class Running:
    """Servers and memories of a run. Requests must come in the order of arrival, ties in the order of their keys."""

    def __init__(self, hardware: Hardware, cached: Cached = ()) -> None:
        self.hardware = hardware
        self.servers = np.zeros((len(hardware.names), SERVER_WORDS), dtype=np.int64)
        self._words = self.servers.reshape(-1)
        self.memory = hardware.empty_memory()
        fill_cache(self.memory, hardware.plan, cached)
        self._dirty = dirty_bytes(self.memory, hardware.tensors)
        self.link_bytes = [0] * len(hardware.names)
        """Bytes that have passed each server that is a link."""
        self.counter = Counter(0, 0)

    def begin_kernel(self, steps: int) -> None:
        """Begin to count anew."""
        self.counter = Counter(steps, self.hardware.chip.core_count)

    def serve(self, server: int, head: int, service: int) -> int:
        """Serve a request at a unit, port or link; returns the tick at which it starts."""
        return int(serve(self._words, server * SERVER_WORDS, head, service))

    def serve_bytes(self, hop: Hop, head: int, size: int) -> tuple[int, int]:
        """Serve bytes at a link: the tick at which it starts, and ticks."""
        start, ticks = serve_bytes(self._words, hop.server * SERVER_WORDS, head, size, hop.num, hop.den)
        return int(start), int(ticks)

    def read(self, role: str, port: int, part: Part, tick: int) -> tuple[int, int, int]:
        """Read pieces of segments: ticks of the first byte and the last, and bytes that the DRAM sent to a cache."""
        return read(self.memory, ROWS[role], port, part.words, 0, len(part.words) // PIECE_WORDS, tick)

    def write(self, role: str, part: Part, tick: int) -> int:
        """Write pieces of segments: the tick at which the memory has taken the last byte."""
        return write(self.memory, ROWS[role], part.port, part.words, 0, len(part.words) // PIECE_WORDS, tick)

    def pass_route(self, route: Route, step: int, core: int, size: int) -> None:
        """Count the bytes that a transfer sends over a route."""
        for server in route.servers:
            self.link_bytes[server] += size
        flow = self.counter.flows[step, core, route.mm, route.crossed]
        flow[0] += size
        flow[1] += size * route.routers

    def finish_kernel(self) -> Tally:
        """The counts since the kernel began."""
        by_tensor = counts_by_tensor(self.hardware.tensors, self.memory.counts)
        self.memory.counts[:] = 0
        return self.counter.tally(by_tensor)

    def drained_at(self) -> int:
        """Tick at which the DRAM has taken the last byte that has been written back so far."""
        row = self.hardware.memories["dram"]
        return int(self.memory.free_at[row[FIRST] : row[FIRST] + bank_count(row)].max())

    def final_write_back(self) -> dict[str, int]:
        """Dirty bytes of each tensor in the cache, beyond those that were there at first."""
        return left_dirty(self.memory, self.hardware.tensors, self._dirty)

    def bank_busy(self) -> dict[str, list[int]]:
        """Busy ticks of each bank of each memory."""
        busy = self.memory.busy.tolist()
        return {name: busy[row[FIRST] : row[FIRST] + bank_count(row)] for name, row in self.hardware.memories.items()}
