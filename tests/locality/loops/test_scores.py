"""Scores without execution are those of the unrolled program, and of formulas where it cannot be unrolled."""

from __future__ import annotations

import time
from dataclasses import replace
from math import isqrt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.locality.loops import (
    LoopProgram,
    access_counts,
    loop,
    naive_matmul,
    nearest_neighbour,
    op,
    program,
    ref,
    region,
    score,
    sums,
    tiled_matmul,
    unroll,
)
from memsim.locality.loops.boxes import Box, merged, normal
from memsim.locality.loops.sums import Rate, cheapest, total
from memsim.locality.scalar import dally1, dally2
from memsim.locality.scalar.instructions import Op
from memsim.locality.scalar.text import parse as parse_scalar
from tests.locality.loops.drawn import programs, steps
from tests.locality.products import naive, naive_on_tape, tiled

# The Sutro Group's published numbers, restated from their public rules and tools of autumn 2026.
NAIVE = {1: 5, 2: 84, 3: 429, 4: 1_316, 8: 21_224, 16: 340_704, 32: 5_459_328}
TILED = {(4, 2): 1_296, (8, 2): 11_866, (8, 4): 15_195, (16, 4): 133_783}
ON_TAPE = {2: (1_800, 9_000), 4: (16_800, 84_000), 8: (144_000, 720_000), 16: (1_253_468, 5_952_000)}


@pytest.mark.parametrize(("n", "cost"), NAIVE.items())
def test_naive_matrix_products(n: int, cost: int) -> None:
    assert score(naive_matmul(n), "dally1").cost == cost


@pytest.mark.parametrize(("sizes", "cost"), TILED.items())
def test_tiled_matrix_products(sizes: tuple[int, int], cost: int) -> None:
    assert score(tiled_matmul(*sizes), "dally1").cost == cost


@pytest.mark.parametrize(("n", "expected"), ON_TAPE.items())
def test_products_on_the_tape_machine(n: int, expected: tuple[int, int]) -> None:
    found = score(naive_matmul(n, tape=True))
    assert (found.cost, found.details["ticks"]) == expected


def test_nearest_neighbour() -> None:
    found = score(nearest_neighbour(2, 2, 1))
    assert (found.cost, found.details["ticks"]) == (3_500, 17_500)


def test_nearest_neighbour_with_22_million_reads() -> None:
    large = nearest_neighbour(600, 600, 9)
    score(large)
    before = time.perf_counter()
    found = score(large)
    assert time.perf_counter() - before < 0.1
    assert large.words == 6_014
    assert large.instructions == 11_171_400
    assert found.reads + found.writes == 33_475_800


@pytest.mark.parametrize("n", [1, 2, 5])
def test_loops_unroll_to_the_published_order(n: int) -> None:
    assert str(unroll(naive_matmul(n))) == str(parse_scalar(naive(n)))
    assert str(unroll(naive_matmul(n, tape=True))) == str(parse_scalar(naive_on_tape(n)))


@pytest.mark.parametrize("sizes", [(4, 1), (4, 2), (6, 3), (4, 4)])
def test_tiles_unroll_to_the_published_order(sizes: tuple[int, int]) -> None:
    assert str(unroll(tiled_matmul(*sizes))) == str(parse_scalar(tiled(*sizes)))


@given(programs())
def test_unrolling_is_running_the_loops(program: LoopProgram) -> None:
    straight = unroll(program)
    want = [(s.operation.op, s.dst, s.src) for s in steps(program)]
    assert program.instructions == len(straight) == len(want)
    addresses = straight.addresses.tolist()
    for i, (code, dst, src) in enumerate(want):
        slots = straight.operands[i].tolist()
        assert straight.ops[i] == code
        assert [addresses[slot] for slot in slots if slot >= 0] == [*([] if dst is None else [dst]), *src]
    inputs = [
        a for r in program.regions if r.is_input for a in range(program.bases[r.name], program.bases[r.name] + r.words)
    ]
    assert [addresses[slot] for slot in straight.inputs] == inputs


