"""Diagnoses beside the definitions, carried out naively."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import MemsimError, ProgramError
from memsim.locality.accesses import Accesses, by_value, scalar_accesses
from memsim.locality.diagnosis import WINDOWS, diagnose
from memsim.locality.scalar import dally1
from memsim.locality.scalar.program import write
from memsim.locality.scalar.text import parse
from tests.locality.products import naive, tiled

Trace = tuple[list[int], list[bool], list[int]]


@st.composite
def traces(draw: Any) -> Trace:
    """Items, writes and sizes."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=8))
    items = draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=60))
    writes = draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))
    return items, writes, sizes


def accesses_of(trace: Trace, **options: Any) -> Accesses:
    items, writes, sizes = trace
    return Accesses(np.array(items), np.array(writes), np.array(sizes), unit="byte", **options)


def depths(trace: Trace) -> list[tuple[int, bool]]:
    """Of each access the size of what lies above its item in an LRU stack, and whether the item is new."""
    stack: list[int] = []  # the top is at index 0
    found = []
    for item in trace[0]:
        above = stack[: stack.index(item)] if item in stack else stack
        found.append((sum(trace[2][i] for i in above), item not in stack))
        stack = [item, *(i for i in stack if i != item)]
    return found


def missed(trace: Trace, capacity: int) -> int:
    """Bytes that miss: an item hits where it and all above it in the stack fit."""
    hits = [
        not new and above + trace[2][i] <= capacity for i, (above, new) in zip(trace[0], depths(trace), strict=True)
    ]
    return sum(trace[2][i] for i, hit in zip(trace[0], hits, strict=True) if not hit)


def lifetimes(trace: Trace) -> list[tuple[int, int, int]]:
    """First access, last access and size of every value."""
    lives: list[tuple[int, int, int]] = []
    for item, size in enumerate(trace[2]):
        value: list[int] = []
        for time, (other, writes) in enumerate(zip(trace[0], trace[1], strict=True)):
            if other != item:
                continue
            if writes and value:
                lives.append((value[0], value[-1], size))
                value = []
            value.append(time)
        if value:
            lives.append((value[0], value[-1], size))
    return lives


@given(traces())
def test_the_curve_is_that_of_lru_caches(trace: Trace) -> None:
    found = diagnose(accesses_of(trace))
    volume = sum(trace[2][i] for i in trace[0])
    for capacity in range(sum(trace[2]) + 2):
        assert found.miss_ratio(capacity) == missed(trace, capacity) / volume
    curve = found.misses
    assert (np.diff(curve["capacity"]) > 0).all() and (np.diff(curve["misses"]) < 0).all()
    assert (curve["misses"][0], curve["missed"][0]) == (len(trace[0]), volume)
    assert (curve["misses"][-1], curve["missed"][-1]) == (len(set(trace[0])), sum(trace[2][i] for i in set(trace[0])))
    assert (found.cold, found.footprint) == (curve["misses"][-1], curve["missed"][-1])


@given(traces(), st.floats(0, 1))
def test_the_capacity_for_a_ratio_is_the_least(trace: Trace, ratio: float) -> None:
    found = diagnose(accesses_of(trace))
    enough = [c for c in range(sum(trace[2]) + 1) if missed(trace, c) <= ratio * found.volume]
    assert found.capacity_for(ratio) == (enough[0] if enough else None)


@given(traces())
def test_reuse_distances_are_counted_in_powers_of_two(trace: Trace) -> None:
    found = diagnose(accesses_of(trace))
    sizes = accesses_of(trace).weights[accesses_of(trace).items].tolist()
    rows = zip(depths(trace), trace[1], sizes, strict=True)
    warm = [(above, not w, size) for (above, new), w, size in rows if not new]
    table = found.reuse
    for low, high, count, reads, volume in zip(*(table[name].tolist() for name in table), strict=True):
        inside = [(read, size) for above, read, size in warm if low <= above <= high]
        assert (count, reads) == (len(inside), sum(read for read, _ in inside))
        assert volume == sum(size for _, size in inside)
    assert table["volume"].sum() + found.footprint == found.volume
    assert table["accesses"].sum() + found.cold == len(trace[0])
    assert table["to_distance"].tolist() == [2**i - 1 for i in range(len(table["accesses"]))]


