"""Execution of scalar programs: beside an interpreter that takes one instance and one instruction at a time."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.locality.scalar import dally1
from memsim.locality.scalar.execute import MAX_BLOCK, execute
from memsim.locality.scalar.program import write
from memsim.locality.scalar.text import parse
from tests.locality.products import STRASSEN, naive

BINARY: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "div": operator.floordiv,
}
UNARY: dict[str, Callable[[int], int]] = {"copy": operator.pos, "not": operator.invert, "abs": abs}
PREDICATES: dict[str, Callable[[int, int], bool]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}


def wrapped(value: int) -> int:
    """To signed 8 bits."""
    return (value + 128) % 256 - 128


def interpret(text: str, inputs: list[int], wrap: Callable[[int], int]) -> list[int]:
    """The definition, on one instance; reads the text by itself."""
    first, *lines, last = (line for line in text.replace(";", "\n").splitlines() if line.strip())
    values = {int(address): value for address, value in zip(first.split(","), inputs, strict=True)}
    for line in lines:
        name, _, rest = line.strip().partition(" ")
        d, *operands = rest.split(",")
        if name == "set":
            found = int(operands[0])
        elif name == "cmp":
            found = int(PREDICATES[operands[2]](values[int(operands[0])], values[int(operands[1])]))
        elif name == "select":
            found = values[int(operands[1 if values[int(operands[0])] != 0 else 2])]
        elif name in UNARY:
            found = UNARY[name](values[int(operands[0])])
        else:
            a, b = operands if len(operands) == 2 else (d, operands[0])
            found = BINARY[name](values[int(a)], values[int(b)])
        values[int(d)] = wrap(found)
    return [values[int(address)] for address in last.split(",")]


def lines_of(rng: random.Random, count: int, addresses: int, names: list[str]) -> list[tuple[object, ...]]:
    """Instructions over a few addresses, all of which are set before."""
    lines: list[tuple[object, ...]] = []
    for _ in range(count):
        d, a, b, c = (rng.randint(1, addresses) for _ in range(4))
        name = rng.choice(names)
        if name == "set":
            lines.append((name, d, rng.randint(-128, 255)))
        elif name == "cmp":
            lines.append((name, d, a, b, rng.choice(list(PREDICATES))))
        elif name == "select":
            lines.append((name, d, a, b, c))
        elif name in UNARY:
            lines.append((name, d, a))
        else:
            lines.append((name, d, a, b) if rng.random() < 0.7 else (name, d, a))
    return lines


NAMES = [*BINARY, *UNARY, "cmp", "select", "set"]


@given(st.integers(0, 10**9), st.integers(1, 6), st.integers(0, 30), st.integers(1, 5))
def test_random_programs_compute_what_the_definition_says(seed: int, inputs: int, count: int, instances: int) -> None:
    rng = random.Random(seed)
    lines = lines_of(rng, count, inputs, NAMES)
    text = write(range(1, inputs + 1), lines, [rng.randint(1, inputs) for _ in range(3)])
    given_inputs = [[rng.choice((-128, -1, 0, 1, 127, rng.randint(-128, 127))) for _ in range(inputs)]]
    given_inputs += [[rng.randint(-128, 127) for _ in range(inputs)] for _ in range(instances - 1)]
    try:
        expected = [interpret(text, row, wrapped) for row in given_inputs]
    except ZeroDivisionError:
        with pytest.raises(ProgramError, match="divides by zero in instance"):
            execute(parse(text), given_inputs, "int8")
        return
    found = execute(parse(text), given_inputs, "int8")
    assert found.dtype == np.int8
    assert found.tolist() == expected


@pytest.mark.parametrize("name", NAMES)
def test_each_instruction_on_all_pairs_of_values(name: str) -> None:
    """All 65,536 pairs, in several blocks of instances."""
    values = np.arange(-128, 128)
    pairs = np.stack([np.repeat(values, 256), np.tile(values, 256), np.tile(values[::-1], 256)], axis=1)
    if name == "div":
        pairs = pairs[pairs[:, 1] != 0]
    assert len(pairs) > 10 * MAX_BLOCK
    tails = {"cmp": [f"4,1,2,{p}" for p in PREDICATES], "set": ["4,-128", "4,255", "4,127"], "select": ["4,1,2,3"]}
    for tail in tails.get(name, ["4,1"] if name in UNARY else ["4,1,2"]):
        text = f"1,2,3;{name} {tail};4"
        sample = random.Random(3).sample(range(len(pairs)), 2000)
        expected = [interpret(text, pairs[i].tolist(), wrapped) for i in sample]
        assert execute(parse(text), pairs, "int8")[sample].tolist() == expected


@pytest.mark.parametrize(
    ("text", "inputs", "outputs"),
    [
        ("1;set 2,200;add 3,1,2;2,3", [100], [-56, 44]),
        ("1,2;div 1,2;1", [-7, 2], [-4]),
        ("1;abs 1,1;1", [-128], [-128]),
        ("1,2;mul 1,2;1", [100, 3], [44]),
        ("1,2;div 1,2;1", [-128, -1], [-128]),
        ("1;not 1,1;1", [5], [-6]),
        ("1,2;cmp 3,1,2,lt;cmp 4,2,1,le;3,4", [-1, 1], [1, 0]),
        ("1,2,3;select 4,1,2,3;4", [-1, 7, 8], [7]),
        ("7;7", [-128], [-128]),
        ("1;copy 1,1;add 1,1,1;1,1", [64], [-128, -128]),
    ],
)
def test_published_values_of_the_8_bit_machine(text: str, inputs: list[int], outputs: list[int]) -> None:
    assert execute(parse(text), [inputs], "int8").tolist() == [outputs]


def test_division_by_zero_names_the_instruction_and_the_instance() -> None:
    program = parse("1,2\nadd 3,1,2\ndiv 4,1,3\n4", "quotient.ir")
    inputs = np.ones((5000, 2), np.int64)
    assert execute(program, inputs).tolist() == [[0]] * 5000
    inputs[4321] = 5, -5
    with pytest.raises(ProgramError, match=r"quotient.ir: line 3, column 1: `div 4,1,3` divides by zero in .* 4321"):
        execute(program, inputs, "int8")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([[1, 128]], "input 1 of instance 0 is 128"),
        ([[1, 1], [-129, 1]], "input 0 of instance 1 is -129"),
        ([[1, 2**70]], f"input 1 of instance 0 is {2**70}"),
        ([[1]], r"inputs of shape \(1, 1\) for a program of 2 inputs"),
        ([1, 2], r"inputs of shape \(2,\)"),
        ([[1.5, 2.0]], "inputs of type float64"),
        ([["a", "b"]], "inputs of type <U1"),
    ],
)
def test_inputs_that_do_not_fit_are_errors(inputs: list[object], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        execute(parse("1,2;xor 3,1,2;3"), inputs, "int8")


def test_programs_that_a_machine_cannot_run_are_errors() -> None:
    with pytest.raises(ProgramError, match="machine matmul has no `xor`"):
        execute(parse("1,2;xor 3,1,2;3"), [[1, 2]], "matmul")
    with pytest.raises(ProgramError, match="no machine 'int16'"):
        execute(parse("1,2;xor 3,1,2;3"), [[1, 2]], "int16")
    with pytest.raises(ProgramError, match="has no `recv`"):
        execute(parse("recv 1;send 1"), np.zeros((1, 0), int), "int8")
    with pytest.raises(ProgramError, match="address 3 is an output but nothing"):
        execute(parse("1,2;3"), [[1, 2]], "int8")


def test_no_instances_have_no_outputs() -> None:
    for machine in dally1.MACHINES:
        assert execute(parse("1,2;add 3,1,2;3,3,3"), np.zeros((0, 2), int), machine).shape == (0, 3)


@given(st.integers(0, 10**9), st.integers(1, 5), st.integers(0, 40), st.sampled_from((1, 9, 10**6, 10**18, 2**80)))
def test_unbounded_programs_compute_what_the_definition_says(seed: int, inputs: int, count: int, size: int) -> None:
    rng = random.Random(seed)
    lines = lines_of(rng, count, inputs, ["add", "sub", "sub", "copy", "mul"] if count < 12 else ["add", "sub", "copy"])
    text = write(range(1, inputs + 1), lines, range(1, inputs + 1))
    rows = [[rng.randint(-size, size) for _ in range(inputs)] for _ in range(3)]
    expected = [interpret(text, row, lambda value: value) for row in rows]
    assert execute(parse(text), rows, "matmul").tolist() == expected


def test_products_are_those_of_numpy_and_of_large_integers() -> None:
    rng = np.random.default_rng(4)
    for n, text in ((2, STRASSEN), (8, naive(8))):
        small = rng.integers(-1000, 1000, (7, 2 * n * n))
        a, b = small[:, : n * n].reshape(-1, n, n), small[:, n * n :].reshape(-1, n, n)
        found = execute(parse(text), small)
        assert found.dtype == np.int64
        assert (found.reshape(-1, n, n) == a @ b).all()
        large = execute(parse(text), small.astype(object) * 2**40, "matmul")
        assert large.dtype == object
        assert (large == found.astype(object) * 2**80).all()


def test_values_at_the_edge_of_int64_are_exact() -> None:
    edge = [[2**63 - 1, -(2**63)], [2**61, 2**61]]
    found = execute(parse("1,2;add 3,1,1;sub 4,1,2;3,4"), edge, "matmul")
    assert found.tolist() == [[2**64 - 2, 2**64 - 1], [2**62, 0]]
