"""What must hold between the parts of a chip, beyond what each part checks for itself."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from memsim.hierarchy.area import OTHER
from memsim.hierarchy.changes import keys_below
from memsim.hierarchy.dram_parts import dram_part
from memsim.hierarchy.part import Part
from memsim.hierarchy.problems import nearest, problem, shown
from memsim.hierarchy.technology import Technology, named_technology
from memsim.hierarchy.units import Duration, Rate, scaled

if TYPE_CHECKING:
    from memsim.hierarchy.chip import Chip

_MOST_TICKS_PER_SECOND = 10**15  # an hour stays below 2^62 ticks
_LONGEST_INTEGER = 1 << 31  # bytes of a transfer times this stay below 2^63


_PEAK_TOLERANCE = Fraction(1, 50)  # data sheets round: 3.35 TB/s
_LONGEST_DURATION = 1 << 56  # ticks; a hundred of them stay below 2^63


def check_time(chip: Chip) -> None:
    """The tick must not be too short, a duration too long, nor a rate too long a fraction, for 64-bit integers."""
    ticks = 1 / chip.tick
    if ticks > _MOST_TICKS_PER_SECOND:
        if 1 / chip.clock_period == ticks:
            raise problem(f"a clock of {scaled(chip.clock)}Hz is faster than 1 PHz", "slow it down", key="clock")
        raise problem(
            f"a core clock of {scaled(chip.clock)}Hz and a DRAM clock of {scaled(chip.dram.clock or chip.clock)}Hz "
            "have no common tick above 1 fs",
            "use clocks with a large common divisor, such as whole MHz, or leave dram.clock out",
            key="dram.clock",
        )
    for key, duration in _durations(chip):
        if chip.ticks_of(duration) > _LONGEST_DURATION:
            raise problem(f"{duration} is too long to reckon with", 'write such as "30 cycles" or "1.3 us"', key=key)
    for key, rate, share in _rates(chip):
        per_tick = chip.rate_per_tick(rate) * share
        if max(per_tick.numerator, per_tick.denominator) > _LONGEST_INTEGER:
            raise problem(
                f"{rate} is {per_tick.numerator}/{per_tick.denominator} bytes a tick for each server, too long a "
                "fraction to reckon with exactly",
                "give it, and the clocks, with fewer digits",
                key=key,
            )


def _durations(part: Part, prefix: str = "") -> Iterator[tuple[str, Duration]]:
    for name in type(part).model_fields:
        match getattr(part, name):
            case Duration() as duration:
                yield prefix + name, duration
            case Part() as inner:
                yield from _durations(inner, f"{prefix}{name}.")


def _rates(chip: Chip) -> Iterator[tuple[str, Rate, Fraction]]:
    """(key, rate, the share of one of the servers behind it) of every bandwidth."""
    core, network, dram = chip.core, chip.network, chip.dram
    for name, memory in (("reg", core.reg), ("sram", core.sram)):
        if memory.bandwidth:
            yield f"core.{name}.bandwidth", memory.bandwidth, Fraction(1)
    if chip.cache:
        yield "cache.bandwidth", chip.cache.bandwidth, Fraction(1, chip.cache.slices)
    if chip.shared:
        yield "shared.bandwidth", chip.shared.bandwidth, Fraction(1, chip.shared.banks)
    yield "dram.bandwidth", dram.bandwidth, dram.efficiency / dram.channels
    for key in ("link_bandwidth", "port_bandwidth", "memory_port_bandwidth"):
        yield f"network.{key}", getattr(network, key), Fraction(1)
    for link in network.links:
        if link.bandwidth:
            yield "network.links", link.bandwidth, Fraction(1)


def check_energy(chip: Chip) -> None:
    """A DRAM without energies of its own must be of a kind that the technology knows, if it knows any."""
    known, dram = chip.unit_energies.dram_energy, chip.dram
    if known and dram.kind not in known and (dram.read_energy is None or dram.write_energy is None):
        raise problem(
            f"no energy is known for DRAM of kind {shown(dram.kind)}",
            f"give dram.read_energy and dram.write_energy, or a known kind; {nearest(dram.kind, known)}",
            key="dram.kind",
        )


def check_dram(chip: Chip) -> None:
    """A bandwidth that is given must be that of the channels of the part, if one is named."""
    dram = chip.dram
    if dram.part is None:
        return
    given, peak = chip.rate_per_tick(dram.bandwidth) / chip.tick, dram.channels * dram_part(dram.part).peak_bandwidth
    if abs(given - peak) > _PEAK_TOLERANCE * peak:
        raise problem(
            f"{dram.bandwidth} is not the bandwidth of {dram.channels} channels of {dram.part}, {_gigabytes(peak)}",
            "leave it out, or change dram.channels or the speed in dram.part",
            key="dram.bandwidth",
        )


def _gigabytes(rate: Fraction) -> str:
    return f"{float(rate) / 1e9:.6g} GB/s"


def check_power(chip: Chip) -> None:
    """Static power is one number or a table; a voltage must be above the threshold, of a technology that has one."""
    if chip.static_total_w is not None and chip.power_w:
        raise problem("static_power is the sum of power", "give one of the two", key="static_power")
    if chip.voltage is None:
        return
    technology = chip.technology if isinstance(chip.technology, Technology) else named_technology(chip.technology)
    if technology.voltage is None:
        raise problem(f"technology {technology.name} has no voltage to scale from", "leave voltage out", key="voltage")
    if chip.voltage <= technology.threshold:
        raise problem(
            f"{chip.voltage:g} V is not above the threshold of {technology.threshold:g} V", "raise it", key="voltage"
        )


def check_area(chip: Chip) -> None:
    """Areas that are given must fit on the die that is given, and not be that of the rest."""
    if OTHER in chip.area_mm2:
        raise problem(f"{OTHER!r} is the rest of the die", "leave it out, and give die_area", key=f"area.{OTHER}")
    total = sum(chip.area_mm2.values())
    if chip.die_area_mm2 is not None and total > chip.die_area_mm2:
        raise problem(
            f"parts of {total:g} mm2 do not fit on a die of {chip.die_area_mm2:g} mm2", "enlarge die_area", key="area"
        )


def check_sources(chip: Chip) -> None:
    """Each source must be that of a value of the chip."""
    keys = None
    for key in chip.sources:
        keys = keys or set(keys_below(chip))
        if key not in keys:
            raise problem(f"a source is given for {shown(key)}, which is no value", nearest(key, keys), key="sources")
