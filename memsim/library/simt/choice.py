"""Which tile, and how many splits of k: the least of an analytic estimate, as cuBLAS's heuristics are tables of one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from memsim.hierarchy import Chip
from memsim.library.simt.pipes import slowdown
from memsim.library.simt.program import Plan, Product
from memsim.library.simt.tiles import CATALOGUE, Block

STAGES = 2
"""Stages in shared memory: the next is fetched while one is multiplied."""
WORKSPACE_BYTES = 1 << 20
"""What PyTorch gives cuBLASLt for the parts of a split k (1 MiB from pytorch/pytorch#73439 on, until 2.6)."""
SLACK = 1.03
"""Of plans whose estimates differ by less, the largest tile is taken, which moves least; then the fewest splits."""
CACHE_SHARE = 1
FEWEST_STEPS = 4
"""Instructions along k of a block, at least."""
MOST_SPLITS = 32
FINEST = 10_000
"""Instructions along k of all blocks; beyond, one stands for several stages."""
SPLITS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)


def choose(product: Product, chip: Chip) -> Plan:
    """The plan with the least estimated time."""
    known = [(estimate(product, plan, chip), plan) for plan in candidates(product, chip)]
    most = SLACK * min(cycles for cycles, _ in known)
    quick = [(cycles, plan) for cycles, plan in known if cycles <= most]
    return min(quick, key=lambda found: (-found[1].block.m * found[1].block.n, found[1].splits, found[0]))[1]


def candidates(product: Product, chip: Chip) -> Iterator[Plan]:
    for block in CATALOGUE:
        if not block.fits(chip, STAGES):
            continue
        for splits in SPLITS:
            if splits > 1 and not _may_split(product, block, splits, chip):
                continue
            yield Plan(block, splits, STAGES, block.resident(chip, STAGES), 1)


def _may_split(product: Product, block: Block, splits: int, chip: Chip) -> bool:
    """Whether the parts fit their workspace, and each is several stages long."""
    fits = in_place(chip) or 4 * splits * product.batch * product.m * product.n <= WORKSPACE_BYTES
    return fits and product.k >= 4 * splits * block.k


def in_place(chip: Chip) -> bool:
    """Whether splits need no workspace: assumed of the kernels of GPUs before Ampere, which know no bf16."""
    return chip.core.matrix is None or not chip.core.matrix.supports("bf16")


@lru_cache(maxsize=64)
def _facts(chip: Chip) -> tuple[float, float, float]:
    """Bytes a cycle of the DRAM and of the cache, cycles of a load."""
    hertz = float(1 / chip.clock_period)
    dram = float(chip.rate_per_tick(chip.dram.bandwidth) * (chip.clock_period / chip.tick))
    cache = float(chip.rate_per_tick(chip.cache.bandwidth) * (chip.clock_period / chip.tick))
    latency = 0.0
    for part in (chip.dram.latency, chip.cache.latency, chip.core.dma.latency, chip.network.hop_latency, chip.network.hop_latency):
        latency += float(chip.ticks_of(part) * chip.tick) * hertz
    return 0.9*dram, cache, latency


def estimate(product: Product, plan: Plan, chip: Chip) -> float:
    """Cycles of the launches of a plan."""
    block, lanes, cores = plan.block, chip.core.vector.lanes, chip.core_count
    dram, cache, latency = _facts(chip)
    launch = float(chip.ticks_of(chip.launch) * chip.tick / chip.clock_period)
    tiles = product.batch * -(-product.m // block.m) * -(-product.n // block.n)
    blocks = tiles * plan.splits
    steps = plan.steps(product.k)
    each = plan.step * block.m * block.n / lanes * slowdown(chip, block, product.k % 32 == 0)
    lone = max(each, latency) + block.barrier_cycles  # a step of a block that has the core for itself
    out = 4 * product.batch * product.m * product.n
    store = 4 * block.m * block.n * cores / dram
    most = -(-blocks // cores)
    waves, rest = divmod(most, plan.resident)
    busy = waves * (steps * max(plan.resident * each, lone) + latency + plan.resident * store)
    if rest:
        busy += steps * max(rest * each, lone) + latency + rest * store
    operands = 4 * product.batch * (product.m + product.n) * product.k
    traffic = 4 * blocks * steps * plan.step * (block.m + block.n)
    busy = max(busy, traffic / cache, (operands + out) / dram)
    total = launch + latency + busy
    if plan.splits > 1:
        total += launch + 2 * latency + 2 * plan.splits * out / cache + out / dram
    return total
