"""Collectives on channels: values against numpy, bytes of every link against what data and flags come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.engine import simulate
from memsim.engine.difference import first_difference
from memsim.hierarchy import System
from memsim.isa import interpret, parse
from memsim.isa.format import format as text_of
from memsim.isa.model import Program
from memsim.lowering.collectives.channels import (
    Order,
    Wire,
    all_gather,
    all_reduce,
    all_to_all,
    flag_words,
    reduce_scatter,
    tree_all_reduce,
)
from memsim.lowering.collectives.shots import one_shot, two_shot

ALL_WAYS = ((0, 1, 2, 3), (3, 2, 1, 0), (0, 1, 3, 2), (2, 3, 1, 0), (0, 2, 1, 3), (3, 1, 2, 0))


@st.composite
def wires(draw: st.DrawFn) -> Wire:
    tile, slices = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    words = flag_words(draw(st.sampled_from(["simple", "ll", "ll128"])), tile, "fp32")
    memory = draw(st.sampled_from(["reg", "sram"]))
    return Wire(draw(st.integers(1, 2)), tile, slices, draw(st.integers(1, 2)), words, memory, 2 * slices, 1)


@st.composite
def rings(draw: st.DrawFn) -> tuple[Order, ...]:
    if draw(st.booleans()):
        return ALL_WAYS[: draw(st.integers(1, 6))]
    once = tuple(range(draw(st.integers(2, 6))))
    return draw(st.sampled_from([(once,), (once, once[::-1])]))


def found(program: Program, inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    assert parse(text_of(program)) == program
    return np.asarray(interpret(program, {"X": inputs})["Y"])


def integers(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(-3, 4, shape).astype(np.float32)


@given(wire=wires(), orders=rings(), data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_chip_gets_the_sum(wire: Wire, orders: tuple[Order, ...], data: st.DataObject) -> None:
    n = len(orders[0])
    for make, blocks in ((all_reduce, n), (tree_all_reduce, 1)):
        most = wire.channels * len(orders) * blocks * wire.block
        x = integers(n, data.draw(st.integers(1, most)))
        y = found(make(wire, orders, x.shape[1], "fp32"), x)
        assert np.array_equal(y, np.broadcast_to(x.sum(axis=0), x.shape))


@given(wire=wires(), orders=rings(), data=st.data())
@settings(max_examples=25, deadline=None)
def test_parts_go_where_they_belong(wire: Wire, orders: tuple[Order, ...], data: st.DataObject) -> None:
    n = len(orders[0])
    each = data.draw(st.integers(1, wire.channels * len(orders) * wire.block))
    parts, whole = integers(n, each), integers(n, n, each)
    assert np.array_equal(found(all_gather(wire, orders, each, "fp32"), parts), np.broadcast_to(parts, (n, n, each)))
    assert np.array_equal(found(reduce_scatter(wire, orders, each, "fp32"), whole), whole.sum(axis=0))
    each = data.draw(st.integers(1, wire.channels * wire.block))
    pairs = integers(n, n, each)
    assert np.array_equal(found(all_to_all(wire, n, each, "fp32"), pairs), pairs.swapaxes(0, 1))


@given(chips=st.integers(2, 6), elements=st.integers(1, 60), tile=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_shots_give_the_sum_too(chips: int, elements: int, tile: int) -> None:
    x = integers(chips, elements)
    for make in (one_shot, two_shot):
        assert np.array_equal(found(make(chips, elements, "fp32", tile), x), np.broadcast_to(x.sum(axis=0), x.shape))


@pytest.mark.parametrize(("protocol", "share"), [("simple", 8 / 240), ("ll", 1.0), ("ll128", 8 / 120)])
def test_links_carry_the_data_and_its_flags(protocol: str, share: float) -> None:
    """A ring sends a block 2 (n - 1) times round; flags of LL are as much again, of LL128 one in sixteen."""
    tile = 60  # 240 bytes: two lines of LL128
    wire = Wire(2, tile, 2, 3, flag_words(protocol, tile, "fp32"), "reg", 4, 1)
    system = System(name="four", chip="toy", count=4, link="nvlink3")
    elements = 2 * 4 * wire.block
    result = simulate(all_reduce(wire, (ALL_WAYS[0],), elements, "fp32"), system.as_chip())
    data = 2 * 3 / 4 * elements * 4
    moved = {(link.src, link.dst): link.bytes for link in result.links.itertuples(index=False) if link.bytes}
    assert len(moved) == 8, "from each chip to the switch, and from it to each"
    assert set(moved.values()) == {round(data * (1 + share))}


def test_all_ways_round_use_all_links_alike() -> None:
    wire = Wire(1, 16, 1, 1, 2, "reg", 2, 1)
    system = System(name="four", chip="toy", count=4, link="nvlink3", topology="fully_connected")
    result = simulate(all_reduce(wire, ALL_WAYS, 6 * 4 * wire.block, "fp32"), system.as_chip())
    moved = [link.bytes for link in result.links.itertuples(index=False) if link.bytes]
    assert len(moved) == 12
    assert len(set(moved)) == 1


@pytest.mark.parametrize("make", [all_reduce, tree_all_reduce])
def test_both_engines_agree(make: Any) -> None:
    wire = Wire(2, 20, 2, 2, flag_words("ll128", 20, "fp32"), "sram", 4, 1)
    chip = System(name="four", chip="toy", count=4, link="nvlink3", message="300 ns").as_chip()
    program = make(wire, (ALL_WAYS[0], ALL_WAYS[2]), 150, "fp32")
    fast, slow = (simulate(program, chip, engine=engine, trace=True) for engine in ("fast", "simpy"))
    assert first_difference(fast, slow) is None
