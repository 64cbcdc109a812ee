"""Attention, in prefill and in decode, and the cache of keys and values that a decode step extends."""

from __future__ import annotations

import math
from types import MappingProxyType

from memsim.errors import WorkloadError
from memsim.workloads.functions import check_float, check_heads
from memsim.workloads.graph import Node
from memsim.workloads.shapes import matmul_dtype, nearest, shown

ATTENTION_KINDS = ("flash", "naive")


def attention(
    q: Node,
    k: Node,
    v: Node,
    *,
    heads: int = 1,
    kv_heads: int | None = None,
    causal: bool = False,
    kind: str = "flash",
    scale: float | None = None,
) -> Node:
    """Scaled dot-product attention ``softmax(scale q k^T) v``, for each head.

    Parameters
    ----------
    q, k, v
        Shapes [queries, heads * dim], [keys, kv_heads * dim] and [keys, kv_heads * value_dim], of one type; all with
        the same leading batch dimension or none. Head h has columns h*dim to (h+1)*dim.
    heads, kv_heads
        Heads of q, and of k and v. With fewer of the latter each serves ``heads // kv_heads`` adjacent heads of q
        (grouped-query attention, Ainslie et al., arXiv:2305.13245).
    causal
        Query i sees the keys up to i + keys - queries, so the last query sees all.
    kind
        ``"flash"`` never stores the scores (Dao et al., arXiv:2205.14135); ``"naive"`` writes them to memory.
    scale
        Of the scores; ``None`` is 1 / sqrt(dim).
    """
    kv_heads = heads if kv_heads is None else kv_heads
    if kind not in ATTENTION_KINDS:
        raise WorkloadError(f"unknown kind {kind!r}", where="attention", mend=nearest(kind, ATTENTION_KINDS))
    _check_attention(q, k, v, heads, kv_heads, causal)
    dim, value_dim = q.shape[-1] // heads, v.shape[-1] // kv_heads
    attributes = {
        "heads": heads,
        "kv_heads": kv_heads,
        "causal": causal,
        "kind": kind,
        "scale": 1 / math.sqrt(dim) if scale is None else float(scale),
    }
    shape = (*q.shape[:-1], heads * value_dim)
    return Node("attention", (q, k, v), shape, q.dtype, MappingProxyType(attributes))


def decode_attention(q: Node, k: Node, v: Node, *, scale: float | None = None) -> Node:
    """Attention of one new token of each sequence over its cache, which holds the token itself already.

    Each head of k and v is read once: the heads of q that share it are rows of one product (grouped-query attention).

    Parameters
    ----------
    q
        Shape [batch, heads, dim].
    k, v
        Shapes [batch, kv_heads, keys, dim] and [batch, kv_heads, keys, value_dim], of the type of q; each of their
        heads serves ``heads // kv_heads`` adjacent heads of q.
    scale
        Of the scores; ``None`` is 1 / sqrt(dim).

    Returns
    -------
    Node
        Shape [batch, heads, value_dim].
    """
    _check_decode(q, k, v)
    attributes = {"scale": 1 / math.sqrt(q.shape[-1]) if scale is None else float(scale)}
    return Node("decode_attention", (q, k, v), (*q.shape[:-1], v.shape[-1]), q.dtype, MappingProxyType(attributes))


def append(cache: Node, rows: Node) -> Node:
    """The cache with ``rows`` as the last of its rows, in place: only the new rows are written.

    Parameters
    ----------
    cache
        An input of shape [..., rows, dim], which nothing else reads; its last row is free.
    rows
        Shape [..., dim] and the type of the cache: one row for each of its leading indices.
    """
    if cache.op != "input":
        raise WorkloadError(f"{cache!r} is computed", where="append", mend="a cache is a tensor(name, shape)")
    wanted = (*cache.shape[:-2], cache.shape[-1])
    if len(cache.shape) < 2 or rows.shape != wanted:
        raise WorkloadError(
            f"rows of shape {shown(rows.shape)} for a cache of shape {shown(cache.shape)}",
            where="append",
            mend="the rows lack the last but one dimension of the cache, along which it grows",
        )
    if rows.dtype != cache.dtype:
        raise WorkloadError(f"rows of type {rows.dtype} for a cache of type {cache.dtype}", where="append")
    return Node("append", (cache, rows), cache.shape, cache.dtype)


