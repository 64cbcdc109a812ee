"""Prove that a program keeps every rule of the ISA, or say where it does not, why, and what would mend it.

The checks run in the order in which they rely on each other, and the first error ends them:

1. names and sizes (`_verify_names`), 2. types and shapes (`_verify_types`), 3. trip counts, regions and targets
(`_verify_regions`), 4. which queue produces and consumes each ring (`_verify_roles`), 5. tokens: rates and deadlock
(`tokens`), 6. blocks on cores, and capacity of the chip's memories (`_verify_capacity`), 7. races between accesses to
tensors (`_verify_races`).

None runs the program: trip counts may be as large as 2^62. Kernels that are the same up to names (`canonical`) are
checked once, and what has been proved of a kernel is remembered.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from memsim.isa._verify_capacity import check_capacity
from memsim.isa._verify_names import check_kernels, check_program
from memsim.isa._verify_races import check_races
from memsim.isa._verify_regions import check_regions
from memsim.isa._verify_roles import check_roles
from memsim.isa._verify_types import check_types
from memsim.isa.canonical import key
from memsim.isa.machine import Machine
from memsim.isa.model import Kernel, Program
from memsim.isa.sites import sites_of
from memsim.isa.tokens import check_tokens

__all__ = ["Machine", "verify"]

MOST_PROVED = 4096
"""Kernels that are remembered to be right at a time."""

_proved: set[tuple[Hashable, int | None]] = set()
"""Kernels that keep every rule, with the cores that their program is written for."""


def verify(program: Program, chip: Machine | None = None) -> None:
    """Return if ``program`` keeps every rule, and fits ``chip`` where one is given; raise for the first that it breaks.

    Parameters
    ----------
    program
        The program to check.
    chip
        Checks the capacity of its memories and the number of its cores too.

    Raises
    ------
    ProgramError
        The program is wrong in itself.
    ChipError
        The program does not fit the chip.
    """
    check_program(program)
    distinct = _distinct(program)
    open_keys = [found for found in distinct if (found, program.cores) not in _proved]
    _check_kernels(replace(program, kernels=tuple(distinct[found] for found in open_keys)))
    check_capacity(replace(program, kernels=tuple(distinct.values())), chip)
    if len(_proved) + len(open_keys) > MOST_PROVED:
        _proved.clear()
    _proved.update((found, program.cores) for found in open_keys)


def _distinct(program: Program) -> dict[Hashable, Kernel]:
    """The first of the kernels that are the same up to names, by what they have in common."""
    found: dict[Hashable, Kernel] = {}
    for kernel in program.kernels:
        try:
            found.setdefault(key(program, kernel), kernel)
        except (RecursionError, TypeError):  # nested too deep, or of parts that no program has: the checks will tell
            found[object()] = kernel
    return found


def _check_kernels(program: Program) -> None:
    """Prove what depends neither on the chip nor on other kernels."""
    check_kernels(program)
    sites = list(sites_of(program))
    check_types(sites)
    check_regions(program, sites)
    check_roles(sites)
    check_tokens(sites)
    check_races(program, sites)
