"""`check` accepts programs that compute the graph, and no others."""

from __future__ import annotations

import math

import numpy as np
import pytest

import memsim as ms
from memsim.checking import TOLERANCES, Check
from memsim.workloads import relu

PROGRAM = """\
program relu
tensor x dram {dtype} [8, 16]
tensor out dram {dtype} [8, 16]
kernel main blocks (i 2) {{
  ring x sram {dtype} [4, 16]
  ring y sram {dtype} [4, 16]
  queue load {{ load x <- x[i*4, 0] }}
  queue compute {{ y = max(x, {floor})  pop x  push y }}
  queue store {{ store out[{rows}, 0] <- y  pop y }}
}}
"""


def graph_and_program(
    dtype: str = "fp32", floor: float = 0.0, rows: str = "i*4"
) -> tuple[ms.workloads.Node, ms.Program]:
    return relu(ms.tensor("x", (8, 16), dtype)), ms.parse(PROGRAM.format(dtype=dtype, floor=floor, rows=rows))


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_a_right_program_passes(dtype: str) -> None:
    verdict = ms.check(*graph_and_program(dtype))
    assert verdict.passed
    assert verdict.max_rel_err == 0
    assert verdict.elements == 128
    assert verdict.tolerance == TOLERANCES[dtype]
    assert str(verdict).startswith("numbers right: 128 values against numpy")


def test_a_wrong_operation_fails_and_names_the_place() -> None:
    graph, program = graph_and_program(floor=-0.5)
    inputs = {"x": np.ones((8, 16), np.float32)}
    inputs["x"][3, 7] = -0.25  # the only place where max(x, 0) and max(x, -0.5) differ
    verdict = ms.check(graph, program, inputs=inputs)
    assert not verdict.passed
    assert verdict.worst == "out[3, 7]"
    assert verdict.max_rel_err == pytest.approx(0.25, rel=0.01)  # relative to the rms of the output
    assert str(verdict).startswith("numbers WRONG")


def test_tiles_in_the_wrong_place_fail() -> None:
    graph, program = graph_and_program(rows="4 - i*4")
    verdict = ms.check(graph, program)
    assert not verdict.passed
    assert verdict.max_rel_err > 0.5


def test_a_tolerance_of_ones_own() -> None:
    graph, program = graph_and_program(floor=-0.01)
    assert not ms.check(graph, program).passed
    assert ms.check(graph, program, tolerance=0.1).passed


def test_nan_never_passes() -> None:
    graph, program = graph_and_program()
    inputs = {"x": np.ones((8, 16), np.float32)}
    inputs["x"][0, 3] = np.nan
    verdict = ms.check(graph, program, inputs=inputs, tolerance=1e9)
    assert math.isnan(verdict.max_rel_err)
    assert not verdict.passed


def test_all_zero_outputs_are_compared_absolutely() -> None:
    graph, program = graph_and_program()
    verdict = ms.check(graph, program, inputs={"x": np.full((8, 16), -1, np.float32)})
    assert verdict.passed
    assert verdict.max_rel_err == 0


def test_a_seed_gives_the_same_verdict_again() -> None:
    graph, program = graph_and_program(floor=-0.5)
    assert ms.check(graph, program, seed=3) == ms.check(graph, program, seed=3)
    assert ms.check(graph, program, seed=3) != ms.check(graph, program, seed=4)


def test_progress_reaches_the_last_block() -> None:
    seen: list[tuple[int, int]] = []
    ms.check(*graph_and_program(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2, 2)


def test_another_graph_is_refused() -> None:
    _, program = graph_and_program()
    graph = relu(ms.tensor("x", (8, 16))).named("y")
    with pytest.raises(ms.MemsimError, match="check of relu: the program has no tensor 'y'"):
        ms.check(graph, program)


def test_several_outputs_are_all_compared() -> None:
    text = PROGRAM.format(dtype="fp32", floor=0.0, rows="i*4").replace("tensor out", "tensor out0")
    text = text.replace("store out", "store out0").replace("kernel", "tensor out1 dram fp32 [8, 16]\nkernel")
    x = ms.tensor("x", (8, 16))
    verdict = ms.check([relu(x), x + 1.0], ms.parse(text))  # out1 is never written
    assert not verdict.passed
    assert verdict.elements == 256
    assert verdict.worst.startswith("out1[")


def test_passing_needs_no_more_than_the_tolerance() -> None:
    assert Check(0.1, 0.1, 1, "out[0]").passed
    assert not Check(0.1001, 0.1, 1, "out[0]").passed
