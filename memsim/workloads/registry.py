"""The named workloads of the command line, with typed parameters and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from memsim.errors import WorkloadError
from memsim.workloads import attending, functions, layers, llama, training
from memsim.workloads.graph import Node, matmul, tensor
from memsim.workloads.shapes import nearest

Graph: TypeAlias = Node | tuple[Node, ...]
"""A result, or several that share operands."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A named workload: a function from parameters to a graph."""

    name: str
    build: Callable[..., Graph]

    @property
    def summary(self) -> str:
        """One line on what it computes."""
        return (inspect.getdoc(self.build) or "").split("\n")[0]

    @property
    def parameters(self) -> dict[str, Any]:
        """Default of each parameter; its type is the parameter's."""
        return {name: p.default for name, p in inspect.signature(self.build).parameters.items()}

    def __call__(self, **parameters: Any) -> Graph:
        """The graph with these parameters, the rest at their defaults."""
        defaults = self.parameters
        for key, value in parameters.items():
            if key not in defaults:
                raise WorkloadError(f"no parameter {key!r}", where=self.name, mend=nearest(key, defaults))
            _check_type(f"{self.name}: {key}", value, defaults[key])
        return self.build(**parameters)


def _check_type(where: str, value: Any, default: Any) -> None:
    wanted = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, wanted) or isinstance(value, bool) != isinstance(default, bool):
        raise WorkloadError(
            f"takes a value like {default!r}, found {value!r}",
            where=where,
            mend=f"give one of type {type(default).__name__}",
        )


