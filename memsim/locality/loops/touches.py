"""What a program does to one region: its reads and writes there, in the loops that matter to them.

Whether a region is initialised where it is read depends on nothing but its own reads and writes. A loop none of whose
reads and writes of the region move with its counter repeats itself: what its second run reads was read in the first,
and the first knew less. So such a loop is left out, and with it most of the trip counts of most programs: a matrix
product of n^3 steps touches each of its matrices in loops of n^2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from memsim.locality.loops.checks import operands
from memsim.locality.loops.model import Loop, LoopProgram, Operation, Ref, Visit


@dataclass(frozen=True, slots=True)
class Touch:
    """A read or a write of a region.

    Attributes
    ----------
    writes
        Whether it writes.
    offset
        The word, for counters that all count from 0.
    factors
        What a step of each counter adds, by the name of the loop.
    visit, part
        The operation and its operand, for messages.
    key
        The places in the bodies from the outermost on; the last is that of the operand.
    """

    writes: bool
    offset: int
    factors: Mapping[str, int]
    visit: Visit
    part: str
    key: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Nest:
    """A loop that some touch in it moves with; its counter runs from 0 to ``count - 1``."""

    name: str
    count: int
    items: tuple[Item, ...]


Item: TypeAlias = Touch | Nest


def touches(program: LoopProgram) -> dict[str, tuple[Item, ...]]:
    """The reads and writes of each region that has any, in order."""
    found = _body(program.body, (), (), "")
    return {name: tuple(items) for name, items in found.items()}


def work(items: tuple[Item, ...]) -> int:
    """How many reads and writes there are, each in every iteration of its loops."""
    return sum(1 if isinstance(item, Touch) else item.count * work(item.items) for item in items)


def _body(
    body: tuple[Loop | Operation, ...], loops: tuple[Loop, ...], key: tuple[int, ...], path: str
) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for i, statement in enumerate(body):
        here = f"{path}body[{i}]"
        if isinstance(statement, Operation):
            for name, touch in _operation(Visit(statement, loops, here), (*key, i)):
                found.setdefault(name, []).append(touch)
        elif statement.count:
            inner = _body(statement.body, (*loops, statement), (*key, i), f"{here}.")
            for name, items in inner.items():
                moves = any(_moves(item, statement.name) for item in items)
                kept: list[Item] = [Nest(statement.name, statement.count, tuple(items))] if moves else items
                found.setdefault(name, []).extend(kept)
    return found


def _operation(visit: Visit, key: tuple[int, ...]) -> Iterator[tuple[str, Touch]]:
    for i, (part, ref) in enumerate(operands(visit.operation)):
        yield ref.region, _touch(visit, part, ref, (*key, i))


def _touch(visit: Visit, part: str, ref: Ref, key: tuple[int, ...]) -> Touch:
    factors = dict(ref.coefficients)
    offset = ref.offset + sum(factors.get(loop.name, 0) * loop.start for loop in visit.loops)
    moving = {loop.name: factors[loop.name] for loop in visit.loops if loop.name in factors and loop.count > 1}
    return Touch(part == "dst", offset, moving, visit, part, key)


def _moves(item: Item, name: str) -> bool:
    if isinstance(item, Touch):
        return name in item.factors
    return any(_moves(inner, name) for inner in item.items)


def when(touch: Touch, counters: Mapping[str, int]) -> tuple[int, ...]:
    """Where a touch of some iteration stands in the order of all; ``counters`` count from 0."""
    order: list[int] = []
    for place, loop in zip(touch.key, (*touch.visit.loops, None, None), strict=False):
        order.append(place)
        if loop is not None:
            order.append(counters.get(loop.name, 0))
    return tuple(order)


def index_of(program: LoopProgram, touch: Touch, counters: Mapping[str, int]) -> int:
    """The number of an instruction in the unrolled program, from 0; ``counters`` count from 0."""
    total, body = 0, program.body
    for place in touch.key[:-1]:
        total += sum(length(statement) for statement in body[:place])
        statement = body[place]
        if isinstance(statement, Loop):
            body = statement.body
            total += counters.get(statement.name, 0) * sum(length(inner) for inner in body)
    return total


def length(statement: Loop | Operation) -> int:
    """How many instructions a statement unrolls to."""
    if isinstance(statement, Operation):
        return 1
    return prod((statement.count, sum(length(item) for item in statement.body)))
