"""The Sutro Group's numbers for Model 3, restated from their public rules of autumn 2026, and a naive scorer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.locality.scalar.text import parse as parse_scalar
from memsim.locality.spatial import PUBLISHED, nearest_cells, parse, score, score_scalar, simulate
from tests.locality.products import naive, naive_on_tape
from tests.locality.spatial.programs import SMALL, Step, cells_of, priced, program_of, steps

WHOLE_EXAMPLE = "word a 64:0; word b 64:0 in 0,1; recv a; copy b,a; core 0,1; send b"

VECTORS = {
    "set 64:0,1": (128, 1),
    "recv 64:0": (192, 2),
    "core 0,1; recv 64:128": (320, 3),
    "input 64:0; copy 64:128,64:0": (512, 4),
    "core 0,1; input 64:128; send 64:128": (320, 3),
    WHOLE_EXAMPLE: (1_024, 9),
    "word a 64:0 in 249,124; core 249,124; recv a": (16_064, 126),
    "word a 0:64 in 7,124; input a; core 7,124; send a": (16_064, 126),
}


@pytest.mark.parametrize(("text", "expected"), VECTORS.items())
def test_published_numbers(text: str, expected: tuple[int, int]) -> None:
    found = score(parse(text))
    assert (found.cost, found.details["cycles"], found.details["time_ns"]) == (*expected, expected[1])
    assert (found.model, found.dialect, found.version, found.unit) == ("dally3", "serial", "v4", "fJ")


@pytest.mark.parametrize("engine", ["fast", "simpy"])
@pytest.mark.parametrize(("text", "expected"), VECTORS.items())
def test_the_engines_give_the_published_numbers(text: str, expected: tuple[int, int], engine: str) -> None:
    result = simulate(parse(text), engine=engine)
    assert (result.energy_fj, result.makespan, result.time_ns) == (*expected, expected[1])


@given(steps())
def test_the_score_is_that_of_the_formulas(found: list[Step]) -> None:
    result = score(program_of(found), SMALL)
    assert (result.cost, result.details["cycles"]) == priced(found, SMALL)
    sources = sum(len(cells_of(step)) - (step[1] != "send") for step in found)
    assert (result.reads, result.writes) == (sources, sum(step[1] != "send" for step in found))
    counts = [result.details[kind] for kind in ("local", "remote_reads", "remote_writes", "recv", "send")]
    assert sum(counts) == result.reads + result.writes
    assert counts[3:] == [sum(s[1] == name for s in found) for name in ("recv", "send")]


# One tile -------------------------------------------------------------------------------------------------------------


def test_addresses_fill_the_tile_from_the_core_outwards() -> None:
    cells = [tuple(cell) for cell in nearest_cells().tolist()]
    every = {(u, v) for u in range(128) for v in range(128)}
    assert set(cells) == every - {(u, v) for u in range(32, 96) for v in range(32, 96)}
    keys = [(abs(u - 64) + abs(v - 64), v, u) for u, v in cells]
    assert keys == sorted(keys)
    assert cells[:3] == [(96, 64), (64, 96), (64, 31)]


def one_tile(text: str) -> tuple[int, int]:
    """Energy and cycles, address by address."""
    cells = sorted(
        (abs(u - 64) + abs(v - 64), v, u)
        for u in range(128)
        for v in range(128)
        if not (32 <= u <= 95 and 32 <= v <= 95)
    )
    energy = cycles = 0
    for line in text.split("\n"):
        name, _, rest = line.partition(" ")
        if not rest:
            continue
        addresses = [int(word) for word in rest.split(",")]
        addresses = addresses if name != "set" else addresses[:1]
        energy += sum(2 * cells[a - 1][0] for a in addresses) + (64 if name in ("recv", "send") else 0)
        cycles += 2 if name in ("recv", "send") else len(addresses)
    return energy, cycles


@pytest.mark.parametrize("n", [1, 2, 4, 8])
@pytest.mark.parametrize("make", [naive, naive_on_tape])
def test_products_on_one_tile(make: object, n: int) -> None:
    text = make(n)  # type: ignore[operator]
    found = score_scalar(parse_scalar(text))
    assert (found.cost, found.details["cycles"]) == one_tile(text)


def test_lists_of_inputs_and_outputs_are_free() -> None:
    assert score_scalar(parse_scalar("1;copy 2,1;2")).details["cycles"] == 2
    assert score_scalar(parse_scalar("recv 1;copy 2,1;send 2")).details["cycles"] == 6


@given(st.lists(st.integers(1, 12_288), min_size=1, max_size=5, unique=True))
def test_the_last_address_of_a_tile_is_12288(addresses: list[int]) -> None:
    text = "\n".join(f"set {a},1" for a in addresses)
    found = score_scalar(parse_scalar(f"9\n{text}\n9"))
    assert found.cost == one_tile(text)[0]
    with pytest.raises(ProgramError, match=r"address 12289 does not fit on a tile of 12,288 words"):
        score_scalar(parse_scalar(f"1\n{text}\nset 12289,1\n1"))


def test_the_furthest_word_of_a_tile() -> None:
    assert nearest_cells(PUBLISHED)[-1].tolist() == [0, 0]
    assert np.abs(nearest_cells() - 64).sum(axis=1).max() == 128
