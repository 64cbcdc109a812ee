"""Other spellings of a program: queues that nest the same loops differently, kernels repeated as a model's layers.

Both keep what a program does. Queues that meet in a ring need not have the same loops: a loader may run one flat loop
where the consumer of its tiles runs two nested ones, or treat the first trip apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from memsim.isa.expr import Expr, ExprLike, var
from memsim.isa.model import Gather, Group, Iota, Kernel, Load, Loop, Queue, Region, Send, Statement, Store, Target
from memsim.isa.rewriting import substitute
from tests.drafts import Draw, TensorDraft, choose_from

Values = Mapping[str, ExprLike]


# ---- loops ----


def respelled(draw: Draw, kernel: Kernel) -> Kernel:
    """The same kernel, with some loops of some queues nested, unrolled or peeled."""

    def queue(q: Queue) -> Queue:
        return q if choose_from(draw, (True, True, False)) else replace(q, body=_body(draw, q.body))

    def group(g: Group) -> Group:
        return replace(g, queues=tuple(queue(q) for q in g.queues))

    return replace(kernel, groups=tuple(group(g) for g in kernel.groups))


def _body(draw: Draw, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    out: list[Statement] = []
    for statement in body:
        if not isinstance(statement, Loop):
            out.append(statement)
        elif statement.count.is_constant and statement.count.const > 1 and choose_from(draw, (True, True, False)):
            out += choose_from(draw, SPELLINGS)(draw, statement)
        else:
            out.append(replace(statement, body=_body(draw, statement.body)))
    return tuple(out)


def _nested(draw: Draw, loop: Loop) -> list[Statement]:
    """Two loops for one, where the count has a divisor, else all but the last trips in two."""
    name, count = loop.var, loop.count.const
    inner = choose_from(draw, [n for n in range(2, count + 1) if count % n == 0])
    outer_name, inner_name = f"{name}_o", f"{name}_i"
    body = _moved(loop.body, {name: var(outer_name) * inner + var(inner_name)})
    return [Loop(outer_name, Expr(count // inner), (Loop(inner_name, Expr(inner), body),))]


def _unrolled(draw: Draw, loop: Loop) -> list[Statement]:
    """Two trips in one, and the odd one after the loop."""
    name, count = loop.var, loop.count.const
    twice = _moved(loop.body, {name: var(name) * 2}) + _moved(loop.body, {name: var(name) * 2 + 1})
    rest = _moved(loop.body, {name: count - 1}) if count % 2 else ()
    return [Loop(name, Expr(count // 2), twice), *rest]


def _peeled_first(draw: Draw, loop: Loop) -> list[Statement]:
    rest = _moved(loop.body, {loop.var: var(loop.var) + 1})
    return [*_moved(loop.body, {loop.var: 0}), Loop(loop.var, loop.count - 1, rest)]


def _split(draw: Draw, loop: Loop) -> list[Statement]:
    """Two loops one after the other."""
    name, first = loop.var, loop.count.const // 2
    second = _moved(loop.body, {name: var(name) + first})
    return [Loop(name, Expr(first), loop.body), Loop(name, loop.count - first, second)]


Spelling = Callable[[Draw, Loop], list[Statement]]
SPELLINGS: tuple[Spelling, ...] = (_nested, _nested, _unrolled, _peeled_first, _split)


def _moved(body: tuple[Statement, ...], values: Values) -> tuple[Statement, ...]:
    """A body with counters replaced by other expressions."""
    return tuple(_statement(statement, values) for statement in body)


def _statement(statement: Statement, values: Values) -> Statement:
    match statement:
        case Loop(count=count, body=body):
            return replace(statement, count=substitute(count, values), body=_moved(body, values))
        case Load(dst=dst, src=src) | Gather(dst=dst, src=src):
            return replace(statement, dst=_target(dst, values), src=_region(src, values))
        case Store(dst=region):
            return replace(statement, dst=_region(region, values))
        case Send(dst=dst):
            return replace(statement, dst=_target(dst, values))
        case Iota(start=start):
            return replace(statement, start=substitute(start, values))
    return statement


def _region(region: Region, values: Values) -> Region:
    return replace(region, starts=tuple(substitute(start, values) for start in region.starts))


def _target(target: Target, values: Values) -> Target:
    if target.blocks is None:
        return target
    return replace(target, blocks=tuple((substitute(start, values), count) for start, count in target.blocks))


# ---- layers ----


def layered(draw: Draw, kernels: list[Kernel], tensors: list[TensorDraft], layers: int) -> list[Kernel]:
    """The kernels again and again, in each layer with some tensors of its own, which are added to ``tensors``."""
    own = [t for t in tensors if choose_from(draw, (True, False))]
    out = list(kernels)
    for layer in range(1, layers):
        names = {t.name: f"{t.name}_{layer}" for t in own}
        tensors += [replace(t, name=names[t.name], shape=list(t.shape)) for t in own]
        out += [_renamed(kernel, f"{kernel.name}_{layer}", names) for kernel in kernels]
    return out


def _renamed(kernel: Kernel, name: str, names: Mapping[str, str]) -> Kernel:
    """The kernel over other tensors."""

    def body(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        return tuple(statement(s) for s in statements)

    def region(r: Region) -> Region:
        return replace(r, tensor=names.get(r.tensor, r.tensor))

    def statement(s: Statement) -> Any:
        match s:
            case Loop():
                return replace(s, body=body(s.body))
            case Load() | Gather():
                return replace(s, src=region(s.src))
            case Store():
                return replace(s, dst=region(s.dst))
        return s

    def group(g: Group) -> Group:
        return replace(g, queues=tuple(replace(q, body=body(q.body)) for q in g.queues))

    return replace(kernel, name=name, groups=tuple(group(g) for g in kernel.groups))
