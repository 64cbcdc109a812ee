"""fp32 matrix products without tensor cores: what cuBLAS's sgemm launches for torch.nn.Linear and torch.bmm."""

from __future__ import annotations

from dataclasses import replace

from memsim.errors import MemsimError, check_kind
from memsim.hierarchy import Chip
from memsim.library.kernel import Kernel
from memsim.library.simt.choice import FINEST, choose
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
    plan = coarsened(product, plan)
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


def coarsened(product: Product, plan: Plan) -> Plan:
    block = plan.block
    tiles = product.batch * -(-product.m // block.m) * -(-product.n // block.n)
    stages = -(-product.k // (block.k * plan.splits))
    least = max(1, -(-tiles * plan.splits * stages // FINEST))
    grain = min(range(least, least + max(1, least // 3) + 1), key=lambda g: (-(-stages // g) * g, g))
    return replace(plan, grain=grain)
