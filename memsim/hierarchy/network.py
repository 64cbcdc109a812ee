"""The network of a chip as data: its topology, its links and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field, PlainValidator, ValidationInfo, model_validator

from memsim.hierarchy.fields import Bandwidth, BitEnergy, Count, Factor, Point, Time, WireEnergy, whole
from memsim.hierarchy.links import LinkKind, link_kinds, read_kind
from memsim.hierarchy.part import GIVEN_BY_OTHERS, NO_TIME, Part
from memsim.hierarchy.problems import problem, shown
from memsim.hierarchy.units import LENGTH, Rate, parse

if TYPE_CHECKING:
    import networkx as nx

_AS_LINK = Rate(Fraction(GIVEN_BY_OTHERS), "cycle")
ANY = "*"
"""In a routing table: every target that has no row of its own."""


def _edges(value: object) -> tuple[tuple[str, str], ...]:
    mend = 'write such as [["core0", "core1"], ["core1", "dram0"]]'
    if not isinstance(value, (list, tuple)):
        raise problem(f"{shown(value)} is not a list of links", mend)
    for pair in value:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(node, str) for node in pair)):
            raise problem(f"{shown(pair)} is not a pair of nodes", mend)
        if pair[0] == pair[1]:
            raise problem(f"{shown(pair)} links a node to itself", mend)
    return tuple((a, b) for a, b in value)


def _table(value: object) -> tuple[tuple[str, str, str], ...]:
    mend = 'write rows of [node, target, next node], such as [["core0", "*", "r0"]]'
    if isinstance(value, dict):
        value = [(node, target, to) for node, ways in value.items() for target, to in _items(ways, mend)]
    if not isinstance(value, (list, tuple)):
        raise problem(f"{shown(value)} is not a routing table", mend)
    seen = set()
    for row in value:
        if not (isinstance(row, (list, tuple)) and len(row) == 3 and all(isinstance(name, str) for name in row)):
            raise problem(f"{shown(row)} is not [node, target, next node]", mend)
        if (row[0], row[1]) in seen:
            raise problem(f"two rows say how to get from {row[0]} to {row[1]}", "leave one of them out")
        seen.add((row[0], row[1]))
    return tuple((node, target, to) for node, target, to in value)


def _items(ways: object, mend: str) -> Iterator[tuple[Any, Any]]:
    if not isinstance(ways, dict):
        raise problem(f"{shown(ways)} is not a table of next nodes by target", mend)
    yield from ways.items()


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise problem(f"{shown(value)} is not a list of sizes", "write such as [4, 4, 4]")
    return tuple(whole(size) for size in value)


def _millimetres(value: object, info: ValidationInfo) -> float:
    number, _ = parse(value, LENGTH, units_needed=bool(info.context and info.context.get("file")))
    if number < 0:
        raise problem(f"{shown(value)} must be at least 0", 'write such as "2 mm"')
    return float(number)


Edges: TypeAlias = Annotated[tuple[tuple[str, str], ...], PlainValidator(_edges)]
RoutingTable: TypeAlias = Annotated[tuple[tuple[str, str, str], ...], PlainValidator(_table)]
Shape: TypeAlias = Annotated[tuple[int, ...], PlainValidator(_shape)]
Millimetres: TypeAlias = Annotated[float, PlainValidator(_millimetres), LENGTH]
KindName: TypeAlias = Annotated[str, PlainValidator(read_kind)]


class Link(Part):
    """A link of topology ``graph`` with values of its own; what is left out is as in the rest of the network."""

    a: str
    b: str
    kind: KindName | None = None
    """A name from `memsim.hierarchy.link_kinds`: gives bandwidth, latency and energy."""
    count: Count = 1
    """Links of that kind side by side."""
    bandwidth: Bandwidth | None = None
    """Of one direction."""
    latency: Time | None = None
    energy: BitEnergy | None = None
    """pJ/bit of the whole link; its wires then cost nothing more."""
    mm: Millimetres | None = None
    """Length; unless given, from the places of its ends."""
    one_way: bool = False
    """From a to b only."""

    @model_validator(mode="after")
    def _two_ends(self) -> Link:
        if self.a == self.b:
            raise problem(f"a link from {self.a} to itself", "name another node", key="b")
        return self


class Network(Part):
    """What connects cores and memories: routers and links with the lengths that the floorplan gives them."""

    topology: Literal[
        "mesh", "torus", "ring", "crossbar", "tree", "fat_tree", "dragonfly", "fully_connected", "graph"
    ] = "mesh"
    link: KindName | None = None
    """Kind of every link but those of memory ports and of a core to its own router: see `memsim.hierarchy.link_kinds`.
    It gives ``link_bandwidth``, ``hop_latency``, and an energy in place of that of wires."""
    link_count: Count = 1
    """Links of that kind side by side."""
    memory_link: KindName | None = None
    """Kind of the links of memory ports."""
    link_bandwidth: Bandwidth = _AS_LINK
    """Of one direction of a link."""
    hop_latency: Time = NO_TIME
    """Of a router or switch and the link behind it. Links between a core and its own router have none, nor have those
    from a core or memory into a switch: the way out pays."""
    port_bandwidth: Bandwidth = _AS_LINK
    """Of each core's port to the network, each way; unless given, as ``link_bandwidth``."""
    memory_port_bandwidth: Bandwidth = _AS_LINK
    """Of each port of a memory, each way; unless given, as ``link_bandwidth``."""
    energy_per_bit_hop: BitEnergy = 0.0
    """Of a router, beyond the wires."""
    wire_energy: WireEnergy | None = None
    """pJ/bit/mm; None takes the technology's."""
    shape: Shape = ()
    """Routers in each dimension of a mesh or torus; unless given, the grid of cores."""
    arity: Count = 4
    """Nodes below each switch of a fat tree."""
    uplinks: Count = GIVEN_BY_OTHERS
    """Switches above each switch of a fat tree; unless given, as ``arity``: a k-ary n-tree."""
    growth: Factor = Fraction(1)
    """Bandwidth of a link of a fat tree over that of one a level lower."""
    router_cores: Count = 2
    """Cores at each router of a dragonfly."""
    group_routers: Count = 4
    """Routers in each group of a dragonfly, all linked to each other."""
    global_links: Count = 2
    """Links of each router of a dragonfly to other groups."""
    edges: Edges = ()
    """Links of topology ``graph``, both ways, between core0 …, r0 … (a router at that core's site), memory ports, and
    ``nodes``."""
    links: tuple[Link, ...] = ()
    """Links of topology ``graph`` with values of their own."""
    nodes: dict[str, Point] = Field(default_factory=dict)
    """Switches of topology ``graph`` and their places, by name."""
    routing: Literal["dimension_order", "shortest", "table"] = "dimension_order"
    """``dimension_order``: along x then y on a mesh or torus, up and down a fat tree, local-global-local on a
    dragonfly; all other topologies take the shortest path."""
    table: RoutingTable = ()
    """(node, target, next node) for routing ``table``; target ``*`` stands for all that have no row of their own.
    A neighbour needs no row, nor does a node with one link only."""

    @model_validator(mode="after")
    def _complete(self) -> Network:
        self._from_kinds()
        self.fill_in("port_bandwidth", self.link_bandwidth)
        memory_link = link_kinds()[self.memory_link].payload_bandwidth if self.memory_link else self.link_bandwidth
        self.fill_in("memory_port_bandwidth", memory_link)
        self.fill_in("uplinks", self.arity)
        if bool(self.edges or self.links) != (self.topology == "graph"):
            cause = "topology graph needs edges" if self.topology == "graph" else "edges belong to topology graph"
            raise problem(cause, 'write such as topology = "graph", edges = [["core0", "dram0"]]', key="edges")
        if bool(self.table) != (self.routing == "table"):
            cause = "routing by a table needs one" if self.routing == "table" else "a table belongs to routing table"
            raise problem(cause, 'write such as routing = "table", table = [["core0", "*", "r0"]]', key="table")
        if self.topology == "fat_tree" and self.arity < 2:
            raise problem("a switch of a fat tree needs at least 2 nodes below it", "write 2 or more", key="arity")
        if self.shape and self.topology not in ("mesh", "torus"):
            raise problem("a shape belongs to a mesh or torus", "leave it out", key="shape")
        return self

    def _from_kinds(self) -> None:
        if self.link:
            kind = link_kinds()[self.link]
            self.fill_in("link_bandwidth", scaled_rate(kind, self.link_count))
            self.fill_in("hop_latency", kind.latency)
        if self.link_bandwidth == _AS_LINK:
            self._all_links_have_their_own()

    def _all_links_have_their_own(self) -> None:
        """Without a bandwidth for all links, each needs one; the first one's then stands for the network's."""
        if self.edges or not self.links or not all(link.kind or link.bandwidth for link in self.links):
            raise problem("link_bandwidth is missing", 'add it, such as link_bandwidth = "900 GB/s"')
        first = self.links[0]
        rate = first.bandwidth or scaled_rate(link_kinds()[first.kind or ""], first.count)
        self.fill_in("link_bandwidth", rate)

    @classmethod
    def from_graph(cls, graph: nx.Graph[Any], **values: Any) -> Network:
        """A network of topology ``graph`` from a networkx graph; a directed one has links of one way.

        Parameters
        ----------
        graph
            Nodes are named as in ``edges``; those that are neither cores, routers ``r0`` … nor memory ports have an
            attribute ``pos``, their place in mm. Edges may have the attributes of a `Link`.
        values
            Further values of the network, such as ``link_bandwidth``.
        """
        known = ("kind", "count", "bandwidth", "latency", "energy", "mm")
        links = []
        for a, b, data in graph.edges(data=True):
            own = {key: data[key] for key in known if key in data}
            links.append(Link(a=str(a), b=str(b), one_way=graph.is_directed(), **own))
        nodes = {str(node): tuple(data["pos"]) for node, data in graph.nodes(data=True) if "pos" in data}
        return cls(**{"topology": "graph", "links": tuple(links), "nodes": nodes, **values})


def scaled_rate(kind: LinkKind, count: int) -> Rate:
    """Payload bandwidth of some links of a kind side by side."""
    rate = kind.payload_bandwidth
    return Rate(rate.value * count, rate.per)
