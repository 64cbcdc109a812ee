"""`linear` and `bmm`: sizes and a chip to a kernel."""

from __future__ import annotations

from dataclasses import replace

from memsim.errors import ChipError, WorkloadError, check_kind
from memsim.hierarchy import Chip
from memsim.library.kernel import Kernel
from memsim.library.knobs import knob
from memsim.library.simt.choice import choose
from memsim.library.simt.pipes import simt_chip
from memsim.library.simt.program import Plan, Product, write
from memsim.library.simt.tiles import LINE_WORDS

INSTRUCTIONS = 10_000
"""Products that all blocks issue, about; beyond, one instruction stands for several stages of shared memory."""
LEAST_STEPS = 4
"""Products of a block, at least, or what it loads would no longer overlap what it multiplies."""


def linear(chip: Chip, m: int, n: int, k: int, batch: int = 1, bias: bool = True) -> Kernel:
    """Y[m, n] = X[m, k] W[n, k]^T + bias[n] in fp32 on the SIMT pipes, as torch.nn.Linear asks cuBLAS for it.

    Parameters
    ----------
    chip
        A GPU.
    m, n, k
        Rows, outputs and inputs.
    batch
        So many products, each with operands of its own.
    bias
        Whether one is added.

    Returns
    -------
    Kernel
        Over the tensors ``X``, ``W``, ``bias`` ([1, n]) and ``Y``, and ``parts`` where k is split.

    Raises
    ------
    MemsimError
        A size is not a positive whole number.
    ChipError
        The chip has no lanes, or no shared memory and registers for even the smallest block.
    """
    return build(chip, Product(_size(m, "m"), _size(n, "n"), _size(k, "k"), _size(batch, "batch"), bool(bias)))


def bmm(chip: Chip, batch: int, m: int, n: int, k: int) -> Kernel:
    """Y[b, m, n] = X[b, m, k] W[b, k, n] in fp32 on the SIMT pipes, as torch.bmm asks cuBLAS for it.

    Parameters
    ----------
    chip
        A GPU.
    batch, m, n, k
        Number of products, and their sizes.

    Raises
    ------
    MemsimError, ChipError
        As `linear`.
    """
    sizes = (_size(m, "m"), _size(n, "n"), _size(k, "k"), _size(batch, "batch"))
    return build(chip, Product(*sizes, bias=False, transposed=False))


def build(chip: Chip, product: Product, plan: Plan | None = None) -> Kernel:
    """The kernel of a product, by a plan or the one that `choose` takes.

    Parameters
    ----------
    chip
        A GPU.
    product
        What is multiplied.
    plan
        Block, splits, stages.
    """
    check_kind(chip, Chip, "simt", 'a chip, such as Chip.preset("a100_pcie_40")')
    if chip.cache is None or chip.core.sram is None:
        raise ChipError(
            f"chip {chip.name} has no cache or no shared memory, as sgemm of a GPU needs",
            where="simt",
            mend="name a GPU",
        )
    plan = coarsened(product, plan or choose(product, chip), chip)
    target = simt_chip(chip, plan.block, product.k % LINE_WORDS == 0).replace(
        {"block_start": f"{knob('gemm_start'):g} cycles", **_room(chip, plan)}
    )
    return Kernel(write(product, plan), target, str(plan))


def coarsened(product: Product, plan: Plan, chip: Chip) -> Plan:
    """The plan with several stages to an instruction, where there would be many instructions.

    What all blocks have on their way grows likewise: a stage of it stays within the cache, or what blocks share would
    be lost there.

    Parameters
    ----------
    product
        What is multiplied.
    plan
        How.
    chip
        A GPU.
    """
    block = plan.block
    rows, columns = -(-product.m // block.m), -(-product.n // block.n)
    blocks = product.batch * rows * columns * plan.splits
    stages = -(-product.k // (block.k * plan.splits))
    aim = min(-(-blocks * stages // INSTRUCTIONS), stages // LEAST_STEPS)
    assert chip.cache is not None
    at_once = min(blocks, chip.core_count * plan.resident)
    short = min(rows, columns, at_once)
    long = min(max(rows, columns), -(-at_once // short))
    products = -(-at_once // (short * long))
    words = products * (short + long) * max(block.m, block.n) * block.k
    aim = max(1, min(aim, chip.cache.capacity // chip.cache.partitions // (4 * words)))
    grain = min(range(aim, aim + aim // 3 + 2 if aim > 1 else 2), key=lambda g: (-(-stages // g) * g, g))
    return replace(plan, grain=grain)


def _room(chip: Chip, plan: Plan) -> dict[str, object]:
    """Larger memories of a core where an instruction stands for several stages: hardware never holds them at once."""
    block, most = plan.block, plan.resident
    shared = most * plan.grain * block.shared_bytes(plan.stages)
    registers = 4 * most * (block.m * block.n + block.n + plan.grain * block.barrier_cycles)
    needed: dict[str, object] = {}
    if shared > chip.core.sram.capacity:
        needed["core.sram.capacity"] = f"{shared} B"
    flying = plan.grain * block.shared_bytes(plan.stages)
    if flying > chip.core.dma.max_bytes:
        needed["core.dma.max_bytes"] = f"{flying} B"
    if registers > chip.core.reg.capacity:
        needed["core.reg.capacity"] = f"{registers} B"
    return needed


def _size(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise WorkloadError(f"{name} is {value!r}", where="simt", mend="give a whole number of at least 1")
    return value
