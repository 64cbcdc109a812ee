"""Loops and instructions of the text form: from the syntax tree to values, every name looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lark import Token

from memsim.isa._text_numbers import expression, index_number, real, whole
from memsim.isa._text_source import Node, Source, children, first_token
from memsim.isa.expr import Expr
from memsim.isa.lexical import DISTRIBUTIONS, MAX_NESTING, nearest, shorten
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Iota,
    Load,
    Loop,
    Mma,
    Pop,
    Push,
    Reduce,
    Region,
    Ring,
    Send,
    Statement,
    Store,
    Target,
    Tensor,
    Tile,
    Vector,
)
from memsim.isa.ops import REDUCE_OPS, VECTOR_OPS
from memsim.isa.regions import default_gather_sizes, default_sizes


@dataclass(frozen=True, slots=True)
class Signature:
    """What other groups see of a group: its grid and its rings."""

    name: str
    grid: tuple[tuple[str, int], ...]
    rings: Mapping[str, Ring]


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that are known at a statement."""

    source: Source
    tensors: Mapping[str, Tensor]
    groups: Mapping[str, Signature]
    """The groups of the kernel."""
    group: Signature
    """The group that the statement is in."""
    variables: tuple[str, ...]
    """Block coordinates, then the counters of the loops around."""


def body(scope: Scope, node: Node) -> tuple[Statement, ...]:
    """The statements between two braces."""
    return tuple(_STATEMENTS[statement.data](scope, statement) for statement in children(node))


def _loop(scope: Scope, node: Node) -> Loop:
    name, count, inner = children(node)
    if name in scope.variables:
        raise scope.source.error(
            name, f"`{name}` is taken by a loop or block coordinate around it", "choose another name"
        )
    if len(scope.variables) - len(scope.group.grid) >= MAX_NESTING:
        raise scope.source.error(name, f"loops nest more than {MAX_NESTING} deep", "flatten them")
    times = expression(scope.source, count, scope.variables)
    within = replace(scope, variables=(*scope.variables, str(name)))
    return Loop(str(name), times, body(within, inner), place=scope.source.place(name))


def _load(scope: Scope, node: Node) -> Load:
    keyword, target, region, *options = children(node)
    dst, ring = _target(scope, target)
    flags = _flags(scope, options)
    transpose = "transpose" in flags
    src = _region(scope, region, lambda tensor: default_sizes(ring.shape, len(tensor.shape), transpose=transpose), ring)
    src = replace(src, clip="clip" in flags)
    return Load(dst, src, transpose, flags.get("pad", 0.0), place=scope.source.place(keyword))


def _store(scope: Scope, node: Node) -> Store:
    keyword, region, tile, *options = children(node)
    src, ring = _tile(scope, tile)
    flags = _flags(scope, options)
    transpose = "transpose" in flags
    dst = _region(scope, region, lambda tensor: default_sizes(ring.shape, len(tensor.shape), transpose=transpose), ring)
    return Store(replace(dst, clip="clip" in flags), src, transpose, place=scope.source.place(keyword))


def _gather(scope: Scope, node: Node) -> Gather:
    keyword, target, region, index, *options = children(node)
    dst, ring = _target(scope, target)
    flags = _flags(scope, options)
    src = _region(scope, region, lambda tensor: default_gather_sizes(ring.shape, tensor.shape), ring)
    src = replace(src, clip="clip" in flags)
    distribution = flags.get("distribution", "uniform")
    return Gather(dst, src, _tile(scope, index)[0], distribution, place=scope.source.place(keyword))


def _copy(scope: Scope, node: Node) -> Copy:
    keyword, target, tile, *options = children(node)
    flags = _flags(scope, options)
    dst, src = _target(scope, target)[0], _tile(scope, tile)[0]
    return Copy(dst, src, "transpose" in flags, place=scope.source.place(keyword))


def _send(scope: Scope, node: Node) -> Send:
    keyword, target, tile = children(node)
    return Send(_target(scope, target)[0], _tile(scope, tile)[0], place=scope.source.place(keyword))


def _mma(scope: Scope, node: Node) -> Mma:
    keyword, dst, assign, left, right = children(node)
    (a, *a_turned), (b, *b_turned) = children(left), children(right)
    return Mma(
        _ring(scope, dst).name,
        _tile(scope, a)[0],
        _tile(scope, b)[0],
        assign == "+=",
        bool(a_turned),
        bool(b_turned),
        place=scope.source.place(keyword),
    )


