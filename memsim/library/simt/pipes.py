"""fp32 products on the SIMT pipes: what an SM's FMA lanes make of one thread's register block."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from memsim.errors import check_kind
from memsim.hierarchy import Chip
from memsim.hierarchy.wires import RANDOM
from memsim.library.simt.tiles import CATALOGUE, PATCH, Block

FMA_REGISTER_BITS = 96
"""What the energy of an operation in a preset leaves out of that of a measured FMA."""
COUNTED_BITS = 64
"""Of them, the sum's: the engine counts its read and its write for each FMA."""
WHOLE = next(block for block in CATALOGUE if block.m == block.n == 128)


def simt_chip(chip: Chip, block: Block = WHOLE, aligned: bool = False) -> Chip:
    """An equal chip whose fp32 products run on the vector lanes.

    A native step is what 2 x 2 threads make of their fragments: each ``thread_m`` x ``thread_n`` FMA for
    ``thread_m + thread_n`` words from shared memory, at ``core.vector.lanes`` FMA a cycle or what other pipes allow
    (`Block.slowdown`). Words cost energy as they are delivered to registers, to each thread its own, for that is what
    has been measured: a word that the step reads for two threads costs twice that of a read. The time of the reads is
    in the step, so shared memory has no bandwidth of its own. The special-function pipe stands for the barrier: an
    element a cycle, no energy.

    Parameters
    ----------
    chip
        A chip with vector lanes.
    block
        The thread block that runs on it.
    aligned
        Whether rows of the operands begin at lines.
    """
    check_kind(chip, Chip, "simt_chip", 'a chip, such as Chip.preset("a100_pcie_40")')
    return _simt_chip(chip, block, aligned)


def shared_bytes_cycle(chip: Chip) -> Fraction:
    """Bytes that shared memory delivers a cycle; 128 where the chip says nothing.

    Parameters
    ----------
    chip
        A GPU.
    """
    rate = chip.core.sram.bandwidth
    return Fraction(128) if rate is None else chip.rate_per_tick(rate) * chip.clock_period / chip.tick


def slowdown(chip: Chip, block: Block, aligned: bool) -> float:
    """`Block.slowdown` on a chip.

    Parameters
    ----------
    chip
        A GPU.
    block
        A thread block.
    aligned
        Whether rows of the operands begin at lines.
    """
    return block.slowdown(chip.core.vector.lanes, shared_bytes_cycle(chip), aligned)


@lru_cache(maxsize=256)
def _simt_chip(chip: Chip, block: Block, aligned: bool) -> Chip:
    if chip.toggle != RANDOM:  # energies that are given are meant for random bits
        return _simt_chip(chip.replace({"toggle": RANDOM}), block, aligned).replace({"toggle": chip.toggle})
    vector = chip.core.vector
    registers = (FMA_REGISTER_BITS - COUNTED_BITS) * chip.read_energy("reg")
    simple, reduce = chip.vector_energy("simple"), chip.vector_energy("reduce")
    return chip.replace(
        {
            "core.matrix": {
                "kind": "dot",
                "native": {"fp32": list(block.native(vector.lanes, slowdown(chip, block, aligned)))},
                "latency": str(vector.latency),
                "energy": {"fp32": f"{simple + registers:.4f} pJ/MAC"},
            },
            "core.sram.bandwidth": None,
            "core.sram.read_energy": f"{PATCH * chip.read_energy('sram'):.4f} pJ/bit",
            "core.vector.special_lanes": 1,
            "core.vector.energy": {"simple": f"{simple} pJ/op", "special": "0 pJ/op", "reduce": f"{reduce} pJ/op"},
        }
    )