@given(programs())
def test_model_2_equals_the_unrolled_program(program: LoopProgram) -> None:
    assert replace(score(program), engine="count") == dally2.score(unroll(program))


@given(programs(versions=3))
def test_model_1_equals_the_unrolled_program(program: LoopProgram) -> None:
    assert replace(score(program, "dally1"), engine="count") == dally1.score(unroll(program))


@given(programs(far=False))
def test_counts_by_address(program: LoopProgram) -> None:
    reads, writes = access_counts(program)
    want = {"read": np.zeros(len(reads), np.int64), "write": np.zeros(len(writes), np.int64)}
    for step in steps(program):
        for address in step.src if step.operation.op is not Op.SEND else ():
            want["read"][address] += 1
        if step.dst is not None and step.operation.op is not Op.RECV:
            want["write"][step.dst] += 1
    assert (reads == want["read"]).all() and (writes == want["write"]).all()


def test_counts_of_a_product() -> None:
    n = 64
    reads, writes = access_counts(naive_matmul(n), "dally1")
    assert len(reads) == 3 * n * n + 2
    assert set(reads[1 : 2 * n * n + 1]) == {n}
    assert set(reads[2 * n * n + 1 : -1]) == set(writes[2 * n * n + 1 : -1]) == {n}
    assert reads[-1] == writes[-1] == n * n * (n - 1)
    assert reads.sum() == score(naive_matmul(n), "dally1").reads
    with pytest.raises(ProgramError, match="addresses up to 201,326,593 are more than the 16,777,216 of a histogram"):
        access_counts(naive_matmul(8192))


# Sums over boxes ----------------------------------------------------------------------------------------------------

RATES = (Rate(1, 1), Rate(50, 2), Rate(250, 4), Rate(250, 2))
dimensions = st.lists(st.tuples(st.integers(-12, 12), st.integers(0, 7)), max_size=5)


def points(base: int, dims: list[tuple[int, int]]) -> list[int]:
    found = [base]
    for stride, extent in dims:
        found = [point + stride * k for point in found for k in range(extent)]
    return found


def cost(rate: Rate, address: int) -> int:
    return max(rate.floor, rate.slope * (isqrt(address - 1) + 1))


@given(dimensions, st.integers(500, 5_000))
@example([(1, 5), (1, 5)], 600)
@example([(2, 5), (1, 3)], 3_900)
def test_normal_boxes_hold_the_same_addresses(dims: list[tuple[int, int]], base: int) -> None:
    box = normal(base, dims)
    again = points(box.base, list(box.dims))
    assert sorted(again * box.repeats) == sorted(points(base, dims))
    assert box.last == max(again)
    assert all(stride > 0 and extent > 1 for stride, extent in box.dims)


def test_dimensions_that_continue_each_other_are_one() -> None:
    assert merged([(64, 4), (1, 8), (8, 8)]) == ((1, 256),)
    assert merged([(1, 3), (1, 4), (4, 5)]) == ((1, 3), (1, 20))


@given(dimensions, st.integers(500, 70_000), st.sampled_from(RATES), st.booleans())
def test_sums_over_boxes(dims: list[tuple[int, int]], base: int, rate: Rate, compiled: bool) -> None:
    want = sum(cost(rate, address) for address in points(base, dims))
    box = normal(base, dims)
    assert total(box, rate) == want
    if compiled and box.dims:
        ways = [*range(len(box.dims)), -1]
        assert {box.repeats * sums._compiled(box, way, rate) for way in ways} == {want}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("base", "dims"),
    [
        (1, ((1, 300_000),)),
        (7, ((977, 4_000),)),
        (10**9, ((3, 100_000),)),
        (123, ((1, 1_000), (1, 900))),
        (50, ((2, 300), (3, 200), (7, 20))),
        (99, ((1, 40), (4_096, 300), (12_345, 17))),
    ],
)
def test_large_sums_against_numpy(base: int, dims: tuple[tuple[int, int], ...], rate: Rate) -> None:
    addresses = np.array([base], np.int64)
    for stride, extent in dims:
        addresses = (addresses[:, None] + stride * np.arange(extent)).reshape(-1)
    shells = np.array(np.ceil(np.sqrt(addresses.astype(np.float64))), np.int64)  # exact: far below 2^52
    want = np.maximum(rate.floor, rate.slope * shells).sum()
    assert total(Box(base, dims), rate) == want


