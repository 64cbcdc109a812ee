"""Rules of `verify` broken in programs made of the model's classes: the text form catches some of them by itself."""

import math
from dataclasses import replace

import pytest

from memsim.isa.expr import Expr, FloorDiv, var
from memsim.isa.lexical import MAX_NESTING
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
)
from memsim.isa.verify import verify
from tests.isa.refusals import AT, BODY, R, T, program, refused


def test_the_small_program_that_is_edited_below_is_right():
    verify(program())


@pytest.mark.parametrize(
    ("wrong", "cause", "mend"),
    [
        (program(Load(Target("rr"), AT), Pop("r")), "unknown ring 'rr'", "did you mean `r`?"),
        (program(Load(Target("r"), replace(AT, tensor="TT"))), "unknown tensor 'TT'", "did you mean `T`?"),
        (program(Load(Target("r", group="mian"), AT)), "unknown group 'mian'", "did you mean `main`?"),
        (program(Vector("expp2", "r", (Tile("r"),))), "unknown operation 'expp2'", "did you mean `exp2`?"),
        (program(Reduce("summ", "r", Tile("r"), 0)), "unknown reduction 'summ'", "did you mean `sum`?"),
        (program(Fill("q", 0.0)), "unknown ring 'q'", "known: `r`"),
        (program(Push("s")), "unknown ring 's'", "known: `r`"),
        (program(Store(AT, Tile("s"))), "unknown ring 's'", "known: `r`"),
        (program(tensors=(replace(T, dtype="fp31"),)), "unknown dtype 'fp31'", "`fp32`?"),
        (program(rings=(replace(R, dtype="bf61"),)), "unknown dtype 'bf61'", "did you mean `bf16`?"),
        (program(rings=(replace(R, memory="srm"),)), "a ring cannot live in memory 'srm'", "did you mean `sram`?"),
        (program(rings=(replace(R, memory="dram"),)), "a ring cannot live in memory 'dram'", "sram"),
        (
            program(Gather(Target("r"), AT, Tile("r"), "sequentiall")),
            "unknown distribution 'sequentiall'",
            "did you mean `sequential`?",
        ),
        (
            program(Loop("k", var("yy"), BODY)),
            "unknown loop counter or block coordinate 'yy'",
            "did you mean `y`?",
        ),
        (
            program(Load(Target("r"), Region("T", (var("k"),), (8,))), Loop("k", Expr(1), ())),
            "unknown loop counter or block coordinate 'k'",
            "known: `y`",
        ),
        (program(Iota("r", 0, var("z"))), "unknown loop counter or block coordinate 'z'", "known: `y`"),
        (program(tensors=(T, T)), "two tensors are named T", "rename"),
        (program(rings=(R, R)), "two rings are named r", "rename"),
        (program(queues=(Queue("q", BODY), Queue("q", BODY))), "two queues are named q", "rename"),
        (program(grid=(("y", 1), ("y", 2))), "two block coordinates are named y", "rename"),
        (program(Loop("y", Expr(1), BODY)), "loop counter y shadows", "rename it, for example y1"),
        (
            program(Loop("k", Expr(1), (Loop("k", Expr(1), BODY),))),
            "loop counter k shadows",
            "rename it",
        ),
        (program(grid=(("y", 0),)), "empty grid: y has 0 blocks", "at least 1"),
        (program(grid=(("y", 6),), cluster=(4,)), "6 blocks in y cannot be divided into clusters of 4", "up to 8"),
        (program(cluster=(1, 1)), "the cluster has 2 dimensions, the grid has 1", "one size for each"),
        (program(cluster=(0,)), "cluster size in y is 0", "at least 1"),
        (program(occupancy=0), "occupancy is 0", "at least 1"),
        (program(cores=0), "cores is 0", "at least 1"),
        (program(rings=(replace(R, depth=0),)), "depth is 0", "at least 1"),
        (program(rings=(replace(R, shape=()),)), "the shape has no dimensions", "(1,)"),
        (program(rings=(replace(R, shape=(8, 0)),)), "shape (8, 0): a dimension is 0", "at least 1"),
        (program(tensors=(replace(T, shape=(-8,)),)), "shape (-8,): a dimension is -8", "at least 1"),
        (program(Load(Target("r"), Region("T", (Expr(0),), (0,)))), "region of T: a size is 0", "at least 1"),
        (program(Load(Target("r"), Region("T", (Expr(0),), (8,), (0,)))), "region of T: a step is 0", "at least 1"),
        (
            program(Load(Target("r"), Region("T", (Expr(0), Expr(0)), (1, 8)))),
            "the region of T has 2 starts, 2 sizes and 2 steps, the tensor has 1 dimensions",
            "one of each",
        ),
        (
            program(Load(Target("r", ((Expr(0), 1), (Expr(0), 1))), AT)),
            "the target names 2 block coordinates, the grid of group main has 1",
            "for each grid dimension",
        ),
        (program(Load(Target("r", ((Expr(0), 0),)), AT)), "number of target blocks is 0", "at least 1"),
        (program(Vector("add", "r", (Tile("r"),))), "add takes 2 arguments, found 1", ""),
        (
            program(Loop("k", Expr(1, ((FloorDiv(var("y"), 0), 1),)), BODY)),
            "// and % take a positive constant, found 0 in y//0 + 1",
            "at least 1",
        ),
        (program(Loop("k", Expr(0, ((FloorDiv(var("y"), -3), 1),)), BODY)), "found -3", "at least 1"),
        (Program("p", (), (Kernel("main", ()),)), "the kernel has no blocks", "a grid"),
        (Program("p", (), (Kernel("k", ()), Kernel("k", ()))), "two kernels are named k", "rename"),
    ],
)
def test_names_and_sizes(wrong, cause, mend):
    error = refused(wrong)
    assert cause in error.cause
    assert mend in error.mend
    assert str(error.where)


