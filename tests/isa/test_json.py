"""The JSON form: round trips, the schema, and errors that name the path."""

import copy
import json
from dataclasses import fields

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ProgramError
from memsim.isa import model
from memsim.isa._json_schema import STATEMENTS
from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.jsonform import JSON_SCHEMA, from_json, to_json
from memsim.isa.model import Fill, Group, Kernel, Loop, Program, Queue
from memsim.isa.text import parse
from tests.isa.expressions import NAMES, exprs, value
from tests.isa.loose_programs import loose_programs
from tests.strategies import programs

TEXT = """
program p cores 4 flops 100
tensor A dram bf16 [512, 512]
kernel main occupancy 2 blocks (y 4, x 4) cluster (2, 1) {
  ring a sram bf16 [128, 64]  depth 2
  queue load { loop k y//2*2 + 8 { load a to (y : 1, x) <- A[y*128, k*64] clip pad -1 } }
  queue compute { a = mul(a@1, 0.5)  pop a }
}
"""

DOCUMENT = {
    "version": 1,
    "name": "p",
    "tensors": [{"name": "A", "role": "dram", "dtype": "bf16", "shape": [512, 512]}],
    "kernels": [
        {
            "name": "main",
            "groups": [
                {
                    "name": "main",
                    "grid": [["y", 4], ["x", 4]],
                    "rings": [{"name": "a", "memory": "sram", "dtype": "bf16", "shape": [128, 64], "depth": 2}],
                    "queues": [
                        {
                            "name": "load",
                            "body": [
                                {
                                    "kind": "loop",
                                    "var": "k",
                                    "count": ["+", ["*", ["//", "y", 2], 2], 8],
                                    "body": [
                                        {
                                            "kind": "load",
                                            "dst": {"ring": "a", "blocks": [["y", 1], ["x", 1]]},
                                            "src": {
                                                "tensor": "A",
                                                "starts": [["*", "y", 128], ["*", "k", 64]],
                                                "sizes": [128, 64],
                                                "steps": [1, 1],
                                                "clip": True,
                                            },
                                            "transpose": False,
                                            "pad": -1.0,
                                        }
                                    ],
                                }
                            ],
                        },
                        {
                            "name": "compute",
                            "body": [
                                {"kind": "vector", "op": "mul", "dst": "a", "args": [{"ring": "a", "ahead": 1}, 0.5]},
                                {"kind": "pop", "ring": "a"},
                            ],
                        },
                    ],
                    "cluster": [2, 1],
                }
            ],
            "occupancy": 2,
            "cooperative": False,
        }
    ],
    "cores": 4,
    "useful_flops": 100,
}


def through_text(document):
    return json.loads(json.dumps(document, allow_nan=False))


def test_the_form_is_as_documented():
    assert to_json(parse(TEXT)) == DOCUMENT
    assert from_json(DOCUMENT) == parse(TEXT)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(JSON_SCHEMA)


@given(loose_programs())
def test_every_program_goes_through_json_unchanged(program):
    document = through_text(to_json(program))
    again = from_json(document)
    assert again == program
    assert repr(again) == repr(program)
    assert to_json(again) == document


@given(programs())
def test_valid_programs_go_through_json_unchanged(program):
    assert from_json(through_text(to_json(program))) == program


@given(loose_programs())
def test_what_is_written_fits_the_public_schema(program):
    jsonschema.Draft202012Validator(JSON_SCHEMA).validate(to_json(program))


def with_count(count):
    document = copy.deepcopy(DOCUMENT)
    document["kernels"][0]["groups"][0]["queues"][0]["body"][0]["count"] = count
    return from_json(document).kernels[0].groups[0].queues[0].body[0].count


@given(exprs)
def test_an_expression_is_a_prefix_tree_that_any_tool_can_evaluate(expr):
    group = Group("g", tuple((name, 9) for name in NAMES), (), (Queue("q", (Loop("k", expr, ()),)),))
    document = through_text(to_json(Program("p", (), (Kernel("m", (group,)),))))
    tree = document["kernels"][0]["groups"][0]["queues"][0]["body"][0]["count"]
    env = {"x": 5, "y": -3, "z": 11}
    assert evaluate(tree, env) == expr.evaluate(env)


