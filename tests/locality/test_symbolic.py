"""Proof of matrix products: beside polynomials as plain dictionaries, on right programs and on wrong ones."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.locality.scalar import _runs, symbolic
from memsim.locality.scalar.program import write
from memsim.locality.scalar.symbolic import polynomials, prove_product
from memsim.locality.scalar.text import parse
from tests.locality.products import STRASSEN, naive, recursive_strassen, tiled, winograd

Polynomial = dict[tuple[int, ...], int]
Line = tuple[str, int, int, int]


class TooHigh(Exception):
    """A product of more than two inputs; its argument is the number of the instruction."""


def naive_polynomials(inputs: list[int], lines: list[Line], outputs: list[int]) -> list[Polynomial]:
    """The definition: dictionaries from sorted tuples of inputs to coefficients, made anew by each instruction."""
    values: dict[int, Polynomial] = {address: {(i,): 1} for i, address in enumerate(inputs)}
    for number, (name, d, a, b) in enumerate(lines):
        found: Counter[tuple[int, ...]] = Counter()
        if name == "mul":
            for p, x in values[a].items():
                for q, y in values[b].items():
                    if len(p + q) > 2:
                        raise TooHigh(number)
                    found[tuple(sorted(p + q))] += x * y
        else:
            found.update(values[a])
            if name in ("add", "sub"):
                for q, y in values[b].items():
                    found[q] += y if name == "add" else -y
        values[d] = {term: coefficient for term, coefficient in found.items() if coefficient}
    return [values[address] for address in outputs]


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[int], list[Line], list[int]]:
    """Programs over few addresses, so that operands alias, terms meet and cancel, and degrees overflow."""
    inputs = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5, unique=True))
    known, lines = set(inputs), []
    for _ in range(draw(st.integers(0, 25))):
        source = st.sampled_from(sorted(known))
        name = draw(st.sampled_from(("add", "add", "sub", "sub", "mul", "copy")))
        d = draw(st.integers(1, 9))
        lines.append((name, d, draw(source), draw(source)))
        known.add(d)
    outputs = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=4))
    return inputs, lines, outputs


def text_of(inputs: list[int], lines: list[Line], outputs: list[int]) -> str:
    return write(inputs, [line[: 3 if line[0] == "copy" else 4] for line in lines], outputs)


@given(programs())
def test_random_programs_have_the_polynomials_of_the_definition(case: tuple[list[int], list[Line], list[int]]) -> None:
    program = parse(text_of(*case))
    try:
        expected = naive_polynomials(*case)
    except TooHigh as high:
        with pytest.raises(ProgramError, match=rf"line {high.args[0] + 2}, column 1: `mul .*more than two inputs"):
            polynomials(program)
        return
    found = polynomials(program)
    assert found == expected
    assert all(list(polynomial) == sorted(polynomial, key=lambda term: (len(term), term)) for polynomial in found)


def test_long_random_programs_have_the_polynomials_of_the_definition() -> None:
    """Runs that grow, move, shrink and are packed: thousands of sums over 30 inputs, with products of sums."""
    rng = random.Random(1)
    inputs, sums, products = list(range(1, 31)), list(range(31, 41)), list(range(41, 71))
    lines: list[Line] = [("copy", d, rng.choice(inputs), 0) for d in sums]
    lines += [("mul", d, rng.choice(sums), rng.choice(inputs)) for d in products]
    for _ in range(3000):
        kind = rng.random()
        name = rng.choice(("add", "sub", "copy", "sub", "add"))
        if kind < 0.05:
            lines.append(("copy", rng.choice(sums), rng.choice(inputs), 0))
        elif kind < 0.4:
            lines.append((name, rng.choice(sums), rng.choice(sums), rng.choice(inputs)))
        elif kind < 0.5:
            lines.append(("mul", rng.choice(products), rng.choice(sums), rng.choice(sums)))
        elif kind < 0.9:
            d = rng.choice(products)
            lines.append((name, d, *rng.sample((d, rng.choice(products)), 2)))
        else:  # clears, so that coefficients stay small
            lines.append(("sub", rng.choice(products), products[0], products[0]))
    expected = naive_polynomials(inputs, lines, sums + products)
    assert max(len(polynomial) for polynomial in expected) > 100
    assert polynomials(parse(text_of(inputs, lines, sums + products))) == expected


@pytest.mark.parametrize(
    "text",
    [*map(naive, (1, 2, 5, 16)), tiled(4, 2), tiled(8, 4), STRASSEN, winograd(2), winograd(8), recursive_strassen(8)],
)
def test_right_programs_are_proved(text: str) -> None:
    proof = prove_product(parse(text))
    assert proof.holds is True
    assert "proved for all integers" in proof.reason


def test_products_of_oblong_matrices_need_their_shape() -> None:
    text = "1,2,3,4; mul 5,1,3; mul 6,2,4; add 5,6; 5"  # 1 x 2 by 2 x 1
    assert prove_product(parse(text), (1, 2, 1)).holds
    with pytest.raises(ProgramError, match="4 inputs and 1 outputs are not those of a product of two square"):
        prove_product(parse(text))
    with pytest.raises(ProgramError, match="a product of 2 x 2 and 2 x 1, 6 inputs and 2 outputs"):
        prove_product(parse(text), (2, 2, 1))
    outer = "1,2,3,4,5; mul 6,1,3; mul 7,1,4; mul 8,1,5; mul 9,2,3; mul 10,2,4; mul 11,2,5; 6,7,8,9,10,11"
    assert prove_product(parse(outer), (2, 1, 3)).holds
    swapped = outer.replace("6,7,8,9,10,11", "6,7,8,9,11,10")
    assert prove_product(parse(swapped), (2, 1, 3)).holds is False


@pytest.mark.parametrize("text", [naive(3), STRASSEN, winograd(4), tiled(4, 2)])
def test_every_change_of_an_operand_is_found(text: str) -> None:
    """One source of one instruction becomes another: wrong, unless the definition says that it is still right."""
    program = parse(text)
    rng = random.Random(2)
    addresses = program.addresses.tolist()
    names = [program.instruction(i).split()[0] for i in range(len(program))]
    columns = [[addresses[slot] for slot in row[:3]] for row in program.operands.tolist()]
    lines = [(name, *column) for name, column in zip(names, columns, strict=True)]
    inputs, outputs = ([addresses[slot] for slot in slots.tolist()] for slots in (program.inputs, program.outputs))
    right = naive_polynomials(inputs, lines, outputs)
    wrong = 0
    for at, (name, d, a, b) in enumerate(lines):
        other = rng.choice([address for address in inputs if address != a])
        mutant = [*lines[:at], (name, d, other, b), *lines[at + 1 :]]
        try:
            same = naive_polynomials(inputs, mutant, outputs) == right
        except TooHigh:
            same = False
        assert prove_product(parse(text_of(inputs, mutant, outputs))).holds is same
        wrong += not same
    assert wrong > 0.9 * len(lines)


def test_the_first_wrong_output_is_told() -> None:
    wrong = prove_product(
        parse("1,2,3,4,5,6,7,8; mul 9,1,5; mul 10,2,7; add 9,10; mul 11,1,6; mul 10,2,8; add 10,10;add 11,10; 9,11,9,9")
    )
    assert wrong.reason == (
        "output 1 (address 11) is A[0,0]*B[0,1] + 2*A[0,1]*B[1,1]; it should be A[0,0]*B[0,1] + A[0,1]*B[1,1]"
    )
    long = naive(12).replace("mul 433,1,145\n", "mul 433,1,146\n").splitlines()
    long[1:2] = ["mul 289,1,146"]
    assert prove_product(parse("\n".join(long))).reason == (
        "output 0 (address 289), less C[0,0], which it should be, is -A[0,0]*B[0,0] + A[0,0]*B[0,1]; it should be 0"
    )
    assert "is 0; it should be A[0,0]*B[0,0]" in prove_product(parse("1,2;sub 1,1;1")).reason
    square = prove_product(parse("1,2;mul 3,1,1;sub 3,2;3")).reason
    assert "is -B[0,0] + A[0,0]*A[0,0]; it should be" in square


def test_degrees_above_two_are_refused_with_their_place() -> None:
    proof = prove_product(parse("1,2\nmul 3,1,2\nmul 4,3,2\n3", "cube.ir"))
    assert proof.holds is False
    assert proof.reason.startswith("cube.ir: line 3, column 1: `mul 4,3,2` makes a product of more than two inputs")
    assert prove_product(parse("1,2;mul 3,1,2;sub 4,1,1;mul 4,3,4;add 3,4;3")).holds, "nothing times a product"


@pytest.mark.parametrize("last", ["add 3,3,3", "mul 3,3,3", "sub 4,4,3;sub 4,4,3"])
def test_large_coefficients_are_not_decided(last: str) -> None:
    doubled = "add 3,1,2;sub 4,1,1;" + "add 3,3,3;" * 61
    undecided = prove_product(parse(f"1,2;{doubled}{last};3"))
    assert undecided.holds is None
    assert undecided.reason.startswith("not decided: line 1, column")
    assert polynomials(parse(f"1,2;{doubled}3")) == [{(0,): 2**61, (1,): 2**61}]


def test_products_that_meet_may_be_too_large() -> None:
    near = "add 3,1,2;" + "add 3,3,3;" * 30  # 2^30 of each
    program = parse(f"1,2;{near}mul 4,3,3;4")
    assert polynomials(program) == [{(0, 0): 2**60, (0, 1): 2**61, (1, 1): 2**60}]
    assert prove_product(parse(f"1,2;{near}mul 4,3,3;add 4,4,4;4")).holds is None


def test_too_many_terms_are_not_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolic, "MAX_TERMS", 100_000)
    inputs = range(1, 1001)
    lines = [("copy", 1001, 1), *(("add", 1001, 1001, i) for i in inputs[1:]), ("mul", 1002, 1001, 1001)]
    proof = prove_product(parse(write(inputs, lines, [1002])), (1, 500, 1))
    assert proof.holds is None
    assert "more than 100,000 terms" in proof.reason


def test_other_instructions_and_unset_addresses_are_errors() -> None:
    with pytest.raises(ProgramError, match=r"machine matmul has no `xor`"):
        prove_product(parse("1,2;xor 3,1,2;3"))
    with pytest.raises(ProgramError, match="address 4 is read but nothing was written"):
        prove_product(parse("1,2;mul 3,1,4;3"))


def test_short_runs_and_long_ones_meet_the_same_way() -> None:
    """Sums on both sides of the length up to which terms are put in one by one, in both orders of the operands."""
    for length in range(1, _runs.SHORT + 4):
        inputs = list(range(1, 31))
        head: list[Line] = [("copy", 31, 30, 0), ("copy", 32, length, 0)]
        head += [("add", 31, 31, i) for i in range(29, 0, -2)]
        head += [("sub", 32, 32, i) for i in range(1, length)]
        for last in (("add", 31, 31, 32), ("add", 31, 32, 31), ("sub", 31, 31, 32), ("sub", 31, 32, 31)):
            lines = [*head, last]
            assert polynomials(parse(text_of(inputs, lines, [31]))) == naive_polynomials(inputs, lines, [31])
