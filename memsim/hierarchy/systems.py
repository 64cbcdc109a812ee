"""Systems of chips, and the chip that stands for one: each of its cores is a whole chip.

So a program for many chips is a tile program like any other, and there is one engine, one ledger and one verifier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PlainValidator, ValidationInfo, model_validator

from memsim.errors import ChipError
from memsim.hierarchy import files
from memsim.hierarchy.chip import Chip, Name
from memsim.hierarchy.fields import Count, Pitch, Time
from memsim.hierarchy.links import link_kinds
from memsim.hierarchy.matrix import MatrixUnit
from memsim.hierarchy.memories import Dram, Memory
from memsim.hierarchy.network import KindName, Network, Shape, scaled_rate
from memsim.hierarchy.part import NO_TIME, Part, values_of
from memsim.hierarchy.parts import Core, Dma, VectorUnit
from memsim.hierarchy.problems import nearest, problem, shown
from memsim.hierarchy.units import Duration, Rate

_MOST_LANES = 1 << 20
_HOST: dict[str, Any] = {
    "kind": "DDR5",
    "capacity": "1 TiB",
    "bandwidth": "300 GB/s",
    "latency": "100 ns",
    "read_energy": "15 pJ/bit",
    "write_energy": "15 pJ/bit",
}
_IN_FLIGHT = 256
"""Messages that a queue of a system's program may have in flight: a chip keeps many more requests open than a core."""


def _chip(value: object, info: ValidationInfo) -> Chip:
    if isinstance(value, Chip):
        return value
    if isinstance(value, str):
        if value not in Chip.presets():
            raise problem(f"unknown chip {shown(value)}", nearest(value, Chip.presets()))
        return Chip.preset(value)
    return Chip.model_validate(value, context=info.context)


ChipOrName: TypeAlias = Annotated[Chip, PlainValidator(_chip)]