def to_heads(x: Node, w: Node, heads: int) -> Node:
    """``x @ w`` for x [rows, k] and w [k, heads * dim], as [rows, heads, dim]."""
    product = x @ w
    if len(product.shape) != 2 or heads < 1 or product.shape[1] % heads:
        raise WorkloadError(
            f"a product of shape {shown(product.shape)} for {heads} heads",
            where="to_heads",
            mend="x is rows x k, w is k x (heads * dim)",
        )
    rows, columns = product.shape
    return Node("matmul", (x, w), (rows, heads, columns // heads), product.dtype, MappingProxyType({"heads": "out"}))


def from_heads(x: Node, w: Node) -> Node:
    """``x @ w`` for x [rows, heads, dim] and w [heads * dim, n]: the product over all heads."""
    if len(x.shape) != 3 or len(w.shape) != 2 or x.shape[1] * x.shape[2] != w.shape[0]:
        raise WorkloadError(
            f"shapes {shown(x.shape)} and {shown(w.shape)}",
            where="from_heads",
            mend="x is rows x heads x dim, w is (heads * dim) x n",
        )
    dtype = matmul_dtype(x.dtype, w.dtype, None)
    return Node("matmul", (x, w), (x.shape[0], w.shape[1]), dtype, MappingProxyType({"heads": "in"}))


def _check_attention(q: Node, k: Node, v: Node, heads: int, kv_heads: int, causal: bool) -> None:
    op = "attention"
    for name, node, count in (("q", q, heads), ("k", k, kv_heads), ("v", v, kv_heads)):
        check_float(op, node)
        check_heads(op, name, node, count)
    shapes = f"q {shown(q.shape)}, k {shown(k.shape)}, v {shown(v.shape)}"
    if len({q.dtype, k.dtype, v.dtype}) > 1:
        raise WorkloadError(f"types {q.dtype}, {k.dtype}, {v.dtype} of q, k, v differ", where=op)
    if heads % kv_heads:
        raise WorkloadError(
            f"{heads} heads do not divide into groups for {kv_heads} kv_heads",
            where=op,
            mend="choose heads as a multiple of kv_heads",
        )
    if q.shape[-1] // heads != k.shape[-1] // kv_heads:
        raise WorkloadError(
            f"{shapes}: heads of q and k differ in size",
            where=op,
            mend=f"rows x (heads * dim): a head of q has {q.shape[-1] // heads}, one of k {k.shape[-1] // kv_heads}",
        )
    if k.shape[:-1] != v.shape[:-1] or q.shape[:-2] != k.shape[:-2]:
        raise WorkloadError(f"{shapes}: k and v need the same rows, and all the same batch", where=op)
    if causal and q.shape[-2] > k.shape[-2]:
        raise WorkloadError(
            f"{q.shape[-2]} queries but {k.shape[-2]} keys: the first queries would see no key",
            where=op,
            mend="causal attention needs at least as many keys as queries",
        )


def _check_decode(q: Node, k: Node, v: Node) -> None:
    op = "decode_attention"
    for node in (q, k, v):
        check_float(op, node)
    shapes = f"q {shown(q.shape)}, k {shown(k.shape)}, v {shown(v.shape)}"
    if len({q.dtype, k.dtype, v.dtype}) > 1:
        raise WorkloadError(f"types {q.dtype}, {k.dtype}, {v.dtype} of q, k, v differ", where=op)
    if (len(q.shape), len(k.shape), len(v.shape)) != (3, 4, 4):
        raise WorkloadError(shapes, where=op, mend="q is batch x heads x dim, k and v batch x kv_heads x keys x dim")
    if k.shape[:-1] != v.shape[:-1] or q.shape[0] != k.shape[0] or q.shape[-1] != k.shape[-1]:
        raise WorkloadError(
            f"{shapes} do not fit",
            where=op,
            mend="all have one batch, q and k one dim, k and v the same heads and keys",
        )
    if q.shape[1] % k.shape[1]:
        raise WorkloadError(
            f"{q.shape[1]} heads do not divide into groups for {k.shape[1]} kv_heads",
            where=op,
            mend="choose heads as a multiple of kv_heads",
        )
