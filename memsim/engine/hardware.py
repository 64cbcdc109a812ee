"""The chip as numbers: every shared resource of a `Chip`, with its rate and latency in ticks, and the routes over it.

Both engines read one `Hardware`. A *server* is a unit, a port or one direction of a link.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from memsim.engine.dram import CHANNEL_BANKS, ROW_WORDS, TOGETHER
from memsim.engine.dram_rows import latency_ticks, part_words, tensor_shapes
from memsim.engine.layout import segment_count
from memsim.engine.memory import BETWEEN, CACHE, DRAM, SHARED, Memory, empty_memory
from memsim.engine.plan import Plan
from memsim.engine.servers import PER_PORT, PORTS
from memsim.hierarchy import Chip
from memsim.hierarchy.floorplan import manhattan

ROWS = {"dram": DRAM, "shared": SHARED, "cache": CACHE, "partitions": BETWEEN}
"""Row of each chip-wide memory in `Memory.banks`."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One direction of a link: its server, its rate (bytes a tick as num / den) and its latency."""

    server: int
    num: int
    den: int
    latency: int


@dataclass(frozen=True, slots=True)
class Route:
    """A path, or for a multicast a tree: hops in order, then forks; ``leaf`` is the node where a path ends."""

    hops: tuple[Hop, ...]
    forks: tuple[Route, ...]
    leaf: str
    mm: float
    """Wire length of the whole tree, but for links that have an energy of their own."""
    servers: tuple[int, ...]
    """Servers of all links in the whole tree."""
    routers: int
    """Hops in the whole tree, each a router with the link behind it."""
    crossed: tuple[tuple[str, int], ...] = ()
    """Links in the whole tree that have an energy of their own: (kind, how many), by kind."""

    @property
    def latency(self) -> int:
        """Sum of the hops' latencies up to the first fork."""
        return sum(h.latency for h in self.hops)


class _Fixed:
    """What depends on the chip alone, kept for the next plan: servers and links, and routes as they are found."""

    def __init__(self, chip: Chip) -> None:
        self.names: list[tuple[str, str]] = []
        """(part, kind) of each server."""
        self.units = {
            unit: [self._server(f"core{i}.{unit}", unit) for i in range(chip.core_count)]
            for unit in ("dma", "matrix", "vector", "sram", "reg")
        }
        self.hops: dict[tuple[str, str], Hop] = {}
        self.length: dict[tuple[str, str], float] = {}
        self.routers: dict[tuple[str, str], int] = {}
        self.kinds: dict[int, str] = {}
        """Kind of each link that has an energy of its own, by its server."""
        for source, target, link in sorted(chip.graph.edges(data=True), key=lambda e: (e[0], e[1])):
            rate = chip.rate_per_tick(link["bandwidth"])
            server = self._server(f"{source}->{target}", "link")
            latency = chip.ticks_of(link["latency"])
            self.hops[source, target] = Hop(server, rate.numerator, rate.denominator, latency)
            self.length[source, target] = link["mm"]
            self.routers[source, target] = link["hops"]
            if link["kind"]:
                self.kinds[server] = link["kind"]
        self.routes: dict[tuple[str, tuple[str, ...]], Route] = {}

    def _server(self, name: str, kind: str) -> int:
        self.names.append((name, kind))
        return len(self.names) - 1


@lru_cache(maxsize=64)
def _fixed(chip: Chip) -> _Fixed:
    return _Fixed(chip)


