"""The text form: each instruction as it is written, round trips both ways, and places."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import Location, ProgramError
from memsim.isa.expr import Expr, ceil_div, maximum, minimum, var
from memsim.isa.format import format as write
from memsim.isa.format import statement_text
from memsim.isa.lexical import KEYWORDS
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Group,
    Iota,
    Kernel,
    Load,
    Loop,
    Mma,
    Pop,
    Program,
    Push,
    Queue,
    Reduce,
    Region,
    Ring,
    Send,
    Store,
    Target,
    Tensor,
    Tile,
    Vector,
    walk,
)
from memsim.isa.text import excerpt, parse, parse_file
from tests.isa.expressions import build, trees, written
from tests.isa.loose_programs import loose_programs
from tests.strategies import programs

MATMUL = """
program matmul
tensor A dram bf16 [512, 512]
tensor B dram bf16 [512, 512]
tensor C dram fp32 [512, 512]
kernel main blocks (y 4, x 4) {                    ; one text for sixteen blocks: y and x are variables
  ring a sram bf16 [128, 64]  depth 2              ; double buffer
  ring b sram bf16 [64, 128]  depth 2
  ring c reg  fp32 [128, 128] depth 1
  queue load    { loop k 8 { load a <- A[y*128, k*64]  load b <- B[k*64, x*128] } }
  queue compute { fill c 0  loop k 8 { mma c += a b  pop a  pop b }  push c }
  queue store   { store C[y*128, x*128] <- c  pop c }
}
"""

CANONICAL = """program matmul

tensor A dram bf16 [512, 512]
tensor B dram bf16 [512, 512]
tensor C dram fp32 [512, 512]