class System(Part):
    """Equal chips, the links between them, and a host with memory of its own."""

    name: Name
    description: str = ""
    chip: ChipOrName
    """A chip, or the name of a preset."""
    count: Count
    """Chips."""
    link: KindName
    """A name from `memsim.hierarchy.link_kinds`."""
    link_count: Count = 1
    """Links of that kind side by side: from a chip to the switch, or between two neighbours."""
    topology: Literal["switch", "ring", "mesh", "torus", "fully_connected", "fat_tree", "dragonfly"] = "switch"
    shape: Shape = ()
    """Chips in each dimension of a mesh or torus; unless given, as square as the count allows."""
    network: dict[str, Any] = Field(default_factory=dict)
    """Further values of the `Network`, such as ``arity``."""
    message: Time = NO_TIME
    """What software takes of each message before its head sets out: the handshake of the two ends."""
    host: Dram = Field(default_factory=lambda: Dram(**_HOST))
    """Memory of the host: what a program calls ``dram``."""
    host_link: KindName = "pcie5_x16"
    pitch: Pitch = (100.0, 100.0)
    """From one chip to the next, in mm."""
    sources: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> System:
        if self.shape and self.topology not in ("mesh", "torus"):
            raise problem("a shape belongs to a mesh or torus", "leave it out", key="shape")
        if self.shape and math.prod(self.shape) != self.count:
            size = " x ".join(map(str, self.shape))
            raise problem(f"{size} chips are not {self.count}", "make the product equal", key="shape")
        self.__dict__["_chip_of_chips"] = self._make_chip()  # which checks the network too
        return self

    @classmethod
    def from_toml(cls, path: str | Path) -> System:
        """Read a system file."""
        return files.read_file(cls, Path(path), "systems")

    @classmethod
    def from_text(cls, text: str, *, file: str = "") -> System:
        """Read the text of a system file; ``file`` is named in errors."""
        return files.read_text(cls, text, file)

    @classmethod
    def preset(cls, name: str) -> System:
        """A system that comes with memsim, by its name in `presets`."""
        return files.read_preset(cls, name, "systems")

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Names of the systems that come with memsim."""
        return files.preset_names("systems")

    def replace(self, values: Mapping[str, object]) -> System:
        """A system with other values at its own keys (not dotted ones)."""
        return System(**{**values_of(self), "chip": self.chip, "host": self.host, **values})

    @property
    def link_bytes_per_s(self) -> Fraction:
        """Payload bandwidth of one direction of what joins a chip to its neighbour or switch."""
        rate = scaled_rate(link_kinds()[self.link], self.link_count)
        return rate.value * (self.chip.clock if rate.per == "cycle" else 1)

    def as_chip(self) -> Chip:
        """The chip whose cores are the chips of this system.

        Role ``sram`` is a chip's DRAM, ``reg`` its on-chip memory, ``dram`` the host's memory. The vector unit has the
        lanes of all cores of a chip, the matrix unit splits an instruction over all of theirs. Links carry their own
        energy; what moves inside a chip between its DRAM and its units is charged as an access of its DRAM.
        """
        return self._chip_of_chips

    @cached_property
    def _chip_of_chips(self) -> Chip:
        return self._make_chip()

    def _make_chip(self) -> Chip:
        chip = self.chip
        values = {
            "name": self.name,
            "description": self.description,
            "technology": chip.technology,
            "clock": chip.clock,
            "launch": chip.launch,
            "static_power": chip.static_power_w * self.count,
            "core": self._core(),
            "dram": self.host,
            "network": self._network(),
        }
        try:
            return Chip(**values)
        except ChipError as e:
            raise problem(f"as a chip of chips: {e}", key="network") from None

    def _core(self) -> Core:
        chip = self.chip
        core, dram = chip.core, chip.dram
        count = chip.core_count
        lanes = {key: min(getattr(core.vector, key) * count, _MOST_LANES) for key in _LANES}
        return Core(
            grid=self._grid,
            count=self.count,
            pitch=self.pitch,
            reg=_on_chip(chip),
            sram=Memory(
                capacity=dram.capacity,
                bandwidth=Rate(dram.bandwidth.value * dram.efficiency, dram.bandwidth.per),
                latency=dram.latency,
                read_energy=chip.read_energy("dram"),
                write_energy=chip.write_energy("dram"),
            ),
            matrix=_matrix(core.matrix, count),
            vector=VectorUnit(
                **lanes,
                latency=core.vector.latency,
                reduce_latency=core.vector.reduce_latency,
                energy=core.vector.energy,
            ),
            dma=Dma(
                issue=Duration(Fraction(0), "cycle"),
                latency=self.message,
                max_transfers=_IN_FLIGHT,
                max_bytes=dram.capacity,
            ),
        )

    @property
    def _grid(self) -> tuple[int, int]:
        if self.topology in ("mesh", "torus"):
            shape = self._shape
            return math.prod(shape[:-1]), shape[-1]
        columns = math.isqrt(self.count - 1) + 1
        return columns, -(-self.count // columns)

    @property
    def _shape(self) -> tuple[int, ...]:
        rows = next(n for n in range(math.isqrt(self.count), 0, -1) if self.count % n == 0)
        return self.shape or (self.count // rows, rows)

    def _network(self) -> Network:
        topology = "crossbar" if self.topology == "switch" else self.topology
        values: dict[str, Any] = {"topology": topology, "link": self.link, "link_count": self.link_count}
        values |= {"memory_link": self.host_link, "energy_per_bit_hop": 0.0}
        neighbours = {"ring": 2, "mesh": 2 * len(self._shape), "torus": 2 * len(self._shape)}.get(self.topology, 1)
        rate = scaled_rate(link_kinds()[self.link], self.link_count)
        values["port_bandwidth"] = Rate(rate.value * neighbours, rate.per)
        if self.topology in ("mesh", "torus"):
            values["shape"] = self._shape
        return Network(**{**values, **self.network})


_LANES = ("lanes", "special_lanes", "reduce_lanes")


def _on_chip(chip: Chip) -> Memory:
    """All on-chip memory of a chip as one: the SRAM of its cores, and its cache."""
    cache = chip.cache
    role = "cache" if cache else "sram"
    return Memory(
        capacity=chip.core.sram.capacity * chip.core_count + (cache.capacity if cache else 0),
        read_energy=chip.read_energy(role),
        write_energy=chip.write_energy(role),
    )


def _matrix(matrix: MatrixUnit | None, count: int) -> MatrixUnit | None:
    """The matrix units of a chip as one, over which an instruction is split along n."""
    return None if matrix is None else MatrixUnit(**{**values_of(matrix), "count": matrix.count * count})
