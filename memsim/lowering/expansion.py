"""From a fused share of the graph to a recipe: nodes become values over the kernel's space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from memsim.isa.handles import TensorHandle
from memsim.isa.ops import DTYPES, MMA_TYPES
from memsim.lowering import values
from memsim.lowering.fusion import REDUCTIONS, Fused, view_of
from memsim.lowering.naive import NewTensor, naive_recipes
from memsim.lowering.recipes import FlashRecipe, MatmulRecipe, Recipe, RopeRecipe, VectorRecipe
from memsim.lowering.spaces import Access, Along, aligned, dims_along, heads_along
from memsim.lowering.values import Value
from memsim.workloads.graph import Node

Axes = tuple[int, ...]


@dataclass
class Expansion:
    """Expands the nodes of one kernel."""

    group: Fused
    tensor_of: Callable[[Node], TensorHandle]
    """The tensor that holds a node's value, for nodes that other kernels write."""
    accumulator: Value | None = None
    """The result of the kernel's matrix product."""
    _done: dict[tuple[int, Axes], Value] = field(default_factory=dict)

    def value(self, node: Node, axes: Axes) -> Value:
        """The value of a node whose dimensions run along these axes."""
        key = (id(node), axes)
        if key not in self._done:
            self._done[key] = self._expand(node, axes)
        return self._done[key]

    def _expand(self, node: Node, axes: Axes) -> Value:
        if node is self.group.product:
            assert self.accumulator is not None
            return self._rounded_product(node, self.accumulator)
        if id(node) not in self.group.inside:
            return values.leaf(self.access(node, axes))
        if node.op == "transpose":
            return self.value(node.nodes[0], (*axes[:-2], axes[-1], axes[-2]))
        if node.op in REDUCTIONS:
            return self._reduction(node, axes)
        if node.op == "softmax":
            return values.softmax(self.value(node.nodes[0], axes), axes[node.attributes["axis"]])
        if node.op == "log_softmax":
            return values.log_softmax(self.value(node.nodes[0], axes), axes[node.attributes["axis"]])
        if node.op in ("layer_norm", "rms_norm"):
            return self._norm(node, axes)
        return self._elementwise(node, axes)

    def access(self, node: Node, axes: Axes) -> Access:
        """How a kernel reads a node that lies in memory, perhaps as a transposed view."""
        while node.op == "transpose" and id(node) not in self.group.inside and view_of(node) is not node:
            node, axes = node.nodes[0], (*axes[:-2], axes[-1], axes[-2])
        return aligned(self.tensor_of(node), axes)

    def _rounded_product(self, node: Node, accumulator: Value) -> Value:
        """Integers saturate at their type before what follows; floats go on unrounded."""
        if DTYPES[node.dtype].is_float or node.dtype == accumulator.dtype or node is self.group.root:
            return accumulator
        return replace(values.apply("cast", accumulator), dtype=node.dtype)

    def _elementwise(self, node: Node, axes: Axes) -> Value:
        operands = [self._operand(arg, axes) for arg in node.args]
        if node.op == "cast":
            return self._cast(node, operands[0])
        result = values.function(node.op, *operands)
        return result if DTYPES[node.dtype].is_float else replace(result, dtype=node.dtype)

    def _operand(self, arg: Node | float, axes: Axes) -> Value | float:
        if isinstance(arg, float):
            return arg
        return self.value(arg, axes[len(axes) - len(arg.shape) :])

    def _cast(self, node: Node, operand: Value | float) -> Value:
        assert isinstance(operand, Value)
        return replace(values.apply("cast", operand), dtype=node.dtype)

    def _reduction(self, node: Node, axes: Axes) -> Value:
        x, number = node.nodes[0], node.attributes["axis"]
        assert self.group.axis is not None
        inner = axes if len(x.shape) == len(node.shape) else (*axes[:number], self.group.axis, *axes[number:])
        value = self.value(x, inner)
        if node.op == "mean":
            return values.mean(value, inner[number], x.shape[number])
        result = values.reduced(node.op, value, inner[number])
        return result if DTYPES[node.dtype].is_float else replace(result, dtype=node.dtype)

    def _norm(self, node: Node, axes: Axes) -> Value:
        x, *parameters = node.nodes
        row = axes[-1:]
        given = dict(zip(node.attributes["given"], (self.value(p, row) for p in parameters), strict=True))
        value, length, eps = self.value(x, axes), x.shape[-1], node.attributes["eps"]
        if node.op == "rms_norm":
            return values.rms_norm(value, axes[-1], length, eps, given.get("weight"))
        return values.layer_norm(value, axes[-1], length, eps, given.get("weight"), given.get("bias"))