def test_overlapping_strides_become_a_histogram() -> None:
    box = Box(1, ((2, 30_000), (3, 30_000), (5, 30_000)))
    assert cheapest(box, Rate(1, 1)).row == -1
    small = Box(1, ((2, 30), (3, 30), (5, 30)))
    assert total(small, Rate(1, 1)) == sum(cost(Rate(1, 1), a) for a in points(1, list(small.dims)))
    assert 27 * 10**12 < total(box, Rate(1, 1)) < 27 * 10**12 * cost(Rate(1, 1), box.last)


def test_sums_beyond_64_bits_are_exact() -> None:
    box = Box(10**17, ((1, 10**9), (10**12, 50)))
    want = sum(
        Rate(50, 2).upto(10**17 + 10**12 * k + 10**9 - 1) - Rate(50, 2).upto(10**17 + 10**12 * k - 1) for k in range(50)
    )
    assert total(box, Rate(50, 2)) == want
    many = Box(10**15, ((1, 10**6), (10**9, 20_000)))  # compiled code cannot hold it
    row = [Rate(1, 1).row(10**15 + 10**9 * k, 1, 10**6) for k in range(20_000)]
    assert total(many, Rate(1, 1)) == sum(row) > 2**53


def test_too_many_pieces_are_refused() -> None:
    with pytest.raises(ProgramError, match=r"takes 400,000,000 pieces; the most is 200,000,000"):
        total(Box(1, ((1, 10), (1_001, 20_000), (1_013, 20_000))), Rate(50, 2))
    with pytest.raises(ProgramError, match=r"1,000,000,000,000 pieces; the most is 1,000,000, since .* 64 bits"):
        total(Box(1, ((1, 10**6), (10**7 + 1, 10**6), (10**9 + 3, 10**6))), Rate(1, 1))


# Large counts against formulas --------------------------------------------------------------------------------------


def shells_upto(x: int) -> int:
    """The README's prefix sum: q(q+1)(4q-1)/6 + (x-q^2)(q+1)."""
    q = isqrt(x)
    return q * (q + 1) * (4 * q - 1) // 6 + (x - q * q) * (q + 1)


def naive_cost(n: int) -> int:
    """Each word of A and B is read n times; C is read n - 1 times and once as output, t once for each later product."""
    square = n * n
    a, b = shells_upto(square), shells_upto(2 * square) - shells_upto(square)
    c = shells_upto(3 * square) - shells_upto(2 * square)
    t = isqrt(3 * square) + 1
    return n * (a + b) + (n - 1) * c + c + square * (n - 1) * t


@pytest.mark.parametrize("n", [4, 32, 512, 8192])
def test_naive_products_of_any_size(n: int) -> None:
    assert score(naive_matmul(n), "dally1").cost == naive_cost(n)


def tiled_cost(n: int, t: int) -> int:
    """The same in tiles; t - 1 additions read sC and t in the first step, then t of each step, and copies read once."""

    def block(first: int, last: int) -> int:
        return shells_upto(last) - shells_upto(first - 1)

    steps, near, square = n // t, t * t, n * n
    sa, sb, sc = block(1, near), block(near + 1, 2 * near), block(2 * near + 1, 3 * near)
    tmp = isqrt(3 * near) + 1
    bulk = 3 * near + 1
    a, b = block(bulk + 1, bulk + square), block(bulk + square + 1, bulk + 2 * square)
    c = block(bulk + 2 * square + 1, bulk + 3 * square)
    reads_of_sc = steps**2 * (steps * t - 1) * sc + steps**2 * sc
    return steps * (a + b) + steps**3 * t * (sa + sb) + reads_of_sc + n**3 * tmp + c


