"""The kernels that a chip's library has: tiles that its matrix unit, its registers and its shared memory allow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from memsim.hierarchy import Chip
from memsim.isa.ops import DTYPES
from memsim.library.gemm.plan import Tiling

WIDE = 256
"""Columns of a native step of a unit that takes its operands from shared memory by itself (wgmma, tcgen05)."""
MOST_STAGES = 8
SMALL = 128 * 64
"""Sums of a tile of which a core holds two blocks: larger ones take the registers of half the threads and more."""


def is_asynchronous(chip: Chip, dtype: str) -> bool:
    """Whether products, once issued, run by themselves: wgmma of Hopper, tcgen05 of Blackwell."""
    assert chip.core.matrix is not None
    native = chip.core.matrix.native.get(dtype)
    return native is not None and native.n >= WIDE


def catalogue(chip: Chip, dtype: str) -> tuple[Tiling, ...]:
    """All kernels for a type of operands."""
    key = (chip.core.sram.capacity, chip.core.reg.capacity, is_asynchronous(chip, dtype), DTYPES[dtype].bytes)
    native = chip.core.matrix.native[dtype].m if chip.core.matrix and chip.core.matrix.native else 64
    return _catalogue(*key, native)


@lru_cache(maxsize=64)
def _catalogue(sram: int, reg: int, asynchronous: bool, size: int, native: int) -> tuple[Tiling, ...]:
    make = _asynchronous if asynchronous else _synchronous
    return tuple(t for t in make(sram, 128 // size, size, native) if _fits(t, sram, reg, size))


def _fits(tiling: Tiling, sram: int, reg: int, size: int) -> bool:
    sums = 4 * tiling.m * tiling.n * tiling.accumulators + 2 * tiling.m * tiling.n
    return (
        tiling.stages >= 2
        and tiling.residents * tiling.stages * (tiling.m + tiling.n) * tiling.k * size <= sram
        and tiling.residents * sums <= reg
    )


def _stages(sram: int, m: int, n: int, k: int, size: int, residents: int, most: int) -> int:
    return min(most, sram // residents // ((m + n) * k * size))


def _synchronous(sram: int, line: int, size: int, native: int) -> Iterator[Tiling]:
    """Warps load and multiply in turn (mma.sync, MFMA): a block a tile."""
    del native
    for m, n in ((64, 64), (128, 64), (64, 128), (128, 128), (256, 64), (64, 256), (256, 128), (128, 256)):
        for residents in (1, 2) if m * n <= SMALL else (1,):
            k = line
            if residents * 3 * (m + n) * k * size > sram:
                k //= 2
            yield Tiling(m, n, k, _stages(sram, m, n, k, size, residents, 5), residents)


def _asynchronous(sram: int, line: int, size: int, native: int) -> Iterator[Tiling]:
    """One warp loads, others multiply (wgmma, tcgen05): low tiles for few rows, clusters for large ones."""
    k = line
    for m in (16, 32, 64):
        for n in (native, 2 * native):
            yield Tiling(m, n, k, _stages(sram, m, n, k, size, 1, MOST_STAGES), turned=True)
    for m, n in ((native, 64), (native, 128), (2 * native, 64), (2 * native, 128), (2 * native, 256), (native, 256)):
        stages = _stages(sram, m, n, k, size, 1, MOST_STAGES)
        yield Tiling(m, n, k, stages)
        for high, wide in ((2, 1), (1, 2), (4, 1), (1, 4), (2, 2), (4, 2), (2, 4)):
            for accumulators in (1,):
                yield Tiling(m, n, k, stages, 1, high, wide, accumulators, persistent=True)
