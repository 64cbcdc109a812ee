"""The parts of a chip as data. Every number has a unit in its text; every default is stated here."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import PlainValidator, model_validator

from memsim.hierarchy.fields import (
    Bandwidth,
    BitEnergy,
    Bytes,
    Count,
    EventEnergy,
    Grid,
    Hertz,
    OpEnergy,
    Pitch,
    Point,
    Points,
    Share,
    Time,
    WireEnergy,
)
from memsim.hierarchy.matrix import MatrixUnit
from memsim.hierarchy.part import Part
from memsim.hierarchy.problems import nearest, problem, shown
from memsim.hierarchy.units import Duration, Rate

GIVEN_BY_OTHERS = 0  # stands in a default until the fields that decide it are known
NO_TIME = Duration(Fraction(0), "cycle")
VECTOR_CLASSES = ("simple", "special", "reduce")
"""Classes of elementwise work: plain arithmetic, special functions (exp, log, sqrt …), reductions."""


def _vector_class(value: object) -> str:
    if value not in VECTOR_CLASSES:
        raise problem(f"unknown class of operation {shown(value)}", nearest(str(value), VECTOR_CLASSES))
    return str(value)


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


_AS_LINK = Rate(Fraction(GIVEN_BY_OTHERS), "cycle")
Edges: TypeAlias = Annotated[tuple[tuple[str, str], ...], PlainValidator(_edges)]
VectorClass: TypeAlias = Annotated[str, PlainValidator(_vector_class)]


class Memory(Part):
    """A memory that each core has of its own: register file or SRAM."""

    capacity: Bytes
    bandwidth: Bandwidth | None = None
    """Of the one port that reads and writes share; None is never a bottleneck."""
    latency: Time = NO_TIME
    read_energy: BitEnergy | None = None
    """pJ/bit; None takes the technology's, for SRAM by capacity."""
    write_energy: BitEnergy | None = None


class VectorUnit(Part):
    """A core's elementwise unit, as wide as it has lanes, whatever the element type."""

    lanes: Count = 64
    """Elements a cycle for plain arithmetic."""
    special_lanes: Count = 16
    """Elements a cycle for special functions."""
    reduce_lanes: Count = GIVEN_BY_OTHERS
    """Elements a cycle of a reduction; unless given, as ``lanes``."""
    latency: Time = NO_TIME
    energy: dict[VectorClass, OpEnergy] | None = None
    """pJ per element; classes that are left out have the technology's."""

    @model_validator(mode="after")
    def _reduce_as_simple(self) -> VectorUnit:
        self.fill_in("reduce_lanes", self.lanes)
        return self

    def cycles(self, op_class: str, elements: int) -> int:
        """Cycles for ``elements`` elements of an operation class."""
        lanes = {"simple": self.lanes, "special": self.special_lanes, "reduce": self.reduce_lanes}
        return -(-elements // lanes[op_class])


class Dma(Part):
    """A core's transfer engine, with the limits that it sets to each queue of a program."""

    issue: Time = Duration(Fraction(1), "cycle")
    """How long one transfer occupies the engine."""
    latency: Time = NO_TIME
    """From the start of a transfer's issue until its head sets out; at least ``issue``."""
    max_transfers: Count = 16
    """Transfers that one queue may have in flight."""
    max_bytes: Bytes = 1 << 20
    """Bytes that one queue may have in flight."""
    energy_per_transfer: EventEnergy = 0.0


class Core(Part):
    """One core; a chip repeats it ``count`` times over a grid of sites, row by row from the origin."""

    grid: Grid
    """[columns, rows] of sites."""
    count: Count = GIVEN_BY_OTHERS
    """Cores; unless given, one at each site."""
    pitch: Pitch
    """[x, y] from one core to the next, in mm."""
    origin: Point = (0.0, 0.0)
    """Lower left corner of the first core, in mm."""
    reg: Memory = Memory(capacity=1 << 18)
    sram: Memory
    matrix: MatrixUnit | None = None
    vector: VectorUnit = VectorUnit()
    dma: Dma = Dma()

    @model_validator(mode="after")
    def _fits(self) -> Core:
        self.fill_in("count", self.sites)
        if self.count > self.sites:
            raise problem(f"{self.count} cores do not fit on {self.sites} sites", "make the grid larger", key="count")
        return self

    @property
    def sites(self) -> int:
        """Sites of the grid, of which the first ``count`` hold cores."""
        return self.grid[0] * self.grid[1]


_Ported = TypeVar("_Ported", bound="Cache | SharedMemory | Dram")


def _shared_by_ports(memory: _Ported, key: str) -> _Ported:
    ports = max(1, len(memory.at))
    memory.fill_in(key, ports)
    if getattr(memory, key) % ports:
        raise problem(
            f"{getattr(memory, key)} {key} cannot be shared evenly by {ports} ports",
            f"make them a multiple of {ports}, or change the places in at",
            key=key,
        )
    return memory


class Cache(Part):
    """A cache in front of the DRAM, shared by all cores, cut into slices behind its network ports."""

    capacity: Bytes
    slices: Count = GIVEN_BY_OTHERS
    """As many at each port; unless given, one at each."""
    bandwidth: Bandwidth
    """Of all slices together."""
    latency: Time = NO_TIME
    interleave: Bytes = 512
    """Bytes that go to one slice before the next."""
    read_energy: BitEnergy | None = None
    """pJ/bit; None takes the technology's, by the capacity of one slice."""
    write_energy: BitEnergy | None = None
    at: Points = ()
    """Places of the network ports in mm; unless given, one at the centre of the die."""
    write_back: bool = True

    @model_validator(mode="after")
    def _even(self) -> Cache:
        return _shared_by_ports(self, "slices")


class SharedMemory(Part):
    """A scratchpad for the whole chip, role ``shared``."""

    capacity: Bytes
    bandwidth: Bandwidth
    """Of all banks together."""
    banks: Count = GIVEN_BY_OTHERS
    """As many at each port; unless given, one at each."""
    interleave: Bytes = 512
    """Bytes that go to one bank before the next."""
    latency: Time = NO_TIME
    read_energy: BitEnergy | None = None
    """pJ/bit; None takes the technology's, by the capacity of one bank."""
    write_energy: BitEnergy | None = None
    at: Points = ()
    """Places of the network ports in mm; unless given, one at the centre of the die."""

    @model_validator(mode="after")
    def _even(self) -> SharedMemory:
        return _shared_by_ports(self, "banks")


class Dram(Part):
    """The DRAM of the chip: channels behind network ports, or behind the cache where there is one."""

    kind: str = "HBM2"
    """Its standard; the default energies go by it."""
    capacity: Bytes
    channels: Count = GIVEN_BY_OTHERS
    """As many at each port; unless given, one at each."""
    bandwidth: Bandwidth
    """Peak of all channels together."""
    efficiency: Share = Fraction(1)
    """Share of the peak that is left after refresh and turnaround."""
    clock: Hertz | None = None
    """A clock of its own; the tick then divides its period too."""
    latency: Time = NO_TIME
    interleave: Bytes = 512
    """Bytes that go to one channel before the next."""
    read_energy: BitEnergy | None = None
    """pJ/bit with controller and PHY; None takes the default of its kind."""
    write_energy: BitEnergy | None = None
    at: Points = ()
    """Places of the ports in mm; unless given, one in the middle of the left edge."""

    @model_validator(mode="after")
    def _even(self) -> Dram:
        return _shared_by_ports(self, "channels")


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
