"""Which operations of a graph share a kernel: chains of elementwise work join what they follow or feed.

A matrix product takes the elementwise chain after it as its epilogue; softmax, norms and reductions take the chains
before and after them. What several operations use, or is a result, is written to memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from memsim.errors import WorkloadError
from memsim.workloads.functions import cast
from memsim.workloads.graph import Node, walk
from memsim.workloads.operators import OPERATORS
from memsim.workloads.shapes import Shape

REDUCTIONS = frozenset({"sum", "max", "mean"})
LABELS = {op: f"reduce_{op}" for op in REDUCTIONS} | {"transpose": "transposed"}  # what would be keywords in a program
WHOLE = frozenset({"attention", "decode_attention", "rope", "transpose", "append"})
"""Operations that end their kernel."""
ROW_OPERATIONS = REDUCTIONS | {"softmax", "log_softmax", "layer_norm", "rms_norm"}


@dataclass(eq=False)
class Fused:
    """A kernel's share of the graph: ``root`` is what it writes, ``inside`` what it computes on the way."""

    root: Node
    inside: set[int] = field(default_factory=set)
    """Identities of the nodes that it computes, the root among them."""
    product: Node | None = None
    """Its matrix product."""
    space: Shape | None = None
    """Shape of what its reductions run over."""
    axis: int | None = None
    """The axis of its reductions."""
    dropped: bool = False
    """Whether the root's dimensions lack that axis."""
    cache: Node | None = None
    """The `append` whose new rows the root is: it writes them into the cache."""
    label: str = "elementwise"
    """What it mainly does: the name of its kernel."""

    @property
    def result(self) -> Node:
        """What others read."""
        return self.cache or self.root

    @property
    def is_vector(self) -> bool:
        """Whether it has neither product nor reduction."""
        return self.product is None and self.axis is None


def is_elementwise(node: Node) -> bool:
    """Whether a node is computed element by element."""
    return node.op in OPERATORS


def view_of(node: Node) -> Node:
    """The node whose tensor a transposed view reads; any other node itself."""
    while node.op == "transpose":
        node = node.nodes[0]
    return node


def fuse(roots: Sequence[Node], *, join: bool = True) -> list[Fused]:
    """Partition a graph into kernels, in an order in which each finds its operands written.

    With ``join`` false every operation is a kernel of its own.
    """
    users = Counter(id(arg) for node in walk(roots) for arg in {id(a): a for a in node.nodes}.values())
    kept = {id(root) for root in roots} | _read_whole(roots)
    groups: dict[int, Fused] = {}
    for node in walk(roots):
        if node.op == "input" or (node.op == "transpose" and id(node) not in kept):
            continue
        group = _alone(node)
        if node.name and all(node is not root for root in roots) and not is_elementwise(node):
            group.label = node.name  # a result's name is that of its tensor
        if node.op == "append":
            groups[id(node)] = _into_cache(node, groups, users, kept if join else None)
            continue
        operands = {id(arg): arg for arg in node.nodes}.values()
        candidates = [arg for arg in operands if id(arg) in groups and id(arg) not in kept and users[id(arg)] == 1]
        for arg in reversed(candidates) if join else ():
            _absorb(group, node, arg, groups)
        groups[id(node)] = group
    return list(groups.values())


def _read_whole(roots: Sequence[Node]) -> set[int]:
    """Nodes that some operation reads as a tensor in memory: operands of products, attention, views."""
    found = set()
    for node in walk(roots):
        if node.op == "matmul":
            found |= {id(view_of(arg)) for arg in node.nodes}
        elif node.op in ("attention", "decode_attention", "rope"):
            found |= {id(arg) for arg in node.nodes}
        elif node.op == "append":
            found.add(id(node))
        elif node.op == "transpose":
            found.add(id(view_of(node)))
    return found


def _alone(node: Node) -> Fused:
    group = Fused(node, {id(node)})
    if not is_elementwise(node):
        group.label = LABELS.get(node.op, node.op)
    if node.op == "matmul":
        group.product = node
    elif node.op in ROW_OPERATIONS:
        x = node.nodes[0]
        group.space, group.axis = x.shape, node.attributes.get("axis", len(x.shape) - 1)
        group.dropped = len(node.shape) < len(x.shape)
    return group


def _into_cache(node: Node, groups: dict[int, Fused], users: Counter[int], kept: set[int] | None) -> Fused:
    """The kernel that computes the new rows, if nothing else reads them; else one that copies them."""
    cache, rows = node.nodes
    if users[id(cache)] > 1:
        raise WorkloadError(
            f"cache {cache.name} is read besides, but it changes in place",
            where="append",
            mend="read what append gives, or append to another tensor",
        )
    computed = groups.get(id(rows))
    if computed is None or kept is None or id(rows) in kept or users[id(rows)] > 1:
        computed = _alone(cast(rows, rows.dtype))
    else:
        del groups[id(rows)]
    computed.cache = node
    return computed


def _absorb(group: Fused, node: Node, arg: Node, groups: dict[int, Fused]) -> None:
    """Take the kernel that computes ``arg`` into that of its only user ``node``, if one kernel can do both."""
    other = groups[id(arg)]
    if node.op in ROW_OPERATIONS:
        allowed = _may_precede_rows(group, node, arg, other)
    else:
        allowed = is_elementwise(node) and _may_precede_elementwise(group, node, arg, other)
    if not allowed:
        return
    del groups[id(arg)]
    group.inside |= other.inside
    group.product = group.product or other.product
    group.label = other.label if group.label == "elementwise" else group.label
    if group.axis is None:
        group.space, group.axis, group.dropped = other.space, other.axis, other.dropped


def _may_precede_rows(group: Fused, node: Node, arg: Node, other: Fused) -> bool:
    """Whether the reductions of ``node`` can read ``arg`` from the tile that computes it."""
    if other.product is not None or other.root.op in WHOLE:
        return False
    same_space = other.axis is None or (other.space == group.space and other.axis == group.axis and not other.dropped)
    return same_space and (arg is not node.nodes[0] or arg.shape == group.space)


def _may_precede_elementwise(group: Fused, node: Node, arg: Node, other: Fused) -> bool:
    if other.root.op in WHOLE:
        return False
    if other.is_vector:
        return True
    if other.product is not None:
        if other.product.attributes.get("heads") == "out":
            return False
        return group.product is None and group.axis is None and arg.shape == node.shape
    if group.product is not None:
        return False
    if group.axis is not None:
        return (group.space, group.axis, group.dropped) == (other.space, other.axis, other.dropped)
    return arg.shape == node.shape or (not other.dropped and node.shape == other.space)
