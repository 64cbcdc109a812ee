"""A training step of an MLP as a graph: forward, loss, backward and SGD, each weight's next value a result.

The backward pass is written out by hand, layer by layer (Rumelhart, Hinton and Williams, "Learning representations by
back-propagating errors", Nature 323, 1986). New weights are tensors of their own, so that every product reads the old
ones, and nothing depends on the order of kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from memsim.errors import WorkloadError
from memsim.workloads.functions import check_float, gelu, gelu_slope, greater, log_softmax, mean, relu, softmax, tanh
from memsim.workloads.functions import sum as total
from memsim.workloads.graph import Node, tensor
from memsim.workloads.layers import weight
from memsim.workloads.shapes import check_shape, nearest, shown

NEXT = "_next"
"""What the name of an updated parameter ends in."""

_SLOPES: Mapping[str, tuple[Callable[[Node], Node], Callable[[Node, Node], Node]]] = MappingProxyType(
    {
        "relu": (relu, lambda a, h: greater(h, 0.0)),  # of h, so that the product's own result is never stored
        "gelu": (gelu, lambda a, h: gelu_slope(a)),
        "tanh": (tanh, lambda a, h: 1.0 - h * h),
    }
)
"""Activations h of a, and their slopes at a, by name."""


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A step of stochastic gradient descent: the nodes of its parts."""

    logits: Node
    """[batch, classes]: what the last layer gives."""
    loss: Node
    """[1]: the mean over the batch, before the update."""
    gradients: Mapping[str, Node]
    """By parameter, such as ``w1``: the loss's derivative, of the parameter's shape."""
    updated: Mapping[str, Node]
    """By parameter: its next value, in a tensor ``w1_next``."""

    @property
    def roots(self) -> tuple[Node, ...]:
        """The loss and every updated parameter: what a step computes."""
        return (self.loss, *self.updated.values())


def labels(name: str, rows: int, classes: int, dtype: str = "fp32") -> Node:
    """An input of one-hot rows [rows, classes]: `random_inputs` draws a class for each."""
    return replace(tensor(name, (rows, classes), dtype), attributes=MappingProxyType({"one_hot": True}))


def cross_entropy(logits: Node, targets: Node) -> Node:
    """The mean over rows of ``-sum(targets * log_softmax(logits))``, shape (1,); rows of targets sum to 1."""
    check_targets("cross_entropy", logits, targets)
    return -mean(total(targets * log_softmax(logits)).named("losses"))


def squared_error(outputs: Node, targets: Node) -> Node:
    """The mean over all elements of ``(outputs - targets)**2`` for matrices, shape (1,)."""
    check_targets("squared_error", outputs, targets)
    return mean(mean((outputs - targets) * (outputs - targets)).named("losses"))


def check_targets(op: str, outputs: Node, targets: Node) -> None:
    """Refuse targets that do not match a matrix of outputs."""
    check_float(op, outputs)
    if len(outputs.shape) != 2 or targets.shape != outputs.shape or targets.dtype != outputs.dtype:
        raise WorkloadError(
            f"outputs {shown(outputs.shape)} {outputs.dtype} and targets {shown(targets.shape)} {targets.dtype}",
            where=op,
            mend="both are rows x columns, of one shape and type",
        )


_LOSSES: Mapping[str, tuple[Callable[[Node, Node], Node], Callable[[Node, Node], Node]]] = MappingProxyType(
    {
        "cross_entropy": (cross_entropy, lambda z, y: (softmax(z) - y) * (1.0 / z.shape[0])),
        "squared_error": (squared_error, lambda z, y: (z - y) * (2.0 / z.elements)),
    }
)
"""Losses of outputs and targets, and their derivatives by the outputs."""


def training_step(
    x: Node,
    targets: Node,
    widths: Sequence[int],
    *,
    activation: str = "relu",
    loss: str = "cross_entropy",
    lr: float = 0.1,
) -> TrainingStep:
    """A step of an MLP: ``h = activation(h @ w + b)`` layer by layer, the last without activation; ``w -= lr * dw``.

    Parameters are inputs ``w1``, ``b1``, ``w2``, …; every product, the transposed ones of the backward pass too, reads
    its operands as they lie.

    Parameters
    ----------
    x
        Shape [batch, inputs], of a float type that the parameters have too.
    targets
        Shape [batch, widths[-1]]: one-hot rows (`labels`) for ``cross_entropy``, values for ``squared_error``.
    widths
        Of what each layer gives, the outputs last.
    activation
        relu, gelu or tanh.
    loss
        cross_entropy, of the softmax of the outputs; or squared_error, of the outputs.
    lr
        Learning rate, above 0.

    Raises
    ------
    WorkloadError
        Shapes or types do not fit, or a name is unknown.
    """
    _check(x, widths, activation, loss, lr)
    parameters, before, after = _forward(x, widths, _SLOPES[activation][0])
    logits = before[-1]
    value, derivative = _LOSSES[loss]
    result = value(logits, targets).named("loss")
    slope = _SLOPES[activation][1]
    gradients: dict[str, Node] = {}
    delta = derivative(logits, targets)
    for number in range(len(widths), 0, -1):
        h = after[number - 1]
        gradients[f"b{number}"] = total(delta, 0).named(f"grad_b{number}")
        gradients[f"w{number}"] = (h.T @ delta).named(f"grad_w{number}")
        if number > 1:
            back = (delta @ parameters[f"w{number}"].T).named(f"grad_h{number - 1}")
            delta = back * slope(before[number - 2], h)
    found = {name: gradients[name] for name in parameters}
    updated = {name: (p - found[name] * lr).named(name + NEXT) for name, p in parameters.items()}
    return TrainingStep(logits, result, MappingProxyType(found), MappingProxyType(updated))


def _forward(
    x: Node, widths: Sequence[int], activate: Callable[[Node], Node]
) -> tuple[dict[str, Node], list[Node], list[Node]]:
    """Parameters; what each layer gives before its activation; and after it, with x at the front."""
    parameters: dict[str, Node] = {}
    before: list[Node] = []
    after = [x]
    for number, width in enumerate(widths, 1):
        h = after[-1]
        w = weight(f"w{number}", h.shape[-1], width, x.dtype)
        b = tensor(f"b{number}", (width,), x.dtype)
        parameters |= {f"w{number}": w, f"b{number}": b}
        before.append((h @ w).named(f"linear{number}") + b)
        if number < len(widths):
            after.append(activate(before[-1]))
    return parameters, before, after


def _check(x: Node, widths: Sequence[int], activation: str, loss: str, lr: float) -> None:
    where = "training_step"
    check_float(where, x)
    if len(x.shape) != 2:
        raise WorkloadError(f"x of shape {shown(x.shape)}", where=where, mend="x is batch x inputs")
    if not widths:
        raise WorkloadError("no layers", where=where, mend="give the width of each layer, the outputs last")
    check_shape(widths, where)
    if activation not in _SLOPES:
        raise WorkloadError(f"unknown activation {activation!r}", where=where, mend=nearest(activation, _SLOPES))
    if loss not in _LOSSES:
        raise WorkloadError(f"unknown loss {loss!r}", where=where, mend=nearest(loss, _LOSSES))
    if not (math.isfinite(lr) and lr > 0):
        raise WorkloadError(f"learning rate {lr}", where=where, mend="give one above 0")
