"""The text of a program with loops."""

from __future__ import annotations

import json
from collections.abc import Iterator

from memsim.locality.loops.model import Loop, LoopProgram, Operation, Ref, Region, Statement

INDENT = "  "


def to_text(program: LoopProgram) -> str:
    """The text form of a program; `memsim.locality.loops.parse` reads it back to an equal program."""
    lines = [f"note {key} {json.dumps(value, sort_keys=True)}" for key, value in program.notes]
    lines += [_region(region) for region in program.regions]
    lines += _body(program.body, (), "")
    return "\n".join(lines) + "\n"


def ref_text(ref: Ref, order: tuple[str, ...] = ()) -> str:
    """An operand as text, its terms in the ``order`` of the loops where that is given."""
    terms = sorted(ref.coefficients, key=lambda term: order.index(term[0]) if term[0] in order else len(order))
    if not terms and ref.offset == 0:
        return ref.region
    parts = [_term(name, factor) for name, factor in terms]
    if ref.offset or not parts:
        parts.append(f"+ {ref.offset}" if ref.offset >= 0 else f"- {-ref.offset}")
    first = parts[0].removeprefix("+ ").replace("- ", "-")
    return f"{ref.region}[{' '.join((first, *parts[1:]))}]"


def _term(name: str, factor: int) -> str:
    sign = "+" if factor > 0 else "-"
    return f"{sign} {name}" if abs(factor) == 1 else f"{sign} {abs(factor)}*{name}"


def _region(region: Region) -> str:
    words = [f"region {region.name} {region.words}"]
    if region.base is not None:
        words.append(f"at {region.base}")
    if region.role != "none":
        words.append({"both": "input output"}.get(region.role, region.role))
    return " ".join(words)


def _body(body: tuple[Statement, ...], loops: tuple[str, ...], indent: str) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, Operation):
            yield indent + operation_text(statement, loops)
            continue
        yield f"{indent}for {statement.name} {_bounds(statement)} {{"
        yield from _body(statement.body, (*loops, statement.name), indent + INDENT)
        yield f"{indent}}}"


def _bounds(loop: Loop) -> str:
    return str(loop.count) if loop.start == 0 else f"{loop.start}..{loop.start + loop.count}"


def operation_text(operation: Operation, loops: tuple[str, ...] = ()) -> str:
    """An operation as text, in full form."""
    refs = [*([] if operation.dst is None else [operation.dst]), *operation.src]
    words = [ref_text(ref, loops) for ref in refs]
    if operation.kind.takes:
        words.append(str(operation.immediate) if operation.kind.takes == "integer" else operation.predicate)
    return f"{operation.kind.name} {', '.join(words)}"
