"""What a bit costs on its way through a chip, level by level, as regressions over measured power see it.

A tile goes from DRAM into the cache, through the network into a core's SRAM, and from there to a unit. Each level is
what its step adds to the one above, so levels add up: a bit from DRAM pays all of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from memsim.hierarchy.dram_parts import dram_part

if TYPE_CHECKING:
    from memsim.hierarchy.chip import Chip

FMA_OPERANDS = 3
"""Registers that a multiply-add reads; its result is forwarded or overwrites one of them."""
WORD = 32


class Levels(NamedTuple):
    """pJ/bit that each level adds."""

    l1: float
    """A core's SRAM to its unit."""
    l2: float
    """The cache, with the network to a core and the write into its SRAM; 0 without a cache."""
    dram: float
    """DRAM with its controller, the wires to the cache and the fill; without a cache, up to a core's SRAM."""

    @property
    def total(self) -> float:
        """A bit from DRAM to a unit, pJ."""
        return self.l1 + self.l2 + self.dram


def network_pj_per_bit(chip: Chip) -> float:
    """Mean energy of a bit from a memory port to a core: wires and routers, over all pairs of port and core."""
    wire, hop = chip.wire_energy_pj_per_bit_mm, chip.hop_energy_pj_per_bit
    total = 0.0
    nodes = chip.memory_nodes("dram")
    for node in nodes:
        for core in range(chip.core_count):
            for way in pairwise(chip.route(node, f"core{core}")):
                edge = chip.graph.edges[way]
                own = edge.get("energy")  # of a link that is no plain wire
                total += (edge["mm"] * wire if own is None else own) + edge["hops"] * hop
    return total / (len(nodes) * chip.core_count)


def level_energies(chip: Chip) -> Levels:
    """Energy that each level adds to a bit that is read, pJ/bit, at the chip's toggle."""
    near = chip.read_energy("sram")
    way = network_pj_per_bit(chip) + chip.write_energy("sram")
    dram = chip.read_energy("dram") + activate_pj_per_bit(chip)
    if chip.cache is None:
        return Levels(near, 0.0, dram + way)
    behind = chip.backing_mm * chip.wire_energy_pj_per_bit_mm + chip.write_energy("cache")
    crossing = crossing_share(chip) * (chip.read_energy("cache") + chip.write_energy("cache") + _partition_wire(chip))
    return Levels(near, chip.read_energy("cache") + way, dram + behind + crossing)


def activate_pj_per_bit(chip: Chip) -> float:
    """Energy of opening rows for each bit of a stream, which uses rows whole; 0 where the chip names no part."""
    return chip.activation_energy / (8 * dram_part(chip.dram.part).row_bytes) if chip.dram.part else 0.0


def crossing_share(chip: Chip) -> float:
    """Share of the bits from DRAM whose home is another partition of the cache than that of the core that reads."""
    return 1 - 1 / chip.cache.partitions if chip.cache else 0.0


def _partition_wire(chip: Chip) -> float:
    return chip.partition_mm * chip.wire_energy_pj_per_bit_mm


def flop_pj(chip: Chip) -> float:
    """Energy of an operation of a multiply-add in fp32, with its registers: half of the multiply-add, pJ."""
    return (chip.vector_energy("simple") + FMA_OPERANDS * WORD * chip.read_energy("reg")) / 2


def stream_power_w(chip: Chip, dram_bytes_per_s: float, flop_per_s: float = 0.0) -> float:
    """Power while a kernel streams from DRAM and computes in fp32 on its vector units, W."""
    dynamic_pj = 8 * dram_bytes_per_s * level_energies(chip).total + flop_per_s * flop_pj(chip)
    return chip.static_power_w + dynamic_pj * 1e-12


class Accesses(NamedTuple):
    """pJ/bit of each memory, read or written: what a chip file gives."""

    sram: float
    cache: float
    dram: float


def accesses_for(chip: Chip, measured: Levels) -> Accesses:
    """Energies of the memories with which `level_energies` gives the measured levels, on this chip's geometry.

    Writes are taken to cost what reads do. Negative where the wires alone cost more than was measured.
    """
    sram = measured.l1
    way = network_pj_per_bit(chip) + sram
    if chip.cache is None:
        return Accesses(sram, 0.0, measured.dram - way - activate_pj_per_bit(chip))
    cache = measured.l2 - way
    crossing = crossing_share(chip) * (2 * cache + _partition_wire(chip))
    behind = chip.backing_mm * chip.wire_energy_pj_per_bit_mm + cache + crossing + activate_pj_per_bit(chip)
    return Accesses(sram, cache, measured.dram - behind)
