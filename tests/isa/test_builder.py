"""The builder: it writes what the text form says, and tells the user's own line when it cannot."""

import doctest
import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

import memsim.isa
from memsim.errors import Location, ProgramError
from memsim.isa import ProgramBuilder, ceil_div, maximum, minimum, parse, var
from memsim.isa import format as write
from memsim.isa.model import Loop, Push
from tests.isa.test_text import MATMUL, STATEMENTS, statements


def matmul():
    p = ProgramBuilder("matmul")
    A = p.tensor("A", "bf16", (512, 512))
    B = p.tensor("B", "bf16", (512, 512))
    C = p.tensor("C", "fp32", (512, 512))
    with p.kernel("main", grid={"y": 4, "x": 4}) as k:
        y, x = k.coordinates
        a = k.ring("a", "sram", "bf16", (128, 64), depth=2)
        b = k.ring("b", "sram", "bf16", (64, 128), depth=2)
        c = k.ring("c", "reg", "fp32", (128, 128))
        with k.queue("load"), k.loop("k", 8) as i:
            a.load(A[y * 128, i * 64])
            b.load(B[i * 64, x * 128])
        with k.queue("compute"):
            c.fill(0)
            with k.loop("k", 8):
                c.mma(a, b)
                a.pop()
                b.pop()
            c.push()
        with k.queue("store"):
            C[y * 128, x * 128].store(c)
            c.pop()
    return p


def test_a_program_is_verified_and_equals_its_text():
    assert matmul().build() == parse(MATMUL)


def test_build_refuses_what_breaks_a_rule():
    p = matmul()
    with p.kernel("late", grid={"y": 4}) as k:
        (y,) = k.coordinates
        a = k.ring("a", "sram", "bf16", (128, 64))
        with k.queue("load"):
            a.load(p.tensor("D", "bf16", (128, 64))[y * 128, 0])
        with k.queue("compute"):
            a.pop()
    with pytest.raises(ProgramError) as caught:
        p.build()
    assert "test_builder.py" in str(caught.value)
    assert len(p.build(verify=False).kernels) == 2


class Scene:
    """The rings and tensors that the statements of `tests.isa.test_text` name."""

    def __init__(self):
        self.p = p = ProgramBuilder("p")
        self.A = p.tensor("A", "fp32", (64, 64))
        self.T = p.tensor("T", "fp32", (8, 64, 64))
        self.V = p.tensor("V", "fp32", (64,))
        self.W = p.tensor("W", "fp32", (1000, 64))
        kernel = p.kernel("main")
        self.first = k = kernel.group("first", grid={"y": 4, "x": 2}, cluster={"y": 2})
        self.second = kernel.group("second", grid={"i": 3})
        self.y, self.x = k.coordinates
        self.a = k.ring("a", "sram", "fp32", (16, 32), depth=2)
        self.b = k.ring("b", "sram", "fp32", (16, 32))
        self.s = k.ring("s", "sram", "fp32", (16, 1))
        self.ids = k.ring("ids", "sram", "int32", (8,))
        self.e = k.ring("e", "sram", "fp32", (8, 64))
        self.far = self.second.ring("b", "sram", "fp32", (8, 8))

    def record(self, write_statement):
        """What ``write_statement(scene, counter)`` records within a loop."""
        with self.first.queue("main"), self.first.loop("q", 3) as q:
            write_statement(self, q)
        (loop,) = self.p.build(verify=False).kernels[0].groups[0].queues[0].body
        return loop.body