class Hardware:
    """What is the same in every run of a plan: servers, links, routes, and the parameters of memories."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.chip = plan, plan.chip
        chip, core = plan.chip, plan.chip.core
        fixed = _fixed(chip)
        self.names, self.units, self.hops = fixed.names, fixed.units, fixed.hops
        self.length, self.routers, self.kinds = fixed.length, fixed.routers, fixed.kinds
        self._routes = fixed.routes
        self.ports = {
            name: chip.rate_per_tick(memory.bandwidth).as_integer_ratio() if memory.bandwidth else None
            for name, memory in (("sram", core.sram), ("reg", core.reg))
        }
        self.port_latency = {"sram": chip.ticks_of(core.sram.latency), "reg": chip.ticks_of(core.reg.latency)}
        self.memories = _memories(chip)
        """Row of parameters (`memsim.engine.servers`) of each chip-wide memory that the chip has."""
        tensors = sorted((layout.base, name) for name, layout in plan.layouts.items())
        self.tensors = [name for _, name in tensors]
        """Chip-wide tensors in the order of their segments."""
        self._bases = np.array([base for base, _ in tensors] or [0], dtype=np.int64)

    def empty_memory(self) -> Memory:
        """The chip-wide memories before anything has happened."""
        rows = np.zeros((len(ROWS), ROW_WORDS), dtype=np.int64)
        for name, row in self.memories.items():
            rows[ROWS[name], : len(row)] = row
        cache, layouts = self.chip.cache, self.plan.layouts
        capacity, write_back = (cache.capacity // cache.partitions, cache.write_back) if cache else (0, False)
        banks = sum(bank_count(row) for row in self.memories.values())
        shapes = tensor_shapes([layouts[name] for name in self.tensors], self.chip, self.memories["dram"][PER_PORT])
        partitions = cache.partitions if cache else 1
        segments = segment_count(layouts)
        dram_banks = bank_count(self.memories["dram"]) * int(rows[DRAM, CHANNEL_BANKS]) * TOGETHER
        return empty_memory(rows, banks, dram_banks, segments, self._bases, shapes, capacity, partitions, write_back)

    def port_ticks(self, memory: str, size: int) -> int:
        """Ticks of a core memory's port for ``size`` bytes; 0 where the port is never a bottleneck."""
        rate = self.ports[memory]
        return 0 if rate is None else -(-size * rate[1] // rate[0])

    def ports_of(self, role: str) -> int:
        """Network ports of a memory; 1 for one that the chip has not."""
        row = self.memories.get(answering(self.chip, role))
        return 1 if row is None else row[PORTS]

    def banks_of(self, role: str) -> int:
        """Banks of a memory, of all its ports together; 1 for one that the chip has not."""
        row = self.memories.get(answering(self.chip, role))
        return 1 if row is None else bank_count(row)

    def near_ports(self, role: str) -> int:
        """Ports of a memory through which one core loads: of a cache in partitions, those of the nearest."""
        cache = self.chip.cache
        return self.ports_of(role) // (cache.partitions if cache and role == "dram" else 1)

    def first_port(self, role: str, core: int) -> int:
        """The first of the ports through which a core loads."""
        near = self.near_ports(role)
        return 0 if near == self.ports_of(role) else self._partitions[core] * near

    @cached_property
    def _partitions(self) -> list[int]:
        """The partition of the cache behind which each core is: the nearest that has room for one of an equal share."""
        chip, cache = self.chip, self.chip.cache
        assert cache is not None
        near, ports = self.near_ports("dram"), chip.port_positions("cache")
        room = [-(-chip.core_count // cache.partitions)] * cache.partitions
        found = []
        for core in range(chip.core_count):
            here = chip.core_position(core)
            order = sorted(range(len(ports)), key=lambda port: (manhattan(here, ports[port]), port))
            partition = next(port // near for port in order if room[port // near])
            room[partition] -= 1
            found.append(partition)
        return found

    # Routes --------------------------------------------------------------------------------------------------

    def route(self, source: str, targets: tuple[str, ...]) -> Route:
        """The path from a node to one node, or the tree to several, as the chip routes them."""
        found = self._routes.get((source, targets))
        if found is None:
            children: dict[str, list[str]] = {}
            reached = {source}
            for target in targets:
                path = self.chip.route(source, target)
                known = max(i for i, node in enumerate(path) if node in reached)  # two ways may meet again
                for a, b in pairwise(path[known:]):
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
            mm += self._wire(node, following)
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
            mm += self._wire(node, following) + branch.mm
        crossed = Counter(self.kinds[server] for server in servers if server in self.kinds)
        leaf = "" if forks else node
        return Route(tuple(hops), tuple(forks), leaf, mm, tuple(servers), routers, tuple(sorted(crossed.items())))

    def _wire(self, node: str, following: str) -> float:
        """Length of a link in mm, as its wires are charged: a link with an energy of its own has none."""
        return 0.0 if self.hops[node, following].server in self.kinds else self.length[node, following]


def bank_count(row: list[int]) -> int:
    """Banks of a memory, from its row of parameters."""
    return row[PORTS] * row[PER_PORT]


def _memories(chip: Chip) -> dict[str, list[int]]:
    dram, cache, shared = chip.dram, chip.cache, chip.shared
    total = chip.rate_per_tick(dram.bandwidth) * dram.efficiency
    ports = len(chip.memory_nodes("dram"))
    found = [("dram", dram.channels, 1 if cache else ports, dram.interleave, total, latency_ticks(chip))]
    if shared:
        total, ports = chip.rate_per_tick(shared.bandwidth), len(chip.memory_nodes("shared"))
        found.append(("shared", shared.banks, ports, shared.interleave, total, chip.ticks_of(shared.latency)))
    if cache:
        total, ports = chip.rate_per_tick(cache.bandwidth), len(chip.memory_nodes("dram"))
        found.append(("cache", cache.slices, ports, cache.interleave, total, chip.ticks_of(cache.latency)))
        if cache.partitions > 1:
            total, count = chip.rate_per_tick(cache.partition_bandwidth or cache.bandwidth), cache.partitions
            total *= count if cache.partition_bandwidth else 1
            found.append(("partitions", count, count, 1, total, chip.ticks_of(cache.partition_latency)))
    rows: dict[str, list[int]] = {}
    first = 0
    for name, count, ports, chunk, rate, latency in found:
        count = max(ports, count // ports * ports)
        num, den = (rate / count).as_integer_ratio()
        rows[name] = [first, ports, count // ports, chunk, num, den, latency]
        first += count
    rows["dram"] += part_words(chip)
    return rows


def answering(chip: Chip, role: str) -> str:
    """The memory that answers accesses to a role: the cache, where it stands before the DRAM."""
    return "cache" if role == "dram" and chip.cache is not None else role


def node_of(core: int) -> str:
    """Network node of a core."""
    return f"core{core}"


def memory_node(chip: Chip, role: str, port: int) -> str:
    """Network node of a memory's port."""
    nodes = chip.memory_nodes(role)
    return nodes[port % len(nodes)]
