"""Kernels are equal up to names exactly where their texts are, once names are the same."""

import pickle
import re
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.isa.canonical import canonical, key, renamed
from memsim.isa.format import format as write
from memsim.isa.text import parse
from tests.strategies import programs

LAYER = """program layer
tensor X dram bf16 [64, 32]
tensor W dram bf16 [32, 32]
tensor Y dram fp32 [64, 32]
kernel main cooperative {
  group first blocks (y 2) {
    ring a sram bf16 [32, 32] depth 2
    queue load { loop k 4 { load a <- X[y*32, 0] pad 0.5  send s to second(y) <- a  pop a } }
  }
  group second blocks (z 2) {
    ring s sram bf16 [32, 32] depth 2
    ring b sram bf16 [32, 32]
    ring c reg fp32 [32, 32]
    queue load { load b <- W[0, 0] }
    queue compute { loop k 4 { mma c += s b  pop s } pop b  push c }
    queue store { store Y[z*32, 0] <- c  pop c }
  }
}
"""


def words(text, **names):
    """A text in which whole words are replaced."""
    return re.sub(r"\w+", lambda found: names.get(found[0], found[0]), text)


def key_of(text):
    program = parse(text)
    return key(program, program.kernels[0])


def test_names_and_places_do_not_matter():
    other = words(LAYER, X="W", W="t0", Y="t1", main="g1", first="second", second="g0", layer="other")
    moved = "\n\n; a comment\n" + LAYER.replace("queue", "\n queue").replace(
        "tensor Y", "tensor unused dram fp32 [1]\ntensor Y"
    )
    for text in (other, moved):
        assert key_of(text) == key_of(LAYER)
        assert hash(key_of(text)) == hash(key_of(LAYER))
        program, same = parse(text), parse(LAYER)
        assert canonical(program, program.kernels[0])[0] is canonical(same, same.kernels[0])[0]


CHANGES = [
    ("tensor X dram", "tensor X shared"),
    ("tensor X dram bf16", "tensor X dram fp16"),
    ("X dram bf16 [64, 32]", "X dram bf16 [96, 32]"),
    ("main cooperative", "main occupancy 2 cooperative"),
    ("main cooperative", "main"),
    ("blocks (y 2)", "blocks (y 2) cluster (2)"),
    ("(z 2)", "(z 3)"),
    ("[32, 32] depth 2\n    queue", "[32, 32] depth 3\n    queue"),
    ("ring c reg", "ring c sram"),
    ("loop k 4 { mma", "loop k 3 { mma"),
    ("X[y*32, 0]", "X[y*32, 1]"),
    ("X[y*32, 0]", "X[y*16, 0]"),
    ("X[y*32, 0] pad 0.5", "X[y*32, 0] clip pad 0.5"),
    ("pad 0.5", "pad 0.25"),
    ("to second(y)", "to second(0)"),
    ("mma c += s b", "mma c += b s"),
    ("mma c += s b", "mma c += s b^T"),
    ("mma c += s b", "mma c += s@1 b"),
    ("mma c += s b", "mma c = s b"),
    ("pop b  push c", "push c  pop b"),
    ("queue compute", "queue multiply"),
    ("W[0, 0]", "X[0, 0]"),
    ("store Y[", "store W["),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_everything_else_does(old, new):
    assert LAYER.count(old) == 1
    assert key_of(LAYER.replace(old, new)) != key_of(LAYER)


def test_which_tensors_are_one_matters():
    """Adding a tensor to itself is not adding two."""
    text = "tensor A dram fp32 [8]\ntensor B dram fp32 [8]\ntensor C dram fp32 [8]\n"
    text = (
        "program p\n"
        + text
        + (
            "kernel k blocks (i 1) {{ ring a sram fp32 [8] ring b sram fp32 [8] ring c sram fp32 [8]\n"
            "queue q {{ load a <- A[0] load b <- {}[0] }} queue r {{ c = add(a, b) pop a pop b push c }}\n"
            "queue s {{ store C[0] <- c pop c }} }}"
        )
    )
    program = parse(text.format("B"))
    assert canonical(program, program.kernels[0])[1] == ("A", "B", "C")
    assert key_of(text.format("A")) != key_of(text.format("B"))


def test_a_name_that_nothing_has_is_no_canonical_name():
    """What is wrong in one kernel must not become right by renaming."""
    program = parse(LAYER)
    (kernel,) = program.kernels

    def aimed_at(group):
        first, second = kernel.groups
        loop = first.queues[0].body[0]
        load, send, pop = loop.body
        send = replace(send, dst=replace(send.dst, group=group))
        queue = replace(first.queues[0], body=(replace(loop, body=(load, send, pop)),))
        return replace(kernel, groups=(replace(first, queues=(queue,)), second))

    assert key(program, aimed_at("g1")) != key(program, kernel)
    assert key(program, aimed_at("second")) == key(program, kernel)
    without = replace(program, tensors=program.tensors[:2])
    assert key(without, kernel) != key(program, kernel)


@given(programs(), st.randoms(use_true_random=False))
def test_random_kernels_under_other_names(program, random):
    names = [tensor.name for tensor in program.tensors]
    shuffled = random.sample(names, len(names))
    groups = {group.name for kernel in program.kernels for group in kernel.groups}
    changed = dict(zip(names, shuffled, strict=True)) | {group: f"{group}_too" for group in groups}
    other = parse(words(write(program), **changed))
    for kernel, same in zip(program.kernels, other.kernels, strict=True):
        assert key(program, kernel) == key(other, same)
        assert canonical(other, same)[1] == tuple(changed[name] for name in canonical(program, kernel)[1])


@given(programs())
def test_renaming_gives_the_kernel_back(program):
    for kernel in program.kernels:
        text, names = canonical(program, kernel)
        back = deepcopy(renamed(text, kernel.name, names))  # a copy is not remembered
        assert canonical(program, back) == (text, names)
        assert back.name == kernel.name
        if len(kernel.groups) == 1:
            assert back == replace(kernel, groups=(replace(kernel.groups[0], name=kernel.name),))


def test_a_key_survives_pickling():
    assert pickle.loads(pickle.dumps(key_of(LAYER))) == key_of(LAYER)
