"""Malformed texts: each error tells the place, the cause and the mend, and shows the line with a caret."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import Location, ProgramError
from memsim.isa.format import format as write
from memsim.isa.jsonform import to_json
from memsim.isa.text import MAX_LINE, MAX_TEXT, parse, parse_file

BASE = """program matmul cores 16
tensor A dram bf16 [512, 512]
tensor B dram bf16 [512, 512]
tensor C dram fp32 [512, 512]
kernel main occupancy 1 blocks (y 4, x 4) cluster (2, 1) {
  ring a sram bf16 [128, 64]  depth 2 ; double buffer
  ring b sram bf16 [64, 128]  depth 2
  ring c reg  fp32 [128, 128] depth 1
  queue load    { loop k 8 { load a <- A[y*128, k*64]  load b to (y//2*2 : 2, x) <- B[k*64, x*128] } }
  queue compute { fill c 0  loop k 8 { mma c += a b  pop a  pop b }  c = mul(c, 2.5)  push c }
  queue store   { store C[y*128, x*128] <- c clip  pop c }
}
"""

# (what is replaced in BASE, by what, line and column, cause, mend)
MALFORMED = [
    # names that nobody knows
    ("A[y*128", "AA[y*128", (9, 40), "unknown tensor `AA`", "did you mean `A`?"),
    ("load a <- A[y*128, k*64]", "load a <- b[0, 0]", (9, 40), "unknown tensor `b`",
     "it is a ring: `copy` moves a tile from ring to ring"),
    ("pop a", "pop z", (10, 58), "unknown ring `z` in group main", "known: `a`, `b`, `c`"),
    ("+= a b", "+= a B", (10, 51), "unknown ring `B` in group main",
     "it is a tensor: load it into a ring and name the ring"),
    ("mul(c, 2.5)", "mul(c, x)", (10, 81), "unknown ring `x` in group main",
     "it is a coordinate: `iota` makes a tile of coordinates"),
    ("c = mul", "cc = mul", (10, 70), "unknown ring `cc` in group main", "did you mean `c`?"),
    ("k*64]", "kk*64]", (9, 49), "`kk` is not a loop counter or block coordinate here", "did you mean `k`?"),
    ("<- c clip", "<- c@k clip", (11, 46), "unexpected `k`: expected a number", ""),
    ("[y*128, x*128] <- c", "[k*128, x*128] <- c", (11, 27),
     "`k` is not a loop counter or block coordinate here", "known: `x`, `y`"),
    ("A dram bf16", "A dram bf61", (2, 15), "unknown dtype `bf61`", "did you mean `bf16`?"),
    ("A dram bf16", "A bf16 dram", (2, 15), "unknown dtype `dram`",
     "the memory comes first: `tensor A dram bf16 [...]`"),
    ("a sram bf16", "a bf16 sram", (6, 15), "unknown dtype `sram`",
     "the memory comes first: `ring a sram bf16 [...]`"),
    ("mul(c, 2.5)", "exp(c)", (10, 74), "unknown operation `exp`", "did you mean `exp2`?"),
    ("mul(c, 2.5)", "mulx(c, axis 0)", (10, 74), "`mulx` is not a reduction", "known: `max`, `min`, `sum`"),
    ("load b to (", "load b to other(", (9, 66), "unknown group `other`", "known: `main`"),
    # keywords
    ("load a <-", "lood a <-", (9, 30), "`lood` is not an instruction", "did you mean `load` or `loop`?"),
    ("c = mul(c, 2.5)", "mul(c, 2.5)", (10, 70), "`mul` is not an instruction",
     "name the ring that takes the result: `r = mul(...)`"),
    ("+= a b  pop", "+= a b c  pop", (10, 53), "`c` is not an instruction",
     "an instruction begins with a keyword, or reads `ring = operation(...)`"),
    ("ring a", "rng a", (6, 3), "unexpected `rng`: expected `queue`, `ring` or `}`", "did you mean `ring`?"),
    ("64]  depth 2 ;", "64]  dept 2 ;", (6, 31), "unexpected `dept`: expected `depth`, `queue`, `ring` or `}`",
     "did you mean `depth`?"),
    ("cluster (2, 1)", "clusters (2, 1)", (5, 43), "unexpected `clusters`: expected `cluster` or `{`",
     "did you mean `cluster`?"),
    ("ring a", "ring depth", (6, 8), "unexpected `depth`: expected a name",
     "`depth` is a keyword; for a name choose another word, for example `depth_`"),
    ("push c", "push", (10, 92), "unexpected `}`: expected a name", ""),
    ("c clip", "c clip clip", (11, 51), "`clip` is given twice", ""),
    ("c clip", "c pad 1", (11, 46),
     "unexpected `pad`: expected an instruction, `@`, `clip`, `loop`, `transpose` or `}`", ""),
    ("cores 16", "cores 16 cores 8", (1, 25), "`cores` is given twice", ""),
    # brackets
    ("push c }", "push c", (11, 3), "unexpected `queue`: expected an instruction, `loop` or `}`",
     "close the `{` of line 10 first"),
    ("push c }", "push c } }", (11, 3), "unexpected `queue`: expected `kernel`, `tensor` or the end of the text",
     "there may be a `}` too many before it"),
    ("clip  pop c }\n}", "clip  pop c }", (11, 59), "the text ends too early: expected `queue`, `ring` or `}`",
     "close the `{` of line 5"),
    ("k*64]", "k*64", (9, 55), "unexpected `load`: expected an operator, `,`, `:` or `]`",
     "close the `[` of line 9 first"),
    ("[512, 512]\ntensor B", "[512 512]\ntensor B", (2, 25), "unexpected `512`: expected an operator, `,` or `]`", ""),
    # numbers
    ("loop k 8 { load", "loop k { load", (9, 26), "unexpected `{`: expected an expression", ""),
    ("loop k 8 { load", "loop k 8.5 { load", (9, 26), "expected a whole number, found 8.5", ""),
    ("[512, 512]\ntensor B", "[512, 0]\ntensor B", (2, 26), "a size must be at least 1, found 0", ""),
    ("depth 2 ;", "depth 1 - 3 ;", (6, 37), "depth must be at least 1, found -2", ""),
    ("depth 2 ;", "depth y ;", (6, 37), "expected a constant, found the name `y`", "write a number"),
    ("y*128, k", "y*k, k", (9, 43), "the product of `y` and `k` is not affine", "one factor must be a constant"),
    ("y*128, k", "y/128, k", (9, 43), "the character `/` has no meaning here", "whole division is `//`"),
    ("y//2*2", "y//x", (9, 68), "`//` needs a positive constant divisor, found x", ""),
    ("y//2*2", "y%0", (9, 68), "`%` needs a positive constant divisor, found 0", ""),
    ("fill c 0", "fill c inf", (10, 26), "unexpected `inf`: expected a number",
     "numbers are finite; the finite lowest fp32 is -3.4028234663852886e+38"),
    ("fill c 0", "fill c 1e999", (10, 26), "1e999 is too large for a float",
     "the finite lowest fp32 is -3.4028234663852886e+38"),
    ("k*64]", "k*9223372036854775808]", (9, 51), "9223372036854775808 is too large",
     "whole numbers go up to 9223372036854775807"),
    ("k*64]", "k*9223372036854775807*2]", (9, 49), "a number is too large: about 2 to the power of 63",
     "whole numbers go up to 9223372036854775807"),
    # counts of things
    ("y*128, k*64]", "y*128]", (9, 40), "tensor A has shape [512, 512], found 1 of 2 indices",
     "give one index for each dimension"),
    ("(y//2*2 : 2, x)", "(y)", (9, 61), "group main has 2 block coordinates, found 1",
     "give one index for each of: y, x"),
    ("(y//2*2 : 2, x)", "(y : 2 : 1, x)", (9, 75), "blocks of a multicast have no step", "write start : count"),
    ("cluster (2, 1)", "cluster (2)", (5, 43), "cluster has 1 sizes, the grid has 2 coordinates",
     "give one size for each of: y, x"),
    ("mul(c, 2.5)", "mul(c)", (10, 74), "mul takes 2 arguments, found 1", ""),
    ("mul(c, 2.5)", "sum(c)", (10, 74), "sum takes a tile and an axis", "write `c = sum(tile, axis 0)`"),
    ("mul(c, 2.5)", "exp2(c, axis 0)", (10, 74), "`exp2` is not a reduction", "only reductions have an axis"),
    ("mul(c, 2.5)", "exp2(start 0)", (10, 79), "`exp2` has no `start`",
     "write axis and start for `iota`, axis for a reduction"),
    ("mul(c, 2.5)", "iota(start 0)", (10, 74), "iota takes an axis", "write `c = iota(axis 0)`"),
    ("mul(c, 2.5)", "iota(axis 0, axis 1)", (10, 87), "`axis` is given twice", ""),
    ("mul(c, 2.5)", "iota(c)", (10, 79), "iota takes no `c`", "write axis and start for `iota`, axis for a reduction"),
    ("load b to", "gather b <- B[0, 0] by a distribution random load b to", (9, 94), "unknown distribution `random`",
     "write `uniform` or `sequential`"),
    # things defined twice
    ("tensor B", "tensor A", (3, 8), "tensor `A` is defined already", "choose another name"),
    ("ring b", "ring a", (7, 8), "ring `a` is defined already", "choose another name"),
    ("queue store", "queue load", (11, 9), "queue `load` is defined already", "choose another name"),
    ("(y 4, x 4)", "(y 4, y 4)", (5, 38), "block coordinate `y` is defined already", "choose another name"),
    ("k 8 { mma", "y 8 { mma", (10, 34), "`y` is taken by a loop or block coordinate around it", "choose another name"),
    # characters
    ("; double", "# double", (6, 39), "the character `#` has no meaning here", "a comment begins with `;`"),
    ("matmul", '"matmul"', (1, 9), 'the character `"` has no meaning here', "names are written without quotes"),
    ("matmul", "mat\x00mul", (1, 12), "the character `U+0000` has no meaning here", ""),
    ("matmul", "matmül", (1, 13), "the character `ü` has no meaning here", ""),
    ("a <- A", "a < A", (9, 37), "the character `<` has no meaning here",
     "a transfer is written `destination <- source`"),
    ("matmul", "m" * 201, (1, 9), f"the name `{'m' * 37}...` is too long", "use at most 200 characters"),
]  # fmt: skip


def error_of(text, file=None):
    with pytest.raises(ProgramError) as caught:
        parse(text, file)
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "place", "cause", "mend"), MALFORMED, ids=[f"{new[:40]!r}" for _, new, *_ in MALFORMED]
)
def test_the_error_tells_place_cause_and_mend(old, new, place, cause, mend):
    assert old in BASE
    text = BASE.replace(old, new, 1)
    error = error_of(text, "m.tile")
    said, line, carets = error.cause.split("\n")
    assert (said, error.where, error.mend) == (cause, Location(*place, "m.tile"), mend)
    number, guilty = f"  {place[0]} | ", text.split("\n")[place[0] - 1]
    assert line.startswith(number + guilty[:40].replace("\x00", " ")) or len(guilty) > 100
    if len(guilty) < 100:
        assert carets.index("^") == len(number) + place[1] - 1


def test_there_are_enough_of_them():
    assert len(MALFORMED) >= 25
    assert len({cause for *_, cause, _ in MALFORMED}) >= 50


def test_the_whole_message():
    text = BASE.replace("pop a", "pop aa", 1)
    assert str(error_of(text, "m.tile")) == (
        "m.tile: line 10, column 58: unknown ring `aa` in group main\n"
        "  10 |   queue compute { fill c 0  loop k 8 { mma c += a b  pop aa  pop b }  c = mul(c, 2.5)  push c }\n"
        "     |                                                          ^^\n"
        "  mend: did you mean `a`?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: the text is empty\n  mend: begin with `program NAME`"),
        (" \n\t\n", "line 1, column 1: the text is empty\n  mend: begin with `program NAME`"),
        (b"", "line 1, column 1: the text is empty\n  mend: begin with `program NAME`"),
        (
            "; only a comment",
            "line 1, column 17: the text ends too early: expected `program`\n  1 | ; only a comment\n    | "
            "                ^",
        ),
        (
            "program",
            "line 1, column 8: the text ends too early: expected a name\n  1 | program\n    |        ^",
        ),
        (
            "kernel x",
            "line 1, column 1: unexpected `kernel`: expected `program`\n  1 | kernel x\n    | ^^^^^^",
        ),
        (
            b"program p\ntensor \xc3\xa4\xff",
            "line 2, column 9: byte 0xff is not UTF-8 text\n  mend: save the file as UTF-8",
        ),
        (
            "program p kernel m { group g blocks () { } group g blocks () { } }",
            "line 1, column 50: group `g` is defined already\n"
            "  1 | program p kernel m { group g blocks () { } group g blocks () { } }\n"
            "    |                                                  ^\n"
            "  mend: choose another name",
        ),
        (
            "program p kernel m blocks () { }\nkernel m blocks () { }",
            "line 2, column 8: kernel `m` is defined already\n"
            "  2 | kernel m blocks () { }\n"
            "    |        ^\n"
            "  mend: choose another name",
        ),
        (
            "program p kernel m blocks () { queue q { pop a } }",
            "line 1, column 46: unknown ring `a` in group m\n"
            "  1 | program p kernel m blocks () { queue q { pop a } }\n"
            "    |                                              ^\n"
            "  mend: none is defined here",
        ),
        (
            "program p kernel m cooperative cooperative { }",
            "line 1, column 32: `cooperative` is given twice\n"
            "  1 | program p kernel m cooperative cooperative { }\n"
            "    |                                ^^^^^^^^^^^",
        ),
        (
            "program p tensor V dram fp32 [8]\n"
            "kernel m blocks () { ring a sram fp32 [2, 4] queue q { load a <- V[0] } }",
            "line 2, column 66: a tile [2, 4] of ring a does not fit the dimensions of tensor V [8]\n"
            "  2 | kernel m blocks () { ring a sram fp32 [2, 4] queue q { load a <- V[0] } }\n"
            "    |                                                                  ^\n"
            "  mend: give the sizes: start : size",
        ),
    ],
)
def test_whole_texts(text, message):
    assert str(error_of(text)) == message


# ---- size, depth and length: an error, quickly, and never a traceback ----


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a" * 10**7, "the line is too long: 10000000 characters"),
        ("(" * 10**7, "the line is too long: 10000000 characters"),
        ("program p\n" + "; \n" * (MAX_TEXT // 3), "the text is too long: 16000009 characters"),
        ("program p cores " + "(" * (MAX_LINE - 20), "brackets nest more than 67 deep"),
        ("program p cores " + "9" * 50_000, "9999999999999999999999999999999999999... is too large"),
        ("program p cores 1" + "+1" * 40_000, "the expression has more than 1000 operands"),
        ("program p cores 1" + "*8" * 900, "a number is too large: about 2 to the power of 2700"),
        ("program p kernel m blocks (i 1) { queue q { loop k i" + "//2" * 900, "the text ends too early: expected"),
        (
            "program p kernel m blocks (i 1) { queue q { loop k i" + "//2" * 900 + "{ } } }",
            "the expression nests more than 32 deep",
        ),
        (
            "program p kernel m blocks (i 1) { queue q {"
            + " loop k {\n" * 5000,
            "unexpected `{`: expected an expression",
        ),
        ("program p kernel m blocks (i 1) { queue q {" + " loop k 1 {\n" * 5000, "brackets nest more than 36 deep"),
        (
            "program p kernel m blocks (" + ", ".join(f"i{n} 1" for n in range(300)) + ") { queue q { loop k "
            + " + ".join(f"i{n}" for n in range(300)) + " { } } }",
            "an expression has more than 256 terms",
        ),
    ],
    ids=lambda value: value[:30],
)  # fmt: skip
def test_excess_is_one_clear_error(text, cause):
    error = error_of(text)
    assert error.cause.startswith(cause)
    assert len(str(error)) < 500


def test_deep_texts_need_no_deep_stack():
    """The limits on nesting keep the parser far from Python's own limit, also where the caller is deep already."""
    text = "program p kernel m blocks (i 1) { queue q {" + " ".join(f"loop k{n} 1 {{" for n in range(32))
    text += " loop z " + "(" * 60 + "i" + ")" * 60 + " { } " + "}" * 34

    def deep(level):
        return parse(text) if level == 0 else deep(level - 1)

    limit = sys.getrecursionlimit()
    with pytest.raises(ProgramError, match="loops nest more than 32 deep"):
        deep(limit // 3)


# ---- files ----


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "no.tile"
    with pytest.raises(ProgramError) as caught:
        parse_file(path)
    assert str(caught.value) == (
        f"{path}: cannot read the file: No such file or directory\n  mend: check the path of the program"
    )


def test_a_folder_is_no_program(tmp_path):
    with pytest.raises(ProgramError, match="cannot read the file: Is a directory"):
        parse_file(tmp_path)


def test_an_error_in_a_file_names_it(tmp_path):
    path = tmp_path / "bad.tile"
    path.write_bytes(b"program p\n\xfe")
    with pytest.raises(ProgramError) as caught:
        parse_file(path)
    assert caught.value.where == Location(2, 1, str(path))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{\n  [", ": line 2, column 3: this is not JSON: "),
        ("[" * 100_000, ": the JSON nests too deep or has a number of too many digits"),
        ('{"version": ' + "9" * 5000 + "}", ": the JSON nests too deep or has a number of too many digits"),
        ("3", ": $: expected an object, found 3"),
    ],
)
def test_errors_in_json_files(tmp_path, document, message):
    path = tmp_path / "bad.json"
    path.write_text(document, encoding="utf-8")
    with pytest.raises(ProgramError) as caught:
        parse_file(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_json_file_is_read(tmp_path):
    path = tmp_path / "matmul.json"
    path.write_text(json.dumps(to_json(parse(BASE))), encoding="utf-8")
    assert parse_file(path) == parse(BASE)


# ---- any damage at all ----

signs = (*"{}()[],:;@=+-*%^.\n\t", "//", "<-", "+=", "^T", "min(", "9" * 30, "1.5", "-1", "é", "\x00", "🙂", "\u2028")
names = ("program", "tensor", "kernel", "ring", "queue", "loop", "load", "pop", "iota", "axis", "to", "a", "k", "C")
words = st.sampled_from((*signs, *names))


@given(st.lists(st.tuples(st.integers(0, len(BASE)), st.integers(0, 12), words), min_size=1, max_size=4))
def test_a_damaged_text_gives_a_program_or_a_placed_error(damage):
    text = BASE
    for start, length, word in damage:
        text = text[:start] + word + text[start + length :]
    try:
        program = parse(text, "m.tile")
    except ProgramError as error:
        assert isinstance(error.where, Location)
        lines = text.replace("\r", "\n").split("\n")
        assert 1 <= error.where.line <= len(lines)
        assert 1 <= error.where.column <= len(lines[error.where.line - 1]) + 1
        assert error.cause
    else:
        assert parse(write(program)) == program


@given(st.binary(max_size=40))
def test_any_bytes_give_an_error(data):
    with pytest.raises(ProgramError):
        parse(b"program p cores " + data + b"(")
