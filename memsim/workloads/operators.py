"""The elementwise operators of the graph, with the numpy definitions that `reference` uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Operator:
    """An elementwise operator of the graph."""

    arity: int
    compute: Callable[..., Any]
    """Its definition on float64 (int64 for integers) arrays."""
    on_integers: bool = False
    """Whether it takes integers."""
    positive: int | None = None
    """The operand that should be positive, so that random inputs can make it so."""


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def _gelu(x: Any) -> Any:
    # The tanh form of Hendrycks and Gimpel (arXiv:1606.08415), which GPT-2 uses.
    return 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))


def _gelu_slope(x: Any) -> Any:
    u = np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))
    return 0.5 * (1.0 + u) + 0.5 * x * (1.0 - u**2) * np.sqrt(2.0 / np.pi) * (1.0 + 3 * 0.044715 * x**2)


OPERATORS: dict[str, Operator] = {
    "add": Operator(2, np.add, on_integers=True),
    "sub": Operator(2, np.subtract, on_integers=True),
    "mul": Operator(2, np.multiply, on_integers=True),
    "div": Operator(2, np.divide, positive=1),
    "maximum": Operator(2, np.maximum, on_integers=True),
    "minimum": Operator(2, np.minimum, on_integers=True),
    "greater": Operator(2, lambda a, b: np.greater(a, b).astype(np.int64), on_integers=True),
    "neg": Operator(1, np.negative, on_integers=True),
    "abs": Operator(1, np.abs, on_integers=True),
    "exp": Operator(1, np.exp),
    "log": Operator(1, np.log, positive=0),
    "sqrt": Operator(1, np.sqrt, positive=0),
    "rsqrt": Operator(1, lambda x: 1.0 / np.sqrt(x), positive=0),
    "recip": Operator(1, lambda x: 1.0 / x, positive=0),
    "sin": Operator(1, np.sin),
    "cos": Operator(1, np.cos),
    "tanh": Operator(1, np.tanh),
    "sigmoid": Operator(1, _sigmoid),
    "relu": Operator(1, lambda x: np.maximum(x, 0), on_integers=True),
    "gelu": Operator(1, _gelu),
    "gelu_slope": Operator(1, _gelu_slope),
    "silu": Operator(1, lambda x: x * _sigmoid(x)),
    "cast": Operator(1, lambda x: x, on_integers=True),
}
