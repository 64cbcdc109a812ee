"""The network as a graph with lengths, and the paths through it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from memsim.hierarchy.floorplan import Place, manhattan
from memsim.hierarchy.network import Network
from memsim.hierarchy.part import NO_TIME
from memsim.hierarchy.parts import Core
from memsim.hierarchy.problems import nearest, problem

if TYPE_CHECKING:
    import networkx as nx

_ROUTER = re.compile(r"r(\d+)")
_CORE = re.compile(r"core(\d+)")
_SWITCH = re.compile(r"xbar|t\d+_\d+")


def is_free(source: str, target: str) -> bool:
    """Whether a link costs no hop: between a core and its own router, and into a switch, where the way out pays."""
    if _SWITCH.fullmatch(target):
        return not _SWITCH.fullmatch(source)
    core, router = sorted((source, target))
    return bool(_CORE.fullmatch(core)) and router == f"r{core.removeprefix('core')}"


class _Wiring:
    """Builds the graph: nodes with places, and links in both directions."""

    def __init__(self, core: Core, network: Network, sites: list[Place], memories: Mapping[str, Place]) -> None:
        import networkx as nx

        self.graph: nx.DiGraph[str] = nx.DiGraph()
        self.core, self.network, self.sites, self.memories = core, network, sites, memories
        for i in range(core.count):
            self.node(f"core{i}", sites[i])
        for name, place in memories.items():
            self.node(name, place)

    def node(self, name: str, place: Place) -> None:
        self.graph.add_node(name, pos=place)

    def link(self, a: str, b: str) -> None:
        """Link two nodes both ways; what they are decides bandwidth and latency."""
        network, ends = self.network, {a, b}
        bandwidth = network.link_bandwidth
        if ends & self.memories.keys():
            bandwidth = network.memory_port_bandwidth
        elif any(_CORE.fullmatch(end) for end in ends):
            bandwidth = network.port_bandwidth
        mm = manhattan(self.graph.nodes[a]["pos"], self.graph.nodes[b]["pos"])
        for source, target in ((a, b), (b, a)):
            hops = 0 if is_free(source, target) else 1
            latency = network.hop_latency if hops else NO_TIME
            self.graph.add_edge(source, target, bandwidth=bandwidth, latency=latency, mm=mm, hops=hops)

    def routers(self, count: int) -> None:
        """A router at each of the first sites, linked to its core if there is one."""
        for i in range(count):
            self.node(f"r{i}", self.sites[i])
            if i < self.core.count:
                self.link(f"core{i}", f"r{i}")

    def memories_to_nearest(self, count: int) -> None:
        """Link each memory port to the nearest of the first routers, the lowest number first."""
        for name, place in self.memories.items():
            i = min(range(count), key=lambda i: (manhattan(self.sites[i], place), i))
            self.link(name, f"r{i}")

    def grid(self, *, wrap: bool) -> None:
        columns, rows = self.core.grid
        self.routers(columns * rows)
        for y in range(rows):
            for x in range(columns):
                i = y * columns + x
                if x + 1 < columns:
                    self.link(f"r{i}", f"r{i + 1}")
                elif wrap and columns > 2:
                    self.link(f"r{i}", f"r{i + 1 - columns}")
                if y + 1 < rows:
                    self.link(f"r{i}", f"r{i + columns}")
                elif wrap and rows > 2:
                    self.link(f"r{i}", f"r{x}")
        self.memories_to_nearest(columns * rows)

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
        self.memories_to_nearest(count)

    def crossbar(self, centre: Place) -> None:
        self.node("xbar", centre)
        for name in [*(f"core{i}" for i in range(self.core.count)), *self.memories]:
            self.link(name, "xbar")

    def tree(self) -> None:
        """Routers over 2 x 2 neighbours, level by level up to one root, which the memories hang on."""
        columns = self.core.grid[0]
        level = {(i % columns, i // columns): f"core{i}" for i in range(self.core.count)}
        depth = 0
        while len(level) > 1 or depth == 0:
            above: dict[tuple[int, int], list[str]] = {}
            for (x, y), name in level.items():
                above.setdefault((x // 2, y // 2), []).append(name)
            level = {}
            for number, (place, children) in enumerate(above.items()):
                name = f"t{depth}_{number}"
                xs, ys = zip(*(self.graph.nodes[child]["pos"] for child in children), strict=True)
                self.node(name, (sum(xs) / len(xs), sum(ys) / len(ys)))
                for child in children:
                    self.link(child, name)
                level[place] = name
            depth += 1
        (root,) = level.values()
        for memory in self.memories:
            self.link(memory, root)

    def custom(self) -> None:
        for edge in self.network.edges:
            for name in edge:
                router = _ROUTER.fullmatch(name)
                if router and name not in self.graph and int(router[1]) < len(self.sites):
                    self.node(name, self.sites[int(router[1])])
                if name not in self.graph:
                    raise problem(f"unknown node {name!r}", nearest(name, self.graph.nodes), key="network.edges")
            self.link(*edge)


def build_graph(
    core: Core, network: Network, sites: list[Place], memories: Mapping[str, Place], centre: Place
) -> nx.DiGraph[str]:
    """The directed graph of a chip's network, connected or else an error."""
    wiring = _Wiring(core, network, sites, memories)
    match network.topology:
        case "mesh" | "torus":
            wiring.grid(wrap=network.topology == "torus")
        case "ring":
            wiring.ring()
        case "crossbar":
            wiring.crossbar(centre)
        case "tree":
            wiring.tree()
        case _:
            wiring.custom()
    reached = set(predecessors(wiring.graph, "core0"))
    for name in wiring.graph:
        if name not in reached:
            raise problem(f"no path leads from core0 to {name}", "add links to network.edges", key="network.edges")
    return wiring.graph


def predecessors(graph: nx.DiGraph[str], source: str) -> dict[str, str]:
    """For each node the one before it on a shortest path from ``source``; ties go to the link that was added first."""
    found = {source: source}
    waiting = deque([source])
    while waiting:
        node = waiting.popleft()
        for neighbour in graph.successors(node):
            if neighbour not in found:
                found[neighbour] = node
                waiting.append(neighbour)
    return found


def shortest_route(before: Mapping[str, str], target: str) -> tuple[str, ...]:
    """The path that ends in ``target``, from the predecessors of its source."""
    path = [target]
    while before[path[-1]] != path[-1]:
        path.append(before[path[-1]])
    return tuple(reversed(path))


def dimension_order(start: int, end: int, grid: tuple[int, int], *, wrap: bool) -> list[int]:
    """Router numbers from ``start`` to ``end``: along x, then along y; on a torus the short way round, ties upward."""
    columns, rows = grid
    x, y = start % columns, start // columns
    path = [start]
    for _ in range(columns):
        if x != end % columns:
            x = (x + _step(x, end % columns, columns, wrap)) % columns
            path.append(y * columns + x)
    for _ in range(rows):
        if y != end // columns:
            y = (y + _step(y, end // columns, rows, wrap)) % rows
            path.append(y * columns + x)
    return path


def _step(here: int, there: int, size: int, wrap: bool) -> int:
    ahead = there - here
    if wrap and size > 2:
        return 1 if ahead % size <= size // 2 else -1
    return 1 if ahead > 0 else -1
