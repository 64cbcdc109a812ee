"""Model 1, "simplified Dally": a read of address ``a`` costs ``ceil(sqrt(a))``; writes and arithmetic are free.

Every source operand is charged, as often as it is named, and so is every entry of the output line. Definition: the
Sutro Group's public rules of autumn 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from memsim.errors import ProgramError
from memsim.locality.scalar.instructions import INSTRUCTIONS
from memsim.locality.scalar.program import ScalarProgram, check_initialised
from memsim.locality.scores import Score
from memsim.locality.shells import Array, distances


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine can run.

    Attributes
    ----------
    version
        The largest instruction set.
    literals
        The least and the greatest number that ``set`` takes.
    address_bits
        Of the largest address; 0 for no bound.
    lines
        The most instructions; 0 for no bound.
    """

    version: int
    literals: tuple[int, int] = (0, 0)
    address_bits: int = 0
    lines: int = 0


MACHINES: Mapping[str, Machine] = MappingProxyType(
    {"matmul": Machine(version=0), "int8": Machine(version=3, literals=(-128, 255), address_bits=64, lines=2_000_000)}
)
"""``matmul`` computes with unbounded integers, ``int8`` wraps to signed 8 bits after every operation."""


def score(program: ScalarProgram, machine: str | None = None) -> Score:
    """Price a program under Model 1.

    Parameters
    ----------
    program
        Instructions of version 0 to 3.
    machine
        ``matmul`` or ``int8``; the first that has every instruction, unless given. It changes what is allowed, and
        what a program computes, never the cost.

    Raises
    ------
    ProgramError
        If the machine cannot run the program, or the program reads what was never written.
    """
    chosen = machine if machine is not None else machine_of(program)
    check_machine(program, chosen)
    check_initialised(program)
    counts = read_counts(program)
    return Score(
        model="dally1",
        dialect=chosen,
        version=f"v{program.version}",
        engine="count",
        cost=weighted(distances(program.addresses), counts),
        unit="distance",
        reads=int(counts.sum()),
        writes=int(program.write_counts.sum()),
        reason="not checked",
    )


def machine_of(program: ScalarProgram) -> str:
    """The first machine that has every instruction of a program; the last if none has."""
    return next((name for name, m in MACHINES.items() if program.version <= m.version), "int8")


def read_counts(program: ScalarProgram) -> Array:
    """How often each slot is read: by instructions, and as an output."""
    outputs = np.bincount(program.outputs, minlength=len(program.addresses))
    return np.asarray(program.source_counts + outputs, np.int64)


def weighted(costs: Array, counts: Array) -> int:
    """The sum of ``costs * counts`` as an exact integer."""
    used = counts > 0
    if costs.dtype != object and float(costs.max(initial=0)) * float(counts.sum()) < 2.0**62:
        return int(costs @ counts)
    return sum(int(cost) * int(count) for cost, count in zip(costs[used], counts[used], strict=True))


def check_machine(program: ScalarProgram, name: str) -> None:
    """Refuse a program that a machine of Model 1 cannot run."""
    if name not in MACHINES:
        raise ProgramError(f"there is no machine {name!r}", mend=f"choose one of {', '.join(MACHINES)}")
    machine = MACHINES[name]
    if program.version > machine.version:
        late = np.array([kind.version > machine.version for kind in INSTRUCTIONS])[program.ops]
        at = int(np.argmax(late))
        better = next((other for other, m in MACHINES.items() if m.version >= program.version), None)
        raise ProgramError(
            f"machine {name} has no `{INSTRUCTIONS[program.ops[at]].name}`: its instruction set is v{machine.version}",
            where=program.place(at),
            mend=f"score it on machine {better}" if better else "score it under model dally2, which has a tape",
        )
    if machine.lines and len(program) > machine.lines:
        raise ProgramError(
            f"{len(program):,} instructions are more than machine {name} takes",
            where=program.place(machine.lines),
            mend=f"use at most {machine.lines:,}",
        )
    _check_numbers(program, name, machine)


def _check_numbers(program: ScalarProgram, name: str, machine: Machine) -> None:
    """Literals and addresses are within the machine's bounds."""
    least, most = machine.literals
    sets = np.array([kind.takes == "integer" for kind in INSTRUCTIONS])[program.ops]
    bad = sets & ((program.immediates < least) | (program.immediates > most))
    if bad.any():
        at = int(np.argmax(bad))
        raise ProgramError(
            f"`set` to {program.immediates[at]} on machine {name}",
            where=program.place(at),
            mend=f"use a number from {least} to {most}",
        )
    if program.addresses.dtype != object or not machine.address_bits:
        return
    far = [address for address in program.addresses if address >> machine.address_bits]
    if far:
        raise ProgramError(
            f"address {far[0]} has more than {machine.address_bits} bits",
            mend=f"use addresses below 2^{machine.address_bits}",
        )
