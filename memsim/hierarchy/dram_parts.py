"""DRAM parts by kind and speed, one channel each: shape, command timing in clocks, energies, and where they are from.

A family is one TOML file of `drams/`; its timings are in clocks at some speeds. Another speed within the family's
range has the same times in ns, rounded up to whole clocks: what the core of a DRAM takes does not depend on its pins.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from pydantic import Field

from memsim.errors import ChipError
from memsim.hierarchy.fields import Count
from memsim.hierarchy.part import Part
from memsim.hierarchy.problems import nearest

IN_CLOCKS = frozenset({"bl", "ccd_s", "ccd_l", "ccd_r", "ppd", "cs"})
"""Timings that belong to the interface: they keep their clocks at any speed, unless a family says ``in_ns``."""

REFRESH_INTERVAL = "refi"
"""The one time that is a maximum: it is rounded down."""


Refresh: TypeAlias = Literal["all_bank", "per_bank"]


class DramTiming(Part):
    """Least distances of commands, in clocks (CK); names as in JEDEC's standards."""

    bl: Count
    """Clocks of the data bus that a burst takes."""
    cl: Count
    """Read command to first data."""
    cwl: Count
    """Write command to first data."""
    rcd_rd: Count
    """Activate to read."""
    rcd_wr: Count
    """Activate to write."""
    rp: Count
    """Precharge to activate."""
    rp_all: Count = 0
    """Precharge of all banks to activate; unless given, as ``rp``."""
    ras: Count
    """Activate to precharge."""
    rc: Count
    """Activate to activate of the same bank."""
    wr: Count
    """Last data written to precharge."""
    rtp: Count
    """Read to precharge."""
    ccd_s: Count
    """Column command to the next of another bank group."""
    ccd_l: Count
    """Column command to the next of the same bank group."""
    ccd_l_wr: Count = 0
    """The same between writes; unless given, as ``ccd_l``."""
    ccd_r: Count = 0
    """Column command to the next of another stack ID; unless given, ``bl + cs`` between ranks."""
    rrd_s: Count
    """Activate to activate of another bank group."""
    rrd_l: Count
    """Activate to activate of the same bank group."""
    wtr_s: Count
    """Last data written to a read of another bank group."""
    wtr_l: Count
    """Last data written to a read of the same bank group."""
    rtw: Count = 0
    """Read to write; unless given, ``cl + bl + 2 - cwl``."""
    faw: Count
    """At most four activates within it."""
    ppd: int = 0
    """Precharge to precharge."""
    rfc: Count
    """Refresh of all banks to activate."""
    refi: Count
    """Refresh to refresh, on average."""
    cs: int = 2
    """Clocks that the data bus stays free between ranks."""

    def model_post_init(self, _: Any) -> None:
        """Fill in what follows from the others."""
        self.fill_in("rp_all", self.rp)
        self.fill_in("ccd_l_wr", self.ccd_l)
        self.fill_in("ccd_r", self.bl + self.cs)
        self.fill_in("rtw", self.cl + self.bl + 2 - self.cwl)


class DramEnergy(Part):
    """Energy of each command in pJ, and background power of a channel in mW (pJ/ns)."""

    act_pj: float
    """An activate and its precharge, beyond the background."""
    read_pj: float
    """A burst read."""
    write_pj: float
    refresh_pj: float
    """A refresh of all banks of a rank or pseudo-channel."""
    open_mw: float
    """While some bank has a row open."""
    closed_mw: float
    """While none has."""


class DramPart(Part):
    """One channel of a DRAM part."""

    name: str
    kind: str
    rate: Count
    """Mb/s of a pin."""
    tck_ps: Fraction
    """Clock period in picoseconds, exact."""
    bus_bits: Count
    """Data pins of the channel: of all its pseudo-channels together."""
    pseudo_channels: Count = 1
    """Parts of a channel with data pins of their own, which share the command buses."""
    stacks: Count = 1
    """Stack IDs or ranks: sets of banks behind the same data pins."""
    ranks_apart: bool = False
    """Whether each of them has activate windows, turnarounds and refreshes of its own, as ranks of a module do."""
    bank_groups: Count
    banks: Count
    """Of a bank group."""
    rows: Count
    """Of a bank."""
    row_bytes: Count
    """Bytes of a row of a bank: the page."""
    burst_bytes: Count
    devices: Count = 1
    """Chips of a rank that work in step."""
    split_buses: bool = False
    """Whether row and column commands have a bus each."""
    half_clocks: bool = False
    """Whether precharges may start on half clocks (HBM3 and later)."""
    act_cycles: Fraction = Fraction(1)
    """Clocks that an activate holds its command bus."""
    column_cycles: Fraction = Fraction(1)
    row_cycles: Fraction = Fraction(1)
    """The same of precharge and refresh."""
    split_activate: int = 0
    """Where an activate is two commands (LPDDR5): clocks from the first to the second, at most."""
    clock_sync: bool = False
    """Whether the data clock is started by a command of its own (LPDDR5)."""
    queue: Count = 32
    """Reads, and writes, that its controller holds."""
    read_queue: Count | None = None
    """Reads that it chooses among, where they are fewer."""
    refresh: Refresh = "all_bank"
    """Whether a refresh stops all banks of a rank or pseudo-channel, or one of them while the others go on."""
    timing: DramTiming
    energy: DramEnergy
    sources: dict[str, str] = Field(default_factory=dict)

    @property
    def peak_bandwidth(self) -> Fraction:
        """B/s of all data pins, without any gap."""
        bursts_per_clock = Fraction(self.pseudo_channels, self.timing.bl)
        return self.burst_bytes * bursts_per_clock * 10**12 / self.tck_ps

    @property
    def bank_count(self) -> int:
        """Banks of the channel."""
        return self.pseudo_channels * self.stacks * self.bank_groups * self.banks

    @property
    def capacity(self) -> int:
        """Bytes of the channel."""
        return self.bank_count * self.rows * self.row_bytes

    @property
    def row_bursts(self) -> int:
        """Bursts of a row."""
        return self.row_bytes // self.burst_bytes


