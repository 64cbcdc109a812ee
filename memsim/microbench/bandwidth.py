"""Bandwidth of each level of a chip, over the number of active cores: streams of tiles on the engine.

Each active core moves its share of a buffer, tile by tile, through a ring as deep as its memory and its transfer engine
allow. Two runs, of which one goes on for longer, differ by steady traffic only: their difference has no launch, no
filling of the pipeline and no warming of the cache in it,

    bandwidth = (bytes of the long run - bytes of the short one) / (its time - that of the short one).

The buffer of a level:

- ``sram``: lies in the core's own memory; tiles go to and from its registers;
- ``shared``: half of the chip's scratchpad;
- ``cache``: half of one partition of the cache; the short run is the warm pass;
- ``cache_all``: 7/8 of the cache, where it has partitions: each keeps a copy of what its own cores read, so that much
  of it does not fit (the share of the bytes that the DRAM moved is told); for reads only;
- ``dram``: four times the cache.

What a core reads and what it writes both count, as in STREAM (McCalpin, 1995): a copy moves each byte twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from memsim.engine import Result, simulate, warm
from memsim.engine.compile_plan import make_plan
from memsim.engine.simulate import run_plan
from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.hierarchy.units import Rate
from memsim.isa import Program, ProgramBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import TensorHandle

Kind: TypeAlias = Literal["read", "write", "copy"]
KINDS: tuple[Kind, ...] = get_args(Kind)

DTYPE, ELEMENT = "fp32", 4
"""Of the elements, and their bytes."""
TILE = 16 << 10
"""Bytes of a tile at least, where the core's memory holds several."""
ISSUES = 2
"""A tile takes the fastest memory of a core at least as long as so many issues take the transfer engine."""
TILES_MEASURED = 64
"""Tiles of each core in the difference, at least (where the buffer may be gone through again)."""
LEAST_DRAM = 32 << 20
"""Bytes of the DRAM's buffer at least; and at least twice `TILES_MEASURED` tiles a core, half of them measured."""
APART = 1.25
"""All cores are this many times more than the power of two before, or that is left out."""


@dataclass(frozen=True, slots=True)
class Level:
    """A memory to stream from, and how large a buffer shows it."""

    name: str
    role: str
    """Of the tensors."""
    footprint: int
    """Bytes of the buffer: of each core in ``sram``, else of all together."""
    peak_gbs: float | None
    """Of one core's in ``sram``, else of the chip's; None where the chip states none."""
    again: bool
    """Whether the buffer is gone through again and again: it stays in the level."""

    def peak_of(self, cores: int) -> float | None:
        """Peak of all memories that so many cores use."""
        return self.peak_gbs if self.peak_gbs is None or self.role != "sram" else cores * self.peak_gbs


@dataclass(frozen=True, slots=True)
class Point:
    """One stream."""

    level: Level
    cores: int
    footprint: int
    """Bytes of the buffers of all cores, in whole tiles."""
    bandwidth_gbs: float
    dram_share: float
    """Bytes at the DRAM's pins over bytes streamed."""

    @property
    def efficiency(self) -> float | None:
        """Share of the level's peak."""
        peak = self.level.peak_of(self.cores)
        return None if peak is None else self.bandwidth_gbs / peak


@dataclass(frozen=True, slots=True)
class Bandwidths:
    """The answer of `study`."""

    chip: Chip
    kind: Kind
    tile: int
    points: tuple[Point, ...]

    @property
    def levels(self) -> tuple[Point, ...]:
        """Of each level the stream with most cores."""
        last = {point.level.name: point for point in sorted(self.points, key=lambda point: point.cores)}
        return tuple(last[name] for name in dict.fromkeys(point.level.name for point in self.points))

    def bytes_per_cycle(self, point: Point) -> float:
        """Bytes a cycle of the core clock and active core."""
        return point.bandwidth_gbs * 1e9 / float(self.chip.clock) / point.cores


