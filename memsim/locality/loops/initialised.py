"""Whether a program with loops reads only what was written before: decided exactly, mostly without going through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from memsim.errors import ProgramError
from memsim.locality.loops import exact
from memsim.locality.loops.model import LoopProgram, Region, Visit
from memsim.locality.loops.proofs import proved
from memsim.locality.loops.touches import Item, Touch, index_of, touches, when
from memsim.locality.loops.writing import ref_text


@dataclass(frozen=True, slots=True)
class Offence:
    """A read of a word that nothing was written to.

    Attributes
    ----------
    region
        Where the word is.
    word
        Its place in the region, from 0.
    index
        The number of the instruction in the unrolled program, from 0; the number of instructions for an output.
    visit, part
        The operation and its operand; ``None`` and empty where the word is an output.
    counters
        The values of the loops around it.
    """

    region: Region
    word: int
    index: int
    visit: Visit | None
    part: str
    counters: Mapping[str, int]


def check_initialised(program: LoopProgram) -> None:
    """Refuse a program that reads a word which is no input and which nothing was written to before.

    Raises
    ------
    ProgramError
        Names the first such read, with the values of its loops; or says why it could not be decided.
    """
    found = first_offence(program)
    if found is None:
        return
    address = program.bases[found.region.name] + found.word
    mend = f"write it before, or give region `{found.region.name}` the role input"
    if found.visit is None:
        raise ProgramError(
            f"word {found.word} of `{found.region.name}` (address {address}) is an output but was never written",
            where=found.region.where or found.region.name,
            mend=mend,
        )
    operation = found.visit.operation
    ref = operation.src[int(found.part[4:-1])]
    at = ", ".join(f"{name} = {value}" for name, value in found.counters.items())
    raise ProgramError(
        f"`{ref_text(ref)}` (address {address}) is read{f' for {at}' if at else ''} but nothing was written to it",
        where=found.visit.place(found.part),
        mend=mend,
    )


def first_offence(program: LoopProgram) -> Offence | None:
    """The first read of a word that nothing was written to, in the order of the unrolled program; ``None`` if none is.

    Raises
    ------
    ProgramError
        If a region could not be decided, and no other has an offence.
    """
    found = touches(program)
    reads: list[tuple[tuple[int, ...], Offence]] = []
    outputs: list[Offence] = []
    undecided: list[ProgramError] = []
    for region in program.regions:
        items = found.get(region.name, ())
        if proved(items, region.words, region.is_input, region.is_output):
            continue
        try:
            answer = exact.run(region.name, items, region.words, region.is_output)
        except ProgramError as error:
            undecided.append(error)
            continue
        if isinstance(answer, int):
            outputs.append(Offence(region, answer, program.instructions, None, "", {}))
        elif answer is not None:
            reads.append(_read(program, region, *answer))
    if reads:
        return min(reads, key=lambda entry: entry[0])[1]
    if undecided and not outputs:
        raise undecided[0]
    return outputs[0] if outputs else None


def proofs(program: LoopProgram) -> dict[str, str]:
    """How each region is decided: ``input``, ``proved``, or ``followed`` for one whose accesses are gone through."""
    found = touches(program)
    return {region.name: _how(region, found.get(region.name, ())) for region in program.regions}


def _how(region: Region, items: tuple[Item, ...]) -> str:
    if region.is_input:
        return "input"
    return "proved" if proved(items, region.words, region.is_input, region.is_output) else "followed"


def _read(
    program: LoopProgram, region: Region, touch: Touch, counters: dict[str, int]
) -> tuple[tuple[int, ...], Offence]:
    word = touch.offset + sum(factor * counters[name] for name, factor in touch.factors.items())
    values = {loop.name: loop.start + counters.get(loop.name, 0) for loop in touch.visit.loops}
    index = index_of(program, touch, counters)
    return when(touch, counters), Offence(region, word, index, touch.visit, touch.part, values)