def dram_parts() -> list[str]:
    """Names of the parts that are listed; any other speed within a family's range has a name too."""
    return sorted(f"{kind}_{speed}" for kind, family in _families().items() for speed in family["speeds"])


@cache
def dram_part(name: str) -> DramPart:
    """The part of that name: kind and speed in Mb/s a pin, such as ``hbm3_6400``.

    Raises
    ------
    ChipError
        If there is no such kind, or the speed is out of its range.
    """
    kind, _, speed = name.rpartition("_")
    family = _families().get(kind)
    if family is None or not (speed in family["speeds"] or _in_range(speed, family)):
        limits = f"; {kind} goes from {family['range'][0]} to {family['range'][1]} Mb/s a pin" if family else ""
        raise ChipError(f"no DRAM part {name!r}{limits}", where="dram.part", mend=nearest(name, dram_parts()))
    return _part(name, family, speed)


@cache
def controlled_part(name: str, queue: int | None, read_queue: int | None, refresh: Refresh) -> DramPart:
    """The part of that name behind a controller that holds so many requests, and so many reads, and refreshes so."""
    part = dram_part(name)
    return part.model_copy(update={"queue": queue or part.queue, "read_queue": read_queue, "refresh": refresh})


def _in_range(speed: str, family: Mapping[str, Any]) -> bool:
    low, high = family["range"]
    return speed.isdecimal() and low <= int(speed) <= high


@cache
def _families() -> dict[str, dict[str, Any]]:
    folder = resources.files("memsim.hierarchy") / "drams"
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    families = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files]
    return {family["kind"]: family for family in families}


def _part(name: str, family: Mapping[str, Any], speed: str) -> DramPart:
    given = family["speeds"].get(speed, {})
    rate = given.get("rate") or int(speed)
    tck_ps = Fraction(given.get("tck_ps", Fraction(10**6 * family["bits_per_clock"], rate)))
    timing = _timing(family, given, rate)
    shape = {key: family[key] for key in DramPart.model_fields if key in family and key != "energy"}
    shape["row_bytes"] = given.get("row_bytes", family["row_bytes"])
    cycles = family.get("cycles", {})
    return DramPart(
        **shape,
        name=name,
        rate=rate,
        tck_ps=tck_ps,
        act_cycles=Fraction(cycles.get("act", 1)),
        column_cycles=Fraction(cycles.get("column", 1)),
        row_cycles=Fraction(cycles.get("pre", 1)),
        timing=timing,
        energy=_energy(family, timing, tck_ps),
    )


def _timing(family: Mapping[str, Any], given: Mapping[str, Any], rate: int) -> DramTiming:
    """Clocks as they are listed, or those of the listed speed that is the nearest, at equal times."""
    if "timing" not in given:
        listed = {int(key): entry for key, entry in family["speeds"].items() if key.isdecimal() and "timing" in entry}
        like = given.get("like") or min(listed, key=lambda other: abs(other - rate))
        given = {"base_rate": like, **listed[like]}
    scale = Fraction(rate, given.get("base_rate", rate))
    fixed = IN_CLOCKS - set(family.get("in_ns", ()))
    return DramTiming(
        **{key: value if key in fixed else _clocks(key, value, scale) for key, value in given["timing"].items()}
    )


def _clocks(key: str, clocks: int, scale: Fraction) -> int:
    return math.floor(clocks * scale) if key == REFRESH_INTERVAL else math.ceil(clocks * scale)


def _energy(family: Mapping[str, Any], timing: DramTiming, tck_ps: Fraction) -> DramEnergy:
    if "currents" in family:
        return _of_currents(family["currents"], timing, float(tck_ps) / 1000, family["devices"])
    given, bits = family["energy"], 8 * family["burst_bytes"]
    return DramEnergy(
        read_pj=given["read_pj_per_bit"] * bits,
        write_pj=given["write_pj_per_bit"] * bits,
        **{key: given[key] for key in ("act_pj", "refresh_pj", "open_mw", "closed_mw")},
    )


def _of_currents(i: Mapping[str, float], t: DramTiming, tck_ns: float, devices: int) -> DramEnergy:
    """Energies from a datasheet's currents: what a command draws beyond the standby current, V x mA x ns = pJ.

    As Micron's technical note TN-40-07 and DRAMsim3 (Li et al., IEEE CAL 2020) have it.
    """
    volts = i["vdd"] * devices
    cycle_ma = i["idd0"] * t.rc - (i["idd3n"] * t.ras + i["idd2n"] * t.rp)
    return DramEnergy(
        act_pj=volts * cycle_ma * tck_ns,
        read_pj=volts * (i["idd4r"] - i["idd3n"]) * t.bl * tck_ns,
        write_pj=volts * (i["idd4w"] - i["idd3n"]) * t.bl * tck_ns,
        refresh_pj=volts * (i["idd5b"] - i["idd3n"]) * t.rfc * tck_ns,
        open_mw=volts * i["idd3n"],
        closed_mw=volts * i["idd2n"],
    )
