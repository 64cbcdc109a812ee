"""Rules on what fits: blocks on cores, rings and tensors in memories."""

from __future__ import annotations

import math

from memsim.errors import ChipError, MemsimError, ProgramError
from memsim.isa.analyze import kernel_bytes, peak_bytes
from memsim.isa.lexical import nearest
from memsim.isa.machine import Machine
from memsim.isa.model import PER_CORE_ROLES, Kernel, Program
from memsim.isa.sites import placed

_USUAL_ROLES = ("dram", "shared", "sram", "reg")
"""Roles that are proposed where one is unknown, if the chip has them."""


def check_capacity(program: Program, chip: Machine | None) -> None:
    """Raise unless the blocks fit the cores and, where a chip is given, everything fits its memories."""
    cores = _cores(program, chip)
    if cores is not None:
        for kernel in program.kernels:
            _check_cores(kernel, cores, chip)
    if chip is not None:
        _check_roles(program, chip)
        _check_memories(program, chip)


def _cores(program: Program, chip: Machine | None) -> int | None:
    where = f"program {program.name}"
    if chip is not None and program.cores is not None and program.cores > chip.core_count:
        raise ChipError(
            f"the program is written for {program.cores} cores, {chip.name} has {chip.core_count}",
            where=where,
            mend=f"write it for at most {chip.core_count} cores, or choose a larger chip",
        )
    cores = program.cores if program.cores is not None else chip.core_count if chip is not None else None
    local = [t.name for t in program.tensors if t.role in PER_CORE_ROLES]
    if local and program.cores is None:
        raise ProgramError(
            f"tensor {local[0]} is per core, so its contents depend on the number of cores, which is not stated",
            where=where,
            mend="state `cores` in the program",
        )
    return cores


def _check_cores(kernel: Kernel, cores: int, chip: Machine | None) -> None:
    where = placed([f"kernel {kernel.name}"], kernel)
    on = f"{chip.name} with {cores} cores" if chip is not None else f"{cores} cores"
    size = math.lcm(*(group.cluster_size for group in kernel.groups))
    if kernel.cooperative:
        if kernel.block_count > cores * kernel.occupancy:
            raise _misfit(
                chip,
                f"a cooperative kernel of {kernel.block_count} blocks cannot be resident at once on {on}, "
                f"{kernel.occupancy} a core",
                where,
                "use fewer blocks and loop in each, a higher occupancy, or more cores",
            )
    elif size > cores:
        raise _misfit(
            chip,
            f"a cluster of {size} blocks does not fit on {on}",
            where,
            "use a smaller cluster, or compile for this chip",
        )


def _misfit(chip: Machine | None, cause: str, where: str, mend: str) -> MemsimError:
    return (ProgramError if chip is None else ChipError)(cause, where=where, mend=mend)


def _check_roles(program: Program, chip: Machine) -> None:
    used = [(tensor.role, f"tensor {tensor.name}") for tensor in program.tensors]
    for kernel in program.kernels:
        for group in kernel.groups:
            used += [(ring.memory, f"kernel {kernel.name} / ring {ring.name}") for ring in group.rings]
    known = [role for role in _USUAL_ROLES if chip.capacity_bytes(role) is not None]
    for role, where in used:
        if role == "cache":
            raise ChipError(
                "no tensor can be placed in a cache: it holds what passes through it",
                where=where,
                mend="place it in `dram`; the cache keeps what is used again",
            )
        if chip.capacity_bytes(role) is None:
            raise ChipError(f"{chip.name} has no memory {role!r}", where=where, mend=nearest(role, known))


def _check_memories(program: Program, chip: Machine) -> None:
    for role, needed in peak_bytes(program).items():
        capacity = chip.capacity_bytes(role)
        if capacity is not None and needed > capacity:
            raise ChipError(
                f"{role} of {chip.name} holds {capacity:,} bytes, the program needs {needed:,}"
                f"{' on each core' if role in PER_CORE_ROLES else ''}: {_largest(program, role)}",
                where=f"program {program.name}",
                mend="use smaller or shallower rings, a lower occupancy, or smaller tensors"
                if role in PER_CORE_ROLES
                else "use smaller tensors or types, or a chip with more",
            )


def _largest(program: Program, role: str) -> str:
    """What takes most of a role, largest first."""
    parts = [(tensor.bytes, f"tensor {tensor.name}") for tensor in program.tensors if tensor.role == role]
    kernels = [(kernel_bytes(kernel).get(role, 0), kernel) for kernel in program.kernels]
    if kernels:
        _, kernel = max(kernels, key=lambda entry: entry[0])
        for group in kernel.groups:
            for ring in group.rings:
                if ring.memory == role:
                    size = ring.depth * ring.tile_bytes * kernel.occupancy
                    parts.append((size, f"ring {ring.name} of kernel {kernel.name}"))
    parts.sort(key=lambda part: -part[0])
    return ", ".join(f"{name} {size:,}" for size, name in parts[:4])