def nested(depth):
    body = BODY
    for level in range(depth):
        body = (Loop(f"k{level}", Expr(1), body),)
    return program(*body)


def test_loops_that_nest_too_deep():
    verify(nested(MAX_NESTING))
    for depth in (MAX_NESTING + 1, 900):
        assert f"loops stand more than {MAX_NESTING} deep" in refused(nested(depth)).cause


# ---- types and shapes ----


V = Ring("v", "sram", "fp32", (4, 8))
ROW = Ring("row", "sram", "fp32", (1, 8))
SUM = Ring("sum", "sram", "fp32", (4, 1))
HALF = Ring("half", "sram", "fp16", (4, 8))
TURNED = Ring("turned", "sram", "fp32", (8, 4))
INDEX = Ring("index", "sram", "int32", (4,))
BYTES = Ring("bytes", "sram", "int8", (4, 8))
M = Tensor("M", "dram", "fp32", (16, 8))
TABLE = Region("M", (Expr(0), Expr(0)), (16, 8))
ALL = (R, V, ROW, SUM, HALF, TURNED, INDEX, BYTES)


@pytest.mark.parametrize(
    ("instruction", "cause", "mend"),
    [
        (Vector("add", "v", (Tile("v"), Tile("turned"))), "shape (8, 4) cannot be broadcast to v", "equal or 1"),
        (Vector("add", "row", (Tile("row"), Tile("v"))), "a tile of shape (4, 8) cannot be broadcast to row", ""),
        (Vector("add", "v", (1.0, 2.0)), "add has no tile among its arguments", "fill"),
        (Vector("add", "v", (Tile("v"), "x")), "argument 'x' is neither a tile nor a number", ""),
        (Reduce("sum", "sum", Tile("v"), 0), "has shape (1, 8), ring sum has (4, 1)", "give sum shape (1, 8)"),
        (Reduce("sum", "sum", Tile("v"), 2), "ring v of shape (4, 8) has no axis 2", "0 to 1"),
        (Iota("v", -1), "has no axis -1", "0 to 1"),
        (Copy(Target("half"), Tile("v")), "ring v has type fp32, ring half has type fp16", "cast"),
        (Copy(Target("turned"), Tile("v")), "ring v has shape (4, 8), which does not fit ring turned", "equal"),
        (Copy(Target("row"), Tile("v"), True), "(4, 8), which once transposed does not fit ring row", "equal"),
        (Send(Target("row", ((Expr(0), 1),)), Tile("v")), "does not fit ring row", "equal"),
        (Gather(Target("half"), TABLE, Tile("index")), "tensor M has type fp32, ring half has type fp16", "cast"),
        (Gather(Target("v"), TABLE, Tile("v")), "the index ring v has type fp32 and shape (4, 8)", "int32"),
        (Gather(Target("v"), TABLE, Tile("bytes")), "the index ring bytes has type int8 and shape (4, 8)", "1-D"),
        (Gather(Target("turned"), TABLE, Tile("index")), "4 rows of 8 elements do not fit ring turned", "(4, 8)"),
        (Gather(Target("v"), AT, Tile("index")), "gather takes rows of a 2-D tensor, T has shape (8,)", ""),
        (Gather(Target("v"), replace(TABLE, clip=True), Tile("index")), "neither clipped nor strided", "clip"),
        (Gather(Target("v"), replace(TABLE, steps=(2, 1)), Tile("index")), "neither clipped nor strided", "steps"),
        (Mma("v", Tile("index"), Tile("index")), "mma of int32 (index) and int32 (index)", "one of fp32, fp16"),
        (Fill("bytes", 0.5), "0.5 is not a finite number of type int8", "whole number from -128 to 127"),
        (Fill("bytes", 128.0), "128.0 is not a finite number of type int8", "to 127"),
        (Fill("v", math.inf), "inf is not a finite number of type fp32", "3.4028235e+38"),
        (Fill("half", -1e5), "-100000.0 is not a finite number of type fp16", "-65504 to 65504"),
        (Fill("v", math.nan), "nan is not a finite number", ""),
        (Load(Target("r"), replace(AT, clip=True), pad=-math.inf), "-inf is not a finite number of type fp32", ""),
    ],
)
def test_types_and_shapes(instruction, cause, mend):
    error = refused(program(instruction, rings=ALL, tensors=(T, M)))
    assert cause in error.cause
    assert mend in error.mend