CALLS = [
    lambda s, q: s.a.load(s.A[s.y * 16, s.x * 32]),
    lambda s, q: s.a.load(s.T[s.y, 0, s.x * 32]),
    lambda s, q: s.a.load(s.T[s.y, 0:16, 0:32:2]),
    lambda s, q: s.s.load(s.V[s.y * 16]),
    lambda s, q: s.a.load(s.A[s.x * 32, s.y * 16], transpose=True),
    lambda s, q: s.a.load(s.A[s.x * 32, s.y * 16], clip=True, pad=-1.5, transpose=True),
    lambda s, q: s.b.load(s.A[s.y * 16, s.x * 32], to=((s.y // 2 * 2, 2), s.x)),
    lambda s, q: s.far.load(s.A[q * 8, s.x * 8], to=((s.x, 2),)),
    lambda s, q: s.A[s.y * 16, s.x * 32].store(s.a),
    lambda s, q: s.A[s.x * 32, s.y * 16].store(s.a.at(1).T, clip=True),
    lambda s, q: s.T[0:1, 0:1, 0:1].store(s.s),
    lambda s, q: s.e.gather(s.W[:, 0:64], s.ids),
    lambda s, q: s.e.gather(s.W[0:500, :], s.ids.at(1), distribution="sequential"),
    lambda s, q: s.b.copy(s.a),
    lambda s, q: s.b.copy(s.a.at(1).T),
    lambda s, q: s.b.send(s.a, to=(s.y, 1 - s.x)),
    lambda s, q: s.far.send(s.a, to=(s.y,), to_group="second"),
    lambda s, q: s.a.mma(s.a, s.b),
    lambda s, q: s.a.mma(s.a.at(1), s.b, accumulate=False),
    lambda s, q: s.a.mma(s.a.T, s.b.at(2).T),
    lambda s, q: s.b.set("exp2", s.a),
    lambda s, q: s.b.set("mul", s.a, 0.125),
    lambda s, q: s.b.set("max", s.a, s.b.at(1)),
    lambda s, q: s.b.set("where", s.a, s.b, -3e38),
    lambda s, q: s.s.reduce("sum", s.a, axis=-1),
    lambda s, q: s.s.reduce("max", s.a.at(1), axis=0),
    lambda s, q: s.a.fill(-0.0),
    lambda s, q: s.a.fill(np.float64(5e-324)),
    lambda s, q: s.ids.iota(),
    lambda s, q: s.a.iota(axis=1, start=q * 64 + 3),
    lambda s, q: s.a.push(),
    lambda s, q: s.a.pop(),
]


@pytest.mark.parametrize(
    ("call", "text"), [*zip(CALLS, (text for text, _ in STATEMENTS), strict=True)], ids=[text for text, _ in STATEMENTS]
)
def test_each_method_writes_the_instruction_that_its_text_says(call, text):
    if text == "ids = iota(axis 1, start q*64 + 3)":
        text = "a = iota(axis 1, start q*64 + 3)"  # the builder knows that ids has one axis
    found, expected = Scene().record(call), statements(text)
    assert found == expected
    assert repr(found) == repr(expected)


def test_gather_and_slices_have_the_defaults_of_the_text():
    assert Scene().record(lambda s, q: s.e.gather(s.W[0, 0], s.ids)) == statements("gather e <- W[0, 0] by ids")
    assert Scene().record(lambda s, q: s.a.load(s.A[:16, s.x : 32])) == statements("load a <- A[0 : 16, x : 32]")
    assert Scene().record(lambda s, q: s.s.load(s.T[1, :16, 3])) == statements("load s <- T[1, 0 : 16, 3]")


def test_transposing_twice_is_not_transposing():
    assert Scene().record(lambda s, q: s.a.mma(s.a.T.T, s.b)) == statements("mma a += a b")
    assert Scene().record(lambda s, q: s.b.copy(s.a.T, transpose=True)) == statements("copy b <- a")


def test_numbers_may_come_from_numpy_and_from_constant_expressions():
    call = lambda s, q: s.a.load(s.A[np.int64(3) : np.int32(16), s.x * np.int64(2) : (s.x - s.x + 32)])  # noqa: E731
    assert Scene().record(call) == statements("load a <- A[3 : 16, x*2 : 32]")


def test_a_queue_opened_again_goes_on():
    s = Scene()
    with s.first.queue("main"):
        s.a.push()
    with s.first.queue("other"):
        s.b.push()
    with s.first.queue("main"):
        s.a.pop()
    queues = s.p.build(verify=False).kernels[0].groups[0].queues
    assert [(queue.name, len(queue.body)) for queue in queues] == [("main", 2), ("other", 1)]


def test_loops_nest_and_their_counts_may_use_outer_counters():
    s = Scene()
    with s.first.queue("main"), s.first.loop("i", 4) as i:
        with s.first.loop("j", minimum(i + 1, 3)) as j:
            s.a.iota(start=maximum(i, j))
        with s.first.loop("j", ceil_div(i, 2)):
            s.a.push()
    (outer,) = s.p.build(verify=False).kernels[0].groups[0].queues[0].body
    first, second = outer.body
    assert isinstance(outer, Loop)
    assert (first.count, second.count) == (minimum(var("i") + 1, 3), (var("i") + 1) // 2)
    assert first.body[0].start == maximum(var("i"), var("j"))


def test_kernel_options_and_several_groups():
    p = ProgramBuilder("p", cores=16, useful_flops=7)
    p.tensor("S", "fp32", (4,), role="sram")
    with p.kernel("pipe", occupancy=2, cooperative=True) as k:
        with k.group("first", grid={"i": 2}):
            pass
        with k.group("second", grid={"i": 2, "j": 4}, cluster={"j": 2}) as g:
            assert g.coordinates == (var("i"), var("j"))
    assert write(p.build(verify=False)) == (
        "program p cores 16 flops 7\n\n"
        "tensor S sram fp32 [4]\n\n"
        "kernel pipe occupancy 2 cooperative {\n"
        "  group first blocks (i 2) {\n  }\n"
        "  group second blocks (i 2, j 4) cluster (1, 2) {\n  }\n"
        "}\n"
    )


def test_statements_know_where_they_were_written():
    program = matmul().build()
    lines, first = inspect.getsourcelines(matmul)
    load = program.kernels[0].groups[0].queues[0].body[0].body[0]
    assert load.place.file == __file__
    assert lines[load.place.line - first][load.place.column - 1 :].startswith("a.load(A[")
    loop = program.kernels[0].groups[0].queues[0].body[0]
    assert 'k.loop("k", 8)' in lines[loop.place.line - first]
    queue = program.kernels[0].groups[0].queues[1]
    assert 'k.queue("compute")' in lines[queue.place.line - first]
    assert 'p.kernel("main"' in lines[program.kernels[0].place.line - first]


# ---- errors ----


def inside(call):
    return lambda: Scene().record(call)


def other_group(s):
    with s.second.queue("q"):
        s.a.push()


ERRORS = [
    (lambda: ProgramBuilder("a b"), "'a b' cannot be the name of a program", "begin with a letter"),
    (lambda: ProgramBuilder("p").tensor("ring", "fp32", (4,)), "`ring` is a keyword", "for example `ring_`"),
    (lambda: ProgramBuilder("p").tensor("t", "fp23", (4,)), "unknown dtype 'fp23'", "did you mean `fp32`?"),
    (lambda: ProgramBuilder("p").tensor("t", "fp32", ()), "the shape has no dimensions", "(1,)"),
    (lambda: ProgramBuilder("p").tensor("t", "fp32", (4, 0)), "a size of a shape must be at least 1, found 0", ""),
    (lambda: ProgramBuilder("p").tensor("t", "fp32", (4.5,)), "a size of a shape must be a whole number", ""),
    (lambda: ProgramBuilder("p", cores=True), "cores must be a whole number, found True", ""),
    (lambda: Scene().p.tensor("A", "fp32", (4,)), "tensor `A` is defined already", "choose another name"),
    (lambda: Scene().p.kernel("main"), "kernel `main` is defined already", "choose another name"),
    (lambda: Scene().first.ring("a", "sram", "fp32", (4,)), "ring `a` is defined already", "choose another name"),
    (lambda: Scene().first.ring("z", "sram", "fp32", (4,), depth=0), "depth must be at least 1, found 0", ""),
    (lambda: Scene().p.kernel("k", grid={"y": 0}), "grid size y must be at least 1, found 0", ""),
    (lambda: Scene().p.kernel("k", grid={"min": 4}), "`min` is a keyword", "for example `min_`"),
    (
        lambda: Scene().p.kernel("k", grid={"rows": 4}, cluster={"row": 2}),
        "cluster names unknown coordinate `row`",
        "did you mean `rows`?",
    ),
    (
        lambda: Scene().p.kernel("k").ring("z", "sram", "fp32", (4,)),
        "kernel k has 0 groups, so it is open which one is meant",
        "give the kernel a `grid`",
    ),
    (lambda: Scene().a.push(), "an instruction or loop stands outside of every queue", "with k.queue"),
    (
        lambda: Scene().first.loop("q", 3).__enter__(),
        "an instruction or loop stands outside of every queue",
        "with k.queue",
    ),
    (lambda: ProgramBuilder("n" * 201), "is too long for the name of a program: 201 characters", "at most 200"),
    (
        inside(lambda s, q: s.first.queue("other").__enter__()),
        "a queue cannot be opened within a queue",
        "end the other",
    ),
    (inside(lambda s, q: s.first.loop("q", 3).__enter__()), "loop variable `q` is taken", "choose another name"),
    (inside(lambda s, q: s.first.loop("y", 3).__enter__()), "loop variable `y` is taken", "choose another name"),
    (inside(lambda s, q: s.first.loop("load", 3).__enter__()), "`load` is a keyword", "for example `load_`"),
    (inside(lambda s, q: s.first.loop("j", 2.5).__enter__()), "found 2.5", "combine integers"),
    (inside(lambda s, q: s.first.loop("j", q * 2**63).__enter__()), "a number is too large", "whole numbers go up to"),
    (
        inside(lambda s, q: s.a.load(s.A[var("yy"), 0])),
        "`yy` is not a loop counter or block coordinate here",
        "did you mean `y`?",
    ),
    (inside(lambda s, q: s.a.load(s.A[0])), "tensor A has shape [64, 64], found 1 of 2 indices", "one index"),
    (inside(lambda s, q: s.a.load(s.V[0])), "a tile [16, 32] of ring a does not fit", "give the sizes"),
    (inside(lambda s, q: s.a.load(s.A[0:1.5, 0])), "a size must be a whole number, found 1.5", ""),
    (inside(lambda s, q: s.a.load(s.A[0 : s.y, 0])), "a size must be a whole number, found y", ""),
    (inside(lambda s, q: s.a.load(s.A[0, 0], pad=float("nan"))), "pad must be finite, found nan", "lowest"),
    (inside(lambda s, q: s.a.load(s.A[0, 0], to_group="second")), "group 'second' is named without blocks", "add `to="),
    (inside(lambda s, q: s.a.load(s.A[0, 0], to=((s.y, 0), 0))), "a count of blocks must be at least 1, found 0", ""),
    (
        inside(lambda s, q: s.e.gather(s.W[0, 0], s.ids, distribution="unifrom")),
        "unknown distribution 'unifrom'",
        "did you mean `uniform`?",
    ),
    (inside(lambda s, q: s.b.set("exp", s.a)), "unknown vector operation 'exp'", "did you mean `exp2`?"),
    (inside(lambda s, q: s.b.set("exp2", s.a, 1.0)), "exp2 takes 1 argument, found 2", ""),
    (inside(lambda s, q: s.b.set("add", s.a, "b")), "a scalar must be a number, found 'b'", ""),
    (inside(lambda s, q: s.b.set("exp2", s.a.T)), "a.T cannot be read here", "copy it first"),
    (inside(lambda s, q: s.s.reduce("mean", s.a, axis=1)), "unknown reduction 'mean'", "known: `max`, `min`, `sum`"),
    (inside(lambda s, q: s.s.reduce("sum", s.a, axis=-3)), "an axis must be at least -2, found -3", ""),
    (inside(lambda s, q: s.a.fill(10**400)), "a fill value must be finite, found inf", "lowest"),
    (inside(lambda s, q: s.a.at(-1)), "a slot number must be at least 0, found -1", ""),
    (inside(lambda s, q: s.a.mma(s.a, s.A)), "expected a ring or a tile of one", ""),
    (inside(lambda s, q: s.a.copy(s.far)), "ring b belongs to main/second, the open queue to main/first", "to="),
    (lambda: other_group(Scene()), "ring a belongs to main/first, the open queue to main/second", "to="),
]


@pytest.mark.parametrize(("call", "cause", "mend"), ERRORS, ids=[cause for _, cause, _ in ERRORS])
def test_an_error_tells_cause_mend_and_the_line_that_made_it(call, cause, mend):
    with pytest.raises(ProgramError) as caught:
        call()
    error = caught.value
    assert cause in error.cause
    assert mend in error.mend
    assert bool(mend) == bool(error.mend)
    assert isinstance(error.where, Location)
    assert error.where.file == __file__


def test_loops_nest_to_the_limit_that_the_text_has():
    p = ProgramBuilder("p")
    k = p.kernel("m", grid={"y": 1})

    def nest(level):
        if level < 40:
            with k.loop(f"k{level}", 2):
                nest(level + 1)

    with pytest.raises(ProgramError, match="loops nest more than 32 deep"), k.queue("q"):
        nest(0)


def test_after_an_error_the_builder_still_works():
    s = Scene()
    with pytest.raises(ProgramError), s.first.queue("main"), s.first.loop("j", 3):
        s.a.load(s.A[0])
    with s.first.queue("main"):
        s.a.push()
    assert s.p.build(verify=False).kernels[0].groups[0].queues[0].body == (Push("a"),)


# ---- the package ----


@pytest.mark.parametrize("module", ["memsim.isa.builder", "memsim.isa.regions"])
def test_the_examples_in_docstrings_hold(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0


def test_every_public_name_is_there():
    for name in memsim.isa.__all__:
        assert getattr(memsim.isa, name) is not None
    assert dir(memsim.isa) == sorted(memsim.isa.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'pares'"):
        memsim.isa.pares  # noqa: B018


@pytest.mark.parametrize("name", ["verify", "analyze", "interpret", "format"])
def test_functions_are_not_hidden_by_the_modules_of_their_name(name):
    code = f"import memsim.isa.{name}, memsim.isa; from memsim.isa import {name}; assert callable({name})"
    code += f"; import memsim.isa.{name}; assert memsim.isa.{name} is {name}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, memsim.isa; print({'numpy', 'lark', 'jsonschema', 'numba', 'pandas'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "set()\n"
