"""The score of a program with loops without running it: for each operand the sum of a cost over its iteration box.

Model 1 charges a read of address ``a`` its shell ``h = ceil(sqrt(a))``. Model 2 charges a read ``max(50, 2h)`` fJ and
``max(250, 4h)`` ticks, a write ``max(50, 2h)`` fJ and ``max(250, 2h)`` ticks (`memsim.locality.scalar.dally2`), in the
half diamond, whose shells are those of Model 1. The scores are those of the unrolled program.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from memsim.errors import ProgramError
from memsim.locality.loops.boxes import Box, Dims, box_of
from memsim.locality.loops.initialised import check_initialised
from memsim.locality.loops.model import LoopProgram, Region
from memsim.locality.loops.sums import Rate, total
from memsim.locality.scalar import dally1, dally2
from memsim.locality.scalar.instructions import Op
from memsim.locality.scores import Score

ENGINE = "closed form"
"""What computed these scores."""

MODELS = ("dally1", "dally2")
"""The models that price programs with loops."""

SHELLS = Rate(1, 1)
ENERGY = Rate(dally2.FLOOR_FJ, dally2.FJ_PER_UM)
READ_TICKS = Rate(dally2.FLOOR_TICKS, dally2.READ_TICKS_PER_UM)
WRITE_TICKS = Rate(dally2.FLOOR_TICKS, dally2.WRITE_TICKS_PER_UM)
"""What an access costs: a read under Model 1; energy, and time of a read and of a write, under Model 2."""

Accesses: TypeAlias = Counter[tuple[int, Dims]]
"""How often the points of a box without repeats are accessed, by its base and dimensions."""


def score(program: LoopProgram, model: str = "dally2", machine: str | None = None) -> Score:
    """Price a program with loops; the cost is exact whatever the trip counts.

    Parameters
    ----------
    program
        Of any size. Under Model 1 the regions with the roles input and output take the place of the lists.
    model
        ``dally1`` or ``dally2`` (in the half-diamond placement).
    machine
        Of Model 1: ``matmul`` or ``int8``; the first that has every instruction, unless given.

    Raises
    ------
    ProgramError
        If the model cannot run the program, the program reads what was never written, or a sum takes too many pieces.
    """
    if model not in MODELS:
        raise ProgramError(
            f"there is no model {model!r} of programs with loops", mend=f"choose one of {', '.join(MODELS)}"
        )
    if machine is not None and model != "dally1":
        raise ProgramError(
            f"model {model} has no machines", where="machine", mend="leave it out, or score under dally1"
        )
    return _dally1(program, machine) if model == "dally1" else _dally2(program)


def accesses(program: LoopProgram, tape: bool) -> tuple[Accesses, Accesses]:
    """The boxes that are read and those that are written, with how often.

    Parameters
    ----------
    program
        Of any size.
    tape
        Whether ``recv`` and ``send`` are free, as under Model 2, rather than a write and a read.
    """
    reads: Accesses = Counter()
    writes: Accesses = Counter()
    for visit in program.visits:
        operation = visit.operation
        if not visit.times:
            continue
        if operation.dst is not None and not (tape and operation.op is Op.RECV):
            add_box(writes, box_of(program.bases[operation.dst.region], operation.dst, visit.loops))
        if not (tape and operation.op is Op.SEND):
            for ref in operation.src:
                add_box(reads, box_of(program.bases[ref.region], ref, visit.loops))
    return reads, writes


def region_box(program: LoopProgram, region: Region) -> Box:
    """All words of a region."""
    dims = ((1, region.words),) if region.words > 1 else ()
    return Box(program.bases[region.name], dims)


def add_box(found: Accesses, box: Box) -> None:
    """Count the accesses of a box."""
    found[box.base, box.dims] += box.repeats


def _sum(found: Accesses, rate: Rate) -> int:
    return sum(total(Box(base, dims, times), rate) for (base, dims), times in found.items())


def _number(found: Accesses) -> int:
    return sum(Box(base, dims).points * times for (base, dims), times in found.items())


def _dally1(program: LoopProgram, machine: str | None) -> Score:
    chosen = machine if machine is not None else _machine(program)
    _check_machine(program, chosen)
    check_initialised(program)
    reads, writes = accesses(program, tape=False)
    for region in program.regions:
        if region.is_output:
            add_box(reads, region_box(program, region))
    return Score(
        model="dally1",
        dialect=chosen,
        version=f"v{program.version}",
        engine=ENGINE,
        cost=_sum(reads, SHELLS),
        unit="distance",
        reads=_number(reads),
        writes=_number(writes),
        reason="not checked",
    )


def _machine(program: LoopProgram) -> str:
    return next((name for name, m in dally1.MACHINES.items() if program.version <= m.version), "int8")


def _check_machine(program: LoopProgram, name: str) -> None:
    """Refuse what a machine of Model 1 cannot run, as `memsim.locality.scalar.dally1.check_machine` does."""
    if name not in dally1.MACHINES:
        raise ProgramError(f"there is no machine {name!r}", mend=f"choose one of {', '.join(dally1.MACHINES)}")
    machine = dally1.MACHINES[name]
    for visit in program.visits:
        kind = visit.operation.kind
        if visit.times and kind.version > machine.version:
            better = next((other for other, m in dally1.MACHINES.items() if m.version >= program.version), None)
            raise ProgramError(
                f"machine {name} has no `{kind.name}`: its instruction set is v{machine.version}",
                where=visit.place(),
                mend=f"score it on machine {better}" if better else "score it under model dally2, which has a tape",
            )
        least, most = machine.literals
        if visit.times and kind.takes == "integer" and not least <= visit.operation.immediate <= most:
            raise ProgramError(
                f"`set` to {visit.operation.immediate} on machine {name}",
                where=visit.place(),
                mend=f"use a number from {least} to {most}",
            )
    if machine.lines and program.instructions > machine.lines:
        raise ProgramError(
            f"{program.instructions:,} instructions are more than machine {name} takes",
            mend=f"use at most {machine.lines:,}",
        )


def _dally2(program: LoopProgram) -> Score:
    _check_grid(program)
    check_initialised(program)
    reads, writes = accesses(program, tape=True)
    energy = _sum(reads + writes, ENERGY)
    ticks = _sum(reads, READ_TICKS) + _sum(writes, WRITE_TICKS)
    return Score(
        model="dally2",
        dialect=dally2.HALF_DIAMOND,
        version="v4",
        engine=ENGINE,
        cost=energy,
        unit="fJ",
        reads=_number(reads),
        writes=_number(writes),
        reason="not checked",
        details={"energy_fj": energy, "ticks": ticks, "time_ps": ticks / 5},
    )


def _check_grid(program: LoopProgram) -> None:
    """Every word that is used lies on the grid of Model 2."""
    edge = dally2.MAX_SHELL**2
    if all(program.bases[region.name] + region.words - 1 <= edge for region in program.regions):
        return
    reads, writes = accesses(program, tape=False)
    lasts = [Box(base, dims).last for base, dims in reads + writes]
    lasts += [region_box(program, r).last for r in program.regions if r.role != "none"]
    if max(lasts, default=0) > edge:
        raise ProgramError(
            f"address {max(lasts)} lies beyond the grid of {dally2.MAX_Y:,} um", mend=f"use addresses up to {edge:,}"
        )


__all__ = ["ENGINE", "MODELS", "Accesses", "accesses", "add_box", "region_box", "score"]
