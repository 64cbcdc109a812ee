"""The Sutro Group's published numbers for Models 1 and 2, restated from their public rules and tools of autumn 2026."""

from __future__ import annotations

import pytest

from memsim.locality.scalar import dally1, dally2
from memsim.locality.scalar.text import parse
from tests.locality.products import naive, naive_on_tape, tiled

MODEL_1 = {
    "1,2;mul 3,1,2;3": 5,
    "1,2,3,4,5;mul 1,1,2;mul 2,3,4;add 1,1,2;add 1,5;1": 15,
    "1;copy 2,1;2": 3,
    "7;7": 3,
    "1;add 1,1;add 1,1,1;1": 5,
    "10,11;add 2,10,11;2": 10,
    "1,2;sub 3,1,2;copy 100,3;3,100,100": 27,
    "10,11;set 1,7;add 2,10,11;xor 3,2,1;2,3": 15,
    "1,2,3,4;select 5,1,2,3;5": 8,
    "1,2;cmp 3,1,2,lt;3": 5,
    "1;set 2,200;add 3,1,2;2,3": 7,
}


@pytest.mark.parametrize(("text", "cost"), MODEL_1.items())
def test_small_programs(text: str, cost: int) -> None:
    assert dally1.score(parse(text)).cost == cost


NAIVE = {1: 5, 2: 84, 3: 429, 4: 1_316, 8: 21_224, 16: 340_704, 32: 5_459_328}


@pytest.mark.parametrize(("n", "cost"), NAIVE.items())
def test_naive_matrix_products(n: int, cost: int) -> None:
    assert dally1.score(parse(naive(n))).cost == cost


TILED = {(4, 2): 1_296, (8, 2): 11_866, (8, 4): 15_195, (16, 4): 133_783}


@pytest.mark.parametrize(("sizes", "cost"), TILED.items())
def test_tiled_matrix_products(sizes: tuple[int, int], cost: int) -> None:
    assert dally1.score(parse(tiled(*sizes))).cost == cost


ON_TAPE = {2: (1_800, 9_000), 4: (16_800, 84_000), 8: (144_000, 720_000), 16: (1_253_468, 5_952_000)}


@pytest.mark.parametrize(("n", "expected"), ON_TAPE.items())
def test_products_on_the_tape_machine(n: int, expected: tuple[int, int]) -> None:
    score = dally2.score(parse(naive_on_tape(n)))
    assert (score.cost, score.details["ticks"]) == expected


def test_published_example_of_the_tape_machine() -> None:
    cells = {1: (3, 4), 2: (0, 1), 3: (0, 100)}
    score = dally2.score(parse("recv 1;set 2,1;add 1,1,2;copy 3,1;send 3"), cells)
    assert (score.cost, score.details["time_ps"]) == (450, 300)
