"""Any graph as a flit network, with shortest-path, up*/down* or table routing."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from memsim.noc.deadlock import check_deadlock
from memsim.noc.network import Array, Network, NetworkError, routes_from_lists
from memsim.noc.words import NEXT_CLASS

if TYPE_CHECKING:
    import networkx as nx

    from memsim.hierarchy import Chip

Vertex = Hashable
Table: TypeAlias = Mapping[tuple[Vertex, Vertex], Vertex]
"""For each (place, target) the next vertex."""
Timing: TypeAlias = Callable[[Vertex, Vertex, Mapping[str, Any]], tuple[int, int]]
"""Latency of an edge in cycles, and cycles a flit."""

ROUTER_CYCLES = 3
"""Of a hop without its link: channel allocation, switch allocation, switch traversal."""


def edge_timing(source: Vertex, target: Vertex, edge: Mapping[str, Any]) -> tuple[int, int]:
    """The attributes ``cycles`` and ``interval`` of an edge, 1 unless given."""
    return int(edge.get("cycles", 1)), int(edge.get("interval", 1))


def from_graph(
    graph: nx.Graph[Any],
    *,
    routing: str | Table = "shortest",
    terminals: Collection[Vertex] | None = None,
    timing: Timing = edge_timing,
    name: str = "graph",
) -> Network:
    """A network with a router at each vertex of a networkx graph.

    Parameters
    ----------
    graph
        Edges of a directed graph are links; those of an undirected one are two. Their attributes ``cycles`` (latency),
        ``interval`` (cycles a flit) and ``mm`` count.
    routing
        ``"shortest"`` (fewest hops; ties go to the link that was added first), ``"updown"`` (up*/down* of Autonet: up
        towards the first vertex, then down, and so free of deadlock), ``"hops"`` (shortest, with a class of channels
        for each hop, which needs as many virtual channels as the longest route has links), or a table of next vertices.
    terminals
        Vertices that send and receive, all unless given. A terminal with one neighbour that is none is a node of that
        neighbour's router; any other has a router of its own.
    timing
        Where an edge's latency and rate come from.

    Raises
    ------
    NetworkError
        If a vertex cannot be reached, or the routing can deadlock.
    """
    directed: nx.DiGraph[Any] = graph if graph.is_directed() else graph.to_directed()  # type: ignore[assignment]
    ends = list(graph) if terminals is None else [v for v in graph if v in terminals]
    known = set(ends)
    home = {v: _home(directed, v, known) for v in ends}
    places = [v for v in graph if home.get(v, v) == v]
    number = {v: i for i, v in enumerate(places)}
    edges = [(u, v) for u, v in directed.edges if u in number and v in number]
    outputs = [[i for i, (u, _) in enumerate(edges) if u == place] for place in places]
    inputs = [[i for i, (_, v) in enumerate(edges) if v == place] for place in places]
    for node, v in enumerate(ends):
        outputs[number[home[v]]].append(~node)
        inputs[number[home[v]]].append(~node)
    first, choices = _routes(_ordered(places, edges), edges, ends, home, routing, name)
    links = [(number[u], number[v], *timing(u, v, directed.edges[u, v]), 0) for u, v in edges]
    network = Network(
        name=name,
        links=np.array(links, dtype=np.int64).reshape(-1, 5),
        nodes=np.array([number[home[v]] for v in ends], dtype=np.int64),
        outputs=outputs,
        inputs=inputs,
        first=first,
        choices=choices,
        lengths_mm=np.array([float(directed.edges[edge].get("mm", 0)) for edge in edges]),
        node_links=np.array([_node_link(directed, v, home[v], timing) for v in ends], dtype=np.int64).reshape(-1, 3),
        names=tuple(str(v) for v in ends),
        shape=(len(ends),),
    )
    if routing != "hops":
        return check_deadlock(network, 'give routing="updown", or routing="hops" with as many virtual channels as hops')
    longest = max(len(network.path(a, b)) for a in range(len(ends)) for b in range(len(ends)))
    return replace(network, classes=max(longest, 1))


def _ordered(places: list[Vertex], edges: list[tuple[Vertex, Vertex]]) -> nx.DiGraph[Any]:
    """The routers alone, in their order (that of a subgraph's view is no one's)."""
    import networkx as nx

    graph: nx.DiGraph[Any] = nx.DiGraph()
    graph.add_nodes_from(places)
    graph.add_edges_from(edges)
    return graph


def _routes(
    graph: nx.DiGraph[Any],
    edges: list[tuple[Vertex, Vertex]],
    ends: list[Vertex],
    home: Mapping[Vertex, Vertex],
    routing: str | Table,
    name: str,
) -> tuple[Array, Array]:
    """The table of steps, from the next vertex of each place and end."""
    of_edge = {edge: i for i, edge in enumerate(edges)}
    kind = NEXT_CLASS if routing == "hops" else 0
    table = None if isinstance(routing, str) else _by_target(routing)
    rows: dict[Vertex, list[list[tuple[int, int]]]] = {place: [] for place in graph}
    for node, end in enumerate(ends):
        following = table.get(end, {}) if table is not None else _steps_to(graph, home[end], str(routing))
        for place in graph:
            there = following.get(place)
            if place == home[end]:
                rows[place].append([(~node, 0)])
            elif there is None and isinstance(routing, str):
                raise NetworkError(f"no route leads from {place} to {end}", where=name, mend="add edges")
            elif there is None:
                rows[place].append([])
            elif (place, there) not in of_edge:
                cause = f"the table leads from {place} to {there}, where there is no edge"
                raise NetworkError(cause, where=name, mend="name neighbours in the table")
            else:
                rows[place].append([(of_edge[place, there], kind)])
    return routes_from_lists(list(rows.values()))


def _home(graph: nx.DiGraph[Any], vertex: Vertex, ends: Collection[Vertex]) -> Vertex:
    around = {*graph.successors(vertex), *graph.predecessors(vertex)}
    if len(around) == 1:
        (other,) = around
        if other not in ends:
            return other  # type: ignore[no-any-return]
    return vertex


def _node_link(graph: nx.DiGraph[Any], vertex: Vertex, home: Vertex, timing: Timing) -> tuple[int, int, int]:
    if vertex == home:
        return 1, 1, 1
    inject, interval = timing(vertex, home, graph.edges[vertex, home])
    eject, other = timing(home, vertex, graph.edges[home, vertex])
    return inject, eject, max(interval, other)


def _by_target(table: Table) -> dict[Vertex, dict[Vertex, Vertex]]:
    result: dict[Vertex, dict[Vertex, Vertex]] = {}
    for (here, target), there in table.items():
        result.setdefault(target, {})[here] = there
    return result


def _steps_to(graph: nx.DiGraph[Any], target: Vertex, routing: str) -> dict[Vertex, Vertex]:
    """The next vertex on the way to a target, from each that has a way."""
    if routing in ("shortest", "hops"):
        return _towards(graph, target)
    if routing == "updown":
        return _up_down(graph, target)
    raise NetworkError(f"unknown routing {routing!r}", where="routing", mend='give "shortest", "updown" or "hops"')


def _towards(graph: nx.DiGraph[Any], target: Vertex) -> dict[Vertex, Vertex]:
    """Breadth first from the target, against the edges."""
    found, waiting = {target: target}, deque([target])
    while waiting:
        vertex = waiting.popleft()
        for before in graph.predecessors(vertex):
            if before not in found:
                found[before] = vertex
                waiting.append(before)
    del found[target]
    return found


def _up_down(graph: nx.DiGraph[Any], target: Vertex) -> dict[Vertex, Vertex]:
    """Down where a way down leads to the target, else up on the shortest way to such a vertex.

    Up is towards the root of a breadth-first tree, or at equal depth towards the vertex that came first (M. D.
    Schroeder et al., "Autonet", IEEE J. Selected Areas in Communications 9(8), 1991).
    """
    root = next(iter(graph))
    depth, waiting = {root: 0}, deque([root])
    while waiting:
        vertex = waiting.popleft()
        for neighbour in graph.successors(vertex):
            if neighbour not in depth:
                depth[neighbour] = depth[vertex] + 1
                waiting.append(neighbour)
    rank = {vertex: (depth.get(vertex, math.inf), i) for i, vertex in enumerate(graph)}
    down = graph.edge_subgraph([(u, v) for u, v in graph.edges if rank[u] < rank[v]])
    found = _towards(down, target) if target in down else {}
    waiting = deque([target, *found])
    while waiting:
        vertex = waiting.popleft()
        for before in graph.predecessors(vertex):
            if before not in found and before != target and rank[before] > rank[vertex]:
                found[before] = vertex
                waiting.append(before)
    return found


def from_chip(chip: Chip, *, flit_bytes: int | None = None, routing: str | Table | None = None) -> tuple[Network, int]:
    """The network of a chip, in cycles of its clock, and the bytes of a flit.

    A flit is what the fastest link carries in a cycle unless given; a slower link takes whole cycles a flit. Routes are
    the chip's. A hop takes the chip's hop latency: what a router's pipeline leaves of it is the link's, at least one
    cycle.
    """
    graph = chip.graph
    per_cycle = {
        edge: float(chip.rate_per_tick(data["bandwidth"]) * chip.clock_period / chip.tick)
        for edge, data in ((edge, graph.edges[edge]) for edge in graph.edges)
    }
    size = flit_bytes or max(1, round(max(per_cycle.values())))

    def timing(source: Vertex, target: Vertex, edge: Mapping[str, Any]) -> tuple[int, int]:
        hop = math.ceil(chip.ticks_of(edge["latency"]) * chip.tick / chip.clock_period)
        inner = {source, target}.isdisjoint(ends)
        spent = ROUTER_CYCLES if inner else 1
        return max(1, hop - spent), max(1, math.ceil(size / per_cycle[source, target] - 1e-9))  # type: ignore[index]

    ends = {v for v, data in graph.nodes(data=True) if data.get("role") in ("core", "memory")}
    table = routing if routing is not None else _chip_table(chip, ends)
    return from_graph(graph, routing=table, terminals=ends, timing=timing, name=f"network of {chip.name}"), size


def _chip_table(chip: Chip, ends: Collection[Vertex]) -> Table:
    """The chip's routes as a table; of terminals at one router, one or two are asked for all."""
    askers: dict[Vertex, list[Vertex]] = {}
    for end in sorted(map(str, ends)):
        group = askers.setdefault(_home(chip.graph, end, ends), [])
        if len(group) < 2:
            group.append(end)
    table: dict[tuple[Vertex, Vertex], Vertex] = {}
    for target in ends:
        for group in askers.values():
            source = group[0] if group[0] != target else group[-1]
            path = chip.route(str(source), str(target))
            table.update({(here, target): there for here, there in pairwise(path)})
    return table