def recipes_of(
    group: Fused, name: str, tensor_of: Callable[[Node], TensorHandle], out: TensorHandle, new_tensor: NewTensor
) -> list[Recipe]:
    """The kernels that compute a fused share of the graph into ``out``: one, save for naive attention."""
    if group.product is not None:
        return [_matmul(group, group.product, name, tensor_of, out)]
    if group.root.op == "attention":
        flash = _flash(group.root, name, tensor_of, out)
        return naive_recipes(flash, new_tensor) if group.root.attributes["kind"] == "naive" else [flash]
    if group.root.op == "rope":
        return [_rope(group, name, tensor_of, out)]
    if group.root.op == "decode_attention":
        return [_decode(group.root, name, tensor_of, out)]
    return [_vector(group, name, tensor_of, out)]


def _vector(group: Fused, name: str, tensor_of: Callable[[Node], TensorHandle], out: TensorHandle) -> VectorRecipe:
    root = group.root
    space = group.space if group.space is not None else root.shape
    axes = tuple(range(len(space)))
    if group.dropped:
        axes = tuple(axis for axis in axes if axis != group.axis)
    value = Expansion(group, tensor_of).value(root, axes)
    return VectorRecipe(name, space, value, _written(group, out, dims_along(root.shape, axes)), group.axis)


def _matmul(
    group: Fused, node: Node, name: str, tensor_of: Callable[[Node], TensorHandle], out: TensorHandle
) -> MatmulRecipe:
    a, b = node.nodes
    batch, m, n, k = _product_sizes(node)
    inner = len(batch)
    accumulator = values.given("c", frozenset({inner, inner + 1}), MMA_TYPES[a.dtype])
    expansion = Expansion(group, tensor_of, accumulator)
    axes = _product_axes(a, b, inner)
    heads = node.attributes.get("heads")
    dims = heads_along(node.shape, axes) if heads == "out" else dims_along(group.root.shape, axes)
    if heads == "in":
        left = Access(tensor_of(a), heads_along(a.shape, axes))
    else:
        left = expansion.access(a, _operand_axes(a, inner, (inner, inner + 1), vector=inner + 1))
    return MatmulRecipe(
        name,
        batch,
        m,
        n,
        k,
        left,
        expansion.access(b, _operand_axes(b, inner, (inner, inner + 1), vector=inner)),
        accumulator,
        expansion.value(group.root, axes),
        _written(group, out, dims),
    )


def _product_sizes(node: Node) -> tuple[tuple[int, ...], int, int, int]:
    """Batch, rows, columns and inner length of a product."""
    a, b = (arg.shape for arg in node.nodes)
    if "heads" in node.attributes:
        return (), a[0], b[1], b[0]
    free = (len(a) > 1) + (len(b) > 1)
    batch = node.shape[: len(node.shape) - free] if free else ()
    return batch, a[-2] if len(a) > 1 else 1, b[-1] if len(b) > 1 else 1, a[-1]


def _written(group: Fused, out: TensorHandle, dims: Sequence[Along | int]) -> Access:
    """How a kernel writes its result: to a tensor of its own, or as the last row of a cache."""
    if group.cache is None:
        return Access(out, tuple(dims))
    return Access(out, (*dims[:-1], group.cache.shape[-2] - 1, dims[-1]))


