"""The chip as a kernel meets it: what a block does before its first load, and what warps do between two steps."""

from __future__ import annotations

from functools import lru_cache

from memsim.hierarchy import Chip
from memsim.library.gemm.plan import Tiling
from memsim.library.knobs import knob

BARRIER, BARRIER_A_WARP = 21, 2
"""Cycles of ``__syncthreads``, on A100 (Burtchell and Burscher, IISWC 2024)."""
FRAGMENTS = 29
"""Cycles from shared memory to the registers of a warp, ``ldmatrix.x4`` on A100 (Sun et al., arXiv 2206.02874)."""
WARP_TILE = 64 * 64
"""Of sums, in the registers of a warp, where tiles are large; small ones have four warps."""


def on_machine(chip: Chip, pause: int = 0) -> Chip:
    """The chip with the cycles that a block of a kernel spends before its first load, and between steps.

    Parameters
    ----------
    chip
        As it is.
    pause
        Cycles for which the matrix unit stands still before each step.
    """
    return _changed(_Same(chip), round(knob("gemm_start")), pause)


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


class _Same:
    """A chip as a key: the very same, not an equal one, which takes long to tell."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip

    def __hash__(self) -> int:
        return id(self.chip)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.chip is self.chip


@lru_cache(maxsize=256)
def _changed(same: _Same, start: int, idle: int) -> Chip:
    changes: dict[str, object] = {"block_start": f"{start} cycles"}
    if idle:
        changes["core.matrix.pause"] = f"{idle} cycles"
    return same.chip.replace(changes)
