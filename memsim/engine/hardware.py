"""The chip as state: every shared resource of a `Chip` as arrays, with routes and memory accesses over them.

Both engines use one `Hardware`. A *server* is a unit, a port or one direction of a link; banks (DRAM channels, cache
slices, scratchpad banks) are served chunk by chunk. All functions take the tick at which a request's head arrives
and return ticks; they must be called in the order of arrival, ties in the order of the request keys.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from memsim.engine.cache import SegmentCache
from memsim.engine.layout import Pieces, segment_count, total_bytes
from memsim.engine.plan import Plan
from memsim.engine.servers import Array, scatter, serve, serve_banks
from memsim.hierarchy import Chip

FINAL_WRITE_BACK = "final_write_back"
"""Operation under which dirty bytes left in a cache at the end are charged; they take no time."""


Who: TypeAlias = tuple[str, str, int]
"""(tensor, operation, core) that a memory access is posted to."""


class Key(NamedTuple):
    """What a ledger row is about. ``mm`` is the wire length of a move; ``core`` is -1 for the chip as a whole."""

    part: str
    tensor: str
    operation: str
    level: str
    core: int
    access: str
    mm: float


@dataclass(frozen=True, slots=True)
class Hop:
    """One direction of a link: its server, its rate (bytes a tick as num / den) and its latency."""

    server: int
    num: int
    den: int
    latency: int

    def service(self, size: int) -> int:
        """Ticks that ``size`` bytes occupy the link."""
        return -(-size * self.den // self.num)


@dataclass(frozen=True, slots=True)
class Route:
    """A path, or for a multicast a tree: hops in order, then forks; ``leaf`` is the node where a path ends."""

    hops: tuple[Hop, ...]
    forks: tuple[Route, ...]
    leaf: str
    mm: float
    """Wire length of the whole tree."""
    servers: tuple[int, ...]
    """Servers of all links in the whole tree."""
    routers: int
    """Hops in the whole tree, each a router with the link behind it."""

    @property
    def latency(self) -> int:
        """Sum of the hops' latencies up to the first fork."""
        return sum(h.latency for h in self.hops)


@dataclass(slots=True)
class Banks:
    """Banks of one memory, split evenly over its network ports."""

    free_at: Array
    busy: Array
    ports: int
    chunk: int
    num: int
    den: int
    """Bytes a tick of one bank: num / den."""
    latency: int
    per_port: int
    """Banks behind one port."""

    def serve(self, port: int, segment: int, size: int, head: int) -> tuple[int, int]:
        """Move ``size`` bytes of a segment: (start, finish) without the latency."""
        return serve_banks(
            self.free_at, self.busy, port * self.per_port, self.per_port, self.ports, segment, size, self.chunk,
            self.num, self.den, head,
        )  # fmt: skip