@given(traces())
def test_the_live_set_is_the_overlap_of_lifetimes(trace: Trace) -> None:
    found = diagnose(accesses_of(trace))
    expected = [sum(size for a, b, size in lifetimes(trace) if a <= t <= b) for t in range(len(trace[0]))]
    assert found.live["live"].tolist() == expected
    assert found.live["time"].tolist() == list(range(len(trace[0])))
    assert found.peak_live == max(expected)


def test_a_long_live_set_keeps_its_peaks() -> None:
    count = 5 * WINDOWS + 3
    items = np.concatenate([np.arange(count), np.arange(count)])
    found = diagnose(Accesses(items, np.arange(2 * count) < count, np.ones(count, np.int64)))
    assert len(found.live["time"]) <= WINDOWS
    assert found.live["live"].max() == found.peak_live == count
    assert found.live["live"][0] == found.live["time"][1]


def root_sum(above: int, below: int) -> int:
    return sum(isqrt(d - 1) + 1 for d in range(above + 1, below + 1))


@given(traces())
def test_without_places_reads_cost_their_depth_in_the_stack(trace: Trace) -> None:
    found = diagnose(accesses_of(trace))
    reads = [
        (above, above + trace[2][item])
        for item, writes, (above, _) in zip(*trace[:2], depths(trace), strict=True)
        if not writes
    ]
    assert found.cost == sum(root_sum(*read) for read in reads)
    before = 0
    for most, read, cost in zip(*(found.distances[name].tolist() for name in found.distances), strict=True):
        least = 0 if most == 1 else most // 2
        assert least >= before
        at = [isqrt(d) + 1 for a, b in reads for d in range(a, b)]
        inside = [k for k in at if least < k <= most]
        assert (read, cost) == (len(inside), sum(inside))
        before = least
    assert sum(found.distances["read"]) == sum(b - a for a, b in reads)


@st.composite
def programs(draw: Any) -> str:
    """Programs of the matmul machine that read only what was written."""
    inputs = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5, unique=True))
    known, steps = list(inputs), []
    for _ in range(draw(st.integers(0, 12))):
        target, a, b = draw(st.integers(1, 40)), draw(st.sampled_from(known)), draw(st.sampled_from(known))
        steps.append((draw(st.sampled_from(("add", "sub", "mul"))), target, a, b))
        known.append(target)
    return write(inputs, steps, draw(st.lists(st.sampled_from(known), min_size=1, max_size=4)))


@given(programs(), st.booleans())
def test_the_cost_of_distances_is_that_of_model_1(text: str, values: bool) -> None:
    program = parse(text)
    found = diagnose(scalar_accesses(program, values=values))
    assert found.cost == dally1.score(program).cost
    tables = found.tables()
    assert tables["distances"]["cost"].sum() == found.cost
    assert tables["distances"]["cost_share"].sum() == pytest.approx(1)
    assert tables["distances"]["read"].sum() == found.reads
    assert (tables["distances"]["distance"] * tables["distances"]["read"]).tolist() == found.distances["cost"].tolist()


@given(programs())
def test_values_and_addresses_have_the_same_live_set(text: str) -> None:
    program = parse(text)
    by_address, by_values = diagnose(scalar_accesses(program)), diagnose(scalar_accesses(program, values=True))
    assert by_address.live["live"].tolist() == by_values.live["live"].tolist()
    assert by_values.items == by_values.writes


