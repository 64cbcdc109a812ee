"""What a tile program may be written with: names, keywords, ranges and nesting, in text, JSON and Python alike."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from memsim.errors import Location, ProgramError
from memsim.isa.expr import Expr, FloorDiv, Max, Min, Mod

# fmt: off
KEYWORDS = frozenset(
    (
        "program", "cores", "flops", "tensor", "kernel", "occupancy", "cooperative", "blocks", "cluster",
        "group", "ring", "depth", "queue", "loop", "load", "store", "gather", "copy", "send", "to", "by",
        "distribution", "clip", "pad", "transpose", "mma", "fill", "iota", "axis", "start", "push", "pop",
        "min", "max", "ceildiv",
    )
)
# fmt: on
"""Words of the text form, which cannot name a tensor, ring, coordinate or loop counter."""

FREE_OF_KEYWORDS = frozenset({"program", "kernel", "group", "queue"})
"""Kinds of thing whose name may be a keyword, since it stands where no keyword can: ``queue load``."""

NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_.]*"
"""How a name is spelled."""

MAX_NAME = 200
"""Longest name, in characters."""

MAX_INTEGER = 2**63 - 1
"""Largest integer, in magnitude: coordinates are computed in 64 bits."""

MAX_NESTING = 32
"""How deep loops, and parts of an expression, may stand within each other."""

MAX_TERMS = 256
"""Most terms in one sum."""

DISTRIBUTIONS = ("uniform", "sequential")
"""How a gather's timing takes its rows to be spread."""

Place = Location | str

_NAME = re.compile(NAME_PATTERN)


def check_name(name: object, what: str, where: Place = "") -> str:
    """Return ``name`` if it can be written in the text form; raise a `ProgramError` that says why not."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ProgramError(
            f"{shorten(repr(name))} cannot be the name of a {what}",
            where=where,
            mend="begin with a letter or `_`, go on with letters, digits, `_` or `.`",
        )
    if name in KEYWORDS and what not in FREE_OF_KEYWORDS:
        raise ProgramError(
            f"`{name}` is a keyword and cannot be the name of a {what}",
            where=where,
            mend=f"choose another name, for example `{name}_`",
        )
    if len(name) > MAX_NAME:
        raise ProgramError(
            f"`{shorten(name)}` is too long for the name of a {what}: {len(name)} characters",
            where=where,
            mend=f"use at most {MAX_NAME} characters",
        )
    return name


def check_expr(expr: Expr, where: Place = "") -> Expr:
    """Return ``expr`` if its numbers fit 64 bits and it nests no deeper than `MAX_NESTING`; raise otherwise."""
    level = [expr]
    for _ in range(MAX_NESTING):
        for part in level:
            if len(part.terms) > MAX_TERMS:
                raise ProgramError(f"an expression has more than {MAX_TERMS} terms", where=where, mend="simplify it")
            for number in (part.const, *(factor for _, factor in part.terms)):
                check_integer(number, where)
        level = [inner for part in level for inner in _inner_expressions(part, where)]
        if not level:
            return expr
    raise ProgramError(
        f"the expression nests more than {MAX_NESTING} deep",
        where=where,
        mend="simplify it; `x // 2 // 2` is `x // 4`",
    )


def check_integer(number: int, where: Place = "") -> int:
    """Return ``number`` if it fits 64 bits; raise a `ProgramError` otherwise."""
    if abs(number) <= MAX_INTEGER:
        return number
    digits = f"about 2 to the power of {abs(number).bit_length() - 1}"
    raise ProgramError(f"a number is too large: {digits}", where=where, mend=f"whole numbers go up to {MAX_INTEGER}")


def nearest(name: str, known: Iterable[str]) -> str:
    """A mend for the unknown ``name``: the most similar of ``known``, or all of them where none is similar."""
    names = sorted(set(known))
    if not names:
        return "none is defined here"
    listed = ", ".join(f"`{n}`" for n in names[:20])
    return similar(name, names) or f"known: {listed}{', ...' if len(names) > 20 else ''}"


def similar(name: str, known: Iterable[str]) -> str:
    """A mend that names the most similar of ``known`` (two, where two are as similar); empty where none is."""
    name = name[:MAX_NAME]
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    if len(close) == 2 and _similarity(name, close[0]) > _similarity(name, close[1]):
        close.pop()
    return f"did you mean {' or '.join(f'`{word}`' for word in sorted(close))}?" if close else ""


def shorten(text: str, width: int = 40) -> str:
    """``text`` cut to ``width`` characters, for messages."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _similarity(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, name).ratio()


def _inner_expressions(expr: Expr, where: Place) -> list[Expr]:
    inner: list[Expr] = []
    for atom, _ in expr.terms:
        if isinstance(atom, (FloorDiv, Mod)):
            check_integer(atom.by, where)
            inner.append(atom.of)
        elif isinstance(atom, (Min, Max)):
            inner += (atom.left, atom.right)
    return inner
