"""Programs of loads and pops alone, whose queues go through their tiles in loops of different shapes."""

from __future__ import annotations

from hypothesis import strategies as st

from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.model import (
    Group,
    Kernel,
    Load,
    Loop,
    Pop,
    Program,
    Queue,
    Region,
    Ring,
    Send,
    Statement,
    Store,
    Target,
    Tensor,
    Tile,
)

_ELEMENT = (1,)
Body = tuple[Statement, ...]


def load(ring: str) -> Load:
    """Fill a ring."""
    return Load(Target(ring), Region("A", (Expr(0),), _ELEMENT))


def read(ring: str, ahead: int = 0) -> Store:
    """Read a ring."""
    return Store(Region("B", (Expr(0),), _ELEMENT), Tile(ring, ahead))


def send(ring: str, source: str, *to: Expr) -> Send:
    """Pass a tile on to another block."""
    return Send(Target(ring, tuple((start, 1) for start in to)), Tile(source))


def program(queues: dict[str, Body], depths: dict[str, int], grid: int = 1, **kernel: bool) -> Program:
    """A program of one group; its stores would race, but only its tokens matter."""
    rings = tuple(Ring(name, "sram", "fp32", _ELEMENT, depth) for name, depth in depths.items())
    group = Group("main", (("y", grid),), rings, tuple(Queue(name, body) for name, body in queues.items()))
    tensors = (Tensor("A", "dram", "fp32", _ELEMENT), Tensor("B", "dram", "fp32", _ELEMENT))
    return Program("tokens", tensors, (Kernel("main", (group,), **kernel),))


@st.composite
def rounds(draw, total, unit, depth=0):
    """Statements that run what ``unit()`` gives ``total`` times, in a nest of some shape."""
    name, shape = f"v{depth}", draw(st.sampled_from(("flat", "nested", "split", "uneven", "guarded", "plain")))
    deeper = depth < 3
    if total <= 2:
        return sum((unit() for _ in range(total)), ())
    if shape == "nested" and deeper:
        outer = draw(st.sampled_from([n for n in range(1, min(total, 30) + 1) if total % n == 0]))
        outer = draw(st.sampled_from((outer, total // outer)))
        return (Loop(name, Expr(outer), draw(rounds(total // outer, unit, depth + 1))),)
    if shape == "split" and deeper:
        part = draw(st.sampled_from((1, 2, total - 2, total - 1)))
        return draw(rounds(part, unit, depth + 1)) + draw(rounds(total - part, unit, depth + 1))
    if shape == "uneven" and total % 6 == 0:  # 2, 4, 2, 4, ... in each round
        return (Loop(name, Expr(total // 3), (Loop(f"{name}i", var(name) % 2 * 2 + 2, unit()),)),)
    if shape == "guarded":  # nothing in the first rounds, then one in each
        idle = draw(st.integers(1, 5))
        guard = minimum(maximum(var(name) - (idle - 1), 0), 1)
        return (Loop(name, Expr(total + idle), (Loop(f"{name}i", guard, unit()),)),)
    return (Loop(name, Expr(total), unit()),)


@st.composite
def token_programs(draw, totals):
    """Two or three queues that fill and pop one to three rings equally often, each in its own loops."""
    total, names = draw(st.sampled_from(totals)), ["p", "q", "r"][: draw(st.integers(2, 3))]
    depths = {f"c{i}": draw(st.sampled_from((1, 2, 3, 4, 7))) for i in range(draw(st.integers(1, 3)))}
    work: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for ring in depths:
        producer, consumer = draw(st.permutations(names))[:2]
        times = draw(st.sampled_from((1, 1, 2)))
        work[producer] += [("load", ring)] * times
        work[consumer] += [("pop", ring)] * times

    def body_of(name):
        def unit():
            body: Body = ()
            for kind, ring in draw(st.permutations(work[name])):
                if kind == "pop" and draw(st.booleans()):
                    body += (read(ring, draw(st.sampled_from((0, 0, 0, depths[ring] - 1)))),)
                body += (load(ring) if kind == "load" else Pop(ring),)
            return body

        return draw(rounds(total, unit))

    return program({name: body_of(name) for name in names}, depths)
