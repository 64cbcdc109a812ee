"""The latency ladder of a chip: a pointer chase over growing buffers, as gpu-benches' ``gpu-latency`` runs it.

One thread of core 0 loads along a random cycle through a buffer, each load waiting for the one before. Whether a load
hits comes from the line-level cache model; what it takes is a sum of the chip's latencies:

- L1 hit: ``core.l1.latency``;
- hit of the cache: the way through the network to its port and back, and ``cache.latency``;
- hit in another partition: besides ``cache.partition_latency`` there and back;
- DRAM: besides ``dram.latency``, and that of ``dram.part`` for a closed row: activate to read, read to data, burst.

A core without an L1 has a scratchpad instead: a buffer that fits it lies there, and loads from elsewhere are transfers,
which take the latency of the DMA engine too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from memsim.caches.chase import chase, cyclic_order
from memsim.caches.spec import CacheSpec
from memsim.caches.state import Array, empty_caches
from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import dram_part
from memsim.hierarchy.units import Duration

STRIDE = 64
"""Bytes between the elements of the buffer, as in gpu-benches (eight words of 8 bytes)."""
LOADS = 1_000_000
"""Loads of a run at least, each from the start of the cycle, as in gpu-benches: a run need not end with a lap."""
SMALLEST = 1024
A_DOUBLING = 4
"""Footprints to a factor of two."""
MOST_ELEMENTS = 1 << 15
"""Buffers of more are simulated in a sample of the sets: caches and buffer are cut by the same power of two."""
WARM_LAPS, LAPS = 3, 2
"""Laps before and while a chase is counted, where `LOADS` are many laps."""
OWN = "SRAM"


@dataclass(frozen=True, slots=True)
class Level:
    """What answers a load, and after how long."""

    name: str
    latency_ns: float
    fits: int | None
    """Bytes of a buffer that it can hold; None for the DRAM."""


@dataclass(frozen=True, slots=True)
class Point:
    """The chase over one buffer."""

    footprint: int
    latency_ns: float
    """Mean of all loads."""
    shares: dict[str, float]
    """Of the loads, by the level that answered."""


@dataclass(frozen=True)
class Ladder:
    """The answer of `study`."""

    chip: Chip
    levels: tuple[Level, ...]
    points: tuple[Point, ...]
    plateaus: tuple[tuple[str, Point], ...]
    """For each level the chase over a buffer well inside its reach: what one reads off a measured curve. That of a far
    partition has loads from DRAM in it: lines with a near home have no copy there."""

    def cycles(self, latency_ns: float) -> float:
        """Core clock cycles in so many ns."""
        return latency_ns * float(self.chip.clock) / 1e9


def study(chip: Chip, footprints: Sequence[int] | None = None, *, stride: int = STRIDE) -> Ladder:
    """Chase pointers through buffers of several sizes.

    Parameters
    ----------
    chip
        The chip; its core 0 runs the chase.
    footprints
        Bytes of the buffers; unless given, from 1 KiB to four times the largest level, four to a doubling.
    stride
        Bytes between the elements of a buffer.
    """
    machine = _Machine(chip, stride)
    sizes = default_footprints(machine.levels) if footprints is None else list(footprints)
    for size in sizes:
        if size < stride or stride < 1:
            raise MemsimError(
                f"a buffer of {size} B has no element", where="footprint", mend=f"give at least {stride} B"
            )
    points = tuple(machine.point(size) for size in sizes)
    plateaus = tuple((name, machine.point(size, whole_laps=True)) for name, size in machine.plateaus)
    return Ladder(chip, machine.levels, points, plateaus)


def summary(ladder: Ladder) -> dict[str, Any]:
    """The ladder as plain values for JSON.

    ``levels`` has the plateau of each level, and ``answer_ns``, the latency of the level alone. ``latency_ns`` and
    ``latency_cycles`` are those of the only point, or else of the last plateau.
    """
    answers = {level.name: level.latency_ns for level in ladder.levels}
    last = ladder.points[0] if len(ladder.points) == 1 else ladder.plateaus[-1][1]
    return {
        "chip": ladder.chip.name,
        "clock_ghz": float(ladder.chip.clock) / 1e9,
        "latency_ns": last.latency_ns,
        "latency_cycles": ladder.cycles(last.latency_ns),
        "levels": [
            {"level": name, **_values(ladder, point), "answer_ns": answers.get(name)} for name, point in ladder.plateaus
        ],
        "answers": [{"level": level.name, "latency_ns": level.latency_ns} for level in ladder.levels],
        "points": [_values(ladder, point) for point in ladder.points],
    }


def _values(ladder: Ladder, point: Point) -> dict[str, Any]:
    return {
        "footprint_bytes": point.footprint,
        "latency_ns": point.latency_ns,
        "latency_cycles": ladder.cycles(point.latency_ns),
        "shares": dict(point.shares),
    }


def show(ladder: Ladder) -> str:
    """The plateaus, and who answers there; of a single buffer, the same for it."""
    rows = ladder.plateaus
    if len(ladder.points) == 1:
        rows = (("", ladder.points[0]),)
    lines = [f"{ladder.chip.name}: loads that wait for one another, over the buffer they go through"]
    lines.append(f"{'':10}{'buffer':>12}{'ns':>9}{'cycles':>9}   answered by")
    for name, point in rows:
        who = ", ".join(f"{level} {100 * share:.3g} %" for level, share in point.shares.items())
        cycles = ladder.cycles(point.latency_ns)
        lines.append(f"{name:10}{_binary(point.footprint):>12}{point.latency_ns:9.1f}{cycles:9.1f}   {who}")
    return "\n".join(lines)


def _binary(size: int) -> str:
    """A size with its binary prefix: ``17.5 MiB``."""
    power = min(3, max(0, (size.bit_length() - 1) // 10))
    return f"{size / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB')[power]}"


def default_footprints(levels: Sequence[Level]) -> list[int]:
    """From 1 KiB to four times the largest level, in a geometric row."""
    largest = max([level.fits for level in levels if level.fits] or [1 << 20])
    steps = range(int(np.log2(4 * largest / SMALLEST) * A_DOUBLING) + 1)
    return [round(SMALLEST * 2 ** (step / A_DOUBLING)) for step in steps]


def levels_of(chip: Chip) -> tuple[Level, ...]:
    """What can answer a load of core 0, from the nearest on."""
    core, cache, shared = chip.core, chip.cache, chip.shared
    levels = []
    if core.l1 is not None:
        levels.append(Level("L1", _ns(chip, core.l1.latency), core.l1.capacity))
        base = 0.0
    else:
        levels.append(Level(OWN, _ns(chip, core.sram.latency), core.sram.capacity))
        base = _ns(chip, core.dma.latency)
    if shared is not None:
        total = base + _network_ns(chip, chip.memory_nodes("shared")) + _ns(chip, shared.latency)
        levels.append(Level("shared", total, shared.capacity))
    dram = _ns(chip, chip.dram.latency) + device_ns(chip)
    if cache is None:
        return (*levels, Level("DRAM", base + _network_ns(chip, chip.memory_nodes("dram")) + dram, None))
    near = base + _network_ns(chip, _near_ports(chip)) + _ns(chip, cache.latency)
    if cache.partitions == 1:
        return (*levels, Level("L2", near, cache.capacity), Level("DRAM", near + dram, None))
    far = near + 2 * _ns(chip, cache.partition_latency)
    levels += [Level("L2 near", near, cache.capacity // cache.partitions), Level("L2 far", far, cache.capacity)]
    return (*levels, Level("DRAM near", near + dram, None), Level("DRAM far", far + dram, None))


def device_ns(chip: Chip) -> float:
    """What the chip's DRAM part itself takes for a read from a closed row, in ns; 0 if the chip names no part."""
    if chip.dram.part is None:
        return 0.0
    part = dram_part(chip.dram.part)
    return float((part.timing.rcd_rd + part.timing.cl + part.timing.bl) * part.tck_ps / 1000)


