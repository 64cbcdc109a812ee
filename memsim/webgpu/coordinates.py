"""Coordinate expressions as WGSL text."""

from __future__ import annotations

from collections.abc import Mapping

from memsim.isa.expr import Atom, Expr, FloorDiv, Min, Mod, Range, Var


def variable(name: str) -> str:
    """The WGSL name of a block coordinate, or of a counter of a woven loop (``#7``)."""
    return f"i_{name[1:]}" if name.startswith("#") else f"c_{name}"


def coordinate(e: Expr, ranges: Mapping[str, Range]) -> str:
    """The value of ``e`` as an ``i32`` expression; division is by shift and mask where nothing is negative."""
    parts = []
    for atom, factor in e.terms:
        text = _atom(atom, ranges)
        parts.append(text if factor == 1 else f"{text} * {_number(factor)}")
    if e.const or not parts:
        parts.append(_number(e.const))
    return parts[0] if len(parts) == 1 and " " not in parts[0] else f"({' + '.join(parts)})"


def _number(value: int) -> str:
    return f"({value})" if value < 0 else str(value)


def _atom(atom: Atom, ranges: Mapping[str, Range]) -> str:
    match atom:
        case Var(name):
            return variable(name)
        case FloorDiv(of, by):
            inner = coordinate(of, ranges)
            return f"({inner} / {by})" if of.bounds(ranges)[0] >= 0 else f"floor_div({inner}, {by})"
        case Mod(of, by):
            inner = coordinate(of, ranges)
            return f"({inner} % {by})" if of.bounds(ranges)[0] >= 0 else f"floor_mod({inner}, {by})"
    name = "min" if isinstance(atom, Min) else "max"
    return f"{name}({coordinate(atom.left, ranges)}, {coordinate(atom.right, ranges)})"