def _matrix_product(
    m: int = 512,
    n: int = 512,
    k: int = 512,
    dtype: str = "bf16",
    out: str = "",
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> Node:
    """C = A B for A [m, k] and B [k, n]; transposed operands are stored as [k, m] and [n, k]."""
    a = tensor("A", (k, m) if transpose_a else (m, k), dtype)
    b = tensor("B", (n, k) if transpose_b else (k, n), dtype)
    return matmul(a.T if transpose_a else a, b.T if transpose_b else b, out or None).named("C")


def _batched_matmul(batch: int = 8, m: int = 256, n: int = 256, k: int = 256, dtype: str = "bf16") -> Node:
    """C[i] = A[i] B[i] for each i of a batch."""
    return (tensor("A", (batch, m, k), dtype) @ tensor("B", (batch, k, n), dtype)).named("C")


def _linear(
    m: int = 512,
    n: int = 512,
    k: int = 512,
    dtype: str = "bf16",
    bias: bool = True,
    residual: bool = False,
    activation: str = "gelu",
) -> Node:
    """act(x w + bias), with a residual added if asked: a matmul with a fused epilogue."""
    y = layers.linear(tensor("x", (m, k), dtype), n, bias=bias, activation=activation)
    return y + tensor("residual", (m, n), dtype) if residual else y


def _elementwise(rows: int = 1024, columns: int = 1024, dtype: str = "bf16", length: int = 4) -> Node:
    """A chain of ``length`` multiply-adds with an activation after each: one kernel if fused."""
    y = tensor("x", (rows, columns), dtype)
    scale, bias = tensor("scale", (columns,), dtype), tensor("bias", (columns,), dtype)
    for i in range(length):
        y = functions.relu(y * scale + bias) if i % 2 == 0 else functions.tanh(y * scale + bias)
    return y


def _reduce(rows: int = 1024, columns: int = 1024, dtype: str = "fp32", op: str = "sum", axis: int = -1) -> Node:
    """Sum, max or mean of a matrix along an axis."""
    reductions = {"sum": functions.sum, "max": functions.max, "mean": functions.mean}
    if op not in reductions:
        raise WorkloadError(f"unknown reduction {op!r}", where="reduce", mend=nearest(op, reductions))
    return reductions[op](tensor("x", (rows, columns), dtype), axis)


def _softmax(rows: int = 1024, columns: int = 1024, dtype: str = "bf16") -> Node:
    """Softmax of each row."""
    return functions.softmax(tensor("x", (rows, columns), dtype))


def _layer_norm(rows: int = 1024, columns: int = 1024, dtype: str = "bf16") -> Node:
    """Layer norm of each row, with weight and bias."""
    weight, bias = tensor("weight", (columns,), dtype), tensor("bias", (columns,), dtype)
    return functions.layer_norm(tensor("x", (rows, columns), dtype), weight, bias)


def _rms_norm(rows: int = 1024, columns: int = 1024, dtype: str = "bf16") -> Node:
    """RMS norm of each row, with weight."""
    return functions.rms_norm(tensor("x", (rows, columns), dtype), tensor("weight", (columns,), dtype))


def _attention(
    heads: int = 8,
    kv_heads: int = 8,
    queries: int = 512,
    keys: int = 512,
    dim: int = 64,
    causal: bool = False,
    dtype: str = "bf16",
) -> Node:
    """Attention that writes its scores to memory; `flash_attention` does not."""
    return _attend(heads, kv_heads, queries, keys, dim, causal, dtype, "naive")


def _flash_attention(
    heads: int = 8,
    kv_heads: int = 8,
    queries: int = 512,
    keys: int = 512,
    dim: int = 64,
    causal: bool = False,
    dtype: str = "bf16",
) -> Node:
    """Attention that keeps its scores on chip, with a running maximum and sum."""
    return _attend(heads, kv_heads, queries, keys, dim, causal, dtype, "flash")


def _attend(heads: int, kv_heads: int, queries: int, keys: int, dim: int, causal: bool, dtype: str, kind: str) -> Node:
    q = tensor("q", (queries, heads * dim), dtype)
    k, v = (tensor(name, (keys, kv_heads * dim), dtype) for name in "kv")
    return attending.attention(q, k, v, heads=heads, kv_heads=kv_heads, causal=causal, kind=kind)


def _rope(positions: int = 1024, heads: int = 8, dim: int = 128, dtype: str = "bf16", base: float = 10000.0) -> Node:
    """Rotary position embedding."""
    return functions.rope(tensor("x", (positions, heads * dim), dtype), heads=heads, base=base)


def _mlp(
    tokens: int = 512,
    width: int = 1024,
    ffn: int = 2816,
    gated: bool = True,
    activation: str = "silu",
    dtype: str = "bf16",
) -> Node:
    """The feed-forward part of a transformer layer, gated or plain."""
    return layers.mlp(tensor("x", (tokens, width), dtype), ffn, gated=gated, activation=activation)


def _llama_layer(
    tokens: int = 2048,
    width: int = 4096,
    heads: int = 32,
    kv_heads: int = 8,
    ffn: int = 14336,
    attention: str = "flash",
    dtype: str = "bf16",
) -> Node:
    """A decoder layer in prefill; the defaults are those of Llama-3-8B."""
    x = tensor("x", (tokens, width), dtype)
    return layers.decoder_layer(x, heads=heads, kv_heads=kv_heads, ffn=ffn, kind=attention)


def _llama_decode(model: str = "8b", batch: int = 1, context: int = 4096, layers: int = 0, dtype: str = "bf16") -> Node:
    """A token for each sequence from Llama 3: every weight and cache is read once; 0 layers are all of the model's."""
    return llama.decode_step(llama.llama(model), batch, context, dtype, layers)


def _mlp_training(
    batch: int = 256,
    inputs: int = 784,
    hidden: int = 1024,
    layers: int = 2,
    classes: int = 10,
    activation: str = "relu",
    loss: str = "cross_entropy",
    lr: float = 0.1,
    dtype: str = "bf16",
) -> Graph:
    """A training step of an MLP: forward, loss, backward and SGD. All layers but the last are ``hidden`` wide."""
    if layers < 1:
        raise WorkloadError(f"layers is {layers}", where="mlp_training", mend="give at least 1")
    x, widths = tensor("x", (batch, inputs), dtype), [hidden] * (layers - 1) + [classes]
    by_class = loss == "cross_entropy"
    y = training.labels("y", batch, classes, dtype) if by_class else tensor("y", (batch, classes), dtype)
    return training.training_step(x, y, widths, activation=activation, loss=loss, lr=lr).roots


_BUILDERS: dict[str, Callable[..., Graph]] = {
    "matmul": _matrix_product,
    "batched_matmul": _batched_matmul,
    "linear": _linear,
    "elementwise": _elementwise,
    "reduce": _reduce,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "attention": _attention,
    "flash_attention": _flash_attention,
    "rope": _rope,
    "mlp": _mlp,
    "llama_layer": _llama_layer,
    "llama_decode": _llama_decode,
    "mlp_training": _mlp_training,
}
WORKLOADS: dict[str, Workload] = {name: Workload(name, build) for name, build in _BUILDERS.items()}
"""Each named workload of ``memsim run``."""


def workload(name: str, **parameters: Any) -> Graph:
    """The graph of a named workload: a node, or a tuple of those of a training step."""
    if name not in WORKLOADS:
        raise WorkloadError(f"unknown workload {name!r}", where="workload", mend=nearest(name, WORKLOADS))
    return WORKLOADS[name](**parameters)