def _ns(chip: Chip, duration: Duration) -> float:
    return 1e9 * float(duration.value * (chip.clock_period if duration.unit == "cycle" else 1))


def _route_ns(chip: Chip, source: str, target: str) -> float:
    return sum(_ns(chip, chip.graph.edges[link]["latency"]) for link in pairwise(chip.route(source, target)))


def _network_ns(chip: Chip, nodes: Sequence[str]) -> float:
    """There and back between core 0 and the ports of a memory, on average."""
    ways = [_route_ns(chip, "core0", node) + _route_ns(chip, node, "core0") for node in nodes]
    return sum(ways) / len(ways)


def _near_ports(chip: Chip) -> tuple[str, ...]:
    """The ports of the partition of the cache that is nearest to core 0."""
    assert chip.cache is not None
    nodes, count = chip.memory_nodes("cache"), chip.cache.partitions
    size = max(1, len(nodes) // count)
    groups = [nodes[first : first + size] for first in range(0, len(nodes), size)]
    return min(groups, key=lambda group: _network_ns(chip, group))


class _Machine:
    """A chip as a chase sees it: its levels, and its caches for the model."""

    def __init__(self, chip: Chip, stride: int) -> None:
        self.chip, self.stride = chip, stride
        self.levels = levels_of(chip)
        self.latency = {level.name: level.latency_ns for level in self.levels}

    @cached_property
    def plateaus(self) -> list[tuple[str, int]]:
        """A footprint for each level at which it answers most.

        Half of what it holds, or as much as is beyond reach of the levels before; of far partitions 7/8, where the
        near one holds nothing for long.
        """
        found, before = [], 0
        for level in self.levels:
            if level.fits is None:
                found.append(("DRAM", 4 * before if before else 1 << 20))
                break
            size = level.fits * 7 // 8 if level.name == "L2 far" else max(level.fits // 2, min(2 * before, level.fits))
            if size > before:
                found.append((level.name, size))
            before = max(before, level.fits)
        return found

    def point(self, footprint: int, *, whole_laps: bool = False) -> Point:
        """The chase over one buffer."""
        for level in self.levels:  # what a program places itself
            if level.name in (OWN, "shared") and level.fits is not None and footprint <= level.fits:
                return Point(footprint, level.latency_ns, {level.name: 1.0})
        counts = self._answers(footprint, whole_laps)
        names = ["L1", "L2", "", "DRAM", ""]
        if self.chip.cache is not None and self.chip.cache.partitions > 1:
            names = ["L1", "L2 near", "L2 far", "DRAM near", "DRAM far"]
        total = int(counts.sum())
        shares = {name: float(n) / total for name, n in zip(names, counts, strict=True) if n}
        return Point(footprint, sum(share * self.latency[name] for name, share in shares.items()), shares)

    def _answers(self, footprint: int, whole_laps: bool) -> Array:
        elements = footprint // self.stride
        cut = 1
        while elements // cut > MOST_ELEMENTS:
            cut *= 2
        sampled = max(1, elements // cut)
        loads = sampled * max(elements, LOADS) // elements
        warm = loads
        if whole_laps or loads >= 8 * sampled:
            warm, loads = WARM_LAPS * sampled, LAPS * sampled
        caches, l1, partitions = self._caches(cut)
        following, answers = cyclic_order(sampled), np.zeros(5, dtype=np.int64)
        chase(caches, l1, partitions, following, self.stride, warm, np.zeros_like(answers))
        chase(caches, l1, partitions, following, self.stride, loads, answers)
        return answers

    def _caches(self, cut: int) -> tuple[Array, int, Array]:
        """Empty caches with one in ``cut`` of their sets: words, the L1's place (or -1), those of the partitions."""
        l1, cache = self.chip.core.l1, self.chip.cache
        specs = [_sample(CacheSpec.of_l1(l1), cut)] if l1 else []
        specs += [_sample(CacheSpec.of_cache(cache), cut)] * cache.partitions if cache else []
        caches = empty_caches(*specs)
        starts = np.array(caches.starts[len(specs) - (cache.partitions if cache else 0) :], dtype=np.int64)
        return caches.words, 0 if l1 else -1, starts


def _sample(spec: CacheSpec, cut: int) -> CacheSpec:
    """A cache of one in ``cut`` sets (Puzak, 1985), in one slice: slices share a buffer evenly."""
    sets = max(1, round(spec.sets * spec.slices / cut))
    return CacheSpec(sets * spec.ways * spec.line, spec.line, spec.sector, spec.ways, spec.policy, mshrs=1)
