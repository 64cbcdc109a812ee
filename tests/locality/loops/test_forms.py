"""Text, JSON and Python say the same; each mistake is told with its place, cause and mend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from memsim.errors import ProgramError
from memsim.locality.loops import (
    Loop,
    LoopProgram,
    Operation,
    Ref,
    Region,
    from_json,
    loop,
    naive_matmul,
    nearest_neighbour,
    op,
    parse,
    program,
    read,
    ref,
    region,
    score,
    tiled_matmul,
    to_json,
    to_text,
)
from memsim.locality.loops.jsonform import JSON_SCHEMA
from memsim.locality.scalar.instructions import BY_NAME, Op
from tests.locality.loops.drawn import programs

EXAMPLES = Path(__file__).parents[3] / "examples" / "sutro"

NAIVE = """
region A 256 input   # addresses 1 to 256
region B 256 input
region C 256 output
region t 1
for i 16 { for j 16 {
  mul C[16*i + j], A[16*i], B[j]
  for k 1..16 { mul t, A[16*i+k], B[16*k+j]  add C[16*i+j], t }
} }
"""


def test_the_three_forms_of_a_product() -> None:
    want = naive_matmul(16)
    assert parse(NAIVE) == want
    assert from_json(to_json(want)) == want
    c = Ref("C", 0, (("i", 16), ("j", 1)))
    k = Loop(
        "k",
        1,
        15,
        (
            Operation(Op.MUL, Ref("t"), (Ref("A", 0, (("i", 16), ("k", 1))), Ref("B", 0, (("j", 1), ("k", 16))))),
            Operation(Op.ADD, c, (c, Ref("t"))),
        ),
    )
    first = Operation(Op.MUL, c, (Ref("A", 0, (("i", 16),)), Ref("B", 0, (("j", 1),))))
    regions = (Region("A", 256, "input"), Region("B", 256, "input"), Region("C", 256, "output"), Region("t", 1))
    assert LoopProgram(regions, (Loop("i", 0, 16, (Loop("j", 0, 16, (first, k)),)),)) == want


@given(programs())
def test_round_trips(program: LoopProgram) -> None:
    assert parse(to_text(program)) == program
    document = to_json(program)
    jsonschema.validate(document, JSON_SCHEMA)
    assert from_json(json.dumps(document)) == program
    assert to_json(from_json(document)) == document


PUBLISHED: dict[str, Any] = {
    "format": "sutro-affine-v4/0.1",
    "model_spec_commit": "0123abc",
    "arithmetic": {"words": 32, "wrap": True},
    "placement": "half-diamond-ascending-x",
    "regions": [{"name": "x", "words": 9}, {"name": "less", "words": 1}],
    "body": [
        {
            "loop": "i",
            "start": 0,
            "count": 9,
            "body": [{"op": "recv", "dst": {"region": "x", "offset": 0, "coefficients": {"i": 1}}}],
        },
        {"op": "set", "dst": {"region": "less", "offset": 0, "coefficients": {}}, "imm": 4294967295},
        {
            "op": "cmp",
            "dst": {"region": "less", "offset": 0, "coefficients": {}},
            "src": [
                {"region": "x", "offset": 8, "coefficients": {}},
                {"region": "x", "offset": 0, "coefficients": {}},
            ],
            "predicate": "lt",
        },
        {"op": "send", "src": [{"region": "less", "offset": 0, "coefficients": {}}]},
    ],
}


def test_the_published_shape() -> None:
    found = from_json(PUBLISHED)
    assert to_json(found) == PUBLISHED
    assert parse(str(found)) == found
    assert [found.bases[name] for name in ("x", "less")] == [1, 10]
    assert score(found).cost == 4 * 50, "set, and the three accesses of cmp; the tape is free"


def test_what_may_be_left_out() -> None:
    short = json.loads(json.dumps(PUBLISHED).replace('"offset": 0, ', "").replace(', "coefficients": {}', ""))
    for key in ("placement", "model_spec_commit", "arithmetic"):
        del short[key]
    del short["body"][0]["start"], short["body"][2]["predicate"]
    short["body"][3]["dst"] = None
    found = from_json(short)
    assert (found.regions, found.body) == (from_json(PUBLISHED).regions, from_json(PUBLISHED).body)


def test_our_extensions_are_read() -> None:
    document = {
        "format": "sutro-affine-v4/0.1",
        "regions": [{"name": "x", "words": 2, "role": "both", "base": 7}],
        "body": [
            {"op": "abs", "dst": {"region": "x"}, "src": [{"region": "x", "offset": 1}]},
            {"op": "set", "dst": {"region": "x"}, "imm": -128},
        ],
    }
    assert str(from_json(document)) == "region x 2 at 7 input output\nabs x, x[1]\nset x, -128\n"
    assert score(from_json(document), "dally1").cost == 3 + 3 + 3


def changed(path: str, value: Any) -> dict[str, Any]:
    """The published document with one value replaced; ``...`` removes it."""
    document = json.loads(json.dumps(PUBLISHED))
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    target = document
    for key in parents:
        target = target[key]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return document


X = {"region": "x", "offset": 0, "coefficients": {}}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", "sutro-affine-v5", r"^format: 'sutro-affine-v5' stands where 'sutro-affine-v4/0.1' should"),
        ("format", ..., r"^document: `format` is missing"),
        ("regionz", [], r"^document: unknown key `regionz`\n  mend: did you mean `regions`\?"),
        ("placement", "spiral", r"^placement: 'spiral' stands where 'half-diamond-ascending-x' should"),
        ("regions", {}, r"^regions: an object is not a list"),
        ("regions.0.words", 0, r"^regions\[0\].words: 0 is less than 1"),
        ("regions.0.name", "1x", r"^regions\[0\].name: '1x' is not a name"),
        ("regions.1.name", "x", r"^regions\[1\]: region `x` is declared twice"),
        ("regions.1.base", 9, r"^regions\[1\]: regions `x` and `less` share address 9"),
        ("regions.1.base", 2**62, r"^regions\[1\]: region `less` reaches address 4611686018427387904"),
        ("regions.0.role", "in", r"^regions\[0\].role: unknown value 'in'\n  mend: .*`input`"),
        ("body.0", 3, r"^body\[0\]: 3 is not an object"),
        ("body.0.count", -1, r"^body\[0\].count: -1 is less than 0"),
        ("body.0.count", "9", r"^body\[0\].count: '9' is not a whole number"),
        ("body.0.body.0.op", "recieve", r"^body\[0\].body\[0\].op: unknown value 'recieve'\n  mend: .*`recv`"),
        ("body.0.body.0.dst.region", "y", r"^body\[0\].body\[0\].dst: there is no region 'y'"),
        ("body.0.body.0.dst.coefficients", {"j": 1}, r"^body\[0\].body\[0\].dst: no loop around it is called `j`"),
        ("body.0.body.0.dst.coefficients", {"i": 1, "k": 0}, r"dst: no loop around it is called `k`"),
        ("body.0.body.0.dst.coefficients", {"i": 2}, r"dst: `x\[2\*i\]` is word 16 of region `x` for i = 8"),
        ("body.0.body.0.dst.offset", -1, r"dst: `x\[i - 1\]` is word -1 of region `x` for i = 0"),
        ("body.0.body.0.dst.offset", 0.5, r"^body\[0\].body\[0\].dst.offset: 0.5 is not a whole number"),
        ("body.0.body.0.src", [X], r"^body\[0\].body\[0\]: `recv` has 1 sources\n  mend: give it 0"),
        ("body.0.body.0", {"loop": "i", "count": 2, "body": []}, r"^body\[0\].body\[0\]: loop `i` is inside another"),
        ("body.1.imm", 2**32, r"^body\[1\].imm: 4294967296 is more than 4294967295"),
        ("body.1.imm", ..., r"^body\[1\]: `set` without `imm`"),
        ("body.1.predicate", "lt", r"^body\[1\].predicate: `set` takes no `predicate`"),
        ("body.1.dst", ..., r"^body\[1\]: `set` has no destination"),
        ("body.2.src.1.region", "xx", r"^body\[2\].src\[1\]: there is no region 'xx'\n  mend: did you mean `x`"),
        ("body.2.src", [X], r"^body\[2\]: `cmp` has 1 sources\n  mend: give it 2"),
        ("body.2.predicate", "less", r"^body\[2\].predicate: unknown value 'less'"),
        ("body.3.dst", X, r"^body\[3\]: `send` has a destination\n  mend: leave it out"),
        ("body.3.src.0.coeficients", {}, r"^body\[3\].src\[0\]: unknown key `coeficients`\n  mend: .*`coefficients`"),
    ],
)
def test_mistakes_in_json(path: str, value: Any, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as error:
        from_json(changed(path, value))
    assert error.value.where


def test_the_same_name_in_loops_one_after_another() -> None:
    found = changed("body.1", PUBLISHED["body"][0])
    assert len(from_json(found).body) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": }', r"^f.json: line 1, column 12: the text is no JSON"),
        ('{"body": [], "body": []}', "key `body` stands twice"),
        ("[1]", r"^f.json: document: a list is not an object"),
        ("[" * 100_000, "the text is no JSON that can be read"),
    ],
)
def test_texts_that_are_no_document(text: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        from_json(text, "f.json")


def test_deep_documents_are_refused() -> None:
    body: list[Any] = []
    for i in range(100):
        body = [{"loop": f"i{i}", "count": 1, "body": body}]
    with pytest.raises(ProgramError, match="loops nest more than 64 deep"):
        from_json({"format": "sutro-affine-v4/0.1", "regions": [], "body": body})


HEAD = "region A 10 input\nregion t 1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^p.loops: line 1, column 1: the text is empty"),
        (HEAD + "ad t, A, A", r"line 3, column 1: there is no instruction `ad`\n  mend: did you mean `add` or `and`\?"),
        (HEAD + "send t, A", r"line 3, column 1: `send` has 2 operands\n  mend: write `send a`"),
        (HEAD + "mul t", r"line 3, column 1: `mul` has 1 operand\n  mend: write `mul d, a, b`"),
        (HEAD + "set t", r"line 3, column 1: `set` without a number\n  mend: write `set d, K`"),
        (HEAD + "set t, -129", r"line 3, column 1: `set` with -129\n  mend: use a number from -128 to 4294967295"),
        (HEAD + "cmp t, A, A, less", r"line 3, column 1: `cmp` cannot ask 'less'"),
        (HEAD + "add t, 3", r"line 3, column 1: `add` of 3, which is no operand"),
        (HEAD + "copy t, B", r"line 3, column 9: there is no region 'B'"),
        (
            HEAD + "for i 4 {\n copy t, A[j]\n}",
            r"line 4, column 12: no loop around it is called `j`\n  mend: the loops are i",
        ),
        (HEAD + "for i 4 { copy t, A[3*i+2] }", r"line 3, column 19: `A\[3\*i \+ 2\]` is word 11 .* for i = 3"),
        (HEAD + "for i 4 { for j 2 { copy t, A[i*j] } }", r"line 3, column 32: `i \* j` is a product of counters"),
        (HEAD + "for i 4 { for i 2 { } }", r"line 3, column 15: loop `i` is inside another loop `i`"),
        (HEAD + "for i 4..2 { }", r"line 3, column 5: loop `i` goes from 4 to 2"),
        (HEAD + "for at 2 { }", r"line 3, column 5: `at` is a word of the language"),
        (HEAD + "for note 2 { }", r"line 3, column 5: `note` is a word of the language"),
        (HEAD + "for i 4 { copy t, A[i]", r"line 3, column 23: the text ends too early"),
        (HEAD + "copy t A", r"line 3, column 9: the text ends too early"),
        (HEAD + "copy t, A[1", r"line 3, column 12: the text ends too early"),
        (HEAD + "copy t, A ]", r"line 3, column 11: unexpected `\]`"),
        (HEAD + "copy t, A[1/2]", r"line 3, column 12: the character '/' has no meaning here"),
        (
            HEAD + "copy t, A\nregion B 3",
            r"line 4, column 10: unexpected `3`: .*\n(.*\n)*  mend: declare regions before",
        ),
        ("region A 0", r"line 1, column 8: region `A` of 0 words"),
        ("region A 1 at 0", r"line 1, column 8: region `A` begins at address 0"),
        ("region A 3 at 5 region B 3 at 4", r"line 1, column 24: regions `A` and `B` share address 5"),
        ("region A 1\nregion A 2", r"line 2, column 8: region `A` is declared twice"),
        ('note author "me"\n', r"line 1, column 1: there is no note `author`"),
        ("note arithmetic me\n", r"line 1, column 1: me is no JSON value"),
        (HEAD + "for i " + "9" * 2_000 + " { }", r"line 3, column 7: a number of 2,000 digits"),
        (HEAD + "for i 1 {" * 500, "loops nest more than 64 deep"),
        (HEAD + "copy t, A[" + "(" * 5_000, "nest more than 64 deep"),
    ],
)
def test_mistakes_in_text(text: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as error:
        parse(text, "p.loops")
    assert str(error.value).startswith("p.loops: line ")


def test_indices_are_sums_of_products() -> None:
    text = "region A 99\nfor i 3 { for j 3 { copy A[2*(3*i + j) - (-4) + j*2 + -i + 0*i], A[(2+1)*i*2] } }"
    (outer,) = parse(text).body
    assert isinstance(outer, Loop) and isinstance(outer.body[0], Loop)
    (copy,) = outer.body[0].body
    assert isinstance(copy, Operation)
    assert copy.dst == ref("A", 4, i=5, j=4)
    assert copy.src == (ref("A", i=6),)


def test_statements_may_be_separated_or_not() -> None:
    one = parse("region t 1; set t, 1; send t;")
    assert one == parse("region t 1\nset t,1 send t") == parse("region t 1 # a word\r\nset t, 1\r\nsend t\r\n")


def test_every_instruction_has_a_text() -> None:
    for kind in BY_NAME.values():
        operands = ["x"] * (kind.writes + kind.sources)
        extra = {"integer": [3], "predicate": ["ne"]}.get(kind.takes, [])
        made = program([region("x", 1)], [op(kind.name, *operands, *extra)])
        assert parse(str(made)) == made == from_json(to_json(made))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: op("mull", "a", "b"), "there is no instruction `mull`"),
        (lambda: op("mul", "a", 3), "`mul` of 3, which is no operand"),
        (lambda: program([region("x", 1.5)], []), r"regions\[0\]: region `x` of 1.5 words"),
        (lambda: program([region("x", 1, "in")], []), r"regions\[0\]: role 'in' of region `x`"),
        (lambda: program([], [loop("i", 2.5, [])]), r"body\[0\]: loop `i` runs 2.5 times"),
        (lambda: program([], [loop("i", 2, [], start=None)]), r"body\[0\]: loop `i` starts at None"),
        (lambda: program([], ["x"]), r"body\[0\]: 'x' is neither a loop nor an operation"),
        (lambda: program([region("x", 9)], [loop("i", 2, [op("set", ref("x", i=0.5), 1)])]), "is not whole"),
        (lambda: tiled_matmul(10, 4), "10 rows are no whole number of tiles of 4"),
        (lambda: nearest_neighbour(0, 1, 1), "train = 0"),
    ],
)
def test_mistakes_in_python(make, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        make()


def test_loops_that_never_run_may_reach_anywhere() -> None:
    assert score(parse("region t 1\nfor i 0 { send t[i + 7] }")).cost == 0


def test_files(tmp_path: Path) -> None:
    want = tiled_matmul(4, 2)
    (tmp_path / "p.loops").write_text(str(want))
    (tmp_path / "p.json").write_text(json.dumps(to_json(want)))
    (tmp_path / "q.json").write_text(json.dumps(to_json(want)).replace('"sA", "words": 4', '"sA", "words": 3'))
    assert read(tmp_path / "p.loops") == read(tmp_path / "p.json") == want
    with pytest.raises(
        ProgramError, match=r"q\.json: body\[0\]\.body\[0\].*: `sA\[2\*i \+ j\]` is word 3 of region `sA`"
    ):
        read(tmp_path / "q.json")
    with pytest.raises(ProgramError, match=r"absent\.loops: cannot be read"):
        read(tmp_path / "absent.loops")


def test_the_example_is_the_tiled_product() -> None:
    assert read(EXAMPLES / "tiled_matmul.loops") == tiled_matmul(8192, 32)
