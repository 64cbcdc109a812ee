"""Statements with some variables replaced: how a queue's text is written for one block, or for one trip of a loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from memsim.isa.expr import Expr, ExprLike, var
from memsim.isa.model import Gather, Iota, Load, Loop, Region, Send, Statement, Store, Target
from memsim.isa.rewriting import substitute

Body = tuple[Statement, ...]


def with_values(body: Body, values: Mapping[str, ExprLike]) -> Body:
    """The statements with each variable in ``values`` replaced; loops inside that reuse a name keep their own."""
    return tuple(_statement(statement, values) for statement in body) if values else body


def with_counts(body: Body, values: Mapping[str, ExprLike]) -> Body:
    """The statements with variables replaced in trip counts, and nowhere else."""
    return tuple(_counted(statement, values) for statement in body)


def _counted(statement: Statement, values: Mapping[str, ExprLike]) -> Statement:
    match statement:
        case Loop(var=name, count=count, body=body):
            inner = {key: value for key, value in values.items() if key != name}
            return replace(statement, count=substitute(count, values), body=with_counts(body, inner))
    return statement


def _statement(statement: Statement, values: Mapping[str, ExprLike]) -> Statement:
    match statement:
        case Loop(var=name, count=count, body=body):
            inner = {key: value for key, value in values.items() if key != name}
            return replace(statement, count=substitute(count, values), body=with_values(body, inner))
        case Load(dst=dst, src=src) | Gather(dst=dst, src=src):
            return replace(statement, dst=_target(dst, values), src=_region(src, values))
        case Store(dst=region):
            return replace(statement, dst=_region(region, values))
        case Send(dst=dst):
            return replace(statement, dst=_target(dst, values))
        case Iota(start=start):
            return replace(statement, start=substitute(start, values))
    return statement


def _region(region: Region, values: Mapping[str, ExprLike]) -> Region:
    return replace(region, starts=tuple(substitute(start, values) for start in region.starts))


def _target(target: Target, values: Mapping[str, ExprLike]) -> Target:
    if target.blocks is None:
        return target
    return replace(target, blocks=tuple((substitute(start, values), count) for start, count in target.blocks))


def split_loop(loop: Loop, first: Expr) -> tuple[Loop, Loop]:
    """The first ``first`` trips of a loop, and the rest of them as a loop that counts from 0 again."""
    rest = with_values(loop.body, {loop.var: var(loop.var) + first})
    return replace(loop, count=first), replace(loop, count=loop.count - first, body=rest)


def strip_loop(loop: Loop, outer: int, inner: int, fresh: str) -> Loop:
    """A loop of ``outer * inner`` trips as a loop of ``outer`` trips around one of ``inner``, counted by ``fresh``."""
    at = var(loop.var) * inner + var(fresh)
    nested = Loop(fresh, Expr(inner), with_values(loop.body, {loop.var: at}))
    return Loop(loop.var, Expr(outer), (nested,))