kernel main blocks (y 4, x 4) {
  ring a sram bf16 [128, 64] depth 2
  ring b sram bf16 [64, 128] depth 2
  ring c reg fp32 [128, 128]
  queue load {
    loop k 8 {
      load a <- A[y*128, k*64]
      load b <- B[k*64, x*128]
    }
  }
  queue compute {
    fill c 0.0
    loop k 8 {
      mma c += a b
      pop a
      pop b
    }
    push c
  }
  queue store {
    store C[y*128, x*128] <- c
    pop c
  }
}
"""

y, x, k, q = var("y"), var("x"), var("k"), var("q")


def matmul():
    tile_a, tile_b, tile_c = (128, 64), (64, 128), (128, 128)
    load = Loop(
        "k",
        Expr(8),
        (
            Load(Target("a"), Region("A", (y * 128, k * 64), tile_a)),
            Load(Target("b"), Region("B", (k * 64, x * 128), tile_b)),
        ),
    )
    step = Loop("k", Expr(8), (Mma("c", Tile("a"), Tile("b")), Pop("a"), Pop("b")))
    store = (Store(Region("C", (y * 128, x * 128), tile_c), Tile("c")), Pop("c"))
    queues = (Queue("load", (load,)), Queue("compute", (Fill("c", 0.0), step, Push("c"))), Queue("store", store))
    rings = (
        Ring("a", "sram", "bf16", tile_a, 2),
        Ring("b", "sram", "bf16", tile_b, 2),
        Ring("c", "reg", "fp32", tile_c),
    )
    tensors = tuple(Tensor(n, "dram", t, (512, 512)) for n, t in (("A", "bf16"), ("B", "bf16"), ("C", "fp32")))
    group = Group("main", (("y", 4), ("x", 4)), rings, queues)
    return Program("matmul", tensors, (Kernel("main", (group,)),))


def test_the_example_parses_to_its_value():
    assert parse(MATMUL) == matmul()


def test_the_example_is_written_one_statement_a_line():
    assert write(matmul()) == CANONICAL


@given(loose_programs())
def test_what_is_written_reads_back_as_itself(program):
    text = write(program)
    again = parse(text)
    assert again == program
    assert repr(again) == repr(program)  # equality would not tell -0.0 from 0.0, nor 1 from 1.0
    assert write(again) == text


@given(programs())
def test_valid_programs_read_back_as_themselves(program):
    text = write(program)
    assert parse(text) == program
    assert write(parse(text)) == text


@given(trees)
def test_an_expression_reads_as_python_would_compute_it(tree):
    text = f"program p kernel m blocks (x 9, y 9, z 9) {{ queue q {{ loop k {written(tree)} {{ }} }} }}"
    assert parse(text).kernels[0].groups[0].queues[0].body[0].count == build(tree)


HEAD = """program p
tensor A dram fp32 [64, 64]
tensor T dram fp32 [8, 64, 64]
tensor V dram fp32 [64]
tensor W dram fp32 [1000, 64]
kernel main {
  group first blocks (y 4, x 2) cluster (2, 1) {
    ring a sram fp32 [16, 32] depth 2
    ring b sram fp32 [16, 32]
    ring s sram fp32 [16, 1]
    ring ids sram int32 [8]
    ring e sram fp32 [8, 64]
    queue main { loop q 3 {
"""
TAIL = """
    } }
  }
  group second blocks (i 3) { ring b sram fp32 [8, 8] }
}
"""


def statements(text):
    (loop,) = parse(f"{HEAD}{text}{TAIL}").kernels[0].groups[0].queues[0].body
    return loop.body


STATEMENTS = [
    ("load a <- A[y*16, x*32]", Load(Target("a"), Region("A", (y * 16, x * 32), (16, 32)))),
    ("load a <- T[y, 0, x*32]", Load(Target("a"), Region("T", (y, Expr(0), x * 32), (1, 16, 32)))),
    (
        "load a <- T[y, 0 : 16, 0 : 32 : 2]",
        Load(Target("a"), Region("T", (y, Expr(0), Expr(0)), (1, 16, 32), (1, 1, 2))),
    ),
    ("load s <- V[y*16]", Load(Target("s"), Region("V", (y * 16,), (16,)))),
    (
        "load a <- A[x*32, y*16] transpose",
        Load(Target("a"), Region("A", (x * 32, y * 16), (32, 16)), transpose=True),
    ),
    (
        "load a <- A[x*32, y*16] clip pad -1.5 transpose",
        Load(Target("a"), Region("A", (x * 32, y * 16), (32, 16), clip=True), transpose=True, pad=-1.5),
    ),
    (
        "load b to (y//2*2 : 2, x) <- A[y*16, x*32]",
        Load(Target("b", ((y // 2 * 2, 2), (x, 1))), Region("A", (y * 16, x * 32), (16, 32))),
    ),
    (
        "load b to second(x : 2) <- A[q*8, x*8]",
        Load(Target("b", ((x, 2),), "second"), Region("A", (q * 8, x * 8), (8, 8))),
    ),
    ("store A[y*16, x*32] <- a", Store(Region("A", (y * 16, x * 32), (16, 32)), Tile("a"))),
    (
        "store A[x*32, y*16] <- a@1 clip transpose",
        Store(Region("A", (x * 32, y * 16), (32, 16), clip=True), Tile("a", 1), transpose=True),
    ),
    ("store T[0, 0, 0 : 1] <- s", Store(Region("T", (Expr(0),) * 3, (1, 1, 1)), Tile("s"))),
    (
        "gather e <- W[0 : 1000, 0 : 64] by ids",
        Gather(Target("e"), Region("W", (Expr(0),) * 2, (1000, 64)), Tile("ids")),
    ),
    (
        "gather e <- W[0 : 500, 0 : 64] by ids@1 distribution sequential",
        Gather(Target("e"), Region("W", (Expr(0),) * 2, (500, 64)), Tile("ids", 1), "sequential"),
    ),
    ("copy b <- a", Copy(Target("b"), Tile("a"))),
    ("copy b <- a@1 transpose", Copy(Target("b"), Tile("a", 1), transpose=True)),
    ("send b to (y, -x + 1) <- a", Send(Target("b", ((y, 1), (1 - x, 1))), Tile("a"))),
    ("send b to second(y) <- a", Send(Target("b", ((y, 1),), "second"), Tile("a"))),
    ("mma a += a b", Mma("a", Tile("a"), Tile("b"))),
    ("mma a = a@1 b", Mma("a", Tile("a", 1), Tile("b"), accumulate=False)),
    ("mma a += a^T b@2^T", Mma("a", Tile("a"), Tile("b", 2), True, True, True)),
    ("b = exp2(a)", Vector("exp2", "b", (Tile("a"),))),
    ("b = mul(a, 0.125)", Vector("mul", "b", (Tile("a"), 0.125))),
    ("b = max(a, b@1)", Vector("max", "b", (Tile("a"), Tile("b", 1)))),
    ("b = where(a, b, -3e+38)", Vector("where", "b", (Tile("a"), Tile("b"), -3e38))),
    ("s = sum(a, axis 1)", Reduce("sum", "s", Tile("a"), 1)),
    ("s = max(a@1, axis 0)", Reduce("max", "s", Tile("a", 1), 0)),
    ("fill a -0.0", Fill("a", -0.0)),
    ("fill a 5e-324", Fill("a", 5e-324)),
    ("ids = iota(axis 0)", Iota("ids", 0)),
    ("ids = iota(axis 1, start q*64 + 3)", Iota("ids", 1, q * 64 + 3)),
    ("push a", Push("a")),
    ("pop a", Pop("a")),
]


@pytest.mark.parametrize(("text", "value"), STATEMENTS, ids=[text for text, _ in STATEMENTS])
def test_each_instruction_is_written_as_it_reads(text, value):
    assert statements(text) == (value,)
    program = parse(f"{HEAD}{text}{TAIL}")
    assert f"\n        {text}\n" in write(program)


@pytest.mark.parametrize(
    ("free", "canonical"),
    [
        ("load a <- A[0:16,0:32]", "load a <- A[0, 0]"),
        ("load a <- A[y*(8+8), 32*x]", "load a <- A[y*16, x*32]"),
        ("load a <- A[0, 0] transpose clip", "load a <- A[0, 0] clip transpose"),
        ("load a <- A[0, 0] pad 0", "load a <- A[0, 0]"),
        ("load b to (y : 1, x) <- A[0, 0]", "load b to (y, x) <- A[0, 0]"),
        ("gather e <- W[0, 0] by ids", "gather e <- W[0 : 1000, 0 : 64] by ids"),
        ("gather e <- W[0, 0] by ids distribution uniform", "gather e <- W[0 : 1000, 0 : 64] by ids"),
        ("store A[0 : 4*4, 0 : 32] <- a@0", "store A[0, 0] <- a"),
        ("fill a 1E3", "fill a 1000.0"),
        ("fill a .5", "fill a 0.5"),
        ("ids = iota(start 4, axis 1 - 1)", "ids = iota(axis 0, start 4)"),
        ("mma a+=a^T b;x", "mma a += a^T b"),
        ("loop j ceildiv(q, 4) { }", "loop j (q + 3)//4 {"),
        ("loop j min(8, max(q, 0)) { }", "loop j min(max(q, 0), 8) {"),
        ("loop j -q//2 { }", "loop j (-q)//2 {"),
        ("loop j 7 % 4 { }", "loop j 3 {"),
    ],
)
def test_other_spellings_mean_the_same(free, canonical):
    program = parse(f"{HEAD}{free}{TAIL}")
    assert f"\n        {canonical}\n" in write(program)
    assert parse(write(program)) == program


def test_expressions_keep_the_usual_precedence():
    (loop,) = statements("loop j 1 - x*2 - 3 + (y - 4)*-2 % 5 { }")
    assert loop.count == Expr(1) - x * 2 - 3 + (y - 4) * -2 % 5
    (loop,) = statements("loop j min(y + 1, 8) + max(x, ceildiv(y, 3)) { }")
    assert loop.count == minimum(y + 1, 8) + maximum(x, ceil_div(y, 3))


def test_header_options_come_in_any_order():
    program = parse("program p flops 2 * 512 cores 16 kernel m cooperative occupancy 2 blocks () { }")
    assert (program.cores, program.useful_flops) == (16, 1024)
    assert program.kernels == (Kernel("m", (Group("m", (), (), ()),), occupancy=2, cooperative=True),)
    assert write(program).startswith("program p cores 16 flops 1024\n\nkernel m occupancy 2 cooperative blocks () {")


def test_a_lone_group_of_another_name_keeps_its_name():
    program = parse("program p kernel m { group g blocks (i 1) { } }")
    assert program.kernels[0].groups[0].name == "g"
    assert parse(write(program)) == program


def test_cluster_is_left_out_where_it_says_nothing():
    assert "cluster" not in write(parse("program p kernel m blocks (i 4) cluster (1) { }"))
    assert "blocks (i 4) cluster (2) {" in write(parse("program p kernel m blocks (i 4) cluster (2) { }"))


def test_names_may_be_keywords_where_no_keyword_can_stand():
    for word in sorted(KEYWORDS):
        text = f"program {word} kernel {word} {{ group {word} blocks () {{ queue {word} {{ }} }} }}"
        assert parse(write(parse(text))) == parse(text)
        assert parse(text).kernels[0].groups[0].queues[0].name == word


def test_every_keyword_is_known_to_the_grammar():
    """A word that the grammar treats as a keyword must be one for the builder too, and the other way round."""
    from memsim.isa.text import _grammar

    words = {t.pattern.value for t in _grammar().terminals if t.pattern.value.isalpha()}
    assert words == KEYWORDS


def test_line_ends_tabs_and_a_byte_order_mark_make_no_difference():
    assert parse(MATMUL.replace("\n", "\r\n")) == matmul()
    assert parse(MATMUL.replace("\n", "\r")) == matmul()
    assert parse(MATMUL.replace(" ", "\t")) == matmul()
    assert parse(b"\xef\xbb\xbf" + MATMUL.encode()) == matmul()


def test_every_statement_knows_its_place():
    program = parse(MATMUL, "m.tile")
    lines = MATMUL.split("\n")
    assert program.place == Location(2, 9, "m.tile")
    assert program.kernels[0].place == Location(6, 8, "m.tile")
    words = {Load: "load", Store: "store", Fill: "fill", Mma: "mma", Push: "push", Pop: "pop"}
    seen = 0
    for queue in program.kernels[0].groups[0].queues:
        assert lines[queue.place.line - 1][queue.place.column - 1 :].startswith(queue.name)
        for instruction, loops in walk(queue.body):
            for loop in loops:
                assert lines[loop.place.line - 1][loop.place.column - 1 :].startswith("k 8")
            word = words[type(instruction)]
            assert lines[instruction.place.line - 1][instruction.place.column - 1 :].startswith(word)
            seen += 1
    assert seen == 9


def test_the_place_of_an_assignment_is_its_ring():
    (vector,) = statements("\n\n   b = exp2(a)")
    assert vector.place == Location(HEAD.count("\n") + 3, 4)


def test_an_excerpt_shows_a_window_of_a_long_line():
    text = "first\n" + "x" * 1000 + "HERE" + "y" * 1000
    shown, carets = excerpt(text, Location(2, 1001), 4).split("\n")
    assert shown.startswith("  2 | xxx")
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "HERE"
    assert len(shown) < 120


@pytest.mark.parametrize("statement", [value for _, value in STATEMENTS], ids=[text for text, _ in STATEMENTS])
def test_a_statement_alone_is_written_with_its_sizes(statement):
    text = statement_text(statement)
    assert statements(text) == (statement,)


def test_a_loop_alone_is_written_as_its_head():
    assert statement_text(Loop("k", minimum(y, 3), (Pop("a"),))) == "loop k min(y, 3)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "two words"}, "'two words' cannot be the name of a program"),
        ({"tensors": (Tensor("ring", "dram", "fp32", (4,)),)}, "`ring` is a keyword"),
        ({"tensors": (Tensor("", "dram", "fp32", (4,)),)}, "'' cannot be the name of a tensor"),
        (
            {"tensors": (Tensor("t", "min", "fp32", (4,)),)},
            "`min` is a keyword and cannot be the name of a memory role",
        ),
        ({"tensors": (Tensor("t", "dram", "fp32", ()),)}, "the shape has no dimensions"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(change, message):
    with pytest.raises(ProgramError, match=message):
        write(replace(matmul(), **change))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (Fill("c", float("inf")), "inf cannot be written"),
        (Fill("c", float("nan")), "nan cannot be written"),
        (Loop("pop", Expr(1), ()), "`pop` is a keyword and cannot be the name of a loop variable"),
        (Loop("k", y * 2**63, ()), "a number is too large"),
        (Send(Target("a", None, "g"), Tile("b")), "names group g and no blocks"),
    ],
)
def test_statements_that_could_not_be_read_back_are_not_written(statement, message):
    group = Group("main", (("y", 4),), (), (Queue("q", (statement,)),))
    with pytest.raises(ProgramError, match=message):
        write(Program("p", (), (Kernel("main", (group,)),)))


def nested(levels):
    body = ()
    for level in reversed(range(levels)):
        body = (Loop(f"k{level}", Expr(2), body),)
    return Program("p", (), (Kernel("m", (Group("g", (), (), (Queue("q", body),)),)),))


def test_the_deepest_loops_round_trip_and_one_more_is_refused():
    assert parse(write(nested(32))) == nested(32)
    with pytest.raises(ProgramError, match="loops nest more than 32 deep"):
        parse(write(nested(33)))


@given(st.lists(st.sampled_from(("//3", "%7", "min", "-")), min_size=31, max_size=31))
def test_the_deepest_expressions_round_trip(steps):
    count = y
    for step in steps:
        match step:
            case "//3":
                count = -(count // 3) * 2 + 5
            case "%7":
                count = (count * 2 - 1) % 7
            case "min":
                count = minimum(count, var("x") * 4)
            case _:
                count = 9 - count
    group = Group("m", (("y", 4), ("x", 4)), (), (Queue("q", (Loop("k", count, ()),)),))
    program = Program("p", (), (Kernel("m", (group,)),))
    assert parse(write(program)) == program


def test_a_file_is_read(tmp_path):
    path = tmp_path / "matmul.tile"
    path.write_text(MATMUL, encoding="utf-8")
    assert parse_file(path) == matmul()
    assert parse_file(str(path)).place == Location(2, 9, str(path))
