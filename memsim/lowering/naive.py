"""Attention whose scores and weights go through memory: three kernels, what flash attention is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from memsim.isa.handles import TensorHandle
from memsim.isa.ops import DTYPES, MMA_TYPES
from memsim.lowering import values
from memsim.lowering.recipes import FlashRecipe, MatmulRecipe, Recipe, VectorRecipe
from memsim.lowering.spaces import Access, aligned
from memsim.lowering.values import Value

NewTensor = Callable[[str, str, tuple[int, ...]], TensorHandle]
"""Makes a tensor for an intermediate result: name, type, shape."""


def naive_recipes(flash: FlashRecipe, new_tensor: NewTensor) -> list[Recipe]:
    """The kernels for the same attention as ``flash``: scores, softmax, weighted sums."""
    shape = (flash.batch, flash.heads, flash.queries, flash.keys)
    dtype, total = flash.q.dtype, MMA_TYPES[flash.q.dtype]
    scores = new_tensor(f"{flash.name}_scores", dtype, shape)
    weights = new_tensor(f"{flash.name}_weights", dtype, shape)
    axes = range(4)
    score, value = (values.given("c", frozenset({2, 3}), total) for _ in range(2))
    products = MatmulRecipe(
        f"{flash.name}_scores",
        shape[:2],
        flash.queries,
        flash.keys,
        flash.dim,
        _moved(flash.q, {4: 3}),
        _moved(flash.k, {3: 3, 4: 2}),
        score,
        score,
        aligned(scores, axes),
    )
    softmax = VectorRecipe(
        f"{flash.name}_softmax", shape, _weights(flash, aligned(scores, axes)), aligned(weights, axes), 3
    )
    sums = MatmulRecipe(
        f"{flash.name}_sums",
        shape[:2],
        flash.queries,
        flash.value_dim,
        flash.keys,
        aligned(weights, axes),
        _moved(flash.v, {3: 2, 5: 3}),
        value,
        value,
        _moved(flash.out, {5: 3}),
    )
    return [products, softmax, sums]


def _moved(access: Access, axes: dict[int, int]) -> Access:
    """The same access with axes of the space of `FlashRecipe` renumbered to those of a product."""
    dims = tuple(
        dim if isinstance(dim, int) else replace(dim, axis=axes.get(dim.axis, dim.axis)) for dim in access.dims
    )
    return Access(access.tensor, dims)


def _weights(flash: FlashRecipe, scores: Access) -> Value:
    x = values.leaf(scores)
    scale = flash.scale
    if scale <= 0:  # the largest score is not that of the largest product
        x, scale = values.apply("mul", x, scale), 1.0
    if flash.causal:
        last = values.apply("add", values.iota(2), float(flash.keys - flash.queries))
        x = values.apply("where", values.apply("ge", last, values.iota(3)), x, DTYPES["fp32"].lowest)
    return values.softmax(x, 3, scale)
