"""Operations of the algorithm itself: the numerator of MFU, without padding or recomputation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from memsim.workloads.graph import Node, as_roots, walk

PER_ELEMENT = {
    "transpose": 0,
    "cast": 0,
    "input": 0,
    "softmax": 5,
    "log_softmax": 5,
    "layer_norm": 8,
    "rms_norm": 5,
    "rope": 3,
    "append": 0,
}
"""Operations for each element of the result; 1 for the operators that are not listed. Softmax: max, subtract, exp,
sum, divide; its logarithm: max, subtract, exp, sum, subtract. Layer norm: mean, subtract, square, sum, scale, root,
weight, bias. RMS norm: square, sum, scale, root, weight. Rotary embedding: two products and a sum."""


def flops(nodes: Node | Sequence[Node]) -> int:
    """Useful operations of a graph; a multiply-add is two, a masked score none."""
    return sum(_flops(node) for node in walk(as_roots(nodes)))


def _flops(node: Node) -> int:
    if node.op == "matmul":
        b = node.nodes[1].shape
        return 2 * node.elements * b[-2 if len(b) > 1 else -1]
    if node.op == "attention":
        return _attention_flops(node)
    if node.op == "decode_attention":
        q, k, v = node.nodes
        return math.prod(q.shape[:-1]) * k.shape[-2] * (2 * (k.shape[-1] + v.shape[-1]) + PER_ELEMENT["softmax"])
    if node.op in ("sum", "max", "mean"):
        return node.nodes[0].elements
    return PER_ELEMENT.get(node.op, 1) * node.elements


def _attention_flops(node: Node) -> int:
    q, k, v = node.nodes
    heads, kv_heads = int(node.attributes["heads"]), int(node.attributes["kv_heads"])
    queries, keys = q.shape[-2], k.shape[-2]
    scores = queries * keys
    if node.attributes["causal"]:
        scores -= queries * (queries - 1) // 2
    pairs = math.prod(q.shape[:-2]) * heads * scores
    return pairs * (2 * (q.shape[-1] // heads + v.shape[-1] // kv_heads) + PER_ELEMENT["softmax"])
