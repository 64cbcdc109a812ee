"""Blocks that exchange tiles: cut into dispatches where that can be, else one workgroup; the same values either way."""

import numpy as np
import pytest

import memsim as ms
from memsim.isa.interpret import interpret
from memsim.lowering.collectives import COLLECTIVES, collective
from memsim.webgpu import Options, crosscheck, inputs_for, run
from tests.webgpu.samples import adapter, check_drawn, drawn

EVERY = [(operation, algorithm) for operation, known in COLLECTIVES.items() for algorithm in known]

EXCHANGE = ms.parse("""
program exchange
tensor A dram fp32 [4, 8]
tensor C dram fp32 [4, 8]
kernel main blocks (x 4) cluster (2) {
  ring a sram fp32 [8]
  ring got sram fp32 [8]
  queue load { load a <- A[x, 0] }
  queue net { send got to (x//2*2 + (x + 1)%2) <- a  pop a }
  queue store { store C[x, 0] <- got  pop got }
}""")

STREAM = """
program stream
tensor A dram fp32 [{tiles}, 8]
tensor C dram fp32 [{tiles}, 8]
kernel main cooperative {{
  group first blocks (i 1) {{
    ring a sram fp32 [8] depth 2
    queue load {{ loop k {tiles} {{ load a <- A[k, 0] }} }}
    queue net {{ loop k {tiles} {{ send b to second(i) <- a  pop a }} }}
  }}
  group second blocks (j 1) {{
    ring b sram fp32 [8] depth {depth}
    ring c sram fp32 [8]
    queue compute {{ {compute} }}
    queue store {{ loop k {tiles} {{ store C[k, 0] <- c  pop c }} }}
  }}
}}"""


def stream(tiles, depth, compute="loop k {tiles} {{ c = mul(b, 2.0)  pop b  push c }}"):
    return ms.parse(STREAM.format(tiles=tiles, depth=depth, compute=compute.format(tiles=tiles)))


def both_ways(program, inputs=None):
    """Dispatches with and without cuts; both must agree with the interpreter."""
    found = crosscheck(program, inputs, adapter("Vulkan"))
    merged = crosscheck(program, inputs, adapter("Vulkan"), options=Options(cut=False))
    assert found.ok, str(found)
    assert merged.ok, str(merged)
    return found.run.dispatches, merged.run.dispatches


def test_an_exchange_is_two_dispatches_in_which_each_block_is_a_workgroup():
    assert both_ways(EXCHANGE) == (2, 1)
    (first, second) = crosscheck(EXCHANGE, adapter=adapter("Vulkan")).run.shaders
    assert (first.groups, second.groups) == (4, 4)
    assert first.places["r0_got"] == "scratch"  # it lives from one dispatch to the next


def test_a_send_in_a_loop_makes_one_workgroup():
    assert both_ways(stream(50, 1)) == (1, 1)


def test_rings_turn_on_from_dispatch_to_dispatch():
    """The receiver holds a panel of three, then of three more: slots of the second begin where the first ended."""
    compute = "c = add(b, b@2)  push c  pop b  pop b  pop b  c = sub(b@2, b)  push c  pop b  pop b  pop b"
    text = STREAM.format(tiles=6, depth=4, compute=compute).replace("loop k 6 { store", "loop k 2 { store")
    program = ms.parse(text)
    cut, merged = both_ways(program)
    assert (cut, merged) == (4, 1)
    inputs = inputs_for(program)
    assert (
        run(program, inputs, adapter("Vulkan")).outputs["C"][1].tolist() == (inputs["A"][5] - inputs["A"][3]).tolist()
    )


@pytest.mark.parametrize("chips", [2, 3, 4])
@pytest.mark.parametrize(("operation", "algorithm"), EVERY)
def test_collectives_compute_what_numpy_says(operation, algorithm, chips):
    if algorithm == "halving_doubling" and chips == 3:
        chips = 4
    made = collective(operation, chips, 24, algorithm=algorithm)
    given = made.inputs()
    found = run(made.program, {"X": given}, adapter("Vulkan")).outputs["Y"]
    expected = made.expected(given)
    np.testing.assert_array_equal(found[: len(expected)], expected)


def test_a_tree_is_cut_and_a_ring_is_not():
    dispatches = {}
    for algorithm in ("tree", "ring"):
        made = collective("all_reduce", 4, 24, algorithm=algorithm)
        dispatches[algorithm] = run(made.program, {"X": made.inputs()}, adapter("Vulkan")).dispatches
    assert dispatches["tree"] > 1
    assert dispatches["ring"] == 1


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_do_not_change_with_cuts(seed):
    program = drawn(seed, max_executions=200, max_kernels=1, max_cores=4)
    if program is not None and any(i.cooperative or any(g.cluster_size > 1 for g in i.groups) for i in program.kernels):
        found = check_drawn(program, seed, "Vulkan", options=Options(cut=False))
        assert found.ok, str(found)


def test_the_interpreter_says_the_same_of_the_exchange():
    inputs = inputs_for(EXCHANGE)
    assert interpret(EXCHANGE, inputs)["C"].tolist() == inputs["A"][[1, 0, 3, 2]].tolist()
