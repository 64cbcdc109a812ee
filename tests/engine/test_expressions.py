"""Expressions and regions in the compiled engine, against those of the tile language and of the memory's layout."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memsim.engine import simulate
from memsim.engine.fast import words as w
from memsim.engine.fast.expressions import Expressions, evaluate
from memsim.engine.fast.regions import find_pieces, sort_by_port
from memsim.engine.layout import TensorLayout
from memsim.engine.memory import PIECE_WORDS
from memsim.engine.servers import Array, port_of
from memsim.isa import parse
from memsim.isa.expr import Expr, minimum, var
from memsim.isa.model import Tensor
from tests.engine.machines import plain_chip
from tests.isa.expressions import NAMES, build, exprs, trees, value

INDEX = {name: i for i, name in enumerate(reversed(NAMES))}


def machine(expressions: Expressions, after: int) -> tuple[Array, int, int, int]:
    """A machine with some expressions: its words, and where expressions, counters and what comes after them begin."""
    first = w.HEADER_WORDS
    counters = first + len(expressions.words)
    values = counters + len(INDEX)
    m = np.zeros(values + expressions.forms + after, dtype=np.int64)
    m[first:counters] = expressions.words
    m[w.VALUE_BASE] = values
    return m, first, counters, values + expressions.forms


def put(m: Array, counters: int, env: dict[str, int]) -> None:
    for name, i in INDEX.items():
        m[counters + i] = env[name]


environments = st.fixed_dictionaries({name: st.integers(-50, 50) for name in NAMES})


@given(st.lists(trees, min_size=1, max_size=5), environments)
def test_compiled_code_evaluates_as_python_does(some: list[object], env: dict[str, int]) -> None:
    expressions = Expressions()
    places = [expressions.add(build(tree), INDEX) for tree in some]
    m, first, counters, _ = machine(expressions, 0)
    put(m, counters, env)
    for tree, place in zip(some, places, strict=True):
        assert evaluate(m, first + place, counters) == value(tree, env)


@given(exprs)
def test_equal_expressions_are_stored_once(e: Expr) -> None:
    expressions = Expressions()
    place = expressions.add(e, INDEX)
    length = len(expressions.words)
    assert expressions.add(e + 0, dict(INDEX)) == place
    assert len(expressions.words) == length
    if e.variables():
        assert expressions.add(e, {name: i + 1 for name, i in INDEX.items()}) == length


def test_there_is_room_for_expressions_of_any_width() -> None:
    wide = sum((minimum(var("x"), k) // (k + 2) for k in range(1, 300)), Expr(0))
    expressions = Expressions()
    place = expressions.add(wide, INDEX)
    m, first, counters, _ = machine(expressions, 0)
    put(m, counters, {"x": 17, "y": 0, "z": 0})
    assert evaluate(m, first + place, counters) == wide.evaluate({"x": 17})


def test_a_wide_expression_runs_in_both_engines() -> None:
    row = " + ".join(f"min(i, {k})//{k + 2}*16" for k in range(1, 60))
    text = f"""
    program wide
    tensor X dram fp32 [65536, 16]
    kernel k blocks (b 1) {{
      ring a sram fp32 [16, 16]
      queue load {{ loop i 20 {{ load a <- X[{row}, 0] }} }}
      queue use {{ loop i 20 {{ pop a }} }}
    }}"""
    assert simulate(parse(text), plain_chip()).ticks == simulate(parse(text), plain_chip(), engine="simpy").ticks


# ---- regions ----


@st.composite
def regions(draw: st.DrawFn) -> tuple[TensorLayout, list[Expr], list[int], list[int]]:
    """A layout and a box: its first elements, sizes and steps."""
    rank = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, 200)) for _ in range(rank))
    segment = tuple(draw(st.integers(1, n)) for n in shape)
    grid = [-(-n // s) for n, s in zip(shape, segment, strict=True)]
    strides = tuple(math.prod(grid[d + 1 :]) for d in range(rank))
    layout = TensorLayout(Tensor("t", "dram", "fp16", shape), draw(st.integers(0, 99)), segment, strides)
    starts = [var(NAMES[d]) * draw(st.integers(0, 3)) + draw(st.integers(0, 9)) for d in range(rank)]
    return layout, starts, [draw(st.integers(1, 9)) for _ in shape], [draw(st.integers(1, 3)) for _ in shape]


def find(
    layout: TensorLayout,
    starts: list[Expr],
    sizes: list[int],
    steps: list[int],
    env: dict[str, int],
    ports: tuple[int, int, int],
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], int]:
    """Pieces as compiled code finds them, the same sorted by ports, and their bytes."""
    expressions = Expressions()
    places = [expressions.add(e, INDEX) for e in starts]
    most = PIECE_WORDS * (math.prod(sizes) + 1)
    m, first, counters, access = machine(expressions, w.ACCESS_WORDS + len(starts) * w.AXIS_WORDS + 1 + 2 * most)
    put(m, counters, env)
    axes = access + w.ACCESS_WORDS
    m[w.TENSOR_BASE] = axes + len(starts) * w.AXIS_WORDS
    m[m[w.TENSOR_BASE]] = layout.base
    m[w.SCRATCH_BASE] = m[w.TENSOR_BASE] + 1
    out = int(m[w.SCRATCH_BASE]) + most
    fields = {w.A_TENSOR: 0, w.A_FIRST_AXIS: axes, w.A_AXES: len(starts), w.A_CHIP_WIDE: 1}
    for field, number in {**fields, w.A_ELEMENT_BYTES: 2, w.A_GATHER: 0}.items():
        m[access + field] = number
    for d, place in enumerate(places):
        words = (first + place, sizes[d], steps[d], layout.tensor.shape[d], layout.segment_shape[d], layout.strides[d])
        for field, number in zip(
            (w.X_START, w.X_SIZE, w.X_STEP, w.X_EXTENT, w.X_SEGMENT, w.X_STRIDE), words, strict=True
        ):
            m[axes + d * w.AXIS_WORDS + field] = number
    count, size = find_pieces(m, access, counters, 1, out)

    def found() -> list[tuple[int, ...]]:
        return [tuple(piece) for piece in m[out : out + PIECE_WORDS * count].reshape(-1, PIECE_WORDS).tolist()]

    pieces = found()
    sort_by_port(m, out, count, *ports)
    return pieces, found(), size


@given(
    regions(),
    st.fixed_dictionaries({name: st.integers(0, 60) for name in NAMES}),
    st.sampled_from([(1, 1, 1), (2, 2, 2), (3, 6, 3), (5, 40, 5), (2, 4, 1), (4, 8, 2), (6, 6, 2), (6, 18, 3)]),
)
def test_pieces_are_those_of_the_layout_and_go_to_ports_in_order(
    region: tuple[TensorLayout, list[Expr], list[int], list[int]], env: dict[str, int], split: tuple[int, int, int]
) -> None:
    layout, starts, sizes, steps = region
    ports, banks, near = split  # a core that loads uses those of its own partition, as if they were all
    expected = layout.pieces([e.evaluate(env) for e in starts], sizes, steps)
    pieces, by_port, size = find(*region, env, split)
    assert pieces == expected
    assert size == sum(amount for _, amount, _ in expected)
    assert by_port == sorted(expected, key=lambda piece: port_of(piece[0], ports, banks) % near)  # a stable sort
    assert Counter(by_port) == Counter(expected)
