"""Bandwidth over the bytes of a buffer that cores read again and again, as in gpu-benches (gpu-cache, gpu-l2-cache).

Two ways of reading, both through the engine:

- `whole_chip`: the cores share the buffer, as in a grid-stride loop. It lies in the cache, then in the DRAM.
- `each_core`: every core reads all of the buffer. It lies in each core's L1, then in the cache, where all ask for the
  same lines at the same time.

The cache begins with the buffer in it, as far as it fits (`memsim.engine.cached`); two runs of which one goes on for
longer differ by steady traffic only. Transfers of tiles pass the L1 by, so its share comes from the line-level model:
with h of the bytes found there,

    bandwidth = min(cores x bandwidth of the L1, bandwidth of the rest / (1 - h)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from memsim.engine import Result, simulate
from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import Program, ProgramBuilder
from memsim.isa.expr import Expr
from memsim.microbench import latency
from memsim.microbench.bandwidth import DTYPE, ELEMENT, default_tile

TILES = 64
"""Tiles of each core in the short run, and in the difference."""
KNEE = 0.9
"""A curve has left a plateau where it is below so much of it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The bandwidth over one buffer."""

    footprint: int
    """Bytes: of all cores together, or the same for each."""
    bandwidth_gbs: float


def whole_chip(chip: Chip, footprints: Sequence[int]) -> tuple[Reach, ...]:
    """GB/s of all cores over buffers of so many bytes, which they share.

    Raises
    ------
    MemsimError
        If a buffer has no tile for some core, or does not fit the DRAM.
    """
    return tuple(Reach(size, _bandwidth_gbs(chip, size, shared=False)) for size in footprints)


def each_core(chip: Chip, footprints: Sequence[int]) -> tuple[Reach, ...]:
    """GB/s of all cores together over buffers of so many bytes, which each of them reads.

    Raises
    ------
    MemsimError
        If a buffer is smaller than a line of the L1, or does not fit the DRAM; or the chip has no L1 with a bandwidth.
    """
    l1, port = chip.core.l1, chip.core.sram.bandwidth
    if l1 is None or port is None:
        raise MemsimError(
            f"the cores of {chip.name} have no L1 with a bandwidth", where="chip", mend="take a GPU, such as a100_sxm"
        )
    top = chip.core_count * float(chip.rate_per_tick(port) / chip.tick) / 1e9
    found = []
    for size in footprints:
        hit = latency.study(chip, [size], stride=l1.line).points[0].shares.get("L1", 0.0)
        beyond = _bandwidth_gbs(chip, size, shared=True) / (1 - hit) if hit < 1 else math.inf
        found.append(Reach(size, min(top, beyond)))
    return tuple(found)


def knee(curve: Sequence[Reach], plateau_gbs: float) -> int:
    """The first footprint, in the order of their size, from which on a curve stays below a plateau."""
    beyond = math.inf
    for point in sorted(curve, key=lambda point: -point.footprint):
        if point.bandwidth_gbs >= KNEE * plateau_gbs:
            break
        beyond = point.footprint
    return int(beyond) if beyond < math.inf else max(point.footprint for point in curve)


def _bandwidth_gbs(chip: Chip, footprint: int, *, shared: bool) -> float:
    """GB/s of all cores through the engine, without an L1."""
    cores = 1 if shared else chip.core_count
    tile = min(default_tile(chip), footprint // cores // ELEMENT * ELEMENT)
    if not 0 < footprint <= chip.dram.capacity or not tile:
        cause = f"a buffer of {footprint} B is none that {cores} cores can share in DRAM of {chip.dram.capacity} B"
        raise MemsimError(cause, where="footprint", mend=f"take {ELEMENT * cores} to {chip.dram.capacity} B")
    turn = max(1, footprint // (tile * cores))
    runs = [_run(chip, tile, turn, count, shared=shared) for count in (TILES, 2 * TILES)]
    moved = TILES * chip.core_count * tile
    return moved / (runs[1].time_s - runs[0].time_s) / 1e9


def _run(chip: Chip, tile: int, turn: int, tiles: int, *, shared: bool) -> Result:
    program = _program(chip, tile, turn, tiles, shared=shared)
    return simulate(program, chip, cached=[("buffer", False)] if chip.cache else None)


def _program(chip: Chip, tile: int, turn: int, tiles: int, *, shared: bool) -> Program:
    """So many tiles for each core, of a buffer of ``turn`` tiles for each, or for all alike."""
    cores, dma = chip.core_count, chip.core.dma
    p = ProgramBuilder("reach", cores=cores)
    rows = turn * (1 if shared else cores)
    buffer = p.tensor("buffer", DTYPE, (rows, tile // ELEMENT))
    depth = max(1, min(chip.core.sram.capacity // tile, dma.max_transfers, max(1, dma.max_bytes // tile)))
    with p.kernel("read", grid={"core": cores}) as kernel:
        (core,) = kernel.coordinates
        ring = kernel.ring("tiles", "sram", DTYPE, (1, tile // ELEMENT), depth=depth)
        with kernel.queue("load"), kernel.loop("k", tiles) as k:
            ring.load(buffer[_row(k, core, turn, cores, shared=shared), 0])
        with kernel.queue("use"), kernel.loop("k", tiles):
            ring.pop()
    return p.build()


def _row(k: Expr, core: Expr, turn: int, cores: int, *, shared: bool) -> Expr:
    return k % turn if shared else k % turn * cores + core
