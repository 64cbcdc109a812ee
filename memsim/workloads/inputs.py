"""Random inputs for a graph, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from memsim.isa.ops import DTYPES, round_to
from memsim.workloads.graph import Node, as_roots, inputs_of, walk
from memsim.workloads.operators import OPERATORS

Array: TypeAlias = np.ndarray[Any, Any]
INTEGER_RANGE = 8  # integer inputs are from -8 to 7: sums of products stay far inside int32


def random_inputs(nodes: Node | Sequence[Node], seed: int = 0) -> dict[str, Array]:
    """Values for every input: normal for floats, with the input's ``scale``; small for integers.

    Each row of `labels` has a 1 somewhere. An input whose logarithm, root or quotient the graph takes directly is from
    0.5 to 1.5 times its scale.
    """
    roots = as_roots(nodes)
    positive = _taken_as_positive(roots)
    generator = np.random.default_rng(seed)
    return {name: _values(node, id(node) in positive, generator) for name, node in inputs_of(roots).items()}


def _values(node: Node, positive: bool, generator: np.random.Generator) -> Array:
    if not DTYPES[node.dtype].is_float:
        return generator.integers(-INTEGER_RANGE, INTEGER_RANGE, node.shape).astype(DTYPES[node.dtype].numpy)
    if node.attributes.get("one_hot"):
        rows, classes = node.shape
        hot: Array = round_to(np.eye(classes, dtype=np.float32)[generator.integers(0, classes, rows)], node.dtype)
        return hot
    if positive:
        values = generator.random(node.shape, np.float32) + np.float32(0.5)
    else:
        values = generator.standard_normal(node.shape, np.float32)
    rounded: Array = round_to(values * np.float32(node.attributes["scale"]), node.dtype)
    return rounded


def _taken_as_positive(roots: Sequence[Node]) -> set[int]:
    found = set()
    for node in walk(roots):
        operator = OPERATORS.get(node.op)
        if operator is not None and operator.positive is not None:
            argument = node.args[operator.positive]
            if isinstance(argument, Node) and argument.op == "input":
                found.add(id(argument))
    return found