@pytest.mark.parametrize("sizes", [*TILED, (8192, 8), (8192, 32), (8192, 128)])
def test_tiled_products_of_any_size(sizes: tuple[int, int]) -> None:
    program = tiled_matmul(*sizes)
    before = time.perf_counter()
    found = score(program, "dally1")
    assert time.perf_counter() - before < 1 or sizes[1] == 8  # which may compile first
    assert found.cost == tiled_cost(*sizes)


def test_trip_counts_of_any_size() -> None:
    n = 10**30
    body = [op("recv", "x"), loop("i", n, [loop("j", n, [op("add", "x", "x", "x")])])]
    found = score(program([region("x", 1)], body))
    assert found.cost == 150 * n * n
    assert (found.reads, found.writes) == (2 * n * n, n * n)
    assert found.details["ticks"] == 750 * n * n


def test_a_convolution() -> None:
    n, k = 10**6, 5
    body = [
        loop("i", n, [op("set", ref("y", i=1), 0), loop("k", k, [op("add", ref("y", i=1), ref("x", i=1, k=1))])]),
    ]
    found = score(program([region("x", n + k - 1, "input"), region("y", n, "output")], body), machine=None)
    shift = [shells_upto(n + i) - shells_upto(i) for i in range(k)]
    energy = 2 * sum(shift)
    low = [sum(max(0, 50 - 2 * (isqrt(a - 1) + 1)) for a in range(1 + i, 700)) for i in range(k)]
    writes = shells_upto(2 * n + k - 1) - shells_upto(n + k - 1)
    assert found.cost == energy + sum(low) + 2 * writes * (1 + 2 * k)


# What cannot be scored ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        ([op("recv", "x")], {"model": "dally1"}, r"body\[0\]: machine int8 has no `recv`: its instruction set is v3"),
        ([op("set", "x", 300)], {"model": "dally1"}, r"body\[0\]: `set` to 300 on machine int8"),
        ([op("set", "x", 3)], {"model": "dally1", "machine": "matmul"}, "machine matmul has no `set`"),
        ([op("set", "x", 3)], {"model": "dally1", "machine": "fp32"}, "there is no machine 'fp32'"),
        ([op("set", "x", 3)], {"machine": "int8"}, "model dally2 has no machines"),
        ([op("set", "x", 3)], {"model": "dally3"}, "there is no model 'dally3'"),
        ([op("send", "x")], {}, r"body\[0\].src\[0\]: `x` \(address 1\) is read but nothing was written to it"),
        (
            [loop("i", 3 * 10**6, [op("set", "x", 3)])],
            {"model": "dally1"},
            "3,000,000 instructions are more than machine int8 takes",
        ),
    ],
)
def test_what_a_model_cannot_run(body: list, options: dict, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        score(program([region("x", 1)], body), **options)


def test_words_beyond_the_grid() -> None:
    far = program([region("x", 1, base=16_000**2 + 1)], [op("set", "x", 1)])
    with pytest.raises(ProgramError, match="address 256000001 lies beyond the grid of 16,000 um"):
        score(far)
    with pytest.raises(ProgramError, match="address 256000001 lies beyond the grid of 16,000 um"):
        dally2.score(unroll(far))
    unused = program([region("x", 16_000**2 + 1)], [op("set", "x", 1)])
    assert score(unused).cost == 50


def test_unrolling_too_much_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"unrolls to 268,173,312 instructions, and the most is 20,000,000"):
        unroll(naive_matmul(512))
