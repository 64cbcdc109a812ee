"""What the graph means: numpy in float64, knowing nothing of tiles. The truth that compiled programs are held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import WorkloadError
from memsim.isa.ops import DTYPES, round_to
from memsim.workloads.graph import Node, as_roots, inputs_of, walk
from memsim.workloads.operators import OPERATORS
from memsim.workloads.shapes import nearest, shown

Array: TypeAlias = np.ndarray[Any, Any]


def reference(nodes: Node | Sequence[Node], inputs: Mapping[str, Array]) -> Any:
    """Evaluate a graph in float64 (int64 for integers), rounding to a type only at casts and at the end.

    Parameters
    ----------
    nodes
        One node, or several that share operands.
    inputs
        An array for each input, by name; values are first rounded to the input's type.

    Returns
    -------
    numpy.ndarray or list of numpy.ndarray
        The value of the node in its own type; of several nodes, a list.
    """
    roots = as_roots(nodes)
    check_inputs(roots, inputs)
    values: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for node in walk(roots):
            values[id(node)] = _value(node, values, inputs).reshape(node.shape)
    results = [round_to(values[id(root)], root.dtype) for root in roots]
    return results[0] if isinstance(nodes, Node) else results


def check_inputs(roots: Sequence[Node], inputs: Mapping[str, Array]) -> None:
    """Raise where an input is missing, unknown or of another shape."""
    known = inputs_of(roots)
    for name in inputs:
        if name not in known:
            raise WorkloadError(f"no input is called {name!r}", where="inputs", mend=nearest(name, known))
    for name, node in known.items():
        if name not in inputs:
            raise WorkloadError(f"input {name} {shown(node.shape)} is missing", where="inputs", mend=f"give {name}=")
        if np.shape(inputs[name]) != node.shape:
            raise WorkloadError(
                f"shape {shown(np.shape(inputs[name]))} given, {shown(node.shape)} expected", where=f"input {name}"
            )


def _value(node: Node, values: Mapping[int, Array], inputs: Mapping[str, Array]) -> Array:
    if node.op == "input":
        assert node.name is not None
        return _exact(round_to(np.asarray(inputs[node.name]), node.dtype), node.dtype)
    args = [values[id(arg)] if isinstance(arg, Node) else np.float64(arg) for arg in node.args]
    if node.op in OPERATORS:
        result = np.asarray(OPERATORS[node.op].compute(*args))
        rounds = node.op == "cast" or not DTYPES[node.dtype].is_float
        return _exact(round_to(result, node.dtype), node.dtype) if rounds else result
    return _COMPUTE[node.op](node, *args)


def _exact(values: Array, dtype: str) -> Array:
    return values.astype(np.float64 if DTYPES[dtype].is_float else np.int64)


def _matmul(node: Node, a: Array, b: Array) -> Array:
    if node.attributes.get("heads") == "in":
        a = a.reshape(len(a), -1)
    return np.asarray(np.matmul(a, b))


def _transpose(node: Node, x: Array) -> Array:
    return x.swapaxes(-1, -2)


def _reduction(function: Callable[..., Any]) -> Callable[..., Array]:
    return lambda node, x: np.asarray(function(x, axis=node.attributes["axis"]))


def _softmax_along(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def _softmax(node: Node, x: Array) -> Array:
    return _softmax_along(x, node.attributes["axis"])


def _log_softmax(node: Node, x: Array) -> Array:
    shifted = x - x.max(axis=node.attributes["axis"], keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=node.attributes["axis"], keepdims=True)))


def _layer_norm(node: Node, x: Array, *parameters: Array) -> Array:
    given = dict(zip(node.attributes["given"], parameters, strict=True))
    centred = x - x.mean(axis=-1, keepdims=True)
    result = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + node.attributes["eps"])
    return np.asarray(result * given.get("weight", 1.0) + given.get("bias", 0.0))


def _rms_norm(node: Node, x: Array, *parameters: Array) -> Array:
    result = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + node.attributes["eps"])
    return np.asarray(result * parameters[0] if parameters else result)


def _split(x: Array, heads: int) -> Array:
    """[..., rows, heads * dim] as [..., heads, rows, dim]."""
    return x.reshape(*x.shape[:-1], heads, -1).swapaxes(-3, -2)


def _join(x: Array) -> Array:
    """The inverse of `_split`."""
    merged = x.swapaxes(-3, -2)
    return merged.reshape(*merged.shape[:-2], -1)


def _attention(node: Node, q: Array, k: Array, v: Array) -> Array:
    heads, kv_heads = node.attributes["heads"], node.attributes["kv_heads"]
    queries = _split(q, heads)
    keys, seen = (np.repeat(_split(x, kv_heads), heads // kv_heads, axis=-3) for x in (k, v))
    scores = queries @ keys.swapaxes(-1, -2) * node.attributes["scale"]
    if node.attributes["causal"]:
        rows, columns = scores.shape[-2:]
        hidden = np.arange(columns)[None, :] > np.arange(rows)[:, None] + columns - rows
        scores = np.where(hidden, -np.inf, scores)
    return _join(_softmax_along(scores, -1) @ seen)


def _decode_attention(node: Node, q: Array, k: Array, v: Array) -> Array:
    batch, heads, dim = q.shape
    grouped = q.reshape(batch, k.shape[1], -1, dim)
    scores = np.einsum("bgid,bgjd->bgij", grouped, k) * node.attributes["scale"]
    return np.asarray(np.einsum("bgij,bgjd->bgid", _softmax_along(scores, -1), v).reshape(batch, heads, -1))


def _append(node: Node, cache: Array, rows: Array) -> Array:
    return np.concatenate([cache[..., :-1, :], rows[..., None, :]], axis=-2)


def _rope(node: Node, x: Array) -> Array:
    rows, dim = x.shape[-2], x.shape[-1] // node.attributes["heads"]
    frequency = node.attributes["base"] ** (-2.0 * np.arange(dim // 2) / dim)
    angle = (np.arange(rows) * node.attributes["step"] + node.attributes["offset"])[:, None] * frequency
    split = _split(x, node.attributes["heads"])
    first, second = split[..., : dim // 2], split[..., dim // 2 :]
    cos, sin = np.cos(angle), np.sin(angle)
    return _join(np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1))


_COMPUTE: dict[str, Callable[..., Array]] = {
    "matmul": _matmul,
    "transpose": _transpose,
    "sum": _reduction(np.sum),
    "max": _reduction(np.max),
    "mean": _reduction(np.mean),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "attention": _attention,
    "decode_attention": _decode_attention,
    "append": _append,
    "rope": _rope,
}
