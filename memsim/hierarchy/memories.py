"""The memories of a chip as data: a core's own, the cache, the scratchpad of the chip, and DRAM."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, TypeAlias, TypeVar

from pydantic import model_validator

from memsim.errors import ChipError
from memsim.hierarchy.dram_parts import DramPart, Refresh, controlled_part, dram_part
from memsim.hierarchy.fields import Bandwidth, BitEnergy, Bytes, Count, Hertz, Points, Share, Time
from memsim.hierarchy.part import GIVEN_BY_OTHERS, NO_TIME, Part
from memsim.hierarchy.problems import problem
from memsim.hierarchy.sram import SramFamily
from memsim.hierarchy.units import Rate

_Ported = TypeVar("_Ported", bound="Cache | SharedMemory | Dram")


NO_RATE = Rate(Fraction(0), "s")  # stands in a default until the fields that decide it are known

Policy: TypeAlias = Literal["lru", "plru", "random"]
"""Which line of a set makes room for another."""


class Memory(Part):
    """A memory that each core has of its own: register file or SRAM."""

    capacity: Bytes
    bandwidth: Bandwidth | None = None
    """Of the port that reads and writes share; None is never a bottleneck."""
    ports: Count = 1
    """What they cost in energy and area; in the engines reads and writes share one port of ``bandwidth``."""
    banks: Count = 1
    latency: Time = NO_TIME
    read_energy: BitEnergy | None = None
    """pJ/bit; None takes the technology's, for SRAM by capacity."""
    write_energy: BitEnergy | None = None
    sram_family: SramFamily | None = None
    """Whose curve gives energies that are left out; None takes the technology's choice."""


class L1Cache(Part):
    """A core's own cache for plain loads; transfers of tiles pass it by, as asynchronous copies do."""

    capacity: Bytes
    latency: Time = NO_TIME
    """Of a hit, from the load to its result."""
    line: Bytes = 128
    sector: Bytes = 32
    """Bytes that a miss fetches: a part of a line."""
    ways: Count = 4
    policy: Policy = "lru"
    mshrs: Count = 256
    """Misses that it may have on their way at a time."""


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
    """pJ/bit; None takes the technology's, by the capacity of one slice and the wires to it."""
    write_energy: BitEnergy | None = None
    sram_family: SramFamily | None = None
    """Whose curve gives energies that are left out; None takes the technology's choice."""
    at: Points = ()
    """Places of the network ports in mm; unless given, one at the centre of the die."""
    write_back: bool = True
    line: Bytes = 128
    sector: Bytes = 32
    """Bytes that a miss fetches: a part of a line."""
    ways: Count = 16
    policy: Policy = "lru"
    mshrs: Count = 1 << 16
    """Misses that it may have on their way at a time."""
    partitions: Count = 1
    """Parts of the die, each with an equal share of the ports in ``at``, that keep what their own cores read: a core
    asks the nearest; what misses there is looked up at home, perhaps in another."""
    partition_bandwidth: Bandwidth | None = None
    """Between two partitions, each way; unless given, as ``bandwidth`` shared by the partitions."""
    partition_latency: Time = NO_TIME
    """From one partition to another, one way."""

    @model_validator(mode="after")
    def _even(self) -> Cache:
        if max(1, len(self.at)) % self.partitions:
            raise problem(
                f"{max(1, len(self.at))} ports cannot be shared evenly by {self.partitions} partitions",
                "give as many places in at for each partition, those of the first partition first",
                key="partitions",
            )
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
    """pJ/bit; None takes the technology's, by the capacity of one bank and the wires to it."""
    write_energy: BitEnergy | None = None
    sram_family: SramFamily | None = None
    """Whose curve gives energies that are left out; None takes the technology's choice."""
    at: Points = ()
    """Places of the network ports in mm; unless given, one at the centre of the die."""

    @model_validator(mode="after")
    def _even(self) -> SharedMemory:
        return _shared_by_ports(self, "banks")


class Dram(Part):
    """The DRAM of the chip: channels behind network ports, or behind the cache where there is one."""

    kind: str = "HBM2"
    """Its standard; the default energies go by it."""
    part: str | None = None
    """A part by its name, such as ``hbm3_6400``: its command timing decides what a transfer takes of a channel."""
    map: str = "lines"
    """Address map inside a channel of the part, by name or as text (`memsim.dram.maps`)."""
    queue: Count | None = None
    """Reads, and writes, that the controller of a channel holds, in bursts; unless given, as the part has it."""
    read_queue: Count | None = None
    """Reads that it chooses among, where they are fewer than the writes that wait."""
    refresh: Refresh = "all_bank"
    """Whether a refresh stops all banks of a rank or pseudo-channel, or one of them while the others go on."""
    channel_map: Literal["hashed", "linear"] = "hashed"
    """Which channel holds a block of ``interleave`` bytes: by a hash of its address, or each in its turn."""
    capacity: Bytes
    channels: Count = GIVEN_BY_OTHERS
    """As many at each port; unless given, one at each."""
    bandwidth: Bandwidth = NO_RATE
    """Peak of all channels together; where a part is named, its own unless given."""
    efficiency: Share = Fraction(1)
    """Share of the peak that is left after refresh and turnaround; of a part, its timing decides that."""
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

    @property
    def channel(self) -> DramPart | None:
        """The part as its controller drives it; None where no part is named."""
        return None if self.part is None else controlled_part(self.part, self.queue, self.read_queue, self.refresh)

    @model_validator(mode="after")
    def _even(self) -> Dram:
        return _shared_by_ports(self, "channels")

    @model_validator(mode="after")
    def _as_its_part(self) -> Dram:
        if self.part is None:
            if "bandwidth" not in self.model_fields_set:
                raise problem("bandwidth is missing", 'add it, such as bandwidth = "1 TB/s", or name a part')
            return self
        try:
            peak = dram_part(self.part).peak_bandwidth
        except ChipError as e:
            raise problem(e.cause, e.mend, key="part") from None
        self.fill_in("bandwidth", Rate(peak * self.channels, "s"))
        return self