def evaluate(tree, env):
    if not isinstance(tree, list):
        return value(tree, env)
    operator, first, *rest = tree
    result = evaluate(first, env)
    for operand in rest:
        result = value((operator, result, evaluate(operand, env)), env)
    return result


@pytest.mark.parametrize(
    ("tree", "expr"),
    [
        (8.0, Expr(8)),
        (["+", "y", "x", 3, "y"], var("y") * 2 + var("x") + 3),
        (["*", 2, "y", 3], var("y") * 6),
        (["min", ["%", "y", 3], 2], minimum(var("y") % 3, 2)),
        (["max", 2, "y"], maximum(var("y"), 2)),
        (["//", 7, 2], Expr(3)),
    ],
)
def test_expressions_need_not_be_canonical(tree, expr):
    assert with_count(tree) == expr


def test_fields_with_defaults_may_be_left_out():
    document = copy.deepcopy(DOCUMENT)
    group = document["kernels"][0]["groups"][0]
    load = group["queues"][0]["body"][0]["body"][0]
    for holder, names in (
        (document, ("cores", "useful_flops")),
        (document["kernels"][0], ("occupancy", "cooperative")),
        (group, ("cluster",)),
        (group["rings"][0], ("depth",)),
        (load, ("transpose", "pad")),
        (load["src"], ("steps", "clip")),
        (load["dst"], ("blocks",)),
    ):
        for name in names:
            del holder[name]
    short = TEXT
    for word in (" cores 4 flops 100", " occupancy 2", " cluster (2, 1)", " depth 2", " to (y : 1, x)", " clip pad -1"):
        short = short.replace(word, "")
    assert from_json(document) == parse(short)


@pytest.mark.parametrize(
    "name", ["tensor", "ring", "tile", "region", "target", "queue", "group", "kernel", *STATEMENTS]
)
def test_schema_and_classes_have_the_same_fields(name):
    """The schema is written by hand; it must not drift from the model."""
    schema = JSON_SCHEMA["$defs"][name]
    known = {f.name for f in fields(getattr(model, name.capitalize())) if f.name != "place"}
    assert {*schema["properties"]} - {"kind"} == known
    assert {*schema["required"]} <= {*schema["properties"]}


def test_every_instruction_has_a_kind():
    assert {getattr(model, kind.capitalize()) for kind in STATEMENTS} == {*model.Statement.__args__}


# ---- errors ----

KERNEL = "$.kernels[0]"
GROUP = f"{KERNEL}.groups[0]"
LOOP = f"{GROUP}.queues[0].body[0]"
LOAD = f"{LOOP}.body[0]"
VECTOR = f"{GROUP}.queues[1].body[0]"
DELETE = object()

