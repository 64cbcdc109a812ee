"""The chip as a kernel meets it: what a block does before its first load, and what warps do between two steps."""

from __future__ import annotations

from memsim.hierarchy import Chip
from memsim.library.gemm.plan import Tiling
from memsim.library.knobs import knob

BARRIER, BARRIER_A_WARP = 21, 2
"""Cycles of ``__syncthreads``, on A100 (Burtchell and Burscher, IISWC 2024)."""
FRAGMENTS = 29
"""Cycles from shared memory to the registers of a warp, ``ldmatrix.x4`` on A100 (Sun et al., arXiv 2206.02874)."""
WARP_TILE = 64 * 64
"""Of sums, in the registers of a warp, where tiles are large; small ones have four warps."""


def on_machine(chip: Chip, prologue: int = 0, pause: int = 0, kernels: int = 1) -> Chip:
    """The chip with the cycles that a product spends before its first load, and between steps.

    Parameters
    ----------
    chip
        As it is.
    prologue
        Cycles from the start of any block to its first load.
    pause
        Cycles for which the matrix unit stands still before each step.
    kernels
        2 where a reduction follows, a small kernel such as those between which ``launch`` was measured: it has no start
        beyond. A chip has one launch for all kernels, so each has half of the product's start: the sum is right.
    """
    return _changed(chip, knob("gemm_start") / kernels, prologue, pause)


def pause_cycles(tiling: Tiling, chip: Chip) -> int:
    """Between the products of two steps: a barrier, the first operands, the last product's latency.

    Parameters
    ----------
    tiling
        A kernel whose warps load and multiply in turn, alone on its core.
    chip
        With a matrix unit.
    """
    assert chip.core.matrix is not None
    warps = max(4, tiling.m * tiling.n // WARP_TILE)
    return BARRIER + BARRIER_A_WARP * warps + FRAGMENTS + round(float(chip.core.matrix.latency.value))


def _changed(chip: Chip, start: float, prologue: int, pause: int) -> Chip:
    launch = float(chip.ticks_of(chip.launch) * chip.tick) + start * float(chip.clock_period)
    changes: dict[str, object] = {"launch": f"{launch * 1e9:.3f} ns"}
    if prologue:
        changes["block_start"] = f"{prologue} cycles"
    if pause:
        changes["core.matrix.pause"] = f"{pause} cycles"
    return chip.replace(changes)
