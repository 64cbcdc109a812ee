"""Kernels that are the same up to names are proved and counted once; what is told of them is their own."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given

from memsim.errors import ProgramError
from memsim.isa.analyze import analyze
from memsim.isa.canonical import canonical, renamed
from memsim.isa.text import parse
from memsim.isa.verify import verify
from tests.strategies import least_cores, programs

COPIES = 3


def layered(program):
    """The program's kernels several times over, each time on tensors of their own."""
    tensors, kernels = list(program.tensors), list(program.kernels)
    for copy in range(1, COPIES):
        tensors += [replace(tensor, name=f"{tensor.name}_{copy}") for tensor in program.tensors]
        for kernel in program.kernels:
            text, names = canonical(program, kernel)
            kernels.append(renamed(text, f"{kernel.name}_{copy}", [f"{name}_{copy}" for name in names]))
    return replace(program, tensors=tuple(tensors), kernels=tuple(kernels))


@given(programs(max_kernels=2))
def test_counts_of_layers_are_the_sums_of_their_kernels(program):
    whole = layered(program)
    found = analyze(whole, cores=least_cores(program))
    alone = [analyze(replace(whole, kernels=(kernel,)), cores=least_cores(program)) for kernel in whole.kernels]
    assert found.executions == tuple(execution for one in alone for execution in one.executions)
    assert found.flops == sum(one.flops for one in alone)
    for name in ("macs", "vector_elements", "bytes_read", "bytes_written", "routes"):
        total = Counter()
        for one in alone:
            total.update(getattr(one, name))
        assert getattr(found, name) == total
    assert found.waves == {name: count for one in alone for name, count in one.waves.items()}


@given(programs(max_kernels=2))
def test_layers_of_a_valid_program_are_valid(program):
    verify(layered(program))
    verify(program)


TEXT = """program layers
cores {cores}
tensor A sram fp32 [8]
tensor B dram fp32 [64]
tensor C dram fp32 [{length}]
kernel one blocks (i 2) {{ ring a sram fp32 [8]  queue q {{ load a <- B[i*8]  store A[0] <- a  pop a }} }}
kernel two blocks (i 8) {{ ring a sram fp32 [8]  queue q {{ load a <- B[i*8]  pop a }} }}
kernel three blocks (i 8) {{ ring a sram fp32 [8]  queue q {{ load a <- C[i*8]  pop a }} }}
"""


def text(cores=2, length=64):
    return parse(TEXT.format(cores=cores, length=length))


def test_an_error_names_the_kernel_that_has_it_although_another_has_the_same_text():
    verify(text())
    with pytest.raises(ProgramError, match=r"(?s)kernel three.*region of C ends at element 63.*extent 60"):
        verify(text(length=60))


def test_what_holds_for_more_cores_is_not_taken_to_hold_for_fewer():
    """Two blocks write the same element of a tensor that each core has for itself."""
    for _ in range(2):  # before and after the one that is right
        with pytest.raises(ProgramError, match=r"kernel one.*"):
            verify(text(cores=1))
        verify(text(cores=2))


def test_an_error_is_found_each_time():
    for _ in range(3):
        with pytest.raises(ProgramError, match="kernel three"):
            verify(text(length=60))


def test_names_are_checked_whatever_is_known_of_the_kernels():
    program = text()
    verify(program)
    first, second, third = program.kernels
    with pytest.raises(ProgramError, match="two kernels are named two"):
        verify(replace(program, kernels=(first, second, replace(third, name="two"))))
    with pytest.raises(ProgramError, match=r"unknown tensor.*C"):
        verify(replace(program, tensors=program.tensors[:2]))
    with pytest.raises(ProgramError, match="two tensors are named B"):
        verify(replace(program, tensors=(*program.tensors, program.tensor("B"))))
