"""A chip: its parts, its time, its places and its unit energies. Data only; every consumer reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field, PlainValidator, model_validator

from memsim.errors import ChipError
from memsim.hierarchy import area, changes, costs, files
from memsim.hierarchy.checks import check_area, check_dram, check_energy, check_power, check_sources, check_time
from memsim.hierarchy.dram_parts import dram_part
from memsim.hierarchy.dvfs import Dvfs
from memsim.hierarchy.fields import Area, Fraction01, Hertz, Time, Volts, Watts
from memsim.hierarchy.floorplan import Place, extent, mean_distance, site
from memsim.hierarchy.memories import Cache, Dram, Memory, SharedMemory
from memsim.hierarchy.network import Network
from memsim.hierarchy.part import NO_TIME, Part
from memsim.hierarchy.parts import Core
from memsim.hierarchy.power import PowerPart, static_powers_w
from memsim.hierarchy.problems import nearest, problem, shown
from memsim.hierarchy.routing import Routes, nodes_of
from memsim.hierarchy.technology import Technology, named_technology, read_technology
from memsim.hierarchy.units import Duration, Rate
from memsim.hierarchy.wires import RANDOM
from memsim.hierarchy.wiring import MAY_FAIL, build_graph

if TYPE_CHECKING:
    import networkx as nx


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 100:
        raise problem(f"{shown(value)} is not a name", 'write such as name = "mine"')
    return value


Name: TypeAlias = Annotated[str, PlainValidator(_name)]
TechnologyOrName: TypeAlias = Annotated[str | Technology, PlainValidator(read_technology)]


class Chip(Part):
    """A chip, as `from_toml`, `preset` or Python describes it.

    Parameters are parts or, in place of each, a table of its values; quantities may be text with a unit.
    """

    name: Name
    description: str = ""
    technology: TechnologyOrName = "n7"
    """A name from `technologies`, or a table of unit energies."""
    voltage: Volts | None = None
    """Of the chip; the technology's energies and delays are scaled to it."""
    toggle: Fraction01 = RANDOM
    """Transitions a bit of the data: 0.5 is random data, 0 always the same. Energies that are given, in the technology
    or the chip, are meant for 0.5."""
    clock: Hertz
    """Of the cores; "cycle" means its period everywhere."""
    launch: Time = NO_TIME
    """From the start of a kernel to the start of its work."""
    block_start: Time = NO_TIME
    """Before each block of a kernel."""
    static_total_w: Watts | None = Field(default=None, alias="static_power")
    """Power that is drawn whatever the chip does, with its DRAM, where only the total is known."""
    power_w: dict[PowerPart, Watts] = Field(default_factory=dict, alias="power")
    """The same by part: leakage, clock, dram, idle."""
    tdp_w: Watts | None = Field(default=None, alias="tdp")
    """Power that the chip may draw at most."""
    dvfs: Dvfs | None = None
    """Clocks below and above ``clock``, and the voltage that each needs."""
    die_area_mm2: Area | None = Field(default=None, alias="die_area")
    """Of the die, or of all dies of a package; unless given, the box around cores and ports."""
    area_mm2: dict[str, Area] = Field(default_factory=dict, alias="area")
    """Of parts whose area is known, all cores together; other parts are estimated."""
    core: Core
    cache: Cache | None = None
    shared: SharedMemory | None = None
    dram: Dram
    network: Network
    sources: dict[str, str] = Field(default_factory=dict)
    """Where each number is from, by its dotted key."""

    @model_validator(mode="after")
    def _consistent(self) -> Chip:
        check_time(self)
        check_power(self)
        check_area(self)
        check_energy(self)
        check_dram(self)
        check_sources(self)
        if self.network.topology in MAY_FAIL or self.network.shape or self.network.table:
            self.__dict__["graph"] = self._build_graph()  # nodes may be unknown, apart, or too many
        if self.network.routing == "table":
            self._routes.check_table(nodes_of(self.graph, "core", "memory"))
        return self

    # Reading and writing -----------------------------------------------------------------------------------------

    @classmethod
    def from_toml(cls, path: str | Path) -> Chip:
        """Read a chip file."""
        return files.read_file(cls, Path(path))

    @classmethod
    def from_text(cls, text: str, *, file: str = "") -> Chip:
        """Read the text of a chip file; ``file`` is named in errors."""
        return files.read_text(cls, text, file)

    @classmethod
    def preset(cls, name: str) -> Chip:
        """A chip that comes with memsim, by its name in `presets`."""
        return files.read_preset(cls, name)

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Names of the chips that come with memsim."""
        return files.preset_names()

    def to_toml(self) -> str:
        """The chip as the text of a chip file; `from_text` gives an equal chip."""
        return files.write(self)

    def replace(self, values: Mapping[str, object]) -> Chip:
        """A chip with other values at dotted keys, such as ``{"core.sram.capacity": "512 KiB"}``."""
        key = tuple((path, type(value), value) for path, value in values.items())
        try:
            known = self._replaced.get(key)
        except TypeError:  # a list or a table
            return changes.replace(self, values)
        if known is None:
            known = self._replaced[key] = changes.replace(self, values)
        return known

    @cached_property
    def _replaced(self) -> dict[tuple[tuple[str, type, object], ...], Chip]:
        """Chips that were made of this one: with them, their networks and routes are kept."""
        return {}

    # Cores and memories ------------------------------------------------------------------------------------------

    @property
    def core_count(self) -> int:
        """Number of cores."""
        return self.core.count

    def memory(self, role: str) -> Memory | Cache | SharedMemory | Dram:
        """The memory with a role: ``reg`` or ``sram`` of each core, ``cache``, ``shared`` or ``dram`` of the chip."""
        found = self._memories.get(role)
        if found is None:
            raise ChipError(f"chip {self.name} has no memory {role!r}", mend=nearest(role, self._memories))
        return found

    def capacity_bytes(self, role: str) -> int | None:
        """Bytes of the memory with a role (of one core, for a core's own); None where there is none."""
        found = self._memories.get(role)
        return found.capacity if found else None

    @property
    def _memories(self) -> dict[str, Memory | Cache | SharedMemory | Dram]:
        every = {"reg": self.core.reg, "sram": self.core.sram, "cache": self.cache, "shared": self.shared}
        return {role: memory for role, memory in {**every, "dram": self.dram}.items() if memory is not None}

    # Time --------------------------------------------------------------------------------------------------------

    @property
    def clock_period(self) -> Fraction:
        """Seconds of a cycle of the core clock."""
        return 1 / self.clock

    @cached_property
    def tick(self) -> Fraction:
        """Seconds of a tick: the greatest common divisor of all clock periods."""
        tick = self.clock_period
        if self.dram.clock:
            other = 1 / self.dram.clock
            a, b = tick.numerator * other.denominator, other.numerator * tick.denominator
            tick = Fraction(math.gcd(a, b), tick.denominator * other.denominator)
        return tick

    def ticks_of(self, duration: Duration) -> int:
        """Ticks of a duration, rounded up."""
        seconds = duration.value * (self.clock_period if duration.unit == "cycle" else 1)
        return math.ceil(seconds / self.tick)

    def rate_per_tick(self, rate: Rate) -> Fraction:
        """Bytes in a tick."""
        return rate.value * self.tick / (self.clock_period if rate.per == "cycle" else 1)

    def at_clock(self, clock: Fraction) -> Chip:
        """The same chip with its cores at another clock, in Hz: energies follow the voltage that `dvfs` gives it."""
        return self if clock == self.clock else self.replace({"clock": clock})

    @cached_property
    def volts_over_nominal(self) -> float:
        """Voltage of the cores at their clock over that for which energies are given; 1 where no `dvfs` is known."""
        return self.dvfs.volts_over_nominal(self.clock) if self.dvfs else 1.0

    # Places and network ------------------------------------------------------------------------------------------

    def core_position(self, core: int) -> Place:
        """Centre of a core, in mm."""
        return site(core, self.core.grid, self.core.pitch, self.core.origin)

    @property
    def width_mm(self) -> float:
        """Width of the box around all cores and ports."""
        return self._extent[0]

    @property
    def height_mm(self) -> float:
        """Height of the box around all cores and ports."""
        return self._extent[1]

    @cached_property
    def _extent(self) -> Place:
        core = self.core
        corner = tuple(o + n * p for o, n, p in zip(core.origin, core.grid, core.pitch, strict=True))
        ports = [place for part in (self.cache, self.shared, self.dram) if part for place in part.at]
        return extent([(corner[0], corner[1]), *ports])

    def port_positions(self, role: str) -> tuple[Place, ...]:
        """Places of the ports of a chip-wide memory, in mm."""
        memory = self.memory(role)
        if isinstance(memory, Memory):
            raise ChipError(f"{role} belongs to each core and has no port of its own", mend="ask for core_position")
        x = 0.0 if role == "dram" else self.width_mm / 2
        return memory.at or ((x, self.height_mm / 2),)

    def memory_nodes(self, role: str) -> tuple[str, ...]:
        """Nodes of the network that answer for a chip-wide memory; a cache answers for the DRAM behind it."""
        if role == "dram" and self.cache:
            role = "cache"
        return tuple(f"{role}{i}" for i in range(len(self.port_positions(role))))

    @property
    def backing_mm(self) -> float:
        """Mean wire length between the ports of the cache and those of the DRAM, in mm; 0 without a cache."""
        if not self.cache:
            return 0.0
        return mean_distance(self.port_positions("cache"), self.port_positions("dram"))

    @property
    def partition_mm(self) -> float:
        """Mean wire length between ports of different partitions of the cache, in mm; 0 where there is one."""
        if not self.cache or self.cache.partitions == 1:
            return 0.0
        places, count = self.port_positions("cache"), len(self.cache.at) // self.cache.partitions
        parts = [places[i : i + count] for i in range(0, len(places), count)]
        means = [mean_distance(a, b) for a in parts for b in parts if a is not b]
        return sum(means) / len(means)

    @property
    def activation_energy(self) -> float:
        """PJ to open a row of DRAM and close it again; 0 where the chip names no part."""
        return dram_part(self.dram.part).energy.act_pj if self.dram.part else 0.0

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        """The network: nodes have ``pos`` (mm) and ``role`` (core, memory, router, switch).

        Edges have ``bandwidth``, ``latency``, ``mm``, ``hops`` (0 or 1), and, where their energy is not that of their
        wires, ``energy`` (pJ/bit) and ``kind``.
        """
        return self._build_graph()

    def _build_graph(self) -> nx.DiGraph[str]:
        roles = [role for role in ("cache", "shared") if self.capacity_bytes(role)]
        roles += [] if self.cache else ["dram"]
        memories = {f"{role}{i}": place for role in roles for i, place in enumerate(self.port_positions(role))}
        sites = [self.core_position(i) for i in range(self.core.sites)]
        return build_graph(self.core, self.network, sites, memories, (self.width_mm / 2, self.height_mm / 2))

    def route(self, source: str, target: str) -> tuple[str, ...]:
        """The nodes from one to another, both included: always the same ones."""
        for name in (source, target):
            if name not in self.graph:
                raise ChipError(f"chip {self.name} has no network node {name!r}", mend=nearest(name, self.graph))
        return self._routes.path(source, target)

    @cached_property
    def _routes(self) -> Routes:
        return Routes(self.network, self.graph, self.core.grid)

    def link_energy(self, kind: str) -> float:
        """PJ a bit of the links of a kind that the network has."""
        return self._link_energies[kind]

    @cached_property
    def _link_energies(self) -> dict[str, float]:
        return {link["kind"]: link["energy"] for _, _, link in self.graph.edges(data=True) if link["kind"]}

    # Energy ------------------------------------------------------------------------------------------------------

    @cached_property
    def unit_energies(self) -> Technology:
        """The technology itself, where the chip may only name it, at the chip's voltage."""
        own = self.technology
        technology = named_technology(own) if isinstance(own, str) else own
        return technology if self.voltage is None else technology.at_voltage(self.voltage)

    def read_energy(self, role: str) -> float:
        """PJ for each bit read from a memory."""
        return costs.access_energy(self, role, self.memory(role).read_energy)

    def write_energy(self, role: str) -> float:
        """PJ for each bit written to a memory."""
        return costs.access_energy(self, role, self.memory(role).write_energy)

    def access_latency_ns(self, role: str) -> float:
        """Time of an access inside a memory: as given, else for SRAM by its size, ns."""
        return costs.access_latency_ns(self, role)

    @cached_property
    def wire_energy_pj_per_bit_mm(self) -> float:
        """PJ to move a bit by a millimetre."""
        return costs.wire_energy(self)

    @cached_property
    def hop_energy_pj_per_bit(self) -> float:
        """PJ of a bit in a router."""
        return costs.hop_energy(self)

    def mac_energy(self, dtype: str) -> float:
        """PJ of a multiply-accumulate with this operand type."""
        return costs.mac_energy(self, dtype)

    def vector_energy(self, op_class: str) -> float:
        """PJ per element of an operation class: simple, special or reduce."""
        return costs.vector_energy(self, op_class)

    # Power and area ----------------------------------------------------------------------------------------------

    @cached_property
    def static_powers_w(self) -> dict[str, float]:
        """Power that is drawn whatever the chip does, by part: leakage, clock, dram, idle; or static as a whole."""
        return static_powers_w(self)

    @property
    def static_power_w(self) -> float:
        """The sum of `static_powers_w`."""
        return sum(self.static_powers_w.values())

    def area(self) -> dict[str, float]:
        """Area of each part in mm2; ``other`` is the rest of the die."""
        return area.areas_mm2(self)

    @property
    def die_mm2(self) -> float:
        """Area of the die: as given, else the box around all cores and ports, or what the parts need if more."""
        return area.die_mm2(self)
