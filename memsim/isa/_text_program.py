"""Tensors, kernels, groups and rings of the text form: from the syntax tree to values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from lark import Token

from memsim.isa._text_numbers import whole
from memsim.isa._text_source import Node, Source, children, first_token
from memsim.isa._text_statements import Scope, Signature, body
from memsim.isa.lexical import nearest, shorten
from memsim.isa.model import Group, Kernel, Program, Queue, Ring, Tensor
from memsim.isa.ops import DTYPES

T = TypeVar("T")


def program(source: Source, node: Node) -> Program:
    """The whole text."""
    name, *items = children(node)
    parts = {kind: [item for item in items if item.data == kind] for kind in ("cores", "flops", "tensor", "kernel")}
    tensors: dict[str, Tensor] = {}
    for item in parts["tensor"]:
        where, tensor = _tensor(source, item)
        _define(source, tensors, where, tensor, "tensor")
    kernels: dict[str, Kernel] = {}
    for item in parts["kernel"]:
        _define(source, kernels, children(item)[0], _kernel(source, item, tensors), "kernel")
    return Program(
        str(name),
        tuple(tensors.values()),
        tuple(kernels.values()),
        _single(source, parts["cores"], least=1),
        _single(source, parts["flops"], least=0),
        place=source.place(name),
    )


def _single(source: Source, options: list[Node], least: int) -> int | None:
    """The value of an option that may be given once."""
    if len(options) > 1:
        raise source.error(first_token(options[1]), f"`{first_token(options[1])}` is given twice")
    if not options:
        return None
    word, value = children(options[0])
    return whole(source, value, str(word), least)


def _define(source: Source, known: dict[str, T], name: Token, value: T, what: str) -> None:
    if name in known:
        raise source.error(name, f"{what} `{shorten(name)}` is defined already", "choose another name")
    known[str(name)] = value


def _tensor(source: Source, node: Node) -> tuple[Token, Tensor]:
    name, role, dtype, shape = children(node)
    mend = f"tensor {name} {dtype} {role} [...]" if role in DTYPES else ""
    return name, Tensor(str(name), str(role), _dtype(source, dtype, mend), _shape(source, shape))


def _ring(source: Source, node: Node) -> tuple[Token, Ring]:
    name, memory, dtype, shape, *depth = children(node)
    slots = whole(source, depth[0], "depth") if depth else 1
    mend = f"ring {name} {dtype} {memory} [...]" if memory in DTYPES else ""
    return name, Ring(str(name), str(memory), _dtype(source, dtype, mend), _shape(source, shape), slots)


def _dtype(source: Source, token: Token, swapped: str) -> str:
    if token in DTYPES:
        return str(token)
    mend = f"the memory comes first: `{swapped}`" if swapped else nearest(token, DTYPES)
    raise source.error(token, f"unknown dtype `{shorten(token)}`", mend)


def _shape(source: Source, node: Node) -> tuple[int, ...]:
    return tuple(whole(source, size, "a size") for size in children(node))


def _kernel(source: Source, node: Node, tensors: Mapping[str, Tensor]) -> Kernel:
    name, *items = children(node)
    options = {kind: [i for i in items if i.data == kind] for kind in ("occupancy", "cooperative")}
    if len(options["cooperative"]) > 1:
        raise source.error(first_token(options["cooperative"][1]), "`cooperative` is given twice")
    occupancy = _single(source, options["occupancy"], least=1)
    texts = [(name, item) for item in items if item.data == "blocks"]
    texts += [tuple(children(item)) for item in items if item.data == "group"]
    groups = _groups(source, texts, tensors)
    return Kernel(str(name), groups, occupancy or 1, bool(options["cooperative"]), place=source.place(name))


def _groups(source: Source, texts: Iterable[tuple[Token, Node]], tensors: Mapping[str, Tensor]) -> tuple[Group, ...]:
    """Groups of a kernel; their rings first, since any group may send into any other."""
    signatures: dict[str, Signature] = {}
    for name, blocks in texts:
        _define(source, signatures, name, _signature(source, name, blocks), "group")
    return tuple(
        _group(source, name, blocks, Scope(source, tensors, signatures, signature, _names(signature)))
        for (name, blocks), signature in zip(texts, signatures.values(), strict=True)
    )


def _signature(source: Source, name: Token, blocks: Node) -> Signature:
    grid: dict[str, int] = {}
    for axis_size in children(children(blocks)[0]):
        axis, size = children(axis_size)
        _define(source, grid, axis, whole(source, size, f"grid size {axis}"), "block coordinate")
    rings: dict[str, Ring] = {}
    for item in _items(blocks, "ring"):
        where, ring = _ring(source, item)
        _define(source, rings, where, ring, "ring")
    return Signature(str(name), tuple(grid.items()), rings)


def _names(signature: Signature) -> tuple[str, ...]:
    return tuple(axis for axis, _ in signature.grid)


def _group(source: Source, name: Token, blocks: Node, scope: Scope) -> Group:
    queues: dict[str, Queue] = {}
    for item in _items(blocks, "queue"):
        title, text = children(item)
        _define(source, queues, title, Queue(str(title), body(scope, text), place=source.place(title)), "queue")
    cluster = _cluster(source, _items(blocks, "cluster"), scope.group)
    rings = tuple(scope.group.rings.values())
    return Group(scope.group.name, scope.group.grid, rings, tuple(queues.values()), cluster, place=source.place(name))


def _cluster(source: Source, nodes: list[Any], group: Signature) -> tuple[int, ...]:
    if not nodes:
        return ()
    word, *sizes = children(nodes[0])
    if len(sizes) != len(group.grid):
        raise source.error(
            word,
            f"cluster has {len(sizes)} sizes, the grid has {len(group.grid)} coordinates",
            f"give one size for each of: {', '.join(_names(group))}",
        )
    return tuple(whole(source, size, f"cluster size {axis}") for size, axis in zip(sizes, _names(group), strict=True))


def _items(blocks: Node, kind: str) -> list[Node]:
    return [item for item in children(blocks) if item.data == kind]
