"""The tasks: their instances are what they say, right programs are found right, and wrong ones wrong."""

from __future__ import annotations

from itertools import islice
from math import comb

import numpy as np
import pytest

from memsim.errors import ProgramError
from memsim.locality.challenges import CHALLENGES, CHUNK, SPARE_SAMPLES, Challenge, verify
from memsim.locality.scalar.text import parse
from tests.locality.products import naive, tiled


def test_the_table_is_complete_and_says_what_goes_in_and_out() -> None:
    names = {"matmul-4", "matmul-16", "symmetry-6", "symmetry-16", "parity-8-2", "parity-20-3", "parity-32-5"}
    assert set(CHALLENGES) == names
    for name, challenge in CHALLENGES.items():
        assert challenge.name == name
        assert "input" in challenge.description
        assert "output" in challenge.description
    published = {name: task.published for name, task in CHALLENGES.items() if task.published}
    assert published["matmul-4"] == "naive 1,316, best 667"
    assert published["matmul-16"] == "naive 340,704, best 63,290"
    assert published["parity-32-5"].startswith("best 382,794 (")
    assert len(published) == 3


def chunks(challenge: Challenge) -> list[tuple[np.ndarray, np.ndarray]]:  # type: ignore[type-arg]
    assert challenge.cases is not None
    return list(challenge.cases())


@pytest.mark.parametrize("name", ["symmetry-6", "symmetry-16"])
def test_symmetry_has_each_vector_once(name: str) -> None:
    challenge = CHALLENGES[name]
    cases = chunks(challenge)
    rows = {tuple(row) for inputs, _ in cases for row in inputs.tolist()}
    assert len(rows) == sum(len(inputs) for inputs, _ in cases) == challenge.instances == 2**challenge.inputs
    assert set(np.unique(cases[0][0])) == {0, 1}
    for inputs, wanted in cases:
        assert wanted.tolist() == [[int(row == row[::-1])] for row in inputs.tolist()]


def rank(rows: list[list[int]]) -> int:
    """Over GF(2), by elimination in the plainest way."""
    rows, found = [list(row) for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for i in range(found + 1, len(rows)):
            if rows[i][column]:
                rows[i] = [x ^ y for x, y in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


@pytest.mark.parametrize(("n", "k"), [(8, 2), (20, 3), (32, 5)])
def test_parity_has_each_mask_once_and_samples_that_determine_it(n: int, k: int) -> None:
    challenge = CHALLENGES[f"parity-{n}-{k}"]
    m = n + SPARE_SAMPLES
    assert challenge.cases is not None
    assert (challenge.inputs, challenge.outputs, challenge.instances) == (m * n + m, n, comb(n, k))
    cases = list(islice(challenge.cases(), 2))
    inputs, wanted = (np.concatenate(columns) for columns in zip(*cases, strict=True))
    assert len({tuple(mask) for mask in wanted.tolist()}) == len(wanted) == min(2 * CHUNK, comb(n, k))
    assert (wanted.sum(axis=1) == k).all()
    samples, labels = inputs[:, : m * n].reshape(-1, m, n).astype(int), inputs[:, m * n :]
    assert ((samples @ wanted[:, :, None].astype(int))[..., 0] % 2 == labels).all()
    assert all(rank(instance) == n for instance in samples[:60].tolist())
    assert 0.49 < samples.mean() < 0.51 if len(samples) > 100 else 0.4 < samples.mean() < 0.6


def test_instances_are_the_same_in_every_run() -> None:
    challenge = CHALLENGES["parity-8-2"]
    for once, again in zip(chunks(challenge), chunks(challenge), strict=True):
        assert (once[0] == again[0]).all()
        assert (once[1] == again[1]).all()


def test_products_are_proved() -> None:
    assert verify(parse(naive(4)), "matmul-4")[0] is True
    assert verify(parse(tiled(16, 4)), CHALLENGES["matmul-16"])[0] is True
    wrong, reason = verify(parse(naive(4).replace("mul 49,1,18\n", "", 1).replace("33,34", "34,34", 1)), "matmul-4")
    assert wrong is False
    assert "output 0 (address 34) is " in reason


def test_wrong_programs_are_told_with_an_output() -> None:
    right = "1,2,3,4,5,6;cmp 1,1,6,eq;cmp 2,2,5,eq;cmp 3,3,4,eq;and 1,2;and 1,3;1"
    assert verify(parse(right), "symmetry-6") == (True, "right on all 64 instances")
    late = verify(parse(right.replace("and 1,3;", "")), "symmetry-6")
    assert late == (False, "output 0 of instance 4 is 1; it should be 0")  # 000100: only the middle pair differs
    mask = ",".join(["1"] * 8)
    inputs = ",".join(str(i) for i in range(1, 145))
    correct, reason = verify(parse(f"{inputs};{mask}"), "parity-8-2")
    assert correct is False
    assert reason.startswith("output ")


def test_errors_of_instances_beyond_the_first_chunk_are_numbered_from_the_start() -> None:
    """A program for symmetry that is wrong for one vector alone: the last, of all ones."""
    joined = "".join(f"cmp 17,{i + 1},{16 - i},eq;and 18,17;" for i in range(8))
    every = "copy 19,1;" + "".join(f"and 19,{i};" for i in range(2, 17))
    inputs = ",".join(str(i) for i in range(1, 17))
    text = f"{inputs};set 18,1;{joined}{every}xor 18,19;18"
    assert verify(parse(text), "symmetry-16") == (False, "output 0 of instance 65535 is 0; it should be 1")


def test_other_numbers_of_inputs_and_other_names_are_errors() -> None:
    with pytest.raises(ProgramError, match=r"symmetry-6 has 6 inputs and 1 outputs, not 2 and 1(.|\n)*6 bits, 0 or 1"):
        verify(parse("1,2;and 1,2;1"), "symmetry-6")
    with pytest.raises(ProgramError, match=r"no challenge 'symmetry-7'(.|\n)*symmetry-16"):
        verify(parse("1,2;and 1,2;1"), "symmetry-7")
    with pytest.raises(ProgramError, match="divides by zero in instance"):
        verify(parse("1,2,3,4,5,6;div 1,2;1"), "symmetry-6")
