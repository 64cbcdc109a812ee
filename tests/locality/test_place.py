"""Placement by reads: the program computes the same, no two words share an address while both live, near is cheap."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memsim.locality.scalar import dally1
from memsim.locality.scalar.execute import execute
from memsim.locality.scalar.place import place_by_reads
from memsim.locality.scalar.text import parse


def test_the_most_read_word_is_nearest_and_dead_words_give_their_place() -> None:
    steps = [("add", "s", "a", "b"), ("mul", "s", "s", "s"), ("copy", "r", "s")]
    assert place_by_reads(["a", "b"], steps, ["r"]) == "1,2\nadd 1,1,2\nmul 1,1,1\ncopy 1,1\n1\n"


def test_words_that_live_at_the_same_time_lie_apart() -> None:
    steps = [("copy", "x", "a"), ("copy", "y", "a"), ("xor", "z", "x", "y")]
    assert place_by_reads(["a"], steps, ["z", "x"]) == "1\ncopy 2,1\ncopy 1,1\nxor 1,2,1\n1,2\n"


def test_numbers_and_predicates_stay() -> None:
    text = place_by_reads(["lt"], [("set", "five", 5), ("cmp", "out", "lt", "five", "lt")], ["out"])
    assert text == "2\nset 1,5\ncmp 1,2,1,lt\n1\n"


def test_a_write_that_nobody_reads_does_not_hit_a_living_word() -> None:
    text = place_by_reads(["a"], [("copy", "b", "a"), ("set", "unused", 9), ("add", "c", "a", "b")], ["c"])
    assert execute(parse(text), [[3]], "int8").tolist() == [[6]]


@given(st.integers(0, 10**9), st.integers(1, 5), st.integers(0, 40))
def test_placed_programs_compute_what_they_do_with_an_address_for_each_word(seed: int, inputs: int, count: int) -> None:
    rng = random.Random(seed)
    known, steps = [f"i{i}" for i in range(inputs)], []
    for step in range(count):
        name = rng.choice(("add", "sub", "xor", "select", "copy", "set", "cmp"))
        d = rng.choice([*known, f"t{step}", f"t{step}"])
        tail = {"select": 3, "copy": 1, "set": 0}.get(name, 2)
        sources = [rng.choice(known) for _ in range(tail)]
        steps.append((name, d, *sources, *{"set": [rng.randint(-9, 9)], "cmp": ["le"]}.get(name, [])))
        known = list(dict.fromkeys([*known, d]))
    outputs = [rng.choice(known) for _ in range(3)]
    plain = {name: 100 + i for i, name in enumerate(known)}
    lines = [",".join(str(plain[f"i{i}"]) for i in range(inputs))]
    lines += [f"{step[0]} {','.join(str(plain.get(word, word)) for word in step[1:])}" for step in steps]
    lines.append(",".join(str(plain[name]) for name in outputs))
    values = np.array([[rng.randint(-128, 127) for _ in range(inputs)] for _ in range(4)])
    spread, placed = parse("\n".join(lines)), parse(place_by_reads([f"i{i}" for i in range(inputs)], steps, outputs))
    assert (execute(placed, values, "int8") == execute(spread, values, "int8")).all()
    assert dally1.score(placed, "int8").cost <= dally1.score(spread, "int8").cost
    assert len(placed.addresses) <= len(spread.addresses)
