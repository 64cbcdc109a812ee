"""Matrix products on tensor cores, as cuBLAS and its like launch them.

A chip's library has a few dozen kernels (`catalogue`): tiles that the matrix unit, the registers and the shared memory
of a core allow, one block a tile or persistent, alone or in clusters that share loads. `choose` takes the one with the
least estimated time, and how often k is split; `write` makes its tile program.
"""

from __future__ import annotations

from dataclasses import replace

from memsim.errors import ChipError, MemsimError, check_kind
from memsim.hierarchy import Chip
from memsim.library.gemm.catalogue import catalogue, is_asynchronous
from memsim.library.gemm.choose import choose
from memsim.library.gemm.facts import Facts
from memsim.library.gemm.gemv import write_gemv
from memsim.library.gemm.machine import on_machine, pause_cycles
from memsim.library.gemm.plan import Plan, Problem, Tiling
from memsim.library.gemm.write import write
from memsim.library.kernel import Kernel, Sample

__all__ = ["Plan", "Problem", "Tiling", "catalogue", "choose", "gemm", "write"]

MANY_STEPS = 40_000
"""Steps of all tiles from which on a kernel is run as samples."""
SAMPLED = (16, 32)
"""Steps of a tile of the samples."""
TYPES = {
    "bf16": ("bf16", "fp32"),
    "fp16": ("fp16", "fp32"),
    "fp8_e4m3": ("bf16", "fp32"),
    "fp8_e5m2": ("bf16", "fp32"),
    "int8": ("int32", "int32"),
    "fp32": ("fp32", "fp32"),
}
"""Operands: (C, its sums). fp32 is tf32 on tensor cores."""


def gemm(chip: Chip, m: int, n: int, k: int, dtype: str = "bf16", batch: int = 1) -> Kernel:
    """The kernel that a library launches for C[m, n] = A[m, k] · B[n, k]ᵀ on matrix units.

    Parameters
    ----------
    chip
        A GPU: a chip with a dot-product unit in each core and a cache.
    m, n, k
        Sizes; B holds the weights of a layer, k contiguous, as PyTorch keeps them.
    dtype
        Of A and B: ``"bf16"``, ``"fp16"``, ``"fp8_e4m3"`` (or ``"fp8"``), ``"fp8_e5m2"``, ``"int8"``, or ``"fp32"``
        for tf32. C is bf16 of fp8, int32 of int8, else of the same type; sums are fp32 or int32.
    batch
        Matrices of A, B and C; with more than one, each tensor has a leading axis.

    Returns
    -------
    Kernel
        Tensors ``A``, ``B`` and ``C``; ``parts`` too where k is split.

    Raises
    ------
    ChipError
        The chip is no GPU with a matrix unit for this type.
    MemsimError
        A size is below 1.
    """
    check_kind(chip, Chip, "gemm", "such as Chip.preset('h100_sxm')")
    dtype = "fp8_e4m3" if dtype == "fp8" else dtype
    for name, size in (("m", m), ("n", n), ("k", k), ("batch", batch)):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise MemsimError(f"{name} is a whole number from 1 up, found {size!r}", where="gemm")
    _check(chip, dtype)
    problem = Problem(m, n, k, dtype, *TYPES[dtype], batch)
    if m == 1 and not is_asynchronous(chip, dtype):
        return Kernel(write_gemv(problem, chip.core_count), on_machine(chip), "a row, on vector lanes")
    plan = choose(chip, problem)
    facts = Facts.of(chip, dtype)
    machine = on_machine(
        chip,
        facts.prologue(plan.tiling, dtype, plan.steps(problem)),
        pause_cycles(plan.tiling, chip) if facts.pauses(plan.tiling, plan.pieces(problem)) else 0,
        1 if plan.splits == 1 else 2,
    )
    program = write(problem, plan, chip.core_count)
    return Kernel(program, machine, str(plan), plan.steps(problem), _samples(problem, plan, chip.core_count))


def _samples(problem: Problem, plan: Plan, cores: int) -> tuple[Sample, ...]:
    """The same kernel with fewer steps, if it has very many in all."""
    if plan.steps(problem) <= SAMPLED[-1] or plan.pieces(problem) * plan.steps(problem) < MANY_STEPS:
        return ()
    shorter = [(steps, replace(problem, k=steps * plan.splits * plan.tiling.k)) for steps in SAMPLED]
    return tuple(Sample(steps, write(short, plan, cores)) for steps, short in shorter)


def _check(chip: Chip, dtype: str) -> None:
    unit = chip.core.matrix
    if unit is None or unit.kind != "dot" or chip.cache is None:
        raise ChipError(
            f"chip {chip.name} is no GPU with matrix units",
            where="gemm",
            mend="the library writes kernels for GPUs; memsim.compile writes them for any chip",
        )
    if not unit.supports(dtype) or dtype not in TYPES:
        known = ", ".join(t for t in unit.dtypes if t in TYPES)
        raise ChipError(
            f"chip {chip.name} has no matrix unit for {dtype!r}", where="gemm", mend=f"choose one of {known}"
        )
    if not catalogue(chip, dtype):
        raise ChipError(
            f"no tile of a product fits a core of chip {chip.name}",
            where="gemm",
            mend="give it more core.sram or core.reg, or use memsim.compile",
        )
