"""ByteDMD as its rules are written: stacks are Python's lists, and every depth is looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isqrt

Operation = tuple[list[int], int | None]
"""The values that it reads, and the one that it makes."""


@dataclass
class Record:
    """A trace in plain lists."""

    arguments: list[list[int]]
    operations: list[Operation]
    returned: list[int] = field(default_factory=list)


def cost(depth: int, size: int) -> int:
    """A byte at depth d costs the root of d, rounded up; an element is ``size`` bytes that lie together."""
    return sum(isqrt(d - 1) + 1 for d in range((depth - 1) * size + 1, depth * size + 1))


def depth(stack: list[int], value: int) -> int:
    return len(stack) - stack.index(value)


def to_top(stack: list[int], value: int) -> None:
    if value in stack:
        stack.remove(value)
    stack.append(value)


def used_later(value: int, operations: list[Operation]) -> bool:
    return any(value in reads for reads, _ in operations)


def main(record: Record, size: int) -> int:
    """Arguments in reverse, elements in order; all reads on the stack as it was; who is not used any more leaves."""
    operations, total = record.operations, 0
    stack = [x for argument in reversed(record.arguments) for x in argument]
    stack = [x for x in stack if used_later(x, operations) or x in record.returned]
    for i, (reads, result) in enumerate(operations):
        total += sum(cost(depth(stack, x), size) for x in reads)
        for x in dict.fromkeys(reads):
            to_top(stack, x)
        rest = operations[i + 1 :]
        if result is not None:
            stack.append(result)
        stack = [x for x in stack if used_later(x, rest) or x in record.returned]
    return total


def classic_14(record: Record, size: int) -> int:
    """Nothing is reversed, nothing is removed."""
    stack, total = [x for argument in record.arguments for x in argument], 0
    for reads, result in record.operations:
        total += sum(cost(depth(stack, x), size) for x in reads)
        for x in dict.fromkeys(reads):
            to_top(stack, x)
        if result is not None:
            stack.append(result)
    return total


def fixed_depths(record: Record) -> dict[int, int]:
    stack = [x for argument in reversed(record.arguments) for x in argument]
    return {x: depth(stack, x) for x in stack}


def dev(record: Record, size: int) -> int:
    """Arguments wait at fixed depths until an operation reads them; what is returned is read at exit, all at once."""
    waiting, stack, total = fixed_depths(record), list[int](), 0
    operations = [*record.operations, (record.returned, None)]
    for i, (reads, result) in enumerate(operations):
        total += sum(cost(waiting.get(x) or depth(stack, x), size) for x in reads)
        for x in dict.fromkeys(reads):
            waiting.pop(x, None)
            to_top(stack, x)
        if result is not None:
            stack.append(result)
        stack = [x for x in stack if used_later(x, operations[i + 1 :])]
    return total


def l2(record: Record, size: int, evicts: bool) -> int:
    """The same with one load after another; a value leaves after its last one."""
    waiting, stack, total = fixed_depths(record), list[int](), 0
    loads: list[Operation] = []
    for reads, result in record.operations:
        loads += [([x], None) for x in reads]
        loads += [([], result)]
    loads += [([x], None) for x in record.returned]
    for i, (reads, result) in enumerate(loads):
        for x in reads:
            total += cost(waiting.pop(x) if x in waiting else depth(stack, x), size)
            to_top(stack, x)
        if result is not None:
            stack.append(result)
        if evicts:
            stack = [x for x in stack if used_later(x, loads[i + 1 :])]
    return total


def price(record: Record, dialect: str, size: int) -> int:
    if dialect.startswith("l2"):
        return l2(record, size, evicts=dialect == "l2-live")
    return {"main": main, "dev": dev, "classic-14": classic_14}[dialect](record, size)