MALFORMED = [
    ("$.version", 2, "$.version", "expected 1, found 2", ""),
    ("$.version", DELETE, "$", "`version` is missing", "add `version`"),
    ("$.nmae", "p", "$", "unknown key `nmae`", "did you mean `name`?"),
    ("$.name", "two words", "$.name", "'two words' is not a name",
     "begin with a letter or `_`, go on with letters, digits, `_` or `.`"),
    ("$.name", "a\n", "$.name", "'a\\n' cannot be the name of a program",
     "begin with a letter or `_`, go on with letters, digits, `_` or `.`"),
    ("$.name", "n" * 201, "$.name", f"'{'n' * 36}... is longer than 200 characters", ""),
    ("$.cores", 0, "$.cores", "must be at least 1, found 0", ""),
    ("$.cores", 1.5, "$.cores", "expected a whole number, found 1.5", ""),
    ("$.cores", True, "$.cores", "expected a whole number, found True", ""),
    ("$.cores", 2**63, "$.cores", "must be at most 9223372036854775807, found 9223372036854775808", ""),
    ("$.cores", 10**50, "$.cores", "must be at most 9223372036854775807, found a number of more than 40 digits", ""),
    ("$.cores", 10**5000, "$", "a number has too many digits", ""),
    ("$.tensors", {}, "$.tensors", "expected a list, found an object", ""),
    ("$.tensors[0].dtype", "bf61", "$.tensors[0].dtype", "unknown value 'bf61'", "did you mean `bf16`?"),
    ("$.tensors[0].shape", [], "$.tensors[0].shape", "needs 1 items, found 0", ""),
    ("$.tensors[0].shape[1]", "8", "$.tensors[0].shape[1]", "expected a whole number, found '8'", ""),
    ("$.tensors[0].name", "ring", "$.tensors[0].name", "`ring` is a keyword and cannot be the name of a tensor",
     "choose another name, for example `ring_`"),
    ("$.tensors[0].role", "min", "$.tensors[0].role", "`min` is a keyword and cannot be the name of a memory role",
     "choose another name, for example `min_`"),
    (f"{GROUP}.grid[0]", ["y"], f"{GROUP}.grid[0]", "needs 2 items, found 1", ""),
    (f"{GROUP}.grid[0]", ["y", 1, 1], f"{GROUP}.grid[0]", "takes 2 items, found 3", ""),
    (f"{GROUP}.grid[0][0]", "axis", f"{GROUP}.grid[0][0]",
     "`axis` is a keyword and cannot be the name of a block coordinate", "choose another name, for example `axis_`"),
    (f"{KERNEL}.cooperative", 1, f"{KERNEL}.cooperative", "expected true or false, found 1", ""),
    (f"{GROUP}.queues[1].body", None, f"{GROUP}.queues[1].body", "expected a list, found None", ""),
    (f"{LOOP}.kind", "lop", f"{LOOP}.kind", "unknown value 'lop'", "did you mean `loop`?"),
    (f"{LOOP}.kind", DELETE, LOOP, "`kind` is missing", "add `kind`"),
    (f"{LOOP}.kind", ["loop"], f"{LOOP}.kind", "unknown value a list of 1", "did you mean `loop`?"),
    (LOOP, "loop", LOOP, "expected an object, found 'loop'", ""),
    (f"{LOOP}.var", "pop", f"{LOOP}.var", "`pop` is a keyword and cannot be the name of a loop variable",
     "choose another name, for example `pop_`"),
    (f"{LOAD}.kind", "copy", f"{LOAD}.src", "`ring` is missing", "add `ring`"),
    (f"{LOAD}.padding", 1, LOAD, "unknown key `padding`", "did you mean `pad`?"),
    (f"{LOAD}.src.clip", "yes", f"{LOAD}.src.clip", "expected true or false, found 'yes'", ""),
    (f"{LOAD}.dst.ring", DELETE, f"{LOAD}.dst", "`ring` is missing", "add `ring`"),
    (f"{LOAD}.pad", float("inf"), f"{LOAD}.pad", "expected a finite number, found inf", ""),
    (f"{LOAD}.pad", 10**400, f"{LOAD}.pad", "expected a finite number, found a number of more than 40 digits", ""),
    (f"{VECTOR}.op", "exp", f"{VECTOR}.op", "unknown value 'exp'", "did you mean `exp2`?"),
    (f"{VECTOR}.args[1]", "a", f"{VECTOR}.args[1]", "expected a number or an object, found 'a'", ""),
    (f"{VECTOR}.args[0].ahead", -1, f"{VECTOR}.args[0].ahead", "must be at least 0, found -1", ""),
    (f"{LOOP}.count", ["^", "y", 2], f"{LOOP}.count[0]", "unknown operator '^'",
     "known: `%`, `*`, `+`, `//`, `max`, `min`"),
    (f"{LOOP}.count", ["+", 1], f"{LOOP}.count",
     "expected a whole number, a name or [operator, operands ...], found a list of 2", ""),
    (f"{LOOP}.count", ["+", 1, True], f"{LOOP}.count[2]",
     "expected a whole number, a name or [operator, operands ...], found True", ""),
    (f"{LOOP}.count", ["%", 1, 2, 3], f"{LOOP}.count", "`%` takes 2 operands, found 3", ""),
    (f"{LOOP}.count", ["+", 1, ["//", "y", "x"]], f"{LOOP}.count[2][2]",
     "`//` needs a positive constant divisor, found x", ""),
    (f"{LOOP}.count", ["%", "y", 0], f"{LOOP}.count[2]", "`%` needs a positive constant divisor, found 0", ""),
    (f"{LOOP}.count", ["*", "y", "x"], f"{LOOP}.count", "the product of `y` and `x` is not affine",
     "one factor must be a constant"),
    (f"{LOOP}.count", ["+", "two words", 1], f"{LOOP}.count[1]", "'two words' cannot be the name of a coordinate",
     "begin with a letter or `_`, go on with letters, digits, `_` or `.`"),
    (f"{LOOP}.count", 2**63, f"{LOOP}.count", "a number is too large: about 2 to the power of 63",
     "whole numbers go up to 9223372036854775807"),
    (f"{LOOP}.count", float("nan"), f"{LOOP}.count",
     "expected a whole number, a name or [operator, operands ...], found nan", ""),
]  # fmt: skip


