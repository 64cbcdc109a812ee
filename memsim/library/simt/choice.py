"""Which block, and how many splits of k: the least of an analytic estimate, for one simulation of what it chose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from memsim.errors import ChipError
from memsim.hierarchy import Chip
from memsim.library.simt.pipes import slowdown
from memsim.library.simt.program import Plan, Product
from memsim.library.simt.tiles import CATALOGUE, LINE_WORDS, Block

STAGES, STAGES_ASYNCHRONOUS = 2, 4
"""Stages in shared memory: the next is fetched, by way of registers, while one is multiplied; with copies that pass the
registers by (Ampere and later), as in cutlass_80_simt_sgemm_128x128_8x4, three are on their way."""
WIDE_LANES = 128
"""FMA lanes of an SM from which on there are blocks of 256 rows or columns: smaller ones are held up by fragments."""
WORKSPACE_BYTES = 1 << 20
"""What PyTorch gives cuBLASLt for the parts of a split k (1 MiB since pytorch/pytorch#73439)."""
SPLITS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
"""Parts of k to try."""
LEAST_STAGES = 4
"""Stages of a part, at least."""
SLACK = 1.03
"""Of plans whose estimates differ by less, the largest block is taken, which moves least; then the fewest splits."""


def choose(product: Product, chip: Chip) -> Plan:
    """The plan with the least estimated time.

    Parameters
    ----------
    product
        What is multiplied.
    chip
        A GPU.

    Raises
    ------
    ChipError
        No block of the catalogue fits a core.
    """
    facts = _facts(chip)
    known = [(_cycles(product, plan, chip, facts), plan) for plan in candidates(product, chip)]
    if not known:
        raise ChipError(
            f"no block of sgemm fits the registers and shared memory of a core of {chip.name}",
            where="simt",
            mend="name a GPU",
        )
    most = SLACK * min(cycles for cycles, _ in known)
    quick = [(cycles, plan) for cycles, plan in known if cycles <= most]
    return min(quick, key=lambda found: (-found[1].block.m * found[1].block.n, found[1].splits, found[0]))[1]


def candidates(product: Product, chip: Chip) -> Iterator[Plan]:
    """All blocks that fit a core; k is split where the tiles of the result do not fill the chip once.

    Parameters
    ----------
    product
        What is multiplied.
    chip
        A GPU.
    """
    stages = STAGES if before_ampere(chip) else STAGES_ASYNCHRONOUS
    for block in CATALOGUE:
        if not block.fits(chip, stages) or (max(block.m, block.n) > 128 and chip.core.vector.lanes < WIDE_LANES):
            continue
        resident = block.resident(chip, stages)
        tiles = product.batch * -(-product.m // block.m) * -(-product.n // block.n)
        for splits in SPLITS if tiles <= resident * chip.core_count else (1,):
            if splits == 1 or _may_split(product, block, splits, chip):
                yield Plan(block, splits, stages, resident, 1)


def _may_split(product: Product, block: Block, splits: int, chip: Chip) -> bool:
    """Whether the parts fit their workspace, and each is several stages long."""
    fits = before_ampere(chip) or 4 * splits * product.batch * product.m * product.n <= WORKSPACE_BYTES
    return fits and product.k >= LEAST_STAGES * splits * block.k


def before_ampere(chip: Chip) -> bool:
    """Whether a GPU is older than NVIDIA's Ampere: its tensor cores, if any, know no bf16.

    Its kernels load through registers, and are assumed to add the parts of a split k in place, without a workspace.

    Parameters
    ----------
    chip
        A GPU.
    """
    return chip.core.matrix is None or not chip.core.matrix.supports("bf16")


class _Facts(NamedTuple):
    """A chip as the estimate sees it, in bytes and cycles of the core clock."""

    dram: float
    cache: float
    latency: float
    """Of a load from DRAM."""
    launch: float


def _facts(chip: Chip) -> _Facts:
    ticks = chip.clock_period / chip.tick
    assert chip.dram is not None and chip.dram.bandwidth is not None
    assert chip.cache is not None and chip.network is not None
    way = (chip.dram.latency, chip.cache.latency, chip.core.dma.latency, *(2 * (chip.network.hop_latency,)))
    return _Facts(
        float(chip.rate_per_tick(chip.dram.bandwidth) * ticks * chip.dram.efficiency),
        float(chip.rate_per_tick(chip.cache.bandwidth) * ticks),
        float(sum(chip.ticks_of(part) for part in way) / ticks),
        float(chip.ticks_of(chip.launch) / ticks),
    )


def _cycles(product: Product, plan: Plan, chip: Chip, facts: _Facts) -> float:
    """Estimated cycles of all launches.

    Waves of resident blocks, each wave as long as its blocks' products take together, or as a lone block that waits
    for every stage; or what the cache or the DRAM takes, where that is more.
    """
    block, cores = plan.block, chip.core_count
    blocks = product.batch * -(-product.m // block.m) * -(-product.n // block.n) * plan.splits
    steps = plan.steps(product.k)
    ideal = plan.step * block.m * block.n / chip.core.vector.lanes
    each = ideal * slowdown(chip, block, product.k % LINE_WORDS == 0)
    lone = max(each, facts.latency / (plan.stages - 1)) + block.barrier_cycles
    store = 4 * block.m * block.n * cores / facts.dram
    waves, rest = divmod(-(-blocks // cores), plan.resident)
    full = steps * max(plan.resident * each, lone) + facts.latency + plan.resident * store
    last = steps * max(rest * each, lone) + facts.latency + rest * store if rest else 0.0
    out = 4 * product.batch * product.m * product.n
    operands = 4 * product.batch * (product.m + product.n) * product.k
    loads = 4 * blocks * steps * plan.step * (block.m + block.n)
    busy = max(waves * full + last, loads / facts.cache, (operands + out) / facts.dram)
    total = facts.launch + facts.latency + busy
    if plan.splits > 1:
        total += facts.launch + 2 * facts.latency + 2 * plan.splits * out / facts.cache + out / facts.dram
    return total
