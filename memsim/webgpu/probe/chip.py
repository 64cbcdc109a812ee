"""A chip from what a probe has measured, and from a preset for what WGSL cannot measure.

Every number says in ``[sources]`` which of the two it is. The rules:

================================ =====================================================================================
``core.l1``                      latency and capacity of the first plateau of the ladder
``cache.capacity``               where the plateau ends that is nearest to the preset's cache
``cache.latency``, hops          the latency of that plateau, shared between cache and network as in the preset
``dram.latency``                 the last plateau less that of the cache
``cache.bandwidth``              median of reads of an eighth to half of the cache by a full device
``dram.bandwidth``               median of reads of three times the cache and more, with an efficiency of 1
``network.link_bandwidth``       the most that one of few workgroups reads from the cache, or an equal share of it
``core.sram``                    what the driver allows a workgroup; a core's share of the measured bandwidth
``core.vector``                  multiply-adds and exponentials a second over cores and clock of the preset
``core.matrix.native``           cycles such that products of tiles take as long as measured
``launch``                       a dispatch that waits for the one before
================================ =====================================================================================
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.hierarchy.units import Duration
from memsim.webgpu.probe.findings import Findings, Stream
from memsim.webgpu.probe.ladder import Level, levels_of
from memsim.webgpu.probe.text import binary
from memsim.webgpu.probe.timing import Measured

BEYOND = 3
"""A working set of so many times the cache is read from the DRAM."""
WGSL_TYPE = {"fp32": "f32", "bf16": "f32", "fp8_e4m3": "f32", "fp8_e5m2": "f32", "fp16": "f16", "int8": "i32"}
"""Type of WGSL in which operands of a matrix instruction are multiplied; fp16 in f32 where there is no f16."""
RECKONED = "reckoned from what was measured"
"""Begins the source of a number that is not a measurement itself."""
GRAIN = 1 << 10
"""Capacities are told in multiples of this many bytes: they are known to a few per cent."""


def chip_from(findings: Findings, like: Chip, name: str | None = None) -> Chip:
    """A chip with measured numbers, and those of a preset for the rest.

    Parameters
    ----------
    findings
        What was measured.
    like
        The chip that gives what cannot be measured: core count, clock, energies, places.
    name
        Of the chip; by default made from that of the device.

    Raises
    ------
    MemsimError
        The measurements are of a software adapter, incomplete, or do not go with the preset.
    """
    if findings.device.is_software:
        raise MemsimError(
            "a software adapter is no chip: its times say nothing of a GPU",
            where=findings.device.name,
            mend="probe a GPU",
        )
    fit = Fit(findings, like)
    changes, sources = fit.changes()
    told = name or f"probed_{re.sub(r'[^a-z0-9]+', '_', findings.device.name.lower()).strip('_')}"
    header = {
        "name": told,
        "description": f"{findings.device.name}, measured by memsim probe ({findings.device.timed_by}); "
        f"what WGSL cannot measure is that of {like.name}",
        "sources": sources,
    }
    return like.replace({**changes, **header})


def chip_text(chip: Chip, findings: Findings, like: Chip) -> str:
    """The text of the chip's file, with a heading that says what is in it."""
    device = findings.device
    notes = [f"# {device.name}, {device.backend}, driver {device.driver}: measured by memsim probe, {device.timed_by}."]
    notes.append(
        "# Numbers whose source begins with 'measured' or 'reckoned from what was measured' are this device's; all"
    )
    notes.append(
        f"# others are those of {like.name}: core count, clock, places and energies cannot be measured with WGSL."
    )
    return "\n".join(notes) + "\n" + chip.to_toml()


