"""What makes a program with loops well formed; each mistake with its place, cause and mend."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from memsim.errors import ProgramError
from memsim.isa.lexical import shorten, similar
from memsim.locality.loops.model import ROLES, Loop, LoopProgram, Operation, Ref, Region, Visit, Where
from memsim.locality.scalar.instructions import PREDICATES, Op
from memsim.locality.shells import NARROW

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
"""What a region or a loop may be called."""

KEYWORDS = ("region", "for", "note", "at")
"""Words of the text form, which name nothing."""

MAX_NESTING = 64
"""Loops within loops."""

LEAST_LITERAL, GREATEST_LITERAL = -128, 2**32 - 1
"""What ``set`` takes: an unsigned 32-bit number, or a negative one of Model 1's machine of 8 bits."""


def check_program(program: LoopProgram) -> None:
    """Refuse a program that is not well formed."""
    _check_regions(program)
    none: tuple[Loop, ...] = ()
    pending = [(statement, none, f"body[{i}]") for i, statement in enumerate(program.body)][::-1]
    while pending:
        statement, loops, path = pending.pop()
        if isinstance(statement, Loop):
            _check_loop(statement, loops, path)
            inner = (*loops, statement)
            pending += [(item, inner, f"{path}.body[{i}]") for i, item in enumerate(statement.body)][::-1]
        elif isinstance(statement, Operation):
            _check_operation(program, Visit(statement, loops, path))
        else:
            raise ProgramError(
                f"{shorten(repr(statement))} is neither a loop nor an operation", where=path, mend="use loop() or op()"
            )


def _check_regions(program: LoopProgram) -> None:
    seen: dict[str, int] = {}
    for i, region in enumerate(program.regions):
        where = region.where or f"regions[{i}]"
        check_name(region.name, where)
        if region.name in seen:
            raise ProgramError(
                f"region `{region.name}` is declared twice", where=where, mend="give each region a name of its own"
            )
        seen[region.name] = i
        if not _is_integer(region.words) or region.words < 1:
            raise ProgramError(
                f"region `{region.name}` of {region.words} words", where=where, mend="give it at least 1 word"
            )
        if region.role not in ROLES:
            raise ProgramError(
                f"role {region.role!r} of region `{region.name}`", where=where, mend=f"use one of {', '.join(ROLES)}"
            )
        if region.base is not None and (not _is_integer(region.base) or region.base < 1):
            raise ProgramError(
                f"region `{region.name}` begins at address {region.base}", where=where, mend="addresses begin at 1"
            )
    _check_overlaps(program)


def _check_overlaps(program: LoopProgram) -> None:
    spans = sorted(
        (program.bases[r.name], program.bases[r.name] + r.words - 1, i) for i, r in enumerate(program.regions)
    )
    for (_, end, i), (begin, _, j) in pairwise(spans):
        if begin <= end:
            first, second = program.regions[min(i, j)], program.regions[max(i, j)]
            raise ProgramError(
                f"regions `{first.name}` and `{second.name}` share address {begin}",
                where=second.where or f"regions[{max(i, j)}]",
                mend="give one of them another base",
            )
    if spans and spans[-1][1] >= NARROW:
        last = program.regions[spans[-1][2]]
        raise ProgramError(
            f"region `{last.name}` reaches address {spans[-1][1]}",
            where=last.where or f"regions[{spans[-1][2]}]",
            mend="use addresses below 2^62",
        )


def check_name(name: object, where: Where) -> None:
    """Refuse what cannot name a region or a loop."""
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise ProgramError(
            f"{shorten(repr(name))} is not a name",
            where=where,
            mend="begin with a letter or `_`, go on with digits too",
        )
    if name in KEYWORDS:
        raise ProgramError(
            f"`{name}` is a word of the language", where=where, mend=f"choose another, such as `{name}_`"
        )