def _assign(scope: Scope, node: Node) -> Vector | Reduce | Iota:
    dst, op, *arguments = children(node)
    _ring(scope, dst)
    if op == "iota":
        return _iota(scope, dst, op, arguments)
    axes = [argument for argument in arguments if argument.data == "axis"]
    if axes or (op in REDUCE_OPS and op not in VECTOR_OPS):
        return _reduce(scope, dst, op, arguments)
    if op not in VECTOR_OPS:
        raise scope.source.error(
            op, f"unknown operation `{shorten(op)}`", nearest(op, [*VECTOR_OPS, *REDUCE_OPS, "iota"])
        )
    arity = VECTOR_OPS[op].arity
    for argument in arguments:
        _expect(scope, argument, ("tile", "number"), f"`{op}` has no `{first_token(argument)}`")
    if len(arguments) != arity:
        raise scope.source.error(op, f"{op} takes {arity} argument{'s' * (arity > 1)}, found {len(arguments)}")
    operands = tuple(_tile(scope, a)[0] if a.data == "tile" else real(scope.source, a) for a in arguments)
    return Vector(str(op), str(dst), operands, place=scope.source.place(dst))


def _reduce(scope: Scope, dst: Token, op: Token, arguments: Sequence[Node]) -> Reduce:
    if op not in REDUCE_OPS:
        mend = "only reductions have an axis" if op in VECTOR_OPS else nearest(op, REDUCE_OPS)
        raise scope.source.error(op, f"`{shorten(op)}` is not a reduction", mend)
    if [argument.data for argument in arguments] != ["tile", "axis"]:
        raise scope.source.error(op, f"{op} takes a tile and an axis", f"write `{dst} = {op}(tile, axis 0)`")
    tile, axis = arguments
    number = whole(scope.source, children(axis)[1], "an axis", least=0)
    return Reduce(str(op), str(dst), _tile(scope, tile)[0], number, place=scope.source.place(dst))


def _iota(scope: Scope, dst: Token, op: Token, arguments: Sequence[Node]) -> Iota:
    given: dict[str, Node] = {}
    for argument in arguments:
        word = first_token(argument)
        _expect(scope, argument, ("axis", "first"), f"iota takes no `{shorten(word)}`")
        if argument.data in given:
            raise scope.source.error(word, f"`{word}` is given twice")
        given[argument.data] = children(argument)[1]
    if "axis" not in given:
        raise scope.source.error(op, "iota takes an axis", f"write `{dst} = iota(axis 0)`")
    start = expression(scope.source, given["first"], scope.variables) if "first" in given else Expr(0)
    axis = whole(scope.source, given["axis"], "an axis", least=0)
    return Iota(str(dst), axis, start, place=scope.source.place(dst))


def _fill(scope: Scope, node: Node) -> Fill:
    keyword, dst, value = children(node)
    return Fill(_ring(scope, dst).name, real(scope.source, value), place=scope.source.place(keyword))


def _push(scope: Scope, node: Node) -> Push:
    keyword, ring = children(node)
    return Push(_ring(scope, ring).name, place=scope.source.place(keyword))


def _pop(scope: Scope, node: Node) -> Pop:
    keyword, ring = children(node)
    return Pop(_ring(scope, ring).name, place=scope.source.place(keyword))


_STATEMENTS: Mapping[str, Callable[[Scope, Node], Statement]] = {
    "loop": _loop,
    "load": _load,
    "store": _store,
    "gather": _gather,
    "copy": _copy,
    "send": _send,
    "mma": _mma,
    "assign": _assign,
    "fill": _fill,
    "push": _push,
    "pop": _pop,
}


def _expect(scope: Scope, argument: Node, kinds: Iterable[str], cause: str) -> None:
    if argument.data not in kinds:
        raise scope.source.error(first_token(argument), cause, "write axis and start for `iota`, axis for a reduction")


def _flags(scope: Scope, options: Iterable[Any]) -> dict[str, Any]:
    """The options after an instruction: word -> True or its value."""
    flags: dict[str, Any] = {}
    for option in options:
        word = first_token(option)
        if word in flags:
            raise scope.source.error(word, f"`{word}` is given twice")
        flags[str(word)] = True if isinstance(option, Token) else _option_value(scope, *children(option))
    return flags


