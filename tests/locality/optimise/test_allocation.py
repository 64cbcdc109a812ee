"""Addresses of values: no conflicts, the same meaning, never dearer, and beside the optimum where it can be had."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.locality.optimise.bound import allocation_bound, most_reads
from memsim.locality.optimise.colouring import allocate, cost_of, layered_cost
from memsim.locality.optimise.polish import polish
from memsim.locality.optimise.reallocate import cost_by_kind, placed, reallocate
from memsim.locality.optimise.values import Lives, lives_of, program_of, values_of
from memsim.locality.scalar import dally1
from memsim.locality.scalar.execute import execute
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.scalar.symbolic import prove_product
from memsim.locality.scalar.text import parse
from tests.locality.optimise.random_programs import V0, V3, random_program
from tests.locality.products import naive, tiled

seeds = st.integers(0, 2**32)


def conflicts(lives: Lives, addresses: np.ndarray) -> int:
    """Pairs of values that are held at the same address at the same time, by comparing all pairs."""
    n, found = len(lives), 0
    for v, w in product(range(n), range(n)):
        meet = max(lives.start[v], lives.start[w]) < min(lives.end[v], lives.end[w])
        found += v < w and addresses[v] == addresses[w] and bool(meet)
    return found


def optimum(lives: Lives) -> int:
    """The least cost of any addresses, by trying all of them; no value needs one beyond their number."""
    n = len(lives)
    clash = [
        [w for w in range(v) if max(lives.start[v], lives.start[w]) < min(lives.end[v], lives.end[w])] for v in range(n)
    ]
    price = [int(np.ceil(np.sqrt(a))) for a in range(1, n + 1)]

    def best(v: int, given: tuple[int, ...]) -> int:
        if v == n:
            return 0
        free = set(range(n)) - {given[w] for w in clash[v]}
        return min(int(lives.reads[v]) * price[a] + best(v + 1, (*given, a)) for a in free)

    return best(0, ())


def agree(first: ScalarProgram, second: ScalarProgram, seed: int) -> bool:
    inputs = np.random.default_rng(seed).integers(-128, 128, (8, len(first.inputs)))
    return bool(np.array_equal(execute(first, inputs, "int8"), execute(second, inputs, "int8")))


@given(seeds, st.integers(1, 9), st.integers(0, 60))
def test_new_addresses_keep_the_meaning_and_cost_no_more(seed: int, inputs: int, count: int) -> None:
    program = random_program(seed, inputs, count, V3)
    after = reallocate(program)
    assert dally1.score(after).cost <= dally1.score(program).cost
    assert agree(program, after, seed)
    assert agree(program, placed(values_of(program)), seed)


@given(seeds, st.integers(1, 6), st.integers(0, 40))
def test_no_two_values_share_an_address_at_a_time(seed: int, inputs: int, count: int) -> None:
    lives = lives_of(values_of(random_program(seed, inputs, count)))
    first = allocate(lives)
    second = polish(lives, first, 50, seed % 1000)
    assert conflicts(lives, first) == conflicts(lives, second) == 0
    assert allocation_bound(lives) <= cost_of(lives, second) <= cost_of(lives, first)


@settings(max_examples=40)
@given(seeds, st.integers(1, 3), st.integers(1, 4))
def test_tiny_programs_beside_the_optimum(seed: int, inputs: int, count: int) -> None:
    lives = lives_of(values_of(random_program(seed, inputs, count, V0, 6)))
    addresses = allocate(lives)
    least = optimum(lives)
    assert allocation_bound(lives) <= least <= cost_of(lives, addresses)
    assert cost_of(lives, addresses) <= 1.2 * least
    if addresses.max() == 4:  # all of them at once: the exchange is exact
        assert cost_of(lives, polish(lives, addresses, 1)) == least


def test_an_exchange_finds_what_layers_miss() -> None:
    found = []
    for seed in range(300):
        lives = lives_of(values_of(random_program(seed, 4, 40, V0, 8)))
        addresses = allocate(lives)
        found.append(cost_of(lives, addresses) - cost_of(lives, polish(lives, addresses, 100)))
    assert min(found) >= 0
    assert max(found) > 0


@given(seeds, st.integers(1, 9), st.integers(0, 80))
def test_cost_without_addresses_is_the_cost_with_them(seed: int, inputs: int, count: int) -> None:
    lives = lives_of(values_of(random_program(seed, inputs, count)))
    order = np.argsort(lives.end, kind="stable")
    columns = [column[order] for column in (lives.start, lives.end, lives.reads)]
    unknown = np.zeros((2, 1), np.int64)
    cost = cost_of(lives, allocate(lives))
    assert layered_cost(*(c.copy() for c in columns), unknown, unknown.copy(), 2**40) == cost
    profile = np.zeros((2, 64), np.int64)
    layered_cost(*(c.copy() for c in columns), unknown, profile, 2**40)
    again = layered_cost(*(c.copy() for c in columns), profile, profile.copy(), cost)
    assert again == cost, "with its own costs as those of a similar one, nothing ends early"


@given(seeds, st.integers(1, 9), st.integers(0, 60))
def test_cost_by_kind_adds_up(seed: int, inputs: int, count: int) -> None:
    program = random_program(seed, inputs, count, V3)
    assert sum(cost_by_kind(program).values()) == dally1.score(program).cost


def test_kinds_of_a_product() -> None:
    program = parse("9,16,4;copy 1,9;mul 2,1,16;mul 3,1,4;add 2,2,3;2")
    kinds = cost_by_kind(program, ("A", "B", "B"))
    assert kinds == {"A": 3, "copies of A": 2, "B": 6, "products": 4, "outputs": 2}


@pytest.mark.parametrize(("text", "before", "after"), [(naive(4), 1_316, 787), (naive(16), 340_704, 142_879)])
def test_naive_products_with_better_addresses(text: str, before: int, after: int) -> None:
    program = parse(text)
    better = reallocate(program)
    assert dally1.score(program).cost == before
    assert dally1.score(better).cost <= after
    assert prove_product(better).holds
    assert allocation_bound(lives_of(values_of(program))) <= dally1.score(better).cost


def test_a_program_that_is_as_cheap_as_can_be_stays_itself() -> None:
    program = parse("1,2;mul 3,1,2;3")
    best = reallocate(program)
    assert dally1.score(best).cost == 1 + 2 + 1
    assert reallocate(best) is best


def test_the_program_of_its_own_addresses_is_the_program() -> None:
    program = parse(tiled(4, 2))
    schedule = values_of(program)
    written = program.operands[:, 0]
    own = np.concatenate((program.addresses[program.inputs], program.addresses[written]))
    assert str(program_of(schedule, own)) == str(program)


def test_programs_that_cannot_be_priced_are_errors() -> None:
    with pytest.raises(ProgramError, match="tape"):
        reallocate(parse("recv 1;add 2,1,1;send 2"))
    with pytest.raises(ProgramError, match="nothing was written"):
        reallocate(parse("1;add 2,1,3;2"))


def test_most_reads_of_one_address_by_hand() -> None:
    lives = Lives(np.array([-1, -1, 1]), np.array([2, 1, 4]), np.array([5, 3, 4]))
    assert most_reads(lives).tolist() == [0, 7, 12], "the second and third follow each other; both with the first"
