"""Programs with one thing broken, as a person breaks them: every such mutant of a program, with what was done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from memsim.isa.model import Load, Loop, Mma, Pop, Program, Push, Reduce, Store, Vector

Mutant = tuple[str, Program]


def mutants(program: Program) -> Iterator[Mutant]:
    """Each way to break one statement of the program."""
    for k, kernel in enumerate(program.kernels):
        for g, group in enumerate(kernel.groups):
            for q, queue in enumerate(group.queues):
                for what, body in _bodies(queue.body):
                    changed = replace(queue, body=body)
                    groups = _with(kernel.groups, g, replace(group, queues=_with(group.queues, q, changed)))
                    kernels = _with(program.kernels, k, replace(kernel, groups=groups))
                    yield f"{kernel.name}/{queue.name}: {what}", replace(program, kernels=kernels)


def _with(items, index, item):
    return (*items[:index], item, *items[index + 1 :])


def _bodies(body):
    for n, statement in enumerate(body):
        if isinstance(statement, Loop):
            for what, inner in _bodies(statement.body):
                yield what, _with(body, n, replace(statement, body=inner))
            if not statement.count.is_constant or statement.count.const > 1:
                yield "a trip too few", _with(body, n, replace(statement, count=statement.count - 1))
        elif isinstance(statement, (Pop, Push)):
            yield f"missing {type(statement).__name__.lower()}", (*body[:n], *body[n + 1 :])
        else:
            for what, other in _broken(statement):
                yield what, _with(body, n, other)


def _broken(i):
    match i:
        case Load(src=region):
            yield "wrong offset of a load", replace(i, src=_shifted(region))
            yield "a stride too many", replace(i, src=replace(region, steps=(*region.steps[:-1], 2)))
        case Store(dst=region):
            yield "wrong offset of a store", replace(i, dst=_shifted(region))
        case Mma():
            yield "swapped operands of a product", replace(i, a=i.b, b=i.a)
            yield "accumulates or not", replace(i, accumulate=not i.accumulate)
            yield "transposed operand", replace(i, transpose_b=not i.transpose_b)
        case Vector(op="sub" | "ge" | "gt", args=(a, b)):
            yield "swapped operands", replace(i, args=(b, a))
        case Vector(op="mul" | "add"):
            yield "wrong operation", replace(i, op="sub")
        case Vector(op="exp2" | "recip" | "rsqrt"):
            yield "wrong operation", replace(i, op="neg")
        case Reduce():
            yield "wrong reduction", replace(i, op="min" if i.op == "sum" else "sum")


def _shifted(region):
    """The region one element further along its last dimension that is no single element."""
    at = max((d for d, size in enumerate(region.sizes) if size > 1), default=len(region.sizes) - 1)
    start = region.starts[at] - 1 if region.starts[at].bounds(_anything(region))[0] > 0 else region.starts[at] + 1
    return replace(region, starts=_with(region.starts, at, start), clip=True)


def _anything(region):
    names = set().union(*(e.variables() for e in region.starts)) if region.starts else set()
    return dict.fromkeys(names, (0, 0))


TEXTS = (
    ("another element", "+ row * 32u", "+ 1u + row * 32u"),
    ("another column", " + tx", " + 1u + tx"),
    ("a term left out", "var k = 0u", "var k = 1u"),
    ("terms left out of a reduction", "var j = 1u", "var j = 16u"),
    ("rounded away", "0x7fffu + ((u >> 16u) & 1u)", "0xffffu"),
    ("truncated", "0x7fffu + ((u >> 16u) & 1u)", "0u"),
    ("half of a word", "% 2u * 16u", "% 1u * 16u"),
    ("not accumulated", " = r_c_", " = 0.0 * r_c_"),
    ("maximum for minimum", "max(", "min("),
    ("another block", "let unit = i32(turn);", "let unit = i32(turn) / 2;"),
)
"""WGSL with one thing broken: what it is, and which text becomes which, at its first occurrence."""
