"""Unit energies and latencies of a chip: what it gives, else its technology's, at the chip's data toggle and clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memsim.hierarchy.dram_parts import dram_part
from memsim.hierarchy.matrix import MatrixUnit
from memsim.hierarchy.memories import Cache, Dram, Memory, SharedMemory
from memsim.hierarchy.sram import access_pj_per_bit, latency_ns
from memsim.hierarchy.wires import RANDOM

if TYPE_CHECKING:
    from memsim.hierarchy.chip import Chip

ON_TILES = ("mesh", "torus", "ring", "graph")
"""Networks whose hops are wires from router to router; the switch of a crossbar or tree has no energy of its own."""
BITS = {"fp64": 64, "fp32": 32, "fp16": 16, "bf16": 16, "fp8_e4m3": 8, "fp8_e5m2": 8, "int8": 8}
SUM_BITS = 32


def array_of(memory: Memory | Cache | SharedMemory) -> tuple[int, int, int]:
    """(bytes, ports, banks) of the macro in which an access works: for a chip-wide memory, that behind one port."""
    match memory:
        case Cache():
            behind = max(1, len(memory.at))
            return memory.capacity // behind, 1, memory.slices // behind
        case SharedMemory():
            behind = max(1, len(memory.at))
            return memory.capacity // behind, 1, memory.banks // behind
    return memory.capacity, memory.ports, memory.banks


def access_energy(chip: Chip, role: str, given: float | None) -> float:
    """PJ a bit of a memory: as given, else by its kind or size; with the chip's toggle."""
    energy = _access_energy(chip, role) if given is None else given
    energy = chip.unit_energies.with_toggle(energy, role, chip.toggle)
    return energy if role == "dram" else energy * core_factor(chip)


def core_factor(chip: Chip) -> float:
    """Energy of what has the cores' voltage, at their clock, over what is given: V^2."""
    return chip.volts_over_nominal**2


def _access_energy(chip: Chip, role: str) -> float:
    technology, memory = chip.unit_energies, chip.memory(role)
    if isinstance(memory, Dram) and memory.part is not None:
        part = dram_part(memory.part)
        return part.energy.read_pj / (8 * part.burst_bytes)
    if isinstance(memory, Dram):
        return technology.dram_energy.get(memory.kind, 0.0)
    if role == "reg":
        return technology.reg_pj_per_bit(memory.capacity // array_of(memory)[2], array_of(memory)[1])
    return access_pj_per_bit(technology.sram_curve(memory.sram_family), *array_of(memory))


def access_latency_ns(chip: Chip, role: str) -> float:
    """Time of an access inside a memory of SRAM, by its size; for DRAM what the chip gives, ns."""
    memory = chip.memory(role)
    given = float(chip.ticks_of(memory.latency) * chip.tick) * 1e9
    if given or isinstance(memory, Dram):
        return given
    return latency_ns(chip.unit_energies.sram_latency(memory.sram_family), *array_of(memory))


def wire_energy(chip: Chip) -> float:
    """PJ to move a bit by a millimetre; what the chip gives is meant for random data."""
    given = chip.network.wire_energy
    if given is None:
        return chip.unit_energies.wire_pj_per_bit_mm(chip.toggle) * core_factor(chip)
    return given * chip.toggle / RANDOM * core_factor(chip)


def hop_energy(chip: Chip) -> float:
    """PJ a bit of a router; unless given, the technology's share of a wire as long as a core is wide."""
    network = chip.network
    if "energy_per_bit_hop" in network.model_fields_set or network.topology not in ON_TILES:
        return network.energy_per_bit_hop * core_factor(chip)
    technology = chip.unit_energies
    mean_mm = sum(chip.core.pitch) / 2
    return max(0.0, technology.hop_factor - 1) * technology.wire_pj_per_bit_mm() * mean_mm * core_factor(chip)


def mac_energy(chip: Chip, dtype: str) -> float:
    """PJ of a multiply-accumulate; one of a systolic array that is not given has its flip-flops in it."""
    unit, technology = chip.core.matrix, chip.unit_energies
    given: dict[str, Any] = (unit.energy if unit else None) or {}
    if dtype in given:
        energy = float(given[dtype])
    else:
        energy = technology.mac_energy.get(dtype, 0.0) + (shift_energy(chip, unit, dtype) if unit else 0.0)
    return technology.with_toggle(energy, "matrix", chip.toggle) * core_factor(chip)


def shift_energy(chip: Chip, unit: MatrixUnit, dtype: str) -> float:
    """PJ with which a cell of a systolic array hands on an operand and a sum (or two operands): written and read."""
    each = chip.unit_energies.flip_flop_energy
    if unit.kind != "systolic" or not each:
        return 0.0
    return 2 * each * (BITS.get(dtype, SUM_BITS) + SUM_BITS)


def vector_energy(chip: Chip, op_class: str) -> float:
    """PJ per element of an operation class."""
    given = chip.core.vector.energy or {}
    energy = float({**chip.unit_energies.vector_energy, **given}.get(op_class, 0.0))
    return chip.unit_energies.with_toggle(energy, "vector", chip.toggle) * core_factor(chip)
