"""Shares of a graph that are the same up to names, as the layers of a model are: planned and written once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from memsim.isa.builder import ProgramBuilder
from memsim.isa.canonical import canonical, renamed
from memsim.isa.handles import TensorHandle
from memsim.isa.model import Kernel, Tensor
from memsim.lowering.fusion import Fused
from memsim.workloads.graph import Node

# ---- what decides the text of a share's kernels ----


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a graph, with numbers in place of names."""

    group: Fused
    key: Hashable
    """Equal for shares whose kernels differ in names only."""
    tensors: tuple[Tensor, ...]
    """What its kernels may touch, the result first."""
    places: Mapping[int, int]
    """Where the tensor of each node, by identity, is among ``tensors``."""


def describe(group: Fused, tensors: Mapping[int, Tensor]) -> Share:
    """A share of a graph by what it computes; ``tensors`` has that of each node in memory, by identity."""
    nodes = list(_nodes(group))
    lying = [node for node in (group.result, *nodes) if id(node) in tensors]
    touched = {tensors[id(node)].name: tensors[id(node)] for node in lying}
    place_of = {name: place for place, name in enumerate(touched)}
    places = {id(node): place_of[tensors[id(node)].name] for node in lying}
    numbers: dict[int, int] = {}
    entries: list[Hashable] = [tuple((tensor.dtype, tensor.shape) for tensor in touched.values())]
    for node in nodes:
        inside = id(node) in group.inside
        args = tuple(numbers[id(arg)] if isinstance(arg, Node) else repr(arg) for arg in _args(group, node))
        attributes = tuple(node.attributes.items()) if inside else ()
        op = node.op if inside or node.op == "transpose" else ""
        numbers[id(node)] = len(entries)
        entries.append((op, args, attributes, node.shape, node.dtype, inside, places.get(id(node))))
    product = None if group.product is None else numbers[id(group.product)]
    key = (tuple(entries), product, group.cache is not None, group.space, group.axis, group.dropped)
    return Share(group, key, tuple(touched.values()), places)


def _args(group: Fused, node: Node) -> tuple[Node | float, ...]:
    """Operands that matter: of what is read from memory, those of a view."""
    return node.args if id(node) in group.inside or node.op == "transpose" else ()


def _nodes(group: Fused) -> Iterator[Node]:
    """The nodes that are computed and those that are read, operands first, the root last."""
    done: set[int] = set()
    stack = [(group.root, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(_args(group, node)) if isinstance(arg, Node))


# ---- kernels for any names ----


@dataclass(frozen=True, slots=True)
class _Text:
    suffix: str
    """Of the kernel's name, after that of the share."""
    kernel: Kernel
    """Under canonical names."""
    tensors: tuple[int, ...]
    """Where its tensors are among those of the share, and then those between its kernels."""


@dataclass(frozen=True, slots=True)
class Template:
    """The kernels of a share of a graph, for any names."""

    texts: tuple[_Text, ...]
    between: tuple[Tensor, ...]
    """Tensors between the kernels, by the suffixes of their names."""

    def build(self, name: str, tensors: Sequence[str]) -> tuple[list[Kernel], list[Tensor]]:
        """The kernels of the share ``name`` over these tensors, and the tensors between them."""
        between = [Tensor(name + tensor.name, tensor.role, tensor.dtype, tensor.shape) for tensor in self.between]
        names = [*tensors, *(tensor.name for tensor in between)]
        kernels = [renamed(t.kernel, name + t.suffix, [names[place] for place in t.tensors]) for t in self.texts]
        return kernels, between


def make_template(
    name: str,
    tensors: Sequence[Tensor],
    write: Callable[[ProgramBuilder, str, Sequence[TensorHandle]], None],
    *,
    anonymous: bool,
) -> Template:
    """Write the kernels of a share, and keep them without the names of tensors.

    Parameters
    ----------
    name
        Of the first share that they are for.
    tensors
        What they may touch.
    write
        Adds them to a builder, given their name and the tensors in it; may add tensors of its own.
    anonymous
        Let no ring have its name from a tensor, since other shares have the same text.
    """
    builder = ProgramBuilder(name)
    names = [f"in{place}" if anonymous else tensor.name for place, tensor in enumerate(tensors)]
    pairs = zip(names, tensors, strict=True)
    write(builder, name, [builder.tensor(given, t.dtype, t.shape, t.role) for given, t in pairs])
    program = builder.build(verify=False)
    places = {tensor.name: place for place, tensor in enumerate(program.tensors)}
    texts = []
    for kernel in program.kernels:
        text, touched = canonical(program, kernel)
        texts.append(_Text(kernel.name.removeprefix(name), text, tuple(places[tensor] for tensor in touched)))
    own = program.tensors[len(tensors) :]
    return Template(tuple(texts), tuple(Tensor(t.name.removeprefix(name), t.role, t.dtype, t.shape) for t in own))
