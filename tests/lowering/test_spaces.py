import itertools

import pytest

from memsim.isa import Expr, ProgramBuilder, var
from memsim.lowering.spaces import Access, Along, Tiling, aligned, digits, repeat, turns


@pytest.mark.parametrize("counts", [(3, 4, 5), (1, 7), (1,), (2, 1, 3), (4, 1), (1, 1)])
def test_digits_count_through_a_box(counts):
    place = digits(var("t"), counts)
    total = len([*itertools.product(*map(range, counts))])
    found = [tuple(digit.evaluate({"t": t}) for digit in place) for t in range(total)]
    assert found == [*itertools.product(*map(range, counts))]


@pytest.mark.parametrize(("total", "workers"), [(10, 4), (4, 4), (3, 3), (100, 7), (1, 1)])
def test_turns_deal_every_tile_once(total, workers):
    count = turns(total, workers, var("w"))
    dealt = [t * workers + w for w in range(workers) for t in range(count.evaluate({"w": w}))]
    assert sorted(dealt) == [*range(total)]


@pytest.mark.parametrize(("shape", "sizes"), [((10, 7), (3, 4)), ((5,), (5,)), ((2, 3, 4), (1, 2, 4))])
def test_tiles_cover_a_space_once(shape, sizes):
    tiling = Tiling(shape, sizes)
    starts = tiling.starts(var("t"))
    covered = []
    for t in range(tiling.total):
        first = [start.evaluate({"t": t}) for start in starts]
        box = [range(a, min(a + s, n)) for a, s, n in zip(first, sizes, shape, strict=True)]
        covered += [*itertools.product(*box)]
    assert sorted(covered) == [*itertools.product(*map(range, shape))]


def tensor(*shape):
    return ProgramBuilder("p").tensor("T", "bf16", shape)


def region(access, starts, sizes):
    found = access.region([Expr(s) for s in starts], sizes)
    return [s.const for s in found.starts], found.sizes


def test_an_access_broadcasts_dimensions_of_size_one():
    access = aligned(tensor(1, 20), (0, 1))
    assert access.tile_shape((8, 10), 2) == (1, 10)
    assert region(access, (16, 10), (8, 10)) == ([0, 10], (1, 10))


def test_an_access_of_fewer_dimensions():
    access = aligned(tensor(20), (1,))
    assert access.span == {1}
    assert region(access, (3, 10), (8, 10)) == ([10], (10,))


def test_a_swapped_access_transposes_unless_a_side_is_one():
    access = aligned(tensor(20, 30), (1, 0))
    assert access.is_swapped((8, 10))
    assert not access.is_swapped((1, 10))
    assert region(access, (8, 10), (4, 5)) == ([10, 8], (5, 4))


def test_heads_side_by_side():
    access = Access(tensor(20, 4 * 16), (Along(1), Along(2, head=0, group=2, width=16)))
    assert region(access, (5, 8, 0), (1, 4, 16)) == ([8, 2 * 16], (4, 16))
    assert access.span == {1, 2}


def test_tiles_that_may_leave_the_tensor_are_clipped():
    access = aligned(tensor(20, 30), (0, 1))
    assert not access.may_leave((10, 15))
    assert access.may_leave((8, 15))


def test_a_loop_that_runs_once_is_left_out():
    program = ProgramBuilder("p")
    with program.kernel("k", grid={"x": 1}) as kernel, kernel.queue("q"):
        with repeat(kernel, "i", 1) as once:
            assert once == Expr(0)
        with repeat(kernel, "i", 2) as twice:
            assert twice == var("i")
