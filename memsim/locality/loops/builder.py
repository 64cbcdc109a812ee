"""Programs with loops in Python: regions, loops, operations and operands as calls.

::

    n = 16
    naive = program(
        [region("A", n * n, "input"), region("B", n * n, "input"), region("C", n * n, "output"), region("t", 1)],
        [
            loop("i", n, [
                loop("j", n, [
                    op("mul", ref("C", i=n, j=1), ref("A", i=n), ref("B", j=1)),
                    loop("k", n - 1, [
                        op("mul", "t", ref("A", i=n, k=1), ref("B", k=n, j=1)),
                        op("add", ref("C", i=n, j=1), "t"),
                    ], start=1),
                ]),
            ]),
        ],
    )
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from memsim.errors import ProgramError
from memsim.isa.lexical import shorten, similar
from memsim.locality.loops.model import Loop, LoopProgram, Operation, Ref, Region, Statement, Where
from memsim.locality.scalar.instructions import BY_NAME, PREDICATES, Instruction


def region(name: str, words: int, role: str = "none", base: int | None = None) -> Region:
    """A run of ``words`` addresses, from ``base`` or after the region before; see `Region` for its role."""
    return Region(name, words, role, base)


def ref(name: str, offset: int = 0, **coefficients: int) -> Ref:
    """The word ``name[offset + coefficient * counter + …]``: ``ref("A", 3, i=16, k=1)`` is ``A[16*i + k + 3]``."""
    return Ref(name, offset, tuple(coefficients.items()))


def loop(name: str, count: int, body: Iterable[Statement], start: int = 0) -> Loop:
    """Run ``body`` for ``name`` = ``start`` … ``start + count - 1``."""
    return Loop(name, start, count, tuple(body))


def op(name: str, *operands: Ref | str | int, where: Where = "") -> Operation:
    """An operation, its operands in the order of the text.

    Parameters
    ----------
    name
        Of the instruction, such as ``"mul"``.
    operands
        Destination and sources, as `ref` or, for word 0 of a region, its name; ``add d,a`` is ``add d,d,a``. Then the
        number of ``set``, or the predicate of ``cmp``, which is ``lt`` if left out.
    where
        Its place, for messages.

    Raises
    ------
    ProgramError
        If there is no such instruction, or it takes other operands.
    """
    kind = BY_NAME.get(name)
    if kind is None:
        mend = similar(name, [*BY_NAME]) or f"the instructions are {', '.join(BY_NAME)}"
        raise ProgramError(f"there is no instruction `{shorten(name)}`", where=where, mend=mend)
    refs, immediate = _split(kind, [*operands], where)
    if kind.short and len(refs) == kind.sources:
        refs.insert(0, refs[0])
    if len(refs) != kind.writes + kind.sources:
        raise ProgramError(
            f"`{name}` has {len(operands)} operand{'s' * (len(operands) != 1)}",
            where=where,
            mend=f"write `{shape(kind)}`",
        )
    dst = refs[0] if kind.writes else None
    return Operation(kind.op, dst, tuple(refs[kind.writes :]), immediate, where)


def program(regions: Iterable[Region], body: Iterable[Statement], **notes: Any) -> LoopProgram:
    """A program of regions and statements; notes such as ``arithmetic`` go to its JSON form."""
    return LoopProgram(tuple(regions), tuple(body), tuple(notes.items()))


def shape(kind: Instruction) -> str:
    """How an instruction is written, for messages."""
    words = ["d"] * kind.writes + [*"abc"[: kind.sources]]
    words += {"integer": ["K"], "predicate": [f"({'|'.join(PREDICATES)})"]}.get(kind.takes, [])
    return f"{kind.name} {', '.join(words)}"


def _split(kind: Instruction, operands: list[Ref | str | int], where: Where) -> tuple[list[Ref], int]:
    """The operands that are words, and what ``set`` or ``cmp`` takes besides."""
    immediate = 0
    if kind.takes == "integer" and operands and isinstance(operands[-1], int):
        immediate = operands.pop()  # type: ignore[assignment]
    elif kind.takes == "integer":
        raise ProgramError(f"`{kind.name}` without a number", where=where, mend=f"write `{shape(kind)}`")
    elif kind.takes == "predicate":
        immediate = PREDICATES.index("lt")
        if len(operands) > kind.writes + kind.sources:
            last = operands.pop()
            if last not in PREDICATES:
                known = f"end it with one of {', '.join(PREDICATES)}"
                raise ProgramError(f"`{kind.name}` cannot ask {shorten(repr(last))}", where=where, mend=known)
            immediate = PREDICATES.index(str(last))
    refs = []
    for operand in operands:
        if isinstance(operand, bool) or not isinstance(operand, (str, Ref)):
            raise ProgramError(
                f"`{kind.name}` of {shorten(repr(operand))}, which is no operand",
                where=where,
                mend=f"write `{shape(kind)}`",
            )
        refs.append(Ref(operand, where=where) if isinstance(operand, str) else operand)
    return refs, immediate
