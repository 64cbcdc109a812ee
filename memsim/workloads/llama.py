"""The Llama 3 models: their sizes, and a step in which they decode one token of each sequence."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from memsim.errors import WorkloadError
from memsim.workloads.attending import append, decode_attention, from_heads, to_heads
from memsim.workloads.functions import rms_norm, rope
from memsim.workloads.graph import Node, tensor
from memsim.workloads.layers import mlp, weight
from memsim.workloads.shapes import nearest


@dataclass(frozen=True, slots=True)
class Llama:
    """Sizes of a model."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    ffn: int
    """Inner width of the feed-forward part."""
    vocabulary: int
    base: float = 500000.0
    """Of the rotary embedding."""
    eps: float = 1e-5
    """Of the norms."""

    @property
    def dim(self) -> int:
        """Width of a head."""
        return self.width // self.heads


LLAMAS = MappingProxyType(
    {
        "8b": Llama(32, 4096, 32, 8, 14336, 128256),
        "70b": Llama(80, 8192, 64, 8, 28672, 128256),
        "tiny": Llama(2, 64, 4, 2, 160, 256),
    }
)
"""Llama 3 (Grattafiori et al., arXiv:2407.21783, table 3), and a tiny one to try things on."""


def llama(model: str) -> Llama:
    """The sizes of a model by name."""
    if model not in LLAMAS:
        raise WorkloadError(f"unknown model {model!r}", where="llama", mend=nearest(model, LLAMAS))
    return LLAMAS[model]


def decode_step(model: Llama, batch: int, context: int, dtype: str, layers: int = 0) -> Node:
    """Logits [batch, vocabulary] of the next token of each sequence.

    Every weight is read once, and every cache of keys and values [batch, kv_heads, context, dim], whose last row the
    step writes first. The rows ``x`` of the embedding are an input.

    Parameters
    ----------
    model
        Its sizes.
    batch
        Sequences that decode together.
    context
        Tokens that the new one attends to, itself included.
    dtype
        Of weights, caches and activations.
    layers
        Layers to run; 0 runs all.
    """
    for name, value, least in (("batch", batch, 1), ("context", context, 1), ("layers", layers, 0)):
        if value < least:
            raise WorkloadError(f"{name} is {value}", where="llama_decode", mend=f"give at least {least}")
    x = tensor("x", (batch, model.width), dtype)
    for number in range(layers or model.layers):
        x = _layer(model, x, context, f"l{number}_")
    last = rms_norm(x, tensor("norm", (model.width,), dtype), eps=model.eps).named("normed")
    return (last @ weight("w_vocabulary", model.width, model.vocabulary, dtype)).named("logits")


def _layer(model: Llama, x: Node, context: int, prefix: str) -> Node:
    batch, width = x.shape

    def norm(y: Node, name: str) -> Node:
        weights = tensor(f"{prefix}norm_{name}", (width,), x.dtype)
        return rms_norm(y, weights, eps=model.eps).named(f"{prefix}normed_{name}")

    def project(y: Node, name: str, heads: int) -> Node:
        w = weight(f"{prefix}w_{name}", width, heads * model.dim, x.dtype)
        return to_heads(y, w, heads).named(f"{prefix}{name}_proj")

    def turn(y: Node, name: str) -> Node:
        return rope(y, base=model.base, offset=context - 1, step=0).named(f"{prefix}{name}_rope")

    def cached(rows: Node, name: str) -> Node:
        return append(tensor(f"{prefix}{name}_cache", (batch, model.kv_heads, context, model.dim), x.dtype), rows)

    h = norm(x, "1")
    q = turn(project(h, "q", model.heads), "q")
    k = cached(turn(project(h, "k", model.kv_heads), "k"), "k")
    v = cached(project(h, "v", model.kv_heads), "v")
    seen = decode_attention(q, k, v).named(f"{prefix}attention")
    y = x + from_heads(seen, weight(f"{prefix}w_o", width, width, x.dtype)).named(f"{prefix}o_proj")
    return y + mlp(norm(y, "2"), model.ffn, prefix=prefix).named(f"{prefix}down")
