"""Composed workloads: linear layers, the MLP and the decoder layer of Llama models."""

from __future__ import annotations

import math

from memsim.errors import WorkloadError
from memsim.workloads.attending import attention
from memsim.workloads.functions import gelu, relu, rms_norm, rope, silu
from memsim.workloads.graph import Node, tensor
from memsim.workloads.shapes import nearest

ACTIVATIONS = {"relu": relu, "gelu": gelu, "silu": silu}


def weight(name: str, rows: int, columns: int, dtype: str) -> Node:
    """A weight matrix whose random values keep the variance of what it is applied to."""
    return tensor(name, (rows, columns), dtype, scale=1 / math.sqrt(rows))


def linear(x: Node, columns: int, *, prefix: str = "", bias: bool = True, activation: str = "") -> Node:
    """``activation(x @ w + bias)``; its tensors are called ``prefix`` w and ``prefix`` bias."""
    y = x @ weight(f"{prefix}w", x.shape[-1], columns, x.dtype)
    if bias:
        y = y + tensor(f"{prefix}bias", (columns,), x.dtype)
    return activate(y, activation)


def activate(x: Node, activation: str) -> Node:
    """Apply relu, gelu or silu; nothing for an empty name."""
    if not activation:
        return x
    if activation not in ACTIVATIONS:
        raise WorkloadError(f"unknown activation {activation!r}", where="linear", mend=nearest(activation, ACTIVATIONS))
    return ACTIVATIONS[activation](x)


def mlp(x: Node, ffn: int, *, gated: bool = True, activation: str = "silu", prefix: str = "") -> Node:
    """The feed-forward part: ``(act(x w_gate) * (x w_up)) w_down`` if gated, else ``act(x w_up) w_down``.

    ``ffn`` is its inner width. Gated with silu it is SwiGLU (Shazeer, arXiv:2002.05202).
    """
    width = x.shape[-1]
    up = (x @ weight(f"{prefix}w_up", width, ffn, x.dtype)).named(f"{prefix}up")
    if gated:
        gate = (x @ weight(f"{prefix}w_gate", width, ffn, x.dtype)).named(f"{prefix}gate")
        inner = activate(gate, activation) * up
    else:
        inner = activate(up, activation)
    return inner @ weight(f"{prefix}w_down", ffn, width, x.dtype)


def decoder_layer(
    x: Node,
    *,
    heads: int,
    kv_heads: int,
    ffn: int,
    base: float = 500000.0,
    eps: float = 1e-5,
    kind: str = "flash",
    prefix: str = "",
) -> Node:
    """A decoder layer of the Llama models (arXiv:2407.21783) over x [tokens, width], as in prefill.

    RMS norm, q, k and v, rotary embedding, causal grouped-query attention, output projection and residual;
    RMS norm, gated MLP and residual. ``ffn`` is the inner width of the MLP, ``base`` that of the embedding.
    """
    width = x.shape[-1]
    if heads < 1 or width % heads:
        raise WorkloadError(
            f"width {width} does not divide into {heads} heads",
            where="decoder_layer",
            mend="choose the width as a multiple of heads",
        )
    narrow = width // heads * kv_heads

    def norm(y: Node, name: str) -> Node:
        return rms_norm(y, tensor(f"{prefix}norm_{name}", (width,), x.dtype), eps=eps).named(f"{prefix}normed_{name}")

    def project(y: Node, name: str, columns: int) -> Node:
        return (y @ weight(f"{prefix}w_{name}", width, columns, x.dtype)).named(f"{prefix}{name}_proj")

    h = norm(x, "1")
    q = rope(project(h, "q", width), heads=heads, base=base).named(f"{prefix}q_rope")
    k = rope(project(h, "k", narrow), heads=kv_heads, base=base).named(f"{prefix}k_rope")
    v = project(h, "v", narrow)
    seen = attention(q, k, v, heads=heads, kv_heads=kv_heads, causal=True, kind=kind)
    y = x + project(seen, "o", width)
    return y + mlp(norm(y, "2"), ffn, prefix=prefix).named(f"{prefix}down")