def _operand_axes(node: Node, batch: int, matrix: tuple[int, int], vector: int) -> Axes:
    """Axes of an operand: those of the batch right-aligned, then its two; a vector's one is given."""
    if len(node.shape) == 1:
        return (vector,)
    own = len(node.shape) - 2
    return (*range(batch - own, batch), *matrix)


def _product_axes(a: Node, b: Node, batch: int) -> Axes:
    """Axes of the result: a vector operand leaves its axis out; the product of two vectors keeps one of size 1."""
    rows = (batch,) if len(a.shape) > 1 else ()
    columns = (batch + 1,) if len(b.shape) > 1 else ()
    return (*range(batch), *rows, *columns) or (batch,)


def _rows(tensor: TensorHandle, row: int, column: Along) -> Access:
    """A tensor [rows, columns] or [batch, rows, columns]; the batch is axis 0."""
    dims: tuple[Along | int, ...] = (Along(row), column)
    return Access(tensor, dims if len(tensor.tensor.shape) == 2 else (Along(0), *dims))


def _flash(node: Node, name: str, tensor_of: Callable[[Node], TensorHandle], out: TensorHandle) -> FlashRecipe:
    q, k, v = node.nodes
    heads, kv_heads = node.attributes["heads"], node.attributes["kv_heads"]
    dim, value_dim, group = q.shape[-1] // heads, v.shape[-1] // kv_heads, heads // kv_heads
    return FlashRecipe(
        name,
        q.shape[0] if len(q.shape) == 3 else 1,
        heads,
        group,
        q.shape[-2],
        k.shape[-2],
        dim,
        value_dim,
        node.attributes["causal"],
        node.attributes["scale"],
        _rows(tensor_of(q), 2, Along(4, head=1, width=dim)),
        _rows(tensor_of(k), 3, Along(4, head=1, group=group, width=dim)),
        _rows(tensor_of(v), 3, Along(5, head=1, group=group, width=value_dim)),
        _rows(out, 2, Along(5, head=1, width=value_dim)),
    )


def _decode(node: Node, name: str, tensor_of: Callable[[Node], TensorHandle], out: TensorHandle) -> FlashRecipe:
    """A head of k and v at a time: the heads of q that share it are the queries."""
    q, k, v = node.nodes
    batch, heads, dim = q.shape
    kv_heads, keys, value_dim = v.shape[1:]
    group = heads // kv_heads
    return FlashRecipe(
        name,
        batch,
        kv_heads,
        1,
        group,
        keys,
        dim,
        value_dim,
        False,
        node.attributes["scale"],
        Access(tensor_of(q), (Along(0), Along(2, head=1, width=group), Along(4))),
        Access(tensor_of(k), (Along(0), Along(1), Along(3), Along(4))),
        Access(tensor_of(v), (Along(0), Along(1), Along(3), Along(5))),
        Access(out, (Along(0), Along(2, head=1, width=group), Along(5))),
    )


def _rope(group: Fused, name: str, tensor_of: Callable[[Node], TensorHandle], out: TensorHandle) -> RopeRecipe:
    node = group.root
    (x,) = node.nodes
    rows = _rows(tensor_of(x), 1, Along(2))
    heads = node.attributes["heads"]
    return RopeRecipe(
        name,
        x.shape[0] if len(x.shape) == 3 else 1,
        x.shape[-2],
        heads,
        x.shape[-1] // heads,
        node.attributes["base"],
        node.attributes["offset"],
        node.attributes["step"],
        rows,
        _written(group, out, rows.dims),
    )


def names_of(groups: Sequence[Fused], taken: Sequence[str]) -> list[str]:
    """A name for each kernel, after what it mainly does; repeated ones are numbered."""
    used = set(taken)
    result = []
    for group in groups:
        base = name = group.label
        number = 2
        while name in used:
            name, number = f"{base}_{number}", number + 1
        used.add(name)
        result.append(name)
    return result
