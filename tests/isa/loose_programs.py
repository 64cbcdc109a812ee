"""Random programs that can be written down, though few of them would pass `verify`.

They reach every field of every class with every kind of value, which valid programs do not; they serve the round
trips of the text and JSON forms.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.lexical import DISTRIBUTIONS
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Group,
    Iota,
    Kernel,
    Load,
    Loop,
    Mma,
    Pop,
    Program,
    Push,
    Queue,
    Reduce,
    Region,
    Ring,
    Send,
    Statement,
    Store,
    Target,
    Tensor,
    Tile,
    Vector,
)
from memsim.isa.ops import DTYPES, REDUCE_OPS, VECTOR_OPS

TITLES = ("main", "load", "a.b", "_x9", "kernel", "second")
"""Names for programs, kernels, groups and queues: keywords may be among them."""

sizes = st.integers(1, 5)
shapes = st.lists(sizes, min_size=1, max_size=3).map(tuple)
dtypes = st.sampled_from(sorted(DTYPES))
floats = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def loose_programs(draw: Any) -> Program:
    """Draw a program whose names all resolve, and that keeps no other rule."""
    names = draw(st.lists(st.sampled_from(("A", "B", "C_1", "W.x")), unique=True, min_size=1))
    tensors = tuple(Tensor(n, draw(st.sampled_from(("dram", "sram"))), draw(dtypes), draw(shapes)) for n in names)
    titles = draw(st.lists(st.sampled_from(TITLES), unique=True, min_size=1, max_size=2))
    kernels = tuple(_kernel(draw, title, tensors) for title in titles)
    optional = st.none() | st.integers(1, 2**62)
    return Program(draw(st.sampled_from(TITLES)), tensors, kernels, draw(optional), draw(optional))


def _kernel(draw: Any, name: str, tensors: tuple[Tensor, ...]) -> Kernel:
    several = draw(st.booleans())
    titles = draw(st.lists(st.sampled_from(TITLES), unique=True, max_size=3)) if several else [name]
    grids = [
        tuple((axis, draw(sizes)) for axis in draw(st.lists(st.sampled_from("yxi"), unique=True, max_size=3)))
        for _ in titles
    ]
    rings = [
        tuple(
            Ring(r, draw(st.sampled_from(("sram", "reg"))), draw(dtypes), draw(shapes), draw(sizes))
            for r in draw(st.lists(st.sampled_from(("a", "b", "c")), unique=True, min_size=1))
        )
        for _ in titles
    ]
    bare = [Group(*parts, ()) for parts in zip(titles, grids, rings, strict=True)]
    groups = tuple(_fill_group(draw, group, tuple(bare), tensors) for group in bare)
    return Kernel(name, groups, draw(sizes), draw(st.booleans()))


def _fill_group(draw: Any, group: Group, groups: tuple[Group, ...], tensors: tuple[Tensor, ...]) -> Group:
    cluster = tuple(draw(sizes) for _ in group.grid)
    body = _Body(draw, group, groups, tensors)
    scope = tuple(name for name, _ in group.grid)
    titles = draw(st.lists(st.sampled_from(TITLES), unique=True, min_size=1, max_size=2))
    queues = tuple(Queue(title, body.statements(scope, 2)) for title in titles)
    return Group(group.name, group.grid, group.rings, queues, cluster)


class _Body:
    """Draws statements of one group."""

    def __init__(self, draw: Any, group: Group, groups: tuple[Group, ...], tensors: tuple[Tensor, ...]) -> None:
        self.draw, self.group, self.groups, self.tensors = draw, group, groups, tensors

    def statements(self, scope: tuple[str, ...], depth: int) -> tuple[Statement, ...]:
        return tuple(self.statement(scope, depth) for _ in range(self.draw(st.integers(0, 5))))

    def statement(self, scope: tuple[str, ...], depth: int) -> Statement:
        free = sorted({"k", "j", "t"} - {*scope})
        if depth and free and self.draw(st.integers(0, 3)) == 0:
            name = self.draw(st.sampled_from(free))
            return Loop(name, self.expr(scope), self.statements((*scope, name), depth - 1))
        return self.draw(st.sampled_from((self.move, self.compute)))(scope)

    def move(self, scope: tuple[str, ...]) -> Statement:
        draw, flag = self.draw, st.booleans()
        match draw(st.integers(0, 4)):
            case 0:
                return Load(self.target(scope), self.region(scope), draw(flag), draw(st.just(0.0) | floats))
            case 1:
                return Store(self.region(scope), self.tile(), draw(flag))
            case 2:
                spread = draw(st.sampled_from(DISTRIBUTIONS))
                return Gather(self.target(scope), self.region(scope), self.tile(), spread)
            case 3:
                return Copy(self.target(scope), self.tile(), draw(flag))
        return Send(self.target(scope), self.tile())

    def compute(self, scope: tuple[str, ...]) -> Statement:
        draw, flag = self.draw, st.booleans()
        match draw(st.integers(0, 6)):
            case 0:
                return Mma(self.ring(), self.tile(), self.tile(), draw(flag), draw(flag), draw(flag))
            case 1:
                op = draw(st.sampled_from(sorted(VECTOR_OPS)))
                args = (self.tile() if draw(flag) else draw(floats) for _ in range(VECTOR_OPS[op].arity))
                return Vector(op, self.ring(), tuple(args))
            case 2:
                op = draw(st.sampled_from(sorted(REDUCE_OPS)))
                return Reduce(op, self.ring(), self.tile(), draw(st.integers(0, 3)))
            case 3:
                return Fill(self.ring(), draw(floats))
            case 4:
                return Iota(self.ring(), draw(st.integers(0, 3)), self.expr(scope))
            case 5:
                return Push(self.ring())
        return Pop(self.ring())

    def ring(self, group: Group | None = None) -> str:
        return str(self.draw(st.sampled_from([ring.name for ring in (group or self.group).rings])))

    def tile(self) -> Tile:
        return Tile(self.ring(), self.draw(st.integers(0, 3)))

    def target(self, scope: tuple[str, ...]) -> Target:
        if self.draw(st.booleans()):
            return Target(self.ring())
        other = self.draw(st.none() | st.sampled_from(self.groups))
        owner = other or self.group
        blocks = tuple((self.expr(scope), self.draw(sizes)) for _ in owner.grid)
        return Target(self.ring(owner), blocks, other and other.name)

    def region(self, scope: tuple[str, ...]) -> Region:
        tensor = self.draw(st.sampled_from(self.tensors))
        each = tensor.shape
        starts = tuple(self.expr(scope) for _ in each)
        return Region(
            tensor.name,
            starts,
            tuple(self.draw(sizes) for _ in each),
            tuple(self.draw(st.sampled_from((1, 1, 2))) for _ in each),
            self.draw(st.booleans()),
        )

    def expr(self, scope: tuple[str, ...]) -> Expr:
        draw = self.draw
        total = Expr(draw(st.integers(-3, 9)))
        for name in draw(st.lists(st.sampled_from(scope), max_size=3)) if scope else ():
            term = var(name) * draw(st.integers(-9, 9)) + draw(st.integers(-1, 1))
            match draw(st.integers(0, 4)):
                case 0:
                    term = -(term // draw(sizes))
                case 1:
                    term = term % draw(sizes) * 3
                case 2:
                    term = minimum(term, total)
                case 3:
                    term = maximum(term, draw(st.integers(-9, 9)))
            total = total + term
        return total
