"""Texts of scalar programs against readers and scorers that follow the published rules word by word."""

from __future__ import annotations

from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.locality.scalar import dally1, dally2
from memsim.locality.scalar.text import parse

Instruction = tuple[str, list[int], list[int]]  # name, addresses read, addresses written

BINARY = ("add", "sub", "mul", "div", "and", "or", "xor")


def instruction(line: str) -> Instruction:
    name, rest = line.split(None, 1)
    words = [word.strip() for word in rest.split(",")]
    if name in ("set", "recv"):
        return name, [], [int(words[0])]
    if name == "send":
        return name, [int(words[0])], []
    if name == "cmp":
        words = words[:-1]
    numbers = [int(word) for word in words]
    if name in BINARY and len(numbers) == 2:
        numbers = [numbers[0], *numbers]
    return name, numbers[1:], numbers[:1]


def statements(text: str) -> list[str]:
    return [line.strip() for line in text.replace(";", "\n").splitlines() if line.strip()]


def naive_dally1(text: str) -> int:
    _, *lines, last = statements(text)
    reads = [address for line in lines for address in instruction(line)[1]] + [int(a) for a in last.split(",")]
    return sum(isqrt(address - 1) + 1 for address in reads)


def naive_dally2(text: str) -> tuple[int, int]:
    energy = ticks = 0
    for line in statements(text)[1:-1]:
        name, reads, writes = instruction(line)
        for address in reads if name != "send" else []:
            h = isqrt(address - 1) + 1
            energy, ticks = energy + max(50, 2 * h), ticks + max(250, 4 * h)
        for address in writes if name != "recv" else []:
            h = isqrt(address - 1) + 1
            energy, ticks = energy + max(50, 2 * h), ticks + max(250, 2 * h)
    return energy, ticks


@st.composite
def texts(draw: st.DrawFn, largest: int, tape: bool) -> str:
    """Programs in which every read is of an address that was written, in every form of every instruction."""
    pool = draw(st.lists(st.integers(1, 40) | st.integers(1, largest), min_size=1, max_size=6, unique=True))
    known = list(pool)
    lines = [",".join(map(str, pool))]
    names = [*BINARY, "copy", "not", "abs", "set", "cmp", "select", *(("recv", "send") if tape else ())]
    for _ in range(draw(st.integers(0, 20))):
        name = draw(st.sampled_from(names))
        source = st.sampled_from(known).map(str)
        target = str(draw(st.sampled_from(known) | st.integers(1, 40) | st.integers(1, largest)))
        if name in BINARY and draw(st.booleans()):
            target = draw(source)
            words = [target, draw(source)]
        elif name == "send":
            words = [draw(source)]
        else:
            count = {"copy": 1, "not": 1, "abs": 1, "set": 0, "recv": 0, "select": 3}.get(name, 2)
            words = [target, *(draw(source) for _ in range(count))]
            words += {"set": ["-7"], "cmp": [draw(st.sampled_from(["eq", "ge"]))]}.get(name, [])
        if name != "send":
            known.append(int(target))
        gap = draw(st.sampled_from([" ", "  ", "\t"]))
        lines.append(name + gap + draw(st.sampled_from([",", " , ", ", "])).join(words))
    lines.append(",".join(draw(st.lists(st.sampled_from(known).map(str), min_size=1, max_size=4))))
    return draw(st.sampled_from(["\n", ";", "\r\n", " ;\n\n"])).join(lines)


@given(texts(10**40, tape=False))
def test_model_1(text: str) -> None:
    wide = any(
        int(word) >> 64 for line in statements(text) for word in line.replace(",", " ").split() if word.isdigit()
    )
    program = parse(text)
    if wide and program.version > 0:
        with pytest.raises(ProgramError, match="more than 64 bits"):
            dally1.score(program)
    else:
        assert dally1.score(program).cost == naive_dally1(text)
    assert str(parse(str(program))) == str(program)


@given(texts(16_000**2, tape=True))
def test_model_2(text: str) -> None:
    score = dally2.score(parse(text))
    assert (score.cost, score.details["ticks"]) == naive_dally2(text)


@pytest.mark.parametrize(
    "text",
    ["0;0", f"{'0' * 22};{'0' * 22}", "1;copy 00,1;1", f"1;copy {'0' * 30},1;1"],
    ids=["zero", "many zeros", "as a target", "many as a target"],
)
def test_there_is_no_address_0_however_it_is_written(text: str) -> None:
    with pytest.raises(ProgramError, match="there is no address 0"):
        parse(text)


def test_leading_zeros_change_nothing() -> None:
    assert dally1.score(parse(f"{'0' * 30}7;007")).cost == 3
    assert parse(f"1;copy {'0' * 30}{2**70},1;{2**70}").addresses.tolist() == [1, 2**70]


def test_a_mark_of_byte_order_is_no_part_of_the_text() -> None:
    assert dally1.score(parse(b"\xef\xbb\xbf7;7")).cost == 3
