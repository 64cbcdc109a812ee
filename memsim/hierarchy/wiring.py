"""The network as a graph with lengths: nodes at places, links with bandwidth, latency and energy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

from memsim.hierarchy.floorplan import Place, manhattan
from memsim.hierarchy.links import link_kinds
from memsim.hierarchy.network import Link, Network, scaled_rate
from memsim.hierarchy.part import NO_TIME
from memsim.hierarchy.parts import Core
from memsim.hierarchy.problems import nearest, problem
from memsim.hierarchy.routing import nodes_of, predecessors
from memsim.hierarchy.units import Rate

if TYPE_CHECKING:
    import networkx as nx

MAY_FAIL = ("graph", "fat_tree", "dragonfly", "fully_connected")
"""Topologies that do not suit every number of cores."""
_ROUTER = re.compile(r"r(\d+)")
_MOST_NODES = 1 << 18
_MOST_CONNECTED = 1 << 10


class Charge(NamedTuple):
    """What a bit on a link is charged as: a kind with pJ/bit, or, without a kind, the link's wires."""

    kind: str = ""
    energy: float | None = None


class Wiring:
    """Builds the graph: nodes with places and roles (core, memory, router, switch), and links."""

    def __init__(self, core: Core, network: Network, sites: list[Place], memories: Mapping[str, Place]) -> None:
        import networkx as nx

        self.graph: nx.DiGraph[str] = nx.DiGraph()
        self.core, self.network, self.sites, self.memories = core, network, sites, memories
        self.cores = [f"core{i}" for i in range(core.count)]
        for name, place in zip(self.cores, sites, strict=False):
            self.node(name, place, "core")
        for name, place in memories.items():
            self.node(name, place, "memory")

    def node(self, name: str, place: Place, role: str) -> None:
        """Add a node."""
        self.graph.add_node(name, pos=place, role=role)
        if len(self.graph) > _MOST_NODES:
            raise problem(f"the network has more than {_MOST_NODES} nodes", "make it smaller", key="network")

    def switch(self, name: str, children: Iterable[str]) -> None:
        """Add a switch in the middle of some nodes."""
        xs, ys = zip(*(self.place(child) for child in children), strict=True)
        self.node(name, (sum(xs) / len(xs), sum(ys) / len(ys)), "switch")

    def place(self, name: str) -> Place:
        """Where a node is."""
        found: Place = self.graph.nodes[name]["pos"]
        return found

    def _role(self, name: str) -> str:
        return str(self.graph.nodes[name]["role"])

    def is_free(self, source: str, target: str) -> bool:
        """Whether a link costs no hop: a core and its own router, and the way into a switch, where the way out pays."""
        if self._role(target) == "switch":
            return self._role(source) in ("core", "memory")
        return self._is_port(source, target)

    def _is_port(self, a: str, b: str) -> bool:
        """Whether a link joins a core and its own router."""
        core, router = sorted((a, b))
        return self._role(core) == "core" and router == f"r{core.removeprefix('core')}"

    def link(self, a: str, b: str, widening: Fraction = Fraction(1)) -> None:
        """Link two nodes both ways; what they are decides bandwidth, latency and energy."""
        rate = self._bandwidth(a, b)
        rate = rate if widening == 1 else Rate(rate.value * widening, rate.per)
        mm, charge = manhattan(self.place(a), self.place(b)), self._charge(a, b)
        for source, target in ((a, b), (b, a)):
            hops = 0 if self.is_free(source, target) else 1
            latency = self._latency(a, b) if hops else NO_TIME
            self._edge(source, target, rate, latency, mm, charge)

    def _edge(self, source: str, target: str, bandwidth: Rate, latency: object, mm: float, charge: Charge) -> None:
        hops = 0 if self.is_free(source, target) else 1
        values = {"bandwidth": bandwidth, "latency": latency, "mm": mm, "hops": hops}
        self.graph.add_edge(source, target, **values, kind=charge.kind, energy=charge.energy)

    def _is_memory(self, a: str, b: str) -> bool:
        return "memory" in (self._role(a), self._role(b))

    def _bandwidth(self, a: str, b: str) -> Rate:
        if self._is_memory(a, b):
            return self.network.memory_port_bandwidth
        return self.network.port_bandwidth if self._has_port(a, b) else self.network.link_bandwidth

    def _has_port(self, a: str, b: str) -> bool:
        """Whether a link is the port of a core; where cores are linked to each other, it is a link like others."""
        return "core" in (self._role(a), self._role(b)) and self.network.topology != "fully_connected"

    def _latency(self, a: str, b: str) -> object:
        kind = self.network.memory_link
        return link_kinds()[kind].latency if kind and self._is_memory(a, b) else self.network.hop_latency

    def _charge(self, a: str, b: str) -> Charge:
        network = self.network
        kind = network.memory_link if self._is_memory(a, b) else None if self._is_port(a, b) else network.link
        return Charge(kind, link_kinds()[kind].energy) if kind else Charge()

    def routers(self, count: int) -> None:
        """A router at each of the first sites, linked to its core if there is one."""
        for i in range(count):
            self.node(f"r{i}", self.sites[i], "router")
            if i < self.core.count:
                self.link(f"core{i}", f"r{i}")

    def memories_to_nearest(self, names: list[str]) -> None:
        """Link each memory port to the nearest of some nodes, the first of those that are as near."""
        import numpy as np

        xs, ys = np.array([self.place(name) for name in names]).T
        for name, (x, y) in self.memories.items():
            self.link(name, names[int(np.argmin(np.abs(xs - x) + np.abs(ys - y)))])

    # Topologies --------------------------------------------------------------------------------------------------

    def grid(self, *, wrap: bool) -> None:
        """A mesh or torus of any number of dimensions."""
        shape = self.network.shape or self.core.grid
        count = math.prod(shape)
        if count != self.core.sites:
            raise problem(
                f"{' x '.join(map(str, shape))} routers are not the {self.core.sites} sites of core.grid",
                "make the products equal",
                key="network.shape",
            )
        self.routers(count)
        for i in range(count):
            stride = 1
            for size in shape:
                if i // stride % size + 1 < size:
                    self.link(f"r{i}", f"r{i + stride}")
                elif wrap and size > 2:
                    self.link(f"r{i}", f"r{i - (size - 1) * stride}")
                stride *= size
        self.memories_to_nearest([f"r{i}" for i in range(count)])

    def ring(self) -> None:
        """Neighbours in a snake through the grid, and a link from the last core to the first."""
        columns, count = self.core.grid[0], self.core.count
        self.routers(count)
        rows = [list(range(start, min(start + columns, count))) for start in range(0, count, columns)]
        order = [i for y, row in enumerate(rows) for i in (row if y % 2 == 0 else reversed(row))]
        for i, j in pairwise(order):
            self.link(f"r{i}", f"r{j}")
        if count > 2:
            self.link(f"r{order[-1]}", f"r{order[0]}")
        self.memories_to_nearest([f"r{i}" for i in range(count)])

    def crossbar(self, centre: Place) -> None:
        """One switch."""
        self.node("xbar", centre, "switch")
        for name in [*self.cores, *self.memories]:
            self.link(name, "xbar")

    def fully_connected(self) -> None:
        """Every core linked to every other one, and every memory port to every core."""
        if len(self.cores) > _MOST_CONNECTED:
            raise problem(
                f"{len(self.cores)} cores are too many to link each to each",
                f"use another topology for more than {_MOST_CONNECTED}",
                key="network.topology",
            )
        for a, b in combinations(self.cores, 2):
            self.link(a, b)
        for memory in self.memories:
            for core in self.cores:
                self.link(memory, core)

    def tree(self) -> None:
        """Routers over 2 x 2 neighbours, level by level up to one root, which the memories hang on."""
        columns = self.core.grid[0]
        level = {(i % columns, i // columns): name for i, name in enumerate(self.cores)}
        depth = 0
        while len(level) > 1 or depth == 0:
            above: dict[tuple[int, int], list[str]] = {}
            for (x, y), name in level.items():
                above.setdefault((x // 2, y // 2), []).append(name)
            level = {}
            for number, (place, children) in enumerate(above.items()):
                name = f"t{depth}_{number}"
                self.switch(name, children)
                for child in children:
                    self.link(child, name)
                level[place] = name
            depth += 1
        (root,) = level.values()
        for memory in self.memories:
            self.link(memory, root)

    def custom(self) -> None:
        """The links that the user gives."""
        for name, place in self.network.nodes.items():
            if name in self.graph or _ROUTER.fullmatch(name):
                raise problem(f"node {name!r} has a place of its own", "give it another name", key="network.nodes")
            self.node(name, place, "switch")
        for edge in self.network.edges:
            self._find(edge, "network.edges")
            self.link(*edge)
        for link in self.network.links:
            self._find((link.a, link.b), "network.links")
            self._given(link)

    def _find(self, names: tuple[str, str], key: str) -> None:
        for name in names:
            router = _ROUTER.fullmatch(name)
            if router and name not in self.graph and int(router[1]) < len(self.sites):
                self.node(name, self.sites[int(router[1])], "router")
            if name not in self.graph:
                raise problem(f"unknown node {name!r}", nearest(name, self.graph.nodes), key=key)

    def _given(self, link: Link) -> None:
        """A link with values of its own."""
        a, b = link.a, link.b
        kind = link_kinds()[link.kind] if link.kind else None
        rate = link.bandwidth or (scaled_rate(kind, link.count) if kind else self._bandwidth(a, b))
        charge = self._charge(a, b)
        if kind or link.energy is not None:
            energy = link.energy if link.energy is not None else kind.energy if kind else 0.0
            own = link.energy is None or (kind and link.energy == kind.energy)
            charge = Charge(str(link.kind) if own else f"{link.kind or 'link'} {energy:g} pJ/bit", energy)
        mm = manhattan(self.place(a), self.place(b)) if link.mm is None else link.mm
        for source, target in ((a, b),) if link.one_way else ((a, b), (b, a)):
            latency: object = link.latency
            if latency is None:
                free = self.is_free(source, target)
                latency = NO_TIME if free else kind.latency if kind else self._latency(a, b)
            self._edge(source, target, rate, latency, mm, charge)


def build_graph(
    core: Core, network: Network, sites: list[Place], memories: Mapping[str, Place], centre: Place
) -> nx.DiGraph[str]:
    """The directed graph of a chip's network, connected or else an error."""
    from memsim.hierarchy.switches import dragonfly, fat_tree

    wiring = Wiring(core, network, sites, memories)
    match network.topology:
        case "mesh" | "torus":
            wiring.grid(wrap=network.topology == "torus")
        case "ring":
            wiring.ring()
        case "crossbar":
            wiring.crossbar(centre)
        case "tree":
            wiring.tree()
        case "fully_connected":
            wiring.fully_connected()
        case "fat_tree":
            fat_tree(wiring)
        case "dragonfly":
            dragonfly(wiring)
        case _:
            wiring.custom()
    _check_connected(wiring.graph)
    return wiring.graph


def _check_connected(graph: nx.DiGraph[str]) -> None:
    reached = set(predecessors(graph, "core0"))
    reaching = set(predecessors(graph.reverse(copy=False), "core0"))
    for name in graph:
        if name not in reached or name not in reaching:
            way = f"from core0 to {name}" if name not in reached else f"from {name} to core0"
            mend = "add links to network.edges"
            if nodes_of(graph, "memory"):
                mend += "; no way leads through a memory port"
            raise problem(f"no path leads {way}", mend, key="network.edges")
