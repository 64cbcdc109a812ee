"""The network of a chip as data: its topology, its links and what they cost."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainValidator, model_validator

from memsim.hierarchy.fields import Bandwidth, BitEnergy, Time, WireEnergy
from memsim.hierarchy.part import GIVEN_BY_OTHERS, NO_TIME, Part
from memsim.hierarchy.problems import problem, shown
from memsim.hierarchy.units import Rate

_AS_LINK = Rate(Fraction(GIVEN_BY_OTHERS), "cycle")


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


Edges: TypeAlias = Annotated[tuple[tuple[str, str], ...], PlainValidator(_edges)]


class Network(Part):
    """What connects cores and memories: routers and links with the lengths that the floorplan gives them."""

    topology: Literal["mesh", "torus", "ring", "crossbar", "tree", "graph"] = "mesh"
    link_bandwidth: Bandwidth
    """Of one direction of a link."""
    hop_latency: Time = NO_TIME
    """Of a router or switch and the link behind it. Links between a core and its own router have none, nor have those
    from a core or memory into a crossbar or tree: the way out pays."""
    port_bandwidth: Bandwidth = _AS_LINK
    """Of each core's port to the network, each way; unless given, as ``link_bandwidth``."""
    memory_port_bandwidth: Bandwidth = _AS_LINK
    """Of each port of a memory, each way; unless given, as ``link_bandwidth``."""
    energy_per_bit_hop: BitEnergy = 0.0
    """Of a router, beyond the wires."""
    wire_energy: WireEnergy | None = None
    """pJ/bit/mm; None takes the technology's."""
    edges: Edges = ()
    """Links of topology ``graph``, both ways, between core0 …, r0 … (a router at that core's site) and memory ports."""
    routing: Literal["dimension_order", "shortest"] = "dimension_order"
    """Along x then y on a mesh or torus; all other topologies take the shortest path."""

    @model_validator(mode="after")
    def _ports_as_links(self) -> Network:
        self.fill_in("port_bandwidth", self.link_bandwidth)
        self.fill_in("memory_port_bandwidth", self.link_bandwidth)
        if bool(self.edges) != (self.topology == "graph"):
            cause = "topology graph needs edges" if self.topology == "graph" else "edges belong to topology graph"
            raise problem(cause, 'write such as topology = "graph", edges = [["core0", "dram0"]]', key="edges")
        return self