def study(
    chip: Chip,
    *,
    kind: Kind = "read",
    levels: Sequence[str] | None = None,
    cores: Sequence[int] | None = None,
    tile: int | None = None,
) -> Bandwidths:
    """Stream through levels of a chip.

    Parameters
    ----------
    chip
        The chip; its first cores are the active ones.
    kind
        Whether cores read the buffer, write it, or copy one half of it to the other.
    levels
        Names from `levels_of`; all of them unless given.
    cores
        Numbers of active cores; unless given, the powers of two and all.
    tile
        Bytes of a tile; unless given, 16 KiB or what the chip needs instead. Registers may take smaller ones only.
    """
    if kind not in KINDS:
        raise MemsimError(f"unknown kind of stream {kind!r}", where="kind", mend=f"take one of {', '.join(KINDS)}")
    size = default_tile(chip) if tile is None else tile
    most = chip.core.sram.capacity // 2
    if not ELEMENT <= size <= most or size % ELEMENT:
        cause = f"a tile of {size} B is not a number of fp32 of which two tiles fit a core"
        raise MemsimError(cause, where="tile", mend=f"give a multiple of {ELEMENT} up to {most} B")
    known = level_names(chip, kind)
    for name in levels or ():
        if name not in known:
            cause = f"{chip.name} has no level {name!r} to {kind}"
            raise MemsimError(cause, where="level", mend=f"it has {', '.join(known)}")
    found = [_level(chip, name) for name in levels or known]
    numbers = cores or default_cores(chip.core_count)
    for number in numbers:
        if not 1 <= number <= chip.core_count:
            raise MemsimError(
                f"{number} cores cannot be active", where="cores", mend=f"{chip.name} has 1 to {chip.core_count}"
            )
    points = [_Stream(chip, level, kind, number, size).point() for level in found for number in numbers]
    return Bandwidths(chip, kind, size, tuple(points))


def default_cores(count: int) -> list[int]:
    """Powers of two below the number of cores, and that."""
    return [1 << power for power in range(count.bit_length()) if APART * (1 << power) <= count] + [count]