def steps(path):
    """The keys of a JSON path such as ``$.kernels[0].name``."""
    for part in path.removeprefix("$").replace("]", "").replace("[", ".").split(".")[1:]:
        yield int(part) if part.isdigit() else part


def changed(path, new):
    document = copy.deepcopy(DOCUMENT)
    *way, last = steps(path)
    holder = document
    for step in way:
        holder = holder[step]
    if new is DELETE:
        del holder[last]
    else:
        holder[last] = new
    return document


@pytest.mark.parametrize(
    ("path", "new", "where", "cause", "mend"), MALFORMED, ids=[f"{w}-{c[:30]}" for _, _, w, c, _ in MALFORMED]
)
def test_the_error_tells_path_cause_and_mend(path, new, where, cause, mend):
    with pytest.raises(ProgramError) as caught:
        from_json(changed(path, new))
    found = caught.value
    assert (found.where, found.cause, found.mend) == (where, cause, mend)


@pytest.mark.parametrize("document", [None, 3, "program", [], [DOCUMENT], {}, {1: 2}, {"version": 1}])
def test_what_is_no_program_at_all(document):
    with pytest.raises(ProgramError, match=r"^\$: "):
        from_json(document)


def deep(wrap, levels):
    inner = 1
    for _ in range(levels):
        inner = wrap(inner)
    return inner


def test_nesting_without_end_is_an_error():
    endless = []
    endless.append(endless)
    for new in (endless, deep(lambda inner: ["+", inner, "y"], 5000), deep(lambda inner: {"a": inner}, 5000)):
        with pytest.raises(ProgramError, match=r"^\$: values nest more than 256 deep"):
            from_json(changed(f"{LOOP}.count", new))
        with pytest.raises(ProgramError, match="values nest more than"):
            from_json(changed("$.name", new))


def test_an_expression_that_nests_too_deep_is_an_error():
    with pytest.raises(ProgramError, match="the expression nests more than 32 deep") as caught:
        from_json(changed(f"{LOOP}.count", deep(lambda inner: ["//", ["+", inner, "y"], 2], 40)))
    assert caught.value.where.startswith(f"{LOOP}.count[1]")


def test_the_deepest_loops_go_through():
    body = ()
    for level in range(32):
        body = (Loop(f"k{level}", Expr(2), body),)
    program = Program("p", (), (Kernel("m", (Group("g", (), (), (Queue("q", body),)),)),))
    assert from_json(through_text(to_json(program))) == program


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_what_json_cannot_hold_is_not_written(number):
    group = Group("g", (), (), (Queue("q", (Fill("c", number),)),))
    with pytest.raises(ProgramError, match="cannot be written in JSON"):
        to_json(Program("p", (), (Kernel("m", (group,)),)))


def places(document, path=()):
    """Every place in a document, as keys from the top."""
    yield path
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, item in items:
        yield from places(item, (*path, key))


PLACES = [place for place in places(DOCUMENT) if place]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(("loop", "a", "+")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("kind", "ring", "op", "x")), inner),
    max_leaves=6,
)


@given(st.sampled_from(PLACES), junk)
def test_a_damaged_document_gives_a_program_or_an_error_with_a_path(place, new):
    document = copy.deepcopy(DOCUMENT)
    holder = document
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = new
    try:
        program = from_json(document)
    except ProgramError as error:
        assert str(error.where).startswith("$")
        assert error.cause
    else:
        assert from_json(to_json(program)) == program
