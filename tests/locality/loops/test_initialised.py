"""Initialisation is decided exactly: rules prove only what is true, and the rest is followed access by access."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given

from memsim.errors import ProgramError
from memsim.locality.loops import (
    LoopProgram,
    check_initialised,
    exact,
    loop,
    naive_matmul,
    nearest_neighbour,
    op,
    parse,
    program,
    ref,
    region,
    tiled_matmul,
    unroll,
)
from memsim.locality.loops.boxes import Box, normal
from memsim.locality.loops.covers import Cover, covered
from memsim.locality.loops.initialised import first_offence, proofs
from memsim.locality.loops.proofs import proved
from memsim.locality.loops.touches import touches
from memsim.locality.scalar.program import check_initialised as check_scalar
from tests.locality.loops.drawn import filling, steps


def naive_verdict(program: LoopProgram) -> tuple[int, int] | None:
    """Number of the first instruction that reads what was not written, and the address; by the definition."""
    known = set()
    for r in program.regions:
        if r.is_input:
            known |= set(range(program.bases[r.name], program.bases[r.name] + r.words))
    length = 0
    for length, step in enumerate(steps(program), 1):
        for address in step.src:
            if address not in known:
                return length - 1, address
        if step.dst is not None:
            known.add(step.dst)
    for r in program.regions:
        for address in range(program.bases[r.name], program.bases[r.name] + r.words) if r.is_output else ():
            if address not in known:
                return length, address
    return None


def verdict(program: LoopProgram) -> tuple[int, int] | None:
    found = first_offence(program)
    return None if found is None else (found.index, program.bases[found.region.name] + found.word)


@given(filling())
def test_random_programs_against_the_definition(program: LoopProgram) -> None:
    want = naive_verdict(program)
    assert verdict(program) == want
    if want is None:
        check_initialised(program)
        check_scalar(unroll(program))
        return
    with pytest.raises(ProgramError) as scalar:
        check_scalar(unroll(program))
    with pytest.raises(ProgramError, match=f"address {want[1]}") as ours:
        check_initialised(program)
    assert f"address {want[1]} " in str(scalar.value)
    assert ours.value.mend


@given(filling())
def test_what_is_proved_is_true(program: LoopProgram) -> None:
    found = touches(program)
    for r in program.regions:
        items = found.get(r.name, ())
        if not r.is_input and proved(items, r.words, False, r.is_output):
            assert exact.run(r.name, items, r.words, r.is_output) is None


def test_random_programs_are_of_both_kinds_and_mostly_proved() -> None:
    """The tests above would be empty if all random programs were alike."""
    seen = {"proved": 0, "followed": 0, "bad": 0}

    @given(filling())
    def count(program: LoopProgram) -> None:
        good = naive_verdict(program) is None
        seen["bad"] += not good
        if good:
            for how in proofs(program).values():
                seen[how] = seen.get(how, 0) + 1

    count()
    assert seen["bad"] > 10
    assert seen["proved"] > 10


@pytest.mark.parametrize(
    "make",
    [
        lambda: naive_matmul(512),
        lambda: naive_matmul(512, tape=True),
        lambda: tiled_matmul(512, 32),
        lambda: tiled_matmul(512, 8, tape=True),
        lambda: tiled_matmul(8192, 32),
        lambda: tiled_matmul(8192, 128, tape=True),
        lambda: nearest_neighbour(600, 600, 9),
        lambda: nearest_neighbour(60_000, 10_000, 784),
    ],
)
def test_kernels_are_proved_without_following_them(make) -> None:
    program = make()
    before = time.perf_counter()
    assert set(proofs(program).values()) <= {"input", "proved"}
    check_initialised(program)
    assert time.perf_counter() - before < 0.5


PROVED = {
    "a region filled by two nests": "for i 5 { set A[i], 0 } for i 5 { set A[i+5], 0 } for i 10 { send A[i] }",
    "even words and odd words": "for i 5 { set A[2*i], 0 } for i 5 { set A[2*i+1], 0 } for i 10 { send A[i] }",
    "backwards": "for i 10 { set A[9-i], 0 } for i 10 { send A[i] }",
    "the first column, then the others": (
        "for i 2 { set A[5*i], 0 } for i 2 { for j 1..5 { set A[5*i+j], 0 } } for i 10 { send A[i] }"
    ),
    "the others, then the first column": (
        "for i 2 { for j 1..5 { set A[5*i+j], 0 } } for i 2 { set A[5*i], 0 } for i 10 { send A[i] }"
    ),
    "a row at a time": "for i 2 { for j 5 { set A[5*i+j], 0 } for k 5 { send A[5*i+k] } }",
    "the same word in the same iteration": "for i 2 { for j 5 { set A[i+2*j], 0 for k 9 { add A[i+2*j], A[i+2*j] } } }",
    "a tile that every iteration fills again": "for i 3 { for j 4 { set A[j], 0 } for j 2 { send A[2*j+1] } }",
    "words with gaps, read with the same gaps": "for i 4 { set A[3*i], 0 } for i 2 { send A[6*i+3] }",
    "rows whose ends are columns": (
        "for t 3 { set A[3*t], 0 set A[3*t+2], 0 } set A[9], 0 for t 3 { set A[3*t+1], 0 for i 3 { send A[3*t+i] } }"
    ),
    "a stencil over time": (
        "for t 8 { set A[5*t], 0 set A[5*t+4], 0 } for i 1..4 { set A[i], 0 } "
        "for t 1..8 { for i 1..4 { add A[5*t+i], A[5*t+i-6], A[5*t+i-4] } } for i 40 { send A[i] }"
    ),
    "a recurrence": "set A, 0 for i 1..10 { add A[i], A[i-1], A[i-1] }",
    "a recurrence in an outer loop": "for o 2 { set A, 0 for i 1..10 { add A[i], A[i-1], A[i-1] } }",
}


@pytest.mark.parametrize("name", PROVED)
def test_rules(name: str) -> None:
    program = parse(f"region A 40\n{PROVED[name]}")
    assert naive_verdict(program) is None
    assert proofs(program) == {"A": "proved"}
    check_initialised(program)


OFFENCES = {
    "never written": ("send A[3]", "`A[3]` (address 4) is read but"),
    "one word too few": ("for i 9 { set A[i], 0 } for i 10 { send A[i] }", "(address 10) is read for i = 9 but"),
    "in the second iteration": (
        "set A, 0 for i -4..6 { add A[i+4], A[i+4] }",
        "`A[i + 4]` (address 2) is read for i = -3 but",
    ),
    "in the second run": ("set A, 0 for o 3 { for i 3 { send A[3*o] } }", "(address 4) is read for o = 1, i = 0"),
    "read before it is written": ("for i 3 { add A[i], A[i], A[i] }", "(address 1) is read for i = 0"),
}


@pytest.mark.parametrize("name", OFFENCES)
def test_messages(name: str) -> None:
    body, message = OFFENCES[name]
    with pytest.raises(ProgramError) as error:
        check_initialised(parse(f"region A 10\n{body}", file="p.loops"))
    assert message in str(error.value)
    assert str(error.value).startswith("p.loops: line 2, column ")
    assert error.value.mend == "write it before, or give region `A` the role input"


def test_paths_stand_for_places_in_programs_without_a_text() -> None:
    with pytest.raises(ProgramError, match=r"^body\[0\].body\[0\].src\[1\]: `A\[i\]` \(address 1\) is read for i = 0"):
        body = [loop("i", 2, [op("add", "x", "x", ref("A", i=1))])]
        check_initialised(program([region("A", 2), region("x", 1, "input")], body))


def test_an_output_that_is_not_written() -> None:
    with pytest.raises(ProgramError, match=r"line 1, column 8: word 3 of `A` \(address 4\) is an output but was never"):
        check_initialised(parse("region A 4 output\nfor i 3 { set A[i], 1 }"))


def test_the_first_of_several_regions() -> None:
    body = "for i 4 { for j 2 { set A[j], 0 set B[j+1], 0 send A[j] send A[i] } } send B"
    found = parse(f"region B 4\nregion A 4\n{body}")
    assert verdict(found) == naive_verdict(found) == (2 * 8 + 3, 7), "A[2] in the third iteration comes before B[0]"


def test_an_edit_distance_is_proved() -> None:
    n = 1_000
    m = n + 1
    text = f"""
    region D {m * m}  region a {n} input  region b {n} input  region c 1
    for i {m} {{ set D[{m}*i], 0 }}
    for j 1..{m} {{ set D[j], 1 }}
    for i 1..{m} {{ for j 1..{m} {{
      cmp c, a[i-1], b[j-1], ne
      add D[{m}*i + j], D[{m}*(i-1) + j-1], c
      select D[{m}*i + j], c, D[{m}*(i-1) + j], D[{m}*i + j-1]
    }} }}
    send D[{m * m - 1}]"""
    assert proofs(parse(text)) == {"D": "proved", "a": "input", "b": "input", "c": "proved"}
    check_initialised(parse(text))
    without_a_column = parse(text.replace(f"set D[{m}*i], 0", "set D, 0"))
    assert verdict(without_a_column) == (m + n + 2, m + 1), "the third operand of the first select"


def test_a_convolution_is_proved() -> None:
    text = """
    region x 69696 input  region w 4608 input  region y 131072 output  region t 1
    for o 32 { for r 64 { for s 64 {
      set y[4096*o + 64*r + s], 0
      for c 16 { for u 3 { for v 3 {
        mul t, x[4356*c + 66*(r + u) + s + v], w[144*o + 9*c + 3*u + v]
        add y[4096*o + 64*r + s], t
      } } }
    } } }"""
    assert set(proofs(parse(text)).values()) == {"input", "proved"}
    check_initialised(parse(text))


def test_an_offence_is_told_even_if_another_region_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MAX_WORDS", 50)
    body = "set A, 0 set A[1], 0 for i 2..99 { add A[i], A[i-1], A[i-2] }"
    with pytest.raises(ProgramError, match=r"^A: no rule proves that region `A`"):
        check_initialised(parse(f"region A 99 region B 1\n{body}"))
    with pytest.raises(ProgramError, match=r"`B` \(address 100\) is read but"):
        check_initialised(parse(f"region A 99 region B 1\n{body} send B"))


def test_what_no_rule_proves_is_followed() -> None:
    text = "region A 10\nset A, 0 set A[1], 0 for i 2..10 { add A[i], A[i-1], A[i-2] }"
    assert proofs(parse(text)) == {"A": "followed"}
    check_initialised(parse(text))
    wrong = parse(text.replace("set A[1]", "set A[2]"))
    assert verdict(wrong) == naive_verdict(wrong) == (2, 2)


def test_too_much_to_follow_is_refused_unless_a_mistake_comes_early(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "for i 40 { for j 40 { set A[2*i+3*j], 0 } } for i 100 { send A[i+3] }"
    monkeypatch.setattr(exact, "MAX_ACCESSES", 1_000)
    monkeypatch.setattr(exact, "GLANCE", 500)
    monkeypatch.setattr("memsim.locality.loops.covers.MAX_ROWS", 3)
    with pytest.raises(ProgramError, match=r"^A: no rule proves .* its 1,700 reads and writes are more than 1,000"):
        check_initialised(parse(f"region A 200\n{body}"))
    with pytest.raises(ProgramError, match=r"`A\[7\]` \(address 8\) is read but"):
        check_initialised(parse(f"region A 200\nsend A[7] {body}"))
    monkeypatch.setattr(exact, "MAX_WORDS", 100)
    with pytest.raises(ProgramError, match="the region has 200 words, and at most 100 can be followed"):
        check_initialised(parse(f"region A 200\n{body}"))


# Sets of addresses --------------------------------------------------------------------------------------------------


def points(box: Box) -> set[int]:
    found = {box.base}
    for stride, extent in box.dims:
        found = {point + stride * k for point in found for k in range(extent)}
    return found


def test_covers_cover_what_was_added() -> None:
    """Random unions of boxes: what is said to be covered is; and what was added is said to be covered."""
    source = random.Random(3)

    def box() -> Box:
        dims = [(source.choice([1, 1, 2, 3, 5, 10]), source.randint(1, 5)) for _ in range(source.randint(0, 3))]
        return normal(source.randint(0, 20), dims)

    said, true = 0, 0
    for _ in range(400):
        cover, known = Cover(), set()
        for _ in range(source.randint(1, 6)):
            new = box()
            cover.add(new.base, new.dims)
            known |= points(new)
            assert covered(new, [cover])
        assert set().union(*(points(Box(base, dims)) for base, dims in cover.boxes())) == known
        for _ in range(10):
            asked = box()
            inside = points(asked) <= known
            assert inside or not covered(asked, [cover])
            said, true = said + covered(asked, [cover]), true + inside
    assert said == true > 200, "small boxes are all decided, by their rows"
