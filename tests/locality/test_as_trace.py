"""Scalar programs as traces: the same prices as the Python function that they were written from."""

from __future__ import annotations

import random
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim import locality
from memsim.locality.scalar.as_trace import trace_of
from memsim.locality.scalar.text import parse
from memsim.locality.scalar.tracking import track
from tests.locality.products import naive, naive_on_tape, tiled
from tests.locality.programs import matmul_ijk

MATRIX = {n: [[1.0] * n for _ in range(n)] for n in (2, 4, 8)}


@pytest.mark.parametrize("n", [2, 4, 8])
@pytest.mark.parametrize("dialect", ["dev", "classic-14", "l2-live", "l2-classic"])
def test_a_product_costs_what_its_python_costs(n: int, dialect: str) -> None:
    """Those dialects do not reverse arguments, or every element is read first at a depth that all orders share."""
    straight = locality.price(trace_of(parse(naive(n))), dialect)
    python = locality.bytedmd(matmul_ijk, (MATRIX[n], MATRIX[n]), dialect)
    assert (straight.cost, straight.reads) == (python.cost, python.reads)


def test_copies_are_the_same_value() -> None:
    for text in ("1,2;copy 3,1;copy 4,3;add 5,4,2;5", "1,2;add 5,1,2;5"):
        assert locality.price(trace_of(parse(text))).reads == 2


def test_constants_are_free() -> None:
    trace = trace_of(parse("1;set 2,7;set 3,8;mul 4,2,3;add 5,1,4;4,5"))
    assert trace.reads.tolist() == [0], "only the input is read"
    assert trace.returned.tolist() == [1], "a returned constant is no value"


def test_the_tape_makes_values_without_reads() -> None:
    on_tape, in_place = trace_of(parse(naive_on_tape(3))), trace_of(parse(naive(3)))
    assert on_tape.reads.size == in_place.reads.size + 9, "what is sent is read"
    assert on_tape.values == in_place.values


def slowly(text: str) -> tuple[float, float, float]:
    """DMC, ARD and DMD by their definitions, with a list as the stack."""
    program = parse(text)
    events = [(slot, True) for slot in program.inputs.tolist()]
    for target, *sources in program.operands.tolist():
        events += [(slot, False) for slot in sources if slot >= 0] + ([(target, True)] if target >= 0 else [])
    events += [(slot, False) for slot in program.outputs.tolist()]
    written: dict[int, int] = {}
    stack: list[int] = []
    dmc, distances, dmd = 0.0, [], 0.0
    for clock, (slot, writes) in enumerate(events, 1):
        if writes:
            written[slot] = clock
            stack = [slot, *(other for other in stack if other != slot)]
        else:
            distances.append(clock - written[slot])
            dmc += sqrt(distances[-1])
            dmd += sqrt(stack.index(slot) + 1)
    return dmc, sum(distances) / len(distances), dmd


@pytest.mark.parametrize("text", [naive(3), tiled(4, 2), "1,2,3;select 4,1,2,3;abs 1,4;1,1"])
def test_trackers_follow_their_definitions(text: str) -> None:
    assert [one.cost for one in track(parse(text))] == pytest.approx(slowly(text), rel=1e-12)


@given(st.integers(0, 2**32))
def test_trackers_of_random_programs(seed: int) -> None:
    rng = random.Random(seed)
    lines = [f"add {rng.randint(1, 9)},{rng.randint(1, 4)},{rng.randint(1, 4)}" for _ in range(rng.randint(0, 30))]
    text = ";".join(["1,2,3,4", *lines, "3,1"])
    assert [one.cost for one in track(parse(text))] == pytest.approx(slowly(text), rel=1e-12)