def _check_loop(loop: Loop, loops: tuple[Loop, ...], path: str) -> None:
    where = loop.where or path
    check_name(loop.name, where)
    if any(outer.name == loop.name for outer in loops):
        raise ProgramError(
            f"loop `{loop.name}` is inside another loop `{loop.name}`", where=where, mend="give it another name"
        )
    if not _is_integer(loop.count) or loop.count < 0:
        raise ProgramError(
            f"loop `{loop.name}` runs {loop.count} times", where=where, mend="a count is a whole number, at least 0"
        )
    if not _is_integer(loop.start):
        raise ProgramError(f"loop `{loop.name}` starts at {loop.start!r}", where=where, mend="start at a whole number")
    if len(loops) >= MAX_NESTING:
        raise ProgramError(f"loops nest more than {MAX_NESTING} deep", where=where, mend="merge loops")


def _check_operation(program: LoopProgram, visit: Visit) -> None:
    operation, kind = visit.operation, visit.operation.kind
    if (operation.dst is not None) != kind.writes:
        cause, mend = ("has no destination", "name one") if kind.writes else ("has a destination", "leave it out")
        raise ProgramError(f"`{kind.name}` {cause}", where=visit.place(), mend=mend)
    if len(operation.src) != kind.sources:
        raise ProgramError(
            f"`{kind.name}` has {len(operation.src)} sources", where=visit.place(), mend=f"give it {kind.sources}"
        )
    _check_immediate(visit)
    for part, ref in operands(operation):
        check_ref(program, visit, part, ref)


def _check_immediate(visit: Visit) -> None:
    operation, value = visit.operation, visit.operation.immediate
    least, most = {"integer": (LEAST_LITERAL, GREATEST_LITERAL), "predicate": (0, len(PREDICATES) - 1)}.get(
        operation.kind.takes, (0, 0)
    )
    if not _is_integer(value) or not least <= value <= most:
        known = (
            f"use one of {', '.join(PREDICATES)}" if operation.op is Op.CMP else f"use a number from {least} to {most}"
        )
        raise ProgramError(f"`{operation.kind.name}` with {value}", where=visit.place(), mend=known)


def operands(operation: Operation) -> Iterable[tuple[str, Ref]]:
    """The sources and then the destination, with what they are called in a path."""
    yield from ((f"src[{i}]", ref) for i, ref in enumerate(operation.src))
    if operation.dst is not None:
        yield "dst", operation.dst


def check_ref(program: LoopProgram, visit: Visit, part: str, ref: Ref) -> None:
    """Refuse an operand with an unknown name, or one that leaves its region in some iteration."""
    region = program.by_name.get(ref.region)
    if region is None:
        known = similar(ref.region, [*program.by_name]) if isinstance(ref.region, str) else ""
        raise ProgramError(
            f"there is no region {shorten(repr(ref.region))}", where=visit.place(part), mend=known or "declare it"
        )
    if not _is_integer(ref.offset) or not all(_is_integer(factor) for _, factor in ref.coefficients):
        raise ProgramError(f"{_shown(ref)} is not whole", where=visit.place(part), mend="use whole numbers")
    bound = {loop.name: loop for loop in visit.loops}
    for name, _ in ref.coefficients:
        check_bound(name, tuple(bound), visit.place(part))
    if visit.times:
        _check_bounds(region, visit, part, ref, bound)


def check_bound(name: str, bound: tuple[str, ...], where: Where) -> None:
    """Refuse a counter that is not one of the loops around."""
    if name not in bound:
        listed = f"the loops are {', '.join(bound)}" if bound else "put it in a loop"
        raise ProgramError(f"no loop around it is called `{name}`", where=where, mend=similar(name, bound) or listed)


def _check_bounds(region: Region, visit: Visit, part: str, ref: Ref, bound: dict[str, Loop]) -> None:
    for sign in (-1, 1):
        values = {name: bound[name].start + (bound[name].count - 1) * (sign * c > 0) for name, c in ref.coefficients}
        index = ref.offset + sum(factor * values[name] for name, factor in ref.coefficients)
        if 0 <= index < region.words:
            continue
        at = ", ".join(f"{loop.name} = {values[loop.name]}" for loop in visit.loops if loop.name in values)
        raise ProgramError(
            f"`{_shown(ref)}` is word {index} of region `{region.name}`{f' for {at}' if at else ''}",
            where=visit.place(part),
            mend=f"the words of `{region.name}` are 0 to {region.words - 1}",
        )


def _shown(ref: Ref) -> str:
    from memsim.locality.loops.writing import ref_text

    return ref_text(ref)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