def _option_value(scope: Scope, word: Token, value: Any) -> float | str:
    if word == "pad":
        return real(scope.source, value)
    if value not in DISTRIBUTIONS:
        raise scope.source.error(
            value, f"unknown distribution `{shorten(value)}`", f"write `{DISTRIBUTIONS[0]}` or `{DISTRIBUTIONS[1]}`"
        )
    return str(value)


def _ring(scope: Scope, name: Token, owner: Signature | None = None) -> Ring:
    rings = (owner or scope.group).rings
    if name in rings:
        return rings[name]
    mend = nearest(name, rings)
    if name in scope.tensors:
        mend = "it is a tensor: load it into a ring and name the ring"
    elif name in scope.variables:
        mend = "it is a coordinate: `iota` makes a tile of coordinates"
    raise scope.source.error(name, f"unknown ring `{shorten(name)}` in group {(owner or scope.group).name}", mend)


def _tile(scope: Scope, node: Node) -> tuple[Tile, Ring]:
    name, *ahead = children(node)
    ring = _ring(scope, name)
    return Tile(ring.name, index_number(scope.source, ahead[0]) if ahead else 0), ring


def _target(scope: Scope, node: Node) -> tuple[Target, Ring]:
    name, *rest = children(node)
    if not rest:
        ring = _ring(scope, name)
        return Target(ring.name), ring
    _, *group, indices = rest
    owner = _group(scope, group[0]) if group else scope.group
    ring = _ring(scope, name, owner)
    blocks = tuple(_blocks(scope, index) for index in children(indices))
    if len(blocks) != len(owner.grid):
        raise scope.source.error(
            name,
            f"group {owner.name} has {len(owner.grid)} block coordinates, found {len(blocks)}",
            f"give one index for each of: {', '.join(axis for axis, _ in owner.grid)}",
        )
    return Target(ring.name, blocks, owner.name if group else None), ring


def _group(scope: Scope, name: Token) -> Signature:
    if name not in scope.groups:
        raise scope.source.error(name, f"unknown group `{shorten(name)}`", nearest(name, scope.groups))
    return scope.groups[name]


def _blocks(scope: Scope, index: Node) -> tuple[Expr, int]:
    start, *rest = children(index)
    if len(rest) == 2:
        raise scope.source.error(first_token(rest[1]), "blocks of a multicast have no step", "write start : count")
    count = whole(scope.source, rest[0], "a count of blocks") if rest else 1
    return expression(scope.source, start, scope.variables), count


def _region(scope: Scope, node: Node, default: Callable[[Tensor], tuple[int, ...] | None], ring: Ring) -> Region:
    name, *indices = children(node)
    tensor = _tensor(scope, name)
    if len(indices) != len(tensor.shape):
        raise scope.source.error(
            name,
            f"tensor {name} has shape {list(tensor.shape)}, found {len(indices)} of {len(tensor.shape)} indices",
            "give one index for each dimension",
        )
    parts = [children(index) for index in indices]
    starts = tuple(expression(scope.source, start, scope.variables) for start, *_ in parts)
    steps = tuple(whole(scope.source, p[2], "a step") if len(p) == 3 else 1 for p in parts)
    if any(len(p) > 1 for p in parts):
        sizes = tuple(whole(scope.source, p[1], "a size") if len(p) > 1 else 1 for p in parts)
        return Region(tensor.name, starts, sizes, steps)
    fitted = default(tensor)
    if fitted is None:
        raise scope.source.error(
            name,
            f"a tile {list(ring.shape)} of ring {ring.name} does not fit the dimensions of tensor"
            f" {name} {list(tensor.shape)}",
            "give the sizes: start : size",
        )
    return Region(tensor.name, starts, fitted, steps)


def _tensor(scope: Scope, name: Token) -> Tensor:
    if name in scope.tensors:
        return scope.tensors[name]
    mend = nearest(name, scope.tensors)
    if name in scope.group.rings:
        mend = "it is a ring: `copy` moves a tile from ring to ring"
    raise scope.source.error(name, f"unknown tensor `{shorten(name)}`", mend)
