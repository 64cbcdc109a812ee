"""Random loop nests, and their sums by plain enumeration: the truth that `counting` is held to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from hypothesis import strategies as st

from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.rewriting import clipped_size

NAMES = ("x", "y", "z")


@st.composite
def quasi_affine(draw, names, depth=2):
    """An expression over ``names`` with small coefficients, so that all its breaks lie within short loops."""
    e = Expr(draw(st.integers(-4, 9)))
    for name in names:
        e = e + var(name) * draw(st.sampled_from((0, 1, 1, 2, -1, 3, -2)))
    if not depth:
        return e
    match draw(st.sampled_from(("plain", "quotient", "remainder", "min", "max", "clip"))):
        case "quotient":
            e = e // draw(st.integers(2, 5))
        case "remainder":
            e = e % draw(st.integers(2, 5))
        case "min":
            e = minimum(e, draw(quasi_affine(names, depth - 1)))
        case "max":
            e = maximum(e, draw(quasi_affine(names, depth - 1)))
        case "clip":
            e = clipped_size(e, draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 40)))
    return e + draw(quasi_affine(names, depth - 1)) if draw(st.booleans()) else e


@st.composite
def nests(draw, most=(200, 40, 14)):
    """Loops, outermost first: of at most ``most[depth - 1]`` trips where the count is constant."""
    depth = draw(st.integers(1, len(most)))
    loops = []
    for index, name in enumerate(NAMES[:depth]):
        outer = NAMES[:index]
        if not outer or draw(st.booleans()):
            count = Expr(draw(st.integers(0, most[depth - 1])))
        else:
            count = minimum(draw(quasi_affine(outer, 1)), most[depth - 1])
        loops.append((name, count))
    return loops


@st.composite
def sums(draw):
    """A nest and up to two factors over its counters."""
    loops = draw(nests())
    names = [name for name, _ in loops]
    return loops, [draw(quasi_affine(names)) for _ in range(draw(st.integers(0, 2)))]


def iterations(loops: Sequence[tuple[str, Expr]], env: Mapping[str, int] | None = None) -> Iterator[dict[str, int]]:
    """Each iteration of a nest, in order of execution."""
    env = dict(env or {})
    if not loops:
        yield env
        return
    (name, count), *inner = loops
    for value in range(count.evaluate(env)):
        yield from iterations(inner, {**env, name: value})


def enumerated(loops: Sequence[tuple[str, Expr]], factors: Sequence[Expr]) -> int:
    """The sum of the product of ``factors``, one iteration after another."""
    return sum(math.prod(factor.evaluate(env) for factor in factors) for env in iterations(loops))
