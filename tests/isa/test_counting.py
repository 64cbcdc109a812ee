import time

import numpy as np
import pytest
from hypothesis import assume, given, settings

from memsim.errors import ProgramError
from memsim.isa import counting
from memsim.isa.counting import first_positive, magnitude, points_of, ranges_of, sum_over
from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.rewriting import clipped_size
from tests.isa.nests import enumerated, iterations, nests, quasi_affine, sums

k, x, y, z = (var(name) for name in "kxyz")
HUGE = 10**12


@pytest.fixture
def closed_form(monkeypatch):
    """Leave only the closed form, even where listing every iteration would be quicker."""
    monkeypatch.setattr(counting, "_FEW_POINTS", 0)

    def refuse(*_):
        raise AssertionError("enumerated")

    monkeypatch.setattr(counting, "points_of", refuse)


# ---- against enumeration ----


@settings(max_examples=600)
@given(sums())
def test_sums_in_closed_form_are_those_of_enumeration(given_sum):
    loops, factors = given_sum
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_FEW_POINTS", 0)
        patch.setattr(counting, "_MAX_SAMPLES", 10**9)
        patch.setattr(counting, "points_of", None)  # calling it would fail
        assert sum_over(loops, factors) == enumerated(loops, factors)


@given(sums())
def test_sums_as_used_are_those_of_enumeration(given_sum):
    loops, factors = given_sum
    assert sum_over(loops, factors) == enumerated(loops, factors)


@given(nests(most=(30, 9, 5)))
def test_points_are_the_iterations_in_order(loops):
    points = {name: values.tolist() for name, values in points_of(loops).items()}
    rows = zip(*points.values(), strict=True)
    assert [dict(zip(points, row, strict=True)) for row in rows] == list(iterations(loops))


@given(nests())
def test_ranges_hold_every_iteration(loops):
    ranges = ranges_of(loops)
    for env in iterations(loops):
        assert ranges is not None
        assert all(low <= env[name] <= high for name, (low, high) in ranges.items())


@settings(max_examples=300)
@given(nests(most=(60, 12, 6)), quasi_affine(("x",)), quasi_affine(("x", "y", "z")))
def test_first_positive_is_the_first_iteration_that_breaks_a_rule(loops, of_one, of_all):
    names = {name for name, _ in loops}
    e = of_all if of_all.variables() <= names else of_one
    found = first_positive(loops, e)
    assert found == next((env for env in iterations(loops) if e.evaluate(env) > 0), None)


@given(nests(most=(20, 6, 4)), quasi_affine(("x",)))
def test_magnitude_bounds_every_value(loops, e):
    ranges = ranges_of(loops)
    assume(ranges is not None)
    bound = magnitude(e, ranges)
    assert all(abs(e.evaluate(env)) <= bound for env in iterations(loops))


# ---- known sums ----


@pytest.mark.parametrize(
    ("loops", "factors", "total"),
    [
        ([], [], 1),
        ([("k", Expr(HUGE))], [], HUGE),
        ([("k", Expr(0)), ("x", Expr(HUGE))], [], 0),
        ([("k", Expr(-5))], [], 0),
        ([("y", Expr(HUGE)), ("k", y + 1)], [], HUGE * (HUGE + 1) // 2),
        ([("x", Expr(HUGE)), ("y", x), ("z", y)], [], HUGE * (HUGE - 1) * (HUGE - 2) // 6),
        ([("k", Expr(HUGE))], [k, k], (HUGE - 1) * HUGE * (2 * HUGE - 1) // 6),
        ([("k", Expr(HUGE))], [k % 7], HUGE // 7 * 21 + sum(range(HUGE % 7))),
        ([("k", Expr(HUGE))], [k // 4], 4 * (HUGE // 4) * (HUGE // 4 - 1) // 2),
        ([("k", Expr(HUGE))], [minimum(k, 3)], 3 * HUGE - 6),
        ([("k", Expr(HUGE))], [maximum(k - (HUGE - 3), 0)], 1 + 2),
        ([("k", Expr(HUGE))], [clipped_size(k * 64, 64, 1, 64 * HUGE - 13)], 64 * HUGE - 13),
        ([("y", Expr(HUGE)), ("k", minimum(y + 1, 8))], [], 8 * HUGE - 28),
        ([("k", Expr(2**62)), ("x", Expr(2**62))], [k], 2**62 * (2**62 * (2**62 - 1) // 2)),
    ],
)
def test_known_sums(loops, factors, total):
    assert sum_over(loops, factors) == total


def test_edge_tiles_of_two_dimensions_cover_the_tensor(closed_form):
    tiles = [clipped_size(y * 128, 128, 1, 128 * HUGE - 100), clipped_size(x * 64, 64, 1, 64 * HUGE - 1)]
    assert sum_over([("y", Expr(HUGE)), ("x", Expr(HUGE))], tiles) == (128 * HUGE - 100) * (64 * HUGE - 1)


def test_a_persistent_block_covers_every_tile(closed_form):
    """132 blocks deal 70 by 60 tiles between them; the last round is not full."""
    tile = var("t") * 132 + var("b")
    loops = [("b", Expr(132)), ("t", (70 * 60 + 131 - var("b")) // 132)]
    sizes = [clipped_size(tile // 60 * 128, 128, 1, 8900), clipped_size(tile % 60 * 64, 64, 1, 3800)]
    assert sum_over(loops, sizes) == 8900 * 3800


def test_a_triangle_of_clipped_tiles_is_quick():
    loops = [("y", Expr(HUGE)), ("k", y // 4 + 1)]
    factors = [clipped_size(y * 64, 64, 1, 64 * HUGE - 13), clipped_size(k * 128, 128, 1, 32 * HUGE - 1)]
    start = time.perf_counter()
    sum_over(loops, factors)
    assert time.perf_counter() - start < 0.5


def test_products_beyond_64_bits_are_exact_where_points_are_listed():
    big = 2**40
    assert sum_over([("k", Expr(3))], [k * big, k * big]) == 5 * big**2
    assert sum_over([("k", Expr(3))], [k * 2**70]) == 3 * 2**70


# ---- what cannot be counted ----


def test_an_intricate_nest_of_few_iterations_is_enumerated():
    e = k
    for divisor in (1009, 1013, 1019):
        e = e % divisor + k // divisor
    assert sum_over([("k", Expr(10**6))], [e]) == int(e.evaluate({"k": np.arange(10**6)}).sum())


def test_an_intricate_nest_of_many_iterations_is_refused_with_the_reason():
    with pytest.raises(ProgramError, match=r"^here: cannot count over k: .*periods too long.*10,000,000") as error:
        sum_over([("k", Expr(HUGE))], [k % 1_000_003], where="here")
    assert "smaller divisors" in error.value.mend


def test_points_beyond_the_limit_are_refused():
    assert points_of([("x", Expr(100)), ("y", Expr(100))], limit=9999) is None
    assert points_of([("x", Expr(HUGE)), ("y", x)], limit=9999) is None
    assert len(points_of([("x", Expr(100)), ("y", Expr(100))], limit=10_000)["x"]) == 10_000


def test_first_positive_finds_a_needle_among_many():
    loops = [("y", Expr(16)), ("k", Expr(HUGE))]
    assert first_positive(loops, y * HUGE + k - 5 * HUGE) == {"y": 5, "k": 1}
    assert first_positive(loops, k - HUGE + 1) is None
    assert first_positive([("k", Expr(0))], Expr(1)) is None