@dataclass(frozen=True)
class Fit:
    """Measurements beside the preset that they are fitted to."""

    findings: Findings
    like: Chip

    def changes(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Values by dotted key, and the sources of all numbers of the chip."""
        if self.like.cache is None or (self.like.core.matrix is not None and self.like.core.matrix.kind != "dot"):
            raise MemsimError(
                "has no cache before its DRAM, or a systolic array: it is built unlike a GPU",
                where=f"preset {self.like.name}",
                mend="choose a GPU's preset with --like",
            )
        found = {**self._latencies(), **self._bandwidths(), **self._core(), **self._matrix()}
        launch = self._needed("dispatch_us")
        found["launch"] = (_time(launch.median * 1e3), f"a dispatch that waits for the one before, {_spread(launch)}")
        values = {key: value for key, (value, _) in found.items()}
        told = {key: text if text.startswith(RECKONED) else f"measured: {text}" for key, (_, text) in found.items()}
        return {**values, "dram.part": None}, {**self._others(found), **told}

    def _others(self, found: dict[str, Any]) -> dict[str, str]:
        """Sources of what is the preset's."""
        gone = {*found, "dram.part"}
        kept = {
            key: f"not measured, as {self.like.name}: {text}"
            for key, text in self.like.sources.items()
            if not any(key == other or key.startswith(f"{other}.") for other in gone)
        }
        parts = ("core", "cache", "dram", "network", "technology", "clock")
        return dict.fromkeys(parts, f"not measured where no more is said: as preset {self.like.name}") | kept

    def _needed(self, name: str) -> Measured:
        found: Measured | None = getattr(self.findings, name)
        if found is None:
            raise MemsimError(f"{name} was not measured", where="findings", mend="probe again")
        return found

    # Latency ----------------------------------------------------------------------------------------------------------

    @cached_property
    def levels(self) -> tuple[Level | None, Level, Level]:
        """L1 (if the preset has one), cache and DRAM, as the ladder shows them."""
        assert self.like.cache is not None
        seen = levels_of(self.findings.chases)
        first = 1 if self.like.core.l1 else 0
        if len(seen) < first + 2:
            told = ", ".join(f"{level.latency_ns:.3g} ns" for level in seen) or "none"
            raise MemsimError(
                f"the latency ladder has {len(seen)} plateaus ({told}), and {self.like.name} has {first + 2} levels",
                where="latency over footprint",
                mend="look at it with --plot; choose another preset with --like, or probe without --quick",
            )
        expected = self.like.cache.capacity / self.like.cache.partitions
        cache = min(seen[first:-1], key=lambda level: abs(math.log((level.capacity or 1) / expected)))
        return (seen[0] if first else None), cache, seen[-1]

    @property
    def capacity(self) -> int:
        """Bytes of the cache: all partitions hold as much as the one that a core sees first."""
        assert self.like.cache is not None
        return _bytes(self.levels[1]) * self.like.cache.partitions

    def _latencies(self) -> dict[str, Any]:
        l1, near, dram = self.levels
        cache = self.like.cache
        assert cache is not None
        ratio = near.latency_ns / hit_ns(self.like)
        hop, inside, far = (
            self._ns(self.like.network.hop_latency),
            self._ns(cache.latency),
            self._ns(cache.partition_latency),
        )
        rest = dram.latency_ns - near.latency_ns - (far * ratio if cache.partitions > 1 else 0)
        if rest <= 0:
            raise MemsimError(
                f"the DRAM answers after {dram.latency_ns:.4g} ns, the cache after {near.latency_ns:.4g} ns: "
                "nothing is left for the DRAM",
                where="latency over footprint",
                mend=f"choose a preset with other partitions than {self.like.name}'s {cache.partitions}, with --like",
            )
        hit = f"{RECKONED}: a hit takes {near.latency_ns:.4g} ns; cache and network share it as in {self.like.name}"
        ended = f"{_size(near)}" + (f" of each of {cache.partitions} partitions" if cache.partitions > 1 else "")
        found: dict[str, Any] = {
            "cache.capacity": (_round(self.capacity), f"the latency ladder leaves its plateau at {ended}"),
            "cache.latency": (_time(inside * ratio), hit),
            "network.hop_latency": (_time(hop * ratio), hit),
            "dram.latency": (
                _time(rest),
                f"{RECKONED}: loads from DRAM take {dram.latency_ns:.4g} ns, less a hit of the cache",
            ),
        }
        if cache.partitions > 1:
            found["cache.partition_latency"] = (
                _time(far * ratio),
                f"{RECKONED}: in proportion to the latency of a hit, as in {self.like.name}",
            )
        if l1 is not None:
            found["core.l1.capacity"] = (_round(_bytes(l1)), f"the latency ladder leaves its plateau at {_size(l1)}")
            found["core.l1.latency"] = (_time(l1.latency_ns), "first plateau of the latency ladder")
        return found

    def _ns(self, duration: Duration) -> float:
        return _ns(self.like, duration)

    # Bandwidth --------------------------------------------------------------------------------------------------------

    def _bandwidths(self) -> dict[str, Any]:
        reads = [stream for stream in self.findings.streams if stream.kind == "read"]
        inside = [s for s in reads if self.capacity / 8 <= s.footprint <= self.capacity / 2]
        beyond = [s for s in reads if s.footprint >= BEYOND * self.capacity]
        if not beyond or not inside:
            where, largest = "bandwidth over working set", max((s.footprint for s in reads), default=0)
            raise MemsimError(
                f"the largest buffer read was {largest} B, and the cache holds {self.capacity} B: its "
                "bandwidth and the DRAM's cannot be told apart",
                where=where,
                mend="the driver binds no larger buffers; take the bandwidth of the DRAM from elsewhere",
            )
        cache, dram = _median(inside), _median(beyond)
        ports = len(self.like.memory_nodes("cache"))
        link, how = self._link(cache)
        return {
            "cache.bandwidth": (_rate(cache), f"reads of {_sizes(inside)} by a full device, {_quartiles(inside)}"),
            "dram.bandwidth": (_rate(dram), f"reads of {_sizes(beyond)} by a full device, {_quartiles(beyond)}"),
            "dram.efficiency": (1, f"{RECKONED}: the bandwidth is what was reached"),
            "network.memory_port_bandwidth": (
                _rate(cache / ports),
                f"{RECKONED}: an equal share of the cache's bandwidth a port",
            ),
            "network.link_bandwidth": (_rate(link), how),
        }

    def _link(self, cache: float) -> tuple[float, str]:
        cores = self.like.core_count
        share = cache / cores
        few = [s for s in self.findings.occupancy if s.groups <= cores and s.footprint <= self.capacity / 2]
        most = max((s.gbs.median / s.groups for s in few), default=0.0)
        if most > share:
            return most, "the most that one of few workgroups reads from the cache"
        return share, f"{RECKONED}: an equal share of the cache's bandwidth a core; few workgroups read less each"

    # Cores ------------------------------------------------------------------------------------------------------------

    def _core(self) -> dict[str, Any]:
        like, findings = self.like, self.findings
        sram, fma, special = self._needed("workgroup_gbs"), self._rate_of("fma_g", "f32"), self._needed("special_g")
        latency = self._needed("fma_latency_ns")
        each = like.core_count * float(like.clock) / 1e9
        per = f"over {like.core_count} cores at {float(like.clock) / 1e9:.4g} GHz"
        return {
            "core.sram.capacity": (f"{findings.device.workgroup_bytes} B", "what the driver allows a workgroup"),
            "core.sram.bandwidth": (
                _rate(sram.median / like.core_count),
                f"{sram.median:.4g} GB/s {per}, {_spread(sram)}",
            ),
            "core.vector.lanes": (
                _count(fma.median / each),
                f"{fma.median:.4g} G multiply-adds/s {per}, {_spread(fma)}",
            ),
            "core.vector.reduce_lanes": (_count(fma.median / each), f"{RECKONED}: as lanes"),
            "core.vector.special_lanes": (_count(special.median / each), f"{special.median:.4g} G exp2/s {per}"),
            "core.vector.latency": (
                _time(latency.median),
                f"multiply-adds that wait for one another, {_spread(latency)}",
            ),
        }

    def _rate_of(self, table: str, dtype: str) -> Measured:
        found: dict[str, Measured] = getattr(self.findings, table)
        if dtype not in found:
            raise MemsimError(f"{table} was not measured in {dtype}", where="findings", mend="probe again")
        return found[dtype]

    def _matrix(self) -> dict[str, Any]:
        unit = self.like.core.matrix
        if unit is None:
            return {}
        each = self.like.core_count * float(self.like.clock) / 1e9
        native = {}
        for dtype, step in unit.native.items():
            wgsl = WGSL_TYPE[dtype] if WGSL_TYPE[dtype] in self.findings.matrix_g else "f32"
            macs_per_cycle = self._rate_of("matrix_g", wgsl).median / each
            native[dtype] = [*step[:3], _count(unit.count * math.prod(step[:3]) / macs_per_cycle)]
        told = ", ".join(f"{m.median:.4g} G/s in {dtype}" for dtype, m in self.findings.matrix_g.items())
        how = f"products of tiles in WGSL, which has no tensor cores: {told}; fp8 and bf16 are multiplied in f32"
        return {"core.matrix.native": (native, how)}


def hit_ns(chip: Chip) -> float:
    """What a hit of the cache takes: the way to the nearest partition and back, and the cache itself."""
    assert chip.cache is not None
    nodes, edges = chip.memory_nodes("cache"), chip.graph.edges
    ways = []
    for node in nodes:
        there, back = chip.route("core0", node), chip.route(node, "core0")
        ways.append(sum(_ns(chip, edges[link]["latency"]) for way in (there, back) for link in pairwise(way)))
    size = max(1, len(nodes) // chip.cache.partitions)
    means = [statistics.mean(ways[first : first + size]) for first in range(0, len(ways), size)]
    return min(means) + _ns(chip, chip.cache.latency)


def _ns(chip: Chip, duration: Duration) -> float:
    return 1e9 * float(duration.value * (chip.clock_period if duration.unit == "cycle" else 1))


def _median(streams: Sequence[Stream]) -> float:
    return statistics.median(stream.gbs.median for stream in streams)


def _bytes(level: Level) -> int:
    assert level.capacity is not None
    return level.capacity


def _round(size: int) -> str:
    return f"{max(1, round(size / GRAIN))} KiB"


def _size(level: Level) -> str:
    return f"{binary(_bytes(level))} (±{100 * level.uncertainty:.2g} %)"


def _sizes(streams: Sequence[Stream]) -> str:
    return f"{binary(streams[0].footprint)} to {binary(streams[-1].footprint)}"


def _quartiles(streams: Sequence[Stream]) -> str:
    return f"spread {100 * max(stream.gbs.spread for stream in streams):.2g} %"


def _spread(found: Measured) -> str:
    return f"{found.samples} samples, spread {100 * found.spread:.2g} %"


def _time(ns: float) -> str:
    return f"{_digits(ns)} ns"


def _rate(gbs: float) -> str:
    return f"{_digits(gbs)} GB/s"


def _digits(value: float) -> str:
    """Four digits, so that ratios to the clock stay short fractions, without an exponent."""
    if value == 0:
        return "0"
    places = max(0, 3 - math.floor(math.log10(value)))
    return f"{round(value, 3 - math.floor(math.log10(value))):.{places}f}"


def _count(value: float) -> int:
    return max(1, round(value))


VARIANTS = frozenset({"laptop", "mobile", "max", "ti", "super", "d", "ada"})
"""Words that tell a device from the one whose name is the rest."""


def preset_like(device: str) -> Chip:
    """The preset all of whose words are in the name of a device, such as ``NVIDIA A100-SXM4-40GB``; the longest.

    Raises
    ------
    MemsimError
        There is none.
    """
    words = re.sub(r"[^a-z0-9]+", " ", device.lower())
    words = re.sub(r"\b(sxm|pcie)\d\b", r"\1", re.sub(r"\b(\d+)gb\b", r"\1", words))
    named = [name for name in Chip.presets() if set(name.split("_")) <= set(words.split())]
    if VARIANTS & set(words.split()):  # another chip than the one without the word, of other core counts
        named = [name for name in named if VARIANTS & set(name.split("_"))]
    if named:
        return Chip.preset(max(named, key=lambda name: (name.count("_"), name)))
    raise MemsimError(
        f"no preset is called like {device!r}, and a chip needs one for what WGSL cannot measure",
        where="--chip",
        mend="name the preset of a device built like it: --like h100_pcie; see: memsim chips list",
    )
