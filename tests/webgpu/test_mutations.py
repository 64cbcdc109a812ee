"""A program with one thing broken is refused, or the device's values show it."""

from dataclasses import replace

import pytest

import memsim as ms
import memsim.webgpu.execute
from memsim.errors import ProgramError
from memsim.isa.interpret import interpret
from memsim.webgpu import crosscheck, inputs_for
from tests.webgpu.mutations import TEXTS, mutants
from tests.webgpu.samples import adapter, compiled

SQUARE = ms.parse("""
program square
tensor A dram bf16 [32, 32]
tensor B dram bf16 [32, 32]
tensor T dram int32 [8]
tensor C dram fp32 [32, 32]
tensor D dram bf16 [8, 32]
kernel main blocks (y 2, x 2) {
  ring a sram bf16 [16, 16] depth 2
  ring b sram bf16 [16, 16] depth 2
  ring c reg fp32 [16, 16]
  queue load { loop k 2 { load a <- A[y*16, k*16]  load b <- B[k*16, x*16] } }
  queue compute { fill c 1.5  loop k 2 { mma c += a b  pop a  pop b }  push c }
  queue store { store C[y*16, x*16] <- c  pop c }
}
kernel rows blocks (x 1) cluster (1) {
  ring i sram int32 [8]
  ring w sram bf16 [8, 32]
  ring m sram fp32 [8, 1]
  ring d sram bf16 [8, 32]
  queue load { load i <- T[0]  gather w <- B[0 : 32, 0 : 32] by i  pop i }
  queue compute { m = max(w, axis 1)  d = sub(m, w)  pop w  push d }
  queue store { store D[0, 0] <- d  pop d }
}
""")


def case(name):
    if name != "square":
        return compiled(name)
    return SQUARE, inputs_for(SQUARE, 1)


EQUIVALENT = {"softmax/compute: wrong reduction": 1}
"""Mutants that compute the same, and how many: a softmax is the same, whatever it takes off each element."""
BY_VALUE = {"square": 10, "softmax": 8, "layer_norm": 15, "rope": 12, "matmul": 6}
"""How many of the mutants keep every rule, so that only their values can tell."""


@pytest.mark.parametrize("name", BY_VALUE)
def test_every_mutant_is_caught(name):
    program, inputs = case(name)
    expected = interpret(program, inputs, exact_order=True)
    alive, by_value = [], 0
    for what, mutant in mutants(program):
        try:
            found = crosscheck(mutant, inputs, adapter("Vulkan"), expected=expected)
        except ProgramError as error:
            assert error.cause and error.where
            continue
        by_value += not found.ok
        alive += [what] * found.ok
    assert {what: alive.count(what) for what in alive} == {w: n for w, n in EQUIVALENT.items() if w.startswith(name)}
    assert by_value == BY_VALUE[name]


def test_they_are_at_least_thirty():
    assert sum(BY_VALUE.values()) >= 30


@pytest.mark.parametrize(("what", "old", "new"), TEXTS, ids=[what for what, *_ in TEXTS])
def test_a_broken_shader_is_caught(what, old, new, monkeypatch):
    """What the generator might have got wrong: the comparison does not trust it."""
    made = memsim.webgpu.execute.generate
    hits = 0

    def broken(*args, **options):
        nonlocal hits
        shaders = made(*args, **options)
        hits += sum(old in shader.text for shader in shaders)
        return [_with_text(shader, shader.text.replace(old, new, 1)) for shader in shaders]

    inputs = inputs_for(SQUARE, 1)
    assert crosscheck(SQUARE, inputs, adapter("Vulkan")).ok
    monkeypatch.setattr(memsim.webgpu.execute, "generate", broken)
    found = crosscheck(SQUARE, inputs, adapter("Vulkan"))
    assert hits
    assert not found.ok
    assert "THE DEVICE DIFFERS" in str(found)


def _with_text(shader, text):
    return replace(shader, text=text)
