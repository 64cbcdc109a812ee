"""Programs as text and as Python: read back as they were, and every mistake with its place, cause and mend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from memsim.errors import Location, MemsimError, ProgramError
from memsim.hierarchy import Chip
from memsim.locality.spatial import SpatialProgram, parse, score, simulate
from tests.locality.spatial.programs import SMALL, Step, program_of, steps


@given(steps())
def test_the_text_of_a_program_is_that_program(found: list[Step]) -> None:
    program = program_of(found)
    again = parse(str(program), machine=SMALL)
    assert str(again) == str(program)
    for name in ("ops", "immediates", "cores"):
        assert np.array_equal(getattr(again, name), getattr(program, name))
    named = [np.where(p.operands[..., None] < 0, -1, p.cells[p.operands]) for p in (program, again)]
    assert np.array_equal(*named)


def test_names_comments_and_short_forms() -> None:
    text = (
        "word a 64:0  # near\nword b 0:5 in 3,2 ; input a, 1:1\n\n  add b , a;core 3,2\ncmp a,b,1:1,le # why\noutput b"
    )
    program = parse(text)
    assert str(program) == (
        "word a 64:0\nword b 384:261\ninput a,1:1\ncore 0,0\nadd b,b,a\ncore 3,2\ncmp a,b,1:1,le\noutput b\n"
    )
    assert program.place(1) == Location(5, 1)


MISTAKES = {
    "": ("the program has no instruction", ""),
    "ad 1:1,2:2": ("there is no statement 'ad'", "line 1, column 1"),
    "set 1:1,1\n  corr 1,1": ("there is no statement 'corr'", "line 2, column 3"),
    "core 250,0": ("there is no core 250,0", "line 1, column 6"),
    "core 1": ("'1' is not a core", "line 1, column 6"),
    "recv 64:64": ("the cell 64:64 is the core's own: it is 64:64 of tile 0,0", "line 1, column 6"),
    "set 1:1,5;copy 2:2, 160:40": ("the cell 160:40 is the core's own", "line 1, column 21"),
    "recv 32000:0": ("the cell 32000:0 is off the grid", "line 1, column 6"),
    "recv 0:16000": ("the cell 0:16000 is off the grid", "line 1, column 6"),
    "recv a": ("there is no word 'a'", "line 1, column 6"),
    "word a 1:1;word a 2:2": ("there is a word 'a' already", "line 1, column 17"),
    "word a 1:1;word b 1:1": ("the words 'a' and 'b' share the cell 1:1", "line 1, column 19"),
    "word 9 1:1": ("'9 1:1' does not begin with a name", "line 1, column 6"),
    "word a 128:1 in 1,1": ("a tile has no cell 128:1", "line 1, column 8"),
    "word a 1:1 in 1,125": ("there is no core 1,125", "line 1, column 15"),
    "add 1:1,2": ("'2' is not a cell", "line 1, column 9"),
    "add 1:1": ("`add` takes 3 operands, not 1", "line 1, column 5"),
    "copy 1:1,2:2,3:3": ("`copy` takes 2 operands, not 3", "line 1, column 6"),
    "add 1:1,,2:2": ("nothing is not a cell", "line 1, column 9"),
    "set 1:1,x": ("'x' is not a whole number", "line 1, column 9"),
    "cmp 1:1,1:1,1:1,zz": ("'zz' is not a comparison", "line 1, column 17"),
    "input 1:1,1:1": ("the cell 1:1 is named twice as an input", "line 1, column 7"),
    "set 2:2,1\nrecv 1:200": ("`recv 1:200` on core 0,0: the word lies in tile 0,1", "line 2, column 1"),
    "set 1:1,1;copy 1:1,2:2": ("2:2 is read but was never written", "line 1, column 11"),
    "word r 1:1\nset 2:2,1\noutput r": ("r is an output but was never written", "outputs"),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.items())
def test_mistakes_are_told_with_place_cause_and_mend(text: str, expected: tuple[str, str]) -> None:
    cause, where = expected
    with pytest.raises(ProgramError) as caught:
        score(parse(text, file="p.sp"))
    assert caught.value.cause.startswith(cause)
    assert where in str(caught.value.where)
    assert "p.sp" in str(caught.value.where) or where == "outputs"
    assert caught.value.mend


def test_near_misses_are_suggested() -> None:
    with pytest.raises(ProgramError, match=r"did you mean `copy`\?"):
        parse("cpy 1:1,2:2")
    with pytest.raises(ProgramError, match=r"did you mean `total`\?"):
        parse("word total 1:1\nset totl,1")


PYTHON = {
    "no name": ([((0, 0),)], "None is no instruction"),
    "unknown name": ([((0, 0), "jump", (0, 0))], "'jump' is no instruction"),
    "too few cells": ([((0, 0), "add", (0, 0))], "`add` with 1 cells"),
    "no cell": ([((0, 0), "copy", (0, 0), "a")], "'a' is no place"),
    "no number": ([((0, 0), "set", (0, 0), 1.5)], "`set` to 1.5"),
    "no comparison": ([((0, 0), "cmp", (0, 0), (0, 0), (0, 0), "=")], "'=' is not a comparison"),
    "a core off the grid": ([((0, 125), "set", (0, 0), 1)], "there is no core 0,125"),
    "a cell off the grid": ([((0, 0), "set", (32_000, 0), 1)], "the cell 32000:0 is off the grid"),
}


@pytest.mark.parametrize(("found", "cause"), PYTHON.values(), ids=PYTHON)
def test_mistakes_in_steps(found: list[Step], cause: str) -> None:
    with pytest.raises(ProgramError) as caught:
        score(SpatialProgram.of(found))
    assert caught.value.cause == cause
    assert "1" in str(caught.value.where)


def test_a_tile_holds_12288_words() -> None:
    cells = [(u, v) for v in range(256) for u in range(128) if not (32 <= u <= 95 and 32 <= v % 128 <= 95)]
    found = [((0, 0), "set", cell, 1) for cell in cells[:12_288]]
    assert score(SpatialProgram.of(found)).writes == 12_288
    small = Chip.preset("sutro_spatial").replace({"core.sram.capacity": "16 KiB"})
    with pytest.raises(ProgramError, match="12,288 words in tile 0,0"):
        simulate(SpatialProgram.of(found), small)


def test_columns_that_are_no_program() -> None:
    good = {
        "ops": np.array([3], np.int8),
        "cores": np.zeros((1, 2), int),
        "positions": np.array([[[0, 0], [1, 0], [-1, -1], [-1, -1]]]),
        "immediates": np.zeros(1, int),
        "inputs": np.array([[1, 0]]),
        "outputs": np.empty((0, 2), int),
    }
    assert str(SpatialProgram.from_columns(**good)) == "input 1:0\ncore 0,0\ncopy 0:0,1:0\n"
    for name, value, cause in (
        ("cores", np.zeros((2, 2), int), "cores of shape (2, 2)"),
        ("ops", np.array([15], np.int8), "an operation code is unknown"),
        ("ops", np.array([0], np.int8), "`add` with the cells"),
        ("immediates", np.zeros(2, int), "immediates of shape (2,)"),
    ):
        with pytest.raises(ProgramError) as caught:
            SpatialProgram.from_columns(**{**good, name: value})
        assert caught.value.cause.startswith(cause)


def test_what_simulate_refuses() -> None:
    program = parse("set 1:1,1")
    with pytest.raises(MemsimError, match="there is no engine 'slow'"):
        simulate(program, engine="slow")
    with pytest.raises(MemsimError, match="is no Chip"):
        simulate(program, "toy")  # type: ignore[arg-type]
    with pytest.raises(MemsimError, match="is no SpatialProgram"):
        simulate("set 1:1,1")  # type: ignore[arg-type]
    with pytest.raises(ProgramError, match="the program has no instruction"):
        simulate(SpatialProgram.of([]))