class Hardware:
    """Mutable state of every resource, for one simulation."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.chip = plan, plan.chip
        self.names: list[tuple[str, str]] = []
        """(part, kind) of each server."""
        chip, core = plan.chip, plan.chip.core
        self.units = {
            unit: [self._server(f"core{i}.{unit}", unit) for i in range(chip.core_count)]
            for unit in ("dma", "matrix", "vector", "sram", "reg")
        }
        self.ports = {
            name: chip.rate_per_tick(memory.bandwidth).as_integer_ratio() if memory.bandwidth else None
            for name, memory in (("sram", core.sram), ("reg", core.reg))
        }
        self.port_latency = {"sram": chip.ticks_of(core.sram.latency), "reg": chip.ticks_of(core.reg.latency)}
        self.hops: dict[tuple[str, str], Hop] = {}
        self.length: dict[tuple[str, str], float] = {}
        self.routers: dict[tuple[str, str], int] = {}
        for source, target, link in sorted(chip.graph.edges(data=True), key=lambda e: (e[0], e[1])):
            rate = chip.rate_per_tick(link["bandwidth"])
            server = self._server(f"{source}->{target}", "link")
            latency = chip.ticks_of(link["latency"])
            self.hops[source, target] = Hop(server, rate.numerator, rate.denominator, latency)
            self.length[source, target] = link["mm"]
            self.routers[source, target] = link["hops"]
        self.free_at = np.zeros(len(self.names), dtype=np.int64)
        self.busy = np.zeros(len(self.names), dtype=np.int64)
        self.bytes = [0] * len(self.names)
        """Bytes that passed each link."""
        self.ledger: dict[Key, int] = defaultdict(int)
        self._routes: dict[tuple[str, tuple[str, ...]], Route] = {}
        self._ports: dict[str, dict[int, int]] = defaultdict(dict)
        self._memories()

    def _server(self, name: str, kind: str) -> int:
        self.names.append((name, kind))
        return len(self.names) - 1

    def _memories(self) -> None:
        chip = self.chip
        self.cache: SegmentCache | None = None
        dram, cache, shared = chip.dram, chip.cache, chip.shared
        dram_ports = 1 if cache else len(chip.memory_nodes("dram"))
        total = chip.rate_per_tick(dram.bandwidth) * dram.efficiency
        self.banks = {"dram": _banks(dram.channels, dram_ports, dram.interleave, total, chip.ticks_of(dram.latency))}
        if cache:
            total = chip.rate_per_tick(cache.bandwidth)
            latency = chip.ticks_of(cache.latency)
            self.banks["cache"] = _banks(cache.slices, len(chip.memory_nodes("dram")), cache.interleave, total, latency)
            self.cache = SegmentCache(segment_count(self.plan.layouts), cache.capacity, cache.write_back)
            self._owner = sorted((x.base, name) for name, x in self.plan.layouts.items())
            self._owner_bases = np.array([base for base, _ in self._owner], dtype=np.int64)
        if shared:
            total = chip.rate_per_tick(shared.bandwidth)
            latency = chip.ticks_of(shared.latency)
            self.banks["shared"] = _banks(
                shared.banks, len(chip.memory_nodes("shared")), shared.interleave, total, latency
            )

    # Servers -------------------------------------------------------------------------------------------------

    def serve(self, server: int, head: int, service: int) -> int:
        """Serve a request at a unit, port or link; returns the tick at which it starts."""
        return int(serve(self.free_at, self.busy, server, head, service))

    def port_ticks(self, memory: str, size: int) -> int:
        """Ticks of a core memory's port for ``size`` bytes; 0 where the port is never a bottleneck."""
        rate = self.ports[memory]
        return 0 if rate is None else -(-size * rate[1] // rate[0])

    # Routes --------------------------------------------------------------------------------------------------

    def route(self, source: str, targets: tuple[str, ...]) -> Route:
        """The path from a node to one node, or the tree to several, as the chip routes them."""
        found = self._routes.get((source, targets))
        if found is None:
            children: dict[str, list[str]] = {}
            reached = {source}
            for target in targets:
                path = self.chip.route(source, target)
                for a, b in pairwise(path):
                    if b not in reached:
                        reached.add(b)
                        children.setdefault(a, []).append(b)
            found = self._routes[source, targets] = self._tree(source, children, targets)
        return found

    def _tree(self, node: str, children: dict[str, list[str]], targets: tuple[str, ...]) -> Route:
        hops: list[Hop] = []
        servers: list[int] = []
        routers = 0
        mm = 0.0
        while len(children.get(node, [])) == 1 and node not in targets:
            following = children[node][0]
            hops.append(self.hops[node, following])
            servers.append(hops[-1].server)
            routers += self.routers[node, following]
            mm += self.length[node, following]
            node = following
        forks = []
        if node in targets and node in children:  # one that the way to others leads through
            forks.append(Route((), (), node, 0.0, (), 0))
        for following in children.get(node, []):
            branch = self._tree(following, children, targets)
            hop = self.hops[node, following]
            forks.append(Route((hop, *branch.hops), branch.forks, branch.leaf, 0.0, (), 0))
            servers += [hop.server, *branch.servers]
            routers += self.routers[node, following] + branch.routers
            mm += self.length[node, following] + branch.mm
        return Route(tuple(hops), tuple(forks), "" if forks else node, mm, tuple(servers), routers)

    # Memories ------------------------------------------------------------------------------------------------

    def port_of(self, role: str, segment: int) -> int:
        """Network port of the memory behind which a segment lies."""
        known = self._ports[role]
        port = known.get(segment)
        if port is None:
            answers = "cache" if role == "dram" and self.chip.cache else role
            port = known[segment] = int(scatter(segment, self.banks[answers].ports))
        return port

    def read(self, role: str, port: int, pieces: Pieces, tick: int, who: Who) -> tuple[int, int]:
        """Read pieces of segments: (tick at which the first byte leaves the memory, tick of the last)."""
        if role == "dram" and self.cache is not None:
            self._post("cache", *who, "read", total_bytes(pieces))
            cache = self.cache
            spans = [self._read_cached(cache, port, segment, size, tick, who) for segment, size in pieces]
            return min(first for first, _ in spans), max(last for _, last in spans)
        self._post(role, *who, "read", total_bytes(pieces))
        banks = self.banks[role]
        spans = [banks.serve(port, segment, size, tick) for segment, size in pieces]
        return min(start for start, _ in spans) + banks.latency, max(end for _, end in spans) + banks.latency

    def write(self, role: str, port: int, pieces: Pieces, tick: int, who: Who) -> int:
        """Write pieces of segments: the tick at which the memory has taken the last byte."""
        cache = self.cache if role == "dram" else None
        level = role if cache is None else "cache"
        self._post(level, *who, "write", total_bytes(pieces))
        ends = [self.banks[level].serve(port, segment, size, tick)[1] for segment, size in pieces]
        if cache is not None:
            for segment, size in pieces:
                self._write_back(cache.touch(segment, size, True)[1], tick)
                if not cache.write_back:
                    self._to_dram(segment, size, tick, through=True)
        return max(ends)

    def _read_cached(
        self, cache: SegmentCache, port: int, segment: int, size: int, tick: int, who: Who
    ) -> tuple[int, int]:
        slices, dram = self.banks["cache"], self.banks["dram"]
        begin, finish = slices.serve(port, segment, size, tick)
        first, last = begin, finish
        miss, leaving = cache.touch(segment, size, False)
        self._write_back(leaving, tick)
        filled = cache.fill_ends(segment)  # an earlier miss of this segment may still be on its way: wait for it
        if miss:
            start, end = dram.serve(0, segment, miss, begin)
            first = start + dram.latency if miss == size else first
            filled = max(filled, end + dram.latency)
            cache.note_fill(segment, size, filled)
            self._post("dram", *who, "read", miss)
            tensor, _, core = who
            self._post("cache", tensor, "fill", core, "write", miss)
            self._wire(tensor, "fill", core, miss, self.chip.backing_mm)
        elif filled > tick:
            first = max(first, filled)
        return first + slices.latency, max(last, filled) + slices.latency

    def _write_back(self, leaving: Pieces, tick: int) -> None:
        for segment, size in leaving:
            self._to_dram(segment, size, tick)

    def _to_dram(self, segment: int, size: int, tick: int, *, through: bool = False) -> None:
        self.banks["dram"].serve(0, segment, size, tick)
        self._post_write_back(segment, size, "write_back", through=through)

    def _post_write_back(self, segment: int, size: int, operation: str, *, through: bool = False) -> None:
        tensor = self._owner[int(np.searchsorted(self._owner_bases, segment, side="right")) - 1][1]
        if not through:  # what is written through is at hand
            self._post("cache", tensor, operation, -1, "read", size)
        self._post("dram", tensor, operation, -1, "write", size)
        self._wire(tensor, operation, -1, size, self.chip.backing_mm)

    def drained_at(self) -> int:
        """Tick at which the DRAM has taken the last byte that has been written back so far."""
        return int(self.banks["dram"].free_at.max())

    def flush(self) -> None:
        """Charge the energy of writing back what is dirty at the end; nobody waits for it."""
        if self.cache is not None:
            for segment, size in self.cache.take_dirty():
                self._post_write_back(segment, size, FINAL_WRITE_BACK)

    # Ledger --------------------------------------------------------------------------------------------------

    def _post(self, part: str, tensor: str, operation: str, core: int, access: str, size: int) -> None:
        self.ledger[Key(part, tensor, operation, part, core, access, 0.0)] += size * 8

    def _wire(self, tensor: str, operation: str, core: int, size: int, mm: float) -> None:
        self.ledger[Key("wires", tensor, operation, "network", core, "move", mm)] += size * 8

    def post_route(self, route: Route, tensor: str, operation: str, core: int, size: int) -> None:
        """Charge the wires and routers that ``size`` bytes pass on a route."""
        for server in route.servers:
            self.bytes[server] += size
        self._wire(tensor, operation, core, size, route.mm)
        self.ledger[Key("routers", tensor, operation, "network", core, "move", 0.0)] += size * 8 * route.routers


def _banks(count: int, ports: int, chunk: int, total: Fraction, latency: int) -> Banks:
    count = max(ports, count // ports * ports)
    zeros = np.zeros(count, dtype=np.int64)
    num, den = (total / count).as_integer_ratio()
    return Banks(zeros, zeros.copy(), ports, chunk, num, den, latency, count // ports)


def node_of(core: int) -> str:
    """Network node of a core."""
    return f"core{core}"


def memory_node(chip: Chip, role: str, port: int) -> str:
    """Network node of a memory's port."""
    nodes = chip.memory_nodes(role)
    return nodes[port % len(nodes)]
