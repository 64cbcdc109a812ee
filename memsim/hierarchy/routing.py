"""Paths through a network: one for each pair of nodes, always the same."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from memsim.hierarchy.network import ANY, Network
from memsim.hierarchy.problems import problem

if TYPE_CHECKING:
    import networkx as nx

Path = tuple[str, ...]


class Routes:
    """The paths of a network over its graph, found as they are asked for.

    Parameters
    ----------
    network, graph
        What `memsim.hierarchy.wiring.build_graph` made of the network.
    shape
        Routers in each dimension, of a mesh or torus.
    """

    def __init__(self, network: Network, graph: nx.DiGraph[str], shape: tuple[int, ...]) -> None:
        self.network, self.graph, self.shape = network, graph, network.shape or shape
        self._trees: dict[str, dict[str, str]] = {}
        self._next = {(node, target): to for node, target, to in network.table}

    def path(self, source: str, target: str) -> Path:
        """The nodes from one to another, both included."""
        network = self.network
        if source == target:
            return (source,)
        if network.routing == "table":
            return self._by_table(source, target)
        if network.routing == "dimension_order":
            match network.topology:
                case "mesh" | "torus":
                    return self._along_dimensions(source, target)
                case "fat_tree" | "dragonfly":
                    return self._by_switches(source, target)
        if source not in self._trees:
            self._trees[source] = predecessors(self.graph, source)
        return shortest_route(self._trees[source], target)

    def _along_dimensions(self, source: str, target: str) -> Path:
        start, end = (self._router_of(name) for name in (source, target))
        wrap = self.network.topology == "torus"
        path = [f"r{i}" for i in dimension_order(start, end, self.shape, wrap=wrap)]
        return (*([source] if source != path[0] else []), *path, *([target] if target != path[-1] else []))

    def _router_of(self, node: str) -> int:
        name = node if node.startswith("r") else next(n for n in self.graph.successors(node) if n.startswith("r"))
        return int(name[1:])

    def _by_switches(self, source: str, target: str) -> Path:
        from memsim.hierarchy.switches import dragonfly_route, fat_tree_route

        find = fat_tree_route if self.network.topology == "fat_tree" else dragonfly_route
        return find(self.network, self.graph, source, target)

    # Tables ------------------------------------------------------------------------------------------------------

    def _by_table(self, source: str, target: str) -> Path:
        path = [source]
        while path[-1] != target:
            path.append(self._step(path[-1], target))
            if path[-1] in path[:-1]:
                raise problem(
                    f"the way from {source} to {target} runs in a circle through {path[-1]}",
                    f"change the row of {path[-2]}",
                    key="network.table",
                )
        return tuple(path)

    def _step(self, node: str, target: str) -> str:
        found = self._next.get((node, target))
        if found is None and self.graph.has_edge(node, target):
            return target
        found = found or self._next.get((node, ANY))
        if found is None and self.graph.out_degree(node) == 1:
            (found,) = self.graph.successors(node)
        if found is None:
            raise problem(
                f"no row says how to get from {node} to {target}",
                f'add ["{node}", "{target}", NEXT]',
                key="network.table",
            )
        if not self.graph.has_edge(node, found):
            raise problem(f"there is no link from {node} to {found}", "name a neighbour", key="network.table")
        return found

    def check_table(self, ends: Iterable[str]) -> None:
        """Raise unless the table leads from each of ``ends`` to each other one."""
        ends = tuple(ends)
        memories = set(nodes_of(self.graph, "memory"))
        for target in ends:
            good = {target}
            for source in ends:
                if source not in good and not {source, target} <= memories:
                    good |= set(self._walk(source, target, good))

    def _walk(self, source: str, target: str, good: set[str]) -> list[str]:
        """Nodes from ``source`` to the first whose way is known to be good."""
        path = [source]
        while path[-1] not in good:
            step = self._step(path[-1], target)
            if step in path:
                self._by_table(source, target)  # which says what is wrong
            path.append(step)
        return path


def nodes_of(graph: nx.DiGraph[str], *roles: str) -> list[str]:
    """Nodes with one of some roles, in the order in which they were added."""
    return [name for name in graph if graph.nodes[name]["role"] in roles]


def predecessors(graph: nx.DiGraph[str], source: str) -> dict[str, str]:
    """For each node the one before it on a shortest path from ``source``; ties go to the link that was added first.

    No path leads through a memory port.
    """
    found = {source: source}
    waiting = deque([source])
    while waiting:
        node = waiting.popleft()
        if node != source and graph.nodes[node].get("role") == "memory":
            continue
        for neighbour in graph.successors(node):
            if neighbour not in found:
                found[neighbour] = node
                waiting.append(neighbour)
    return found


def shortest_route(before: Mapping[str, str], target: str) -> Path:
    """The path that ends in ``target``, from the predecessors of its source."""
    path = [target]
    while before[path[-1]] != path[-1]:
        path.append(before[path[-1]])
    return tuple(reversed(path))


def dimension_order(start: int, end: int, shape: tuple[int, ...], *, wrap: bool) -> list[int]:
    """Router numbers from ``start`` to ``end``, one dimension after another; on a torus the short way, ties upward."""
    path = [start]
    stride = 1
    for size in shape:
        here, there = start // stride % size, end // stride % size
        step = _step(here, there, size, wrap)
        while here != there:
            new = (here + step) % size
            path.append(path[-1] + (new - here) * stride)
            here = new
        stride *= size
    assert start < math.prod(shape) and end < math.prod(shape)
    return path


def _step(here: int, there: int, size: int, wrap: bool) -> int:
    ahead = there - here
    if wrap and size > 2:
        return 1 if ahead % size <= size // 2 else -1
    return 1 if ahead > 0 else -1