def test_dimensions_of_size_one_do_not_matter():
    column = Ring("r", "sram", "fp32", (8, 1))
    verify(program(Load(Target("r"), AT, transpose=True), Pop("r"), rings=(column,)))


# ---- regions and targets ----


def test_what_can_be_neither_proved_nor_listed_is_refused():
    huge = 10**12
    at = (var("k") % 1_000_003 + var("k") // 999_983) % 1_000_033
    region = Region("T", (at,), (8,))
    error = refused(program(Loop("k", Expr(huge), (Load(Target("r"), region), Pop("r")))))
    assert "cannot count over k" in error.cause
    assert "loop k / load r" in error.where


SECOND = Group("other", (("z", 2),), (R,), (Queue("q", (Pop("r"),)),))


def of_two(instruction, cooperative):
    first = Group("first", (("y", 2),), (R,), (Queue("q", (Load(Target("r"), AT), instruction, Pop("r"))),))
    return Program("p", (T,), (Kernel("main", (first, SECOND), cooperative=cooperative),))


@pytest.mark.parametrize(
    ("wrong", "cause", "mend"),
    [
        (program(Copy(Target("r", ((Expr(0), 1),)), Tile("r"))), "copy stays within its core", "send"),
        (program(Send(Target("r"), Tile("r"))), "send names no block", "send r to (...)"),
        (of_two(Load(Target("r", None, "other"), AT), True), "the target is in group other", "to other(...)"),
        (of_two(Send(Target("r", ((var("y"), 1),), "other"), Tile("r")), False), "not in the cluster", "cooperative"),
        (
            of_two(Send(Target("r", ((var("y") + 1, 1),), "other"), Tile("r")), True),
            "the target z=2 is outside of the cluster, which has z=0..1, in block y=1",
            "stay within",
        ),
    ],
)
def test_targets(wrong, cause, mend):
    error = refused(wrong)
    assert cause in error.cause
    assert mend in error.mend


def test_groups_of_a_cooperative_kernel_may_feed_each_other():
    verify(of_two(Send(Target("r", ((var("y"), 1),), "other"), Tile("r")), True))
