"""fp32 matrix products without tensor cores: what cuBLAS's sgemm launches for torch.nn.Linear and torch.bmm."""

from __future__ import annotations

from dataclasses import replace

from memsim.errors import MemsimError, check_kind
from memsim.hierarchy import Chip
from memsim.library.kernel import Kernel
from memsim.library.simt.choice import CACHE_SHARE, FEWEST_STEPS, FINEST, choose
from memsim.library.simt.pipes import simt_chip
from memsim.library.simt.program import Plan, Product, write

__all__ = ["bmm", "build", "linear", "simt_chip"]


def linear(chip: Chip, m: int, n: int, k: int, batch: int = 1, bias: bool = True) -> Kernel:
    """Y[m, n] = X[m, k] W[n, k]^T + bias[n] in fp32 on the SIMT pipes."""
    return build(chip, Product(m, n, k, batch, bias))


def bmm(chip: Chip, batch: int, m: int, n: int, k: int) -> Kernel:
    """Y[b, m, n] = X[b, m, k] W[b, k, n] in fp32 on the SIMT pipes."""
    return build(chip, Product(m, n, k, batch, bias=False, transposed=False))


def build(chip: Chip, product: Product, plan: Plan | None = None) -> Kernel:
    """The kernel of a product, by the plan given or chosen."""
    if plan is None:
        plan = choose(product, chip)
    plan = coarsened(product, plan, chip)
    target = simt_chip(chip, plan.block, product.k % 32 == 0)
    shared = plan.resident * plan.block.shared_bytes(plan.stages) * plan.grain
    registers = plan.resident * (4 * plan.block.m * plan.block.n + 4 * plan.block.n + 4 * plan.block.barrier_cycles * plan.grain)
    more: dict[str, object] = {}
    if shared > target.core.sram.capacity:
        more["core.sram.capacity"] = f"{shared} B"
    if registers > target.core.reg.capacity:
        more["core.reg.capacity"] = f"{registers} B"
    if more:
        target = target.replace(more)
    return Kernel(write(product, plan), target, str(plan))


def coarsened(product: Product, plan: Plan, chip: Chip) -> Plan:
    """The plan with several stages to an instruction, where there would be many instructions.

    What all blocks have on their way then grows likewise; it stays a small part of the cache, or sharing would be lost.
    """
    block = plan.block
    rows, columns = -(-product.m // block.m), -(-product.n // block.n)
    blocks = product.batch * rows * columns * plan.splits
    stages = -(-product.k // (block.k * plan.splits))
    aim = -(-blocks * stages // FINEST)
    if chip.cache is not None:
        at_once = min(blocks, chip.core_count * plan.resident)
        short = min(rows, columns, at_once)
        long = min(max(rows, columns), -(-at_once // short))
        parts = -(-at_once // (short * long))
        touched = parts * (short + long) * max(block.m, block.n)
        room = chip.cache.capacity / chip.cache.partitions / CACHE_SHARE
        aim = min(aim, int(room / (4 * plan.stages * block.k * touched)))
    least = max(1, min(aim, stages // FEWEST_STEPS))
    grain = min(range(least, least + max(1, least // 3) + 1), key=lambda g: (-(-stages // g) * g, g))
    return replace(plan, grain=grain)
