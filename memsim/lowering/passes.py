"""Splits the work of a kernel with reductions into passes over the chunks of the reduced axis.

A reduction needs all of its axis before its result can be used. Where a tile holds the whole axis, everything is
one pass. Where it does not, each pass runs over the chunks and keeps a running result for each reduction; the last
pass writes. A sum of exponentials less their maximum needs no pass of its own: whenever the running maximum grows, the
running sum is scaled down (Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from memsim.isa.ops import DTYPES
from memsim.lowering.values import GIVEN, LEAF, REDUCE, Value, apply, given, order, reduced
from memsim.lowering.vectors import needed


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A running result in a ring of its own."""

    name: str
    value: Value
    """The reduction that it ends up as."""
    running: Value
    """The state within a pass, as its updates know it."""
    identity: float
    """What it begins with."""


@dataclass(slots=True, eq=False)
class Pass:
    """A sweep over the chunks."""

    targets: dict[str, Value] = field(default_factory=dict)
    """What each ring gets for every chunk."""
    states: list[State] = field(default_factory=list)
    copies: dict[str, tuple[str, Value]] = field(default_factory=dict)
    """State ring -> (ring of its next value, that value), copied after each chunk."""
    known: list[Value] = field(default_factory=list)
    """Results of earlier passes."""

    def leaves(self) -> list[Value]:
        """Tiles of tensors that the pass reads."""
        return [value for value in needed(list(self.targets.values()), self.known) if value.op == LEAF]


def one_pass(value: Value) -> list[Pass]:
    """Everything at once, for tiles that hold the whole axis."""
    return [Pass({"out": value})]


def many_passes(value: Value) -> list[Pass]:
    """A pass for each level of reductions that depend on each other, and one that writes."""
    reductions = [v for v in order([value]) if v.op == REDUCE]
    online = _online_pairs(reductions)
    levels = _levels(reductions, online)
    known: list[Value] = []
    result = []
    for level in range(1, max(levels.values(), default=0) + 1):
        sweep = Pass(known=list(known))
        for reduction in (r for r in reductions if levels[id(r)] == level):
            if id(reduction) in online:
                continue
            followers = [r for r in reductions if online.get(id(r)) is reduction]
            _add(sweep, reduction, followers, len(known))
            known += [reduction, *followers]
        result.append(sweep)
    result.append(Pass({"out": value}, known=known))
    return result


def _levels(reductions: Sequence[Value], online: dict[int, Value]) -> dict[int, int]:
    levels: dict[int, int] = {}
    for reduction in reductions:
        inner = [v for v in order(list(reduction.values)) if v.op == REDUCE]
        levels[id(reduction)] = 1 + max((levels[id(v)] for v in inner), default=0)
        if id(reduction) in online:
            levels[id(reduction)] = levels[id(online[id(reduction)])]
    return levels


def _add(sweep: Pass, reduction: Value, followers: Sequence[Value], number: int) -> None:
    """Add the running result of a reduction, and the sums that follow it when it is a maximum."""
    state = _state(f"r{number}", reduction)
    sweep.states.append(state)
    updated = _combined(state.running, reduction)
    if not followers:
        sweep.targets[state.name] = updated
        return
    sweep.targets[f"{state.name}_next"] = updated
    sweep.copies[state.name] = (f"{state.name}_next", updated)
    for index, follower in enumerate(followers, 1):
        total = _state(f"r{number + index}", follower)
        sweep.states.append(total)
        scale = _exponent_scale(follower)
        shrink = apply("exp2", apply("mul", apply("sub", state.running, updated), scale))
        x = reduction.values[0]
        powers = apply("exp2", apply("mul", apply("sub", x, updated), scale))
        part = reduced("sum", powers, follower.axis)
        sweep.targets[total.name] = apply("add", apply("mul", total.running, shrink), part)


def _state(name: str, reduction: Value) -> State:
    identity = 0.0 if reduction.how == "sum" else DTYPES[reduction.dtype].lowest
    return State(name, reduction, given(name, reduction.span, reduction.dtype), identity)


def _combined(running: Value, reduction: Value) -> Value:
    return apply("add" if reduction.how == "sum" else "max", running, reduction)


def _online_pairs(reductions: Sequence[Value]) -> dict[int, Value]:
    """Sums of ``exp2((x - max(x)) * scale)``, by identity, with that maximum."""
    found = {}
    for total in reductions:
        top = _subtracted_maximum(total)
        if top is not None and total.axis == top.axis:
            found[id(total)] = top
    return found


def _subtracted_maximum(total: Value) -> Value | None:
    power = total.values[0]
    if total.how != "sum" or power.op != "exp2" or not power.values or power.values[0].op != "mul":
        return None
    product = power.values[0]
    if len(product.values) != 1 or product.values[0].op != "sub" or len(product.values[0].values) != 2:
        return None
    x, top = product.values[0].values
    is_maximum = top.op == REDUCE and top.how == "max" and top.values[0] is x
    return top if is_maximum and all(v.op != GIVEN for v in (x, top)) else None


def _exponent_scale(total: Value) -> float:
    (scale,) = (arg for arg in total.values[0].values[0].args if isinstance(arg, float))
    return scale