def test_order_of_accesses() -> None:
    found = scalar_accesses(parse("5,6;add 7,6,5;select 5,7,6,7;5,7"), name="p")
    addresses = [5, 6, 7]
    told = [(addresses[i], w) for i, w in zip(found.items.tolist(), found.writes.tolist(), strict=True)]
    assert told == [
        (5, True), (6, True), (6, False), (5, False), (7, True), (7, False), (6, False), (7, False), (5, True),
        (5, False), (7, False),
    ]  # fmt: skip
    assert (found.noun, found.unit, found.name) == ("address", "word", "p")
    assert found.distances is not None and found.distances.tolist() == [3, 3, 3]


def test_values_are_numbered_by_their_writes() -> None:
    found = scalar_accesses(parse("recv 1;recv 90;add 1,1,90;send 1"), values=True)
    assert found.items.tolist() == [0, 1, 0, 1, 2, 2]
    assert found.distances is not None and found.distances.tolist() == [1, 10, 1]
    unwritten = by_value(Accesses(np.array([0, 0, 1, 0]), np.array([False, True, False, False]), np.array([3, 4])))
    assert unwritten.items.tolist() == [0, 1, 2, 1]
    assert unwritten.weights.tolist() == [3, 3, 4]


def test_addresses_beyond_int64() -> None:
    program = parse(f"{10**40};copy 1,{10**40};1")
    found = diagnose(scalar_accesses(program))
    assert found.cost == 10**20 + 1 == dally1.score(program).cost
    assert found.to_json()["distances"]["cost"] == [1, 10**20]


def test_a_great_distance_read_often_is_exact() -> None:
    far = 4**30
    text = write([far], [("copy", 1, far)] * 40, [1])
    assert diagnose(scalar_accesses(parse(text))).cost == 40 * 2**30 + 1
    wide = Accesses(np.zeros(9, np.int64), np.zeros(9, np.bool_), np.ones(1, np.int64), np.array([2**61]))
    assert diagnose(wide).cost == 9 * 2**61


def test_tiling_moves_reads_nearer() -> None:
    plain, cut = (diagnose(scalar_accesses(parse(text))) for text in (naive(16), tiled(16, 4)))
    assert (plain.cost, cut.cost) == (340_704, 133_783)
    assert cut.miss_ratio(64) < plain.miss_ratio(64)


def test_json_is_whole() -> None:
    import json

    found = diagnose(scalar_accesses(parse(naive(4)), name="naive"))
    read = json.loads(json.dumps(found.to_json()))
    assert read["cost"] == 1_316 and read["name"] == "naive"
    assert sum(read["distances"]["cost"]) == 1_316
    assert sum(read["reuse"]["accesses"]) + read["cold"] == read["accesses"] == read["reads"] + read["writes"]


def test_mistakes() -> None:
    one = np.zeros(1, np.int64)
    with pytest.raises(ProgramError, match="address 3 is read but nothing was written"):
        scalar_accesses(parse("1;copy 2,3;2"))
    with pytest.raises(MemsimError, match="there are no accesses"):
        diagnose(Accesses(one[:0], one[:0] > 0, one[:0]))
    with pytest.raises(MemsimError, match="items are numbered 0 to 0, and there are 0 weights"):
        Accesses(one, one > 0, one[:0])
    with pytest.raises(MemsimError, match="an item of 0 words"):
        Accesses(one, one > 0, one)
    with pytest.raises(MemsimError, match="1 items and 0 marks"):
        Accesses(one, one[:0] > 0, one + 1)
    with pytest.raises(MemsimError, match="2 distances for 1 items"):
        Accesses(one, one > 0, one + 1, np.ones(2, np.int64))
    with pytest.raises(MemsimError, match="too much to add up"):
        diagnose(Accesses(one, one > 0, one + 2**62))
    with pytest.raises(MemsimError, match="give them distances"):
        diagnose(Accesses(one, one > 0, one + 2**40))
    with pytest.raises(MemsimError, match="a capacity of -1"):
        diagnose(Accesses(one, one > 0, one + 1)).miss_ratio(-1)


def test_too_many_accesses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memsim.locality.accesses.MOST_ACCESSES", 383)
    with pytest.raises(MemsimError, match="384 accesses, and at most 383 can be listed"):
        scalar_accesses(parse(naive(4)))