def default_tile(chip: Chip) -> int:
    """16 KiB, or more where the issue of transfers would be the limit; at most an eighth of a core's memory."""
    core, clock = chip.core, float(chip.clock)
    issue = core.dma.issue.value * (1 if core.dma.issue.unit == "cycle" else chip.clock)
    rates = [rate for rate in (core.sram.bandwidth, chip.network.link_bandwidth) if rate is not None]
    fastest = max((_gbs(chip, rate) for rate in rates), default=0.0) * 1e9 / clock
    wanted = max(TILE, _power_above(int(ISSUES * float(issue) * fastest)))
    return min(wanted, _power_below(core.sram.capacity // 8))


def level_names(chip: Chip, kind: Kind = "read") -> tuple[str, ...]:
    """The levels that a chip has, from the nearest on; ``cache_all`` is for reads: only these make copies."""
    names = ["sram"]
    if chip.shared is not None:
        names.append("shared")
    if chip.cache is not None:
        names += ["cache", "cache_all"] if chip.cache.partitions > 1 and kind == "read" else ["cache"]
    return (*names, "dram")


def levels_of(chip: Chip) -> tuple[Level, ...]:
    """The levels that a chip has, with their buffers."""
    return tuple(_level(chip, name) for name in level_names(chip))


def _level(chip: Chip, name: str) -> Level:
    core, cache, shared, dram = chip.core, chip.cache, chip.shared, chip.dram
    if name == "sram":
        peak = None if core.sram.bandwidth is None else _gbs(chip, core.sram.bandwidth)
        return Level(name, "sram", core.sram.capacity // 2, peak, again=True)
    if name == "shared":
        assert shared is not None
        return Level(name, "shared", shared.capacity // 2, _gbs(chip, shared.bandwidth), again=True)
    if name == "dram":
        least = max(LEAST_DRAM, 4 * cache.capacity if cache else 0)
        return Level(name, "dram", min(least, dram.capacity // 2), _gbs(chip, dram.bandwidth), again=False)
    assert cache is not None
    size = cache.capacity // cache.partitions // 2 if name == "cache" else cache.capacity * 7 // 8
    return Level(name, "dram", size, _gbs(chip, cache.bandwidth), again=True)


def _gbs(chip: Chip, rate: Rate) -> float:
    return float(rate.value * (chip.clock if rate.per == "cycle" else 1)) / 1e9


def _power_below(number: int) -> int:
    return 1 << max(0, number.bit_length() - 1)


def _power_above(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


class _Stream:
    """The programs of one point: so many tiles for each core, of a buffer of ``turn`` tiles a core."""

    def __init__(self, chip: Chip, level: Level, kind: Kind, cores: int, tile: int) -> None:
        self.chip, self.level, self.kind, self.cores = chip, level, kind, cores
        self.own = level.role == "sram"
        self.ring = "reg" if self.own else "sram"
        room = chip.core.reg.capacity if self.own else chip.core.sram.capacity
        if self.own:
            tile = min(tile, _power_below(room // 4), _power_below(level.footprint // 16))
        self.tile, dma = tile, chip.core.dma
        self.depth = max(1, min(room // tile, dma.max_transfers, max(1, dma.max_bytes // tile)))
        self.buffers = 2 if kind == "copy" else 1
        sharing = 1 if self.own else cores
        self.turn = max(2, level.footprint // self.buffers // (tile * sharing))
        if self.own:
            self.turn = min(self.turn, TILES_MEASURED)
        elif not level.again:
            most = chip.dram.capacity // self.buffers // (tile * cores)
            self.turn = max(2, min(most, max(self.turn, 2 * max(TILES_MEASURED, self.depth))))

    def point(self) -> Point:
        """The difference of a short and a long run."""
        short, long = self.turn // 2, self.turn
        if self.level.again:
            short = max(self.depth, self.turn)
            long = short + max(TILES_MEASURED, self.turn, 2 * self.depth)
        runs = [self._run(tiles) for tiles in (short, long)]
        streamed = (long - short) * self.cores * self.tile * self.buffers
        ticks = runs[1].ticks - runs[0].ticks
        bandwidth = streamed / float(ticks * self.chip.tick) / 1e9 if ticks > 0 else math.inf
        at_dram = runs[1].dram_bytes - runs[0].dram_bytes
        footprint = self.turn * self.cores * self.tile * self.buffers
        return Point(self.level, self.cores, footprint, bandwidth, at_dram / streamed)

    def _run(self, tiles: int) -> Result:
        """Buffers that are written again and again break a rule of programs about values, which nobody asks for."""
        program = self.program(tiles)
        if self.kind == "read":
            return simulate(program, self.chip)
        warm.forget_stale()
        return run_plan(make_plan(program, self.chip), engine="fast")

    def program(self, tiles: int) -> Program:
        """So many tiles for each core, which lie between those of the others as in a grid-stride loop."""
        p = ProgramBuilder("stream", cores=self.cores)
        rows = self.turn if self.own else self.turn * self.cores
        names = {"read": ("source",), "write": ("target",), "copy": ("source", "target")}[self.kind]
        tensors = {name: p.tensor(name, DTYPE, (rows, self.tile // ELEMENT), self.level.role) for name in names}
        if self.level.again:
            self._kernel(p, "warm", self.turn, tensors)
        self._kernel(p, "stream", tiles, tensors)
        return p.build(verify=False)

    def _kernel(self, p: ProgramBuilder, name: str, tiles: int, tensors: Mapping[str, TensorHandle]) -> None:
        source, target = tensors.get("source"), tensors.get("target")
        with p.kernel(name, grid={"core": self.cores}) as kernel:
            (core,) = kernel.coordinates
            ring = kernel.ring("tiles", self.ring, DTYPE, (1, self.tile // ELEMENT), depth=self.depth)
            with kernel.queue("give"):
                if source is not None:
                    with kernel.loop("k", tiles) as k:
                        ring.load(source[self._row(k, core), 0])
                else:  # one tile is written everywhere
                    ring.fill(0)
                    ring.push()
            with kernel.queue("take"):
                with kernel.loop("k", tiles) as k:
                    if target is not None:
                        target[self._row(k, core), 0].store(ring)
                    if source is not None:
                        ring.pop()
                if source is None:
                    ring.pop()

    def _row(self, k: Expr, core: Expr) -> Expr:
        return k % self.turn if self.own else k % self.turn * self.cores + core


def summary(found: Bandwidths) -> dict[str, Any]:
    """The study as plain values for JSON; ``bandwidth_gbs`` and ``efficiency`` are those of the last level."""
    last = found.levels[-1]
    return {
        "chip": found.chip.name,
        "kind": found.kind,
        "tile_bytes": found.tile,
        "points": [_values(found, point) for point in found.points],
        "levels": [_of_level(found, point) for point in found.levels],
        "bandwidth_gbs": _finite(last.bandwidth_gbs),
        "efficiency": last.efficiency,
    }


def _values(found: Bandwidths, point: Point) -> dict[str, Any]:
    return {
        "level": point.level.name,
        "cores": point.cores,
        "footprint_bytes": point.footprint,
        "bandwidth_gbs": _finite(point.bandwidth_gbs),
        "efficiency": point.efficiency,
        "bytes_per_cycle_per_core": _finite(found.bytes_per_cycle(point)),
        "dram_share": point.dram_share,
    }


def _of_level(found: Bandwidths, point: Point) -> dict[str, Any]:
    values = _values(found, point)
    return {key: values[key] for key in ("level", "cores", "bandwidth_gbs", "efficiency")} | {
        "peak_gbs": point.level.peak_of(point.cores)
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def show(found: Bandwidths) -> str:
    """A row for each stream."""
    lines = [f"{found.chip.name}: streams that {found.kind}, in tiles of {found.tile} B"]
    lines.append(f"{'level':10}{'cores':>6}{'GB/s':>10}{'B/cycle/core':>14}{'of peak':>9}{'from DRAM':>11}")
    for point in found.points:
        share = "-" if point.efficiency is None else f"{100 * point.efficiency:.1f} %"
        lines.append(
            f"{point.level.name:10}{point.cores:6}{point.bandwidth_gbs:10.1f}{found.bytes_per_cycle(point):14.2f}"
            f"{share:>9}{100 * point.dram_share:9.1f} %"
        )
    return "\n".join(lines)
