"""`memsim.check` accepts programs that compute the graph, and no others."""

from __future__ import annotations

import numpy as np
import pytest

import memsim as ms
from memsim.workloads import Node, relu

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


def program_and_graph(dtype: str = "fp32", floor: float = 0.0, rows: str = "i*4") -> tuple[ms.Program, Node]:
    text = PROGRAM.format(dtype=dtype, floor=floor, rows=rows)
    return ms.parse(text), relu(ms.tensor("x", (8, 16), dtype))


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_a_right_program_passes(dtype: str) -> None:
    report = ms.check(*program_and_graph(dtype))
    assert report.ok
    assert report.max_rel_err == report.max_abs_err == 0


def test_a_wrong_operation_fails_where_it_shows() -> None:
    program, graph = program_and_graph(floor=-0.5)
    inputs = {"x": np.ones((8, 16), np.float32)}
    assert ms.check(program, graph, inputs).ok, "max(x, 0) and max(x, -0.5) agree on positive values"
    inputs["x"][3, 7] = -0.25
    report = ms.check(program, graph, inputs)
    assert not report.ok
    assert report.max_abs_err == 0.25
    assert report.output == "out"


def test_tiles_in_the_wrong_place_fail() -> None:
    report = ms.check(*program_and_graph(rows="4 - i*4"))
    assert not report.ok
    assert report.max_rel_err > 0.5


def test_nan_where_there_should_be_none_fails() -> None:
    program, graph = program_and_graph()
    text = ms.isa.format(program).replace("max(x, 0.0)", "sqrt(x)")
    report = ms.check(ms.parse(text), graph)  # the root of a negative number
    assert not report.ok


def test_a_seed_gives_the_same_report_again() -> None:
    program, graph = program_and_graph(floor=-0.5)
    assert ms.check(program, graph, seed=3) == ms.check(program, graph, seed=3)
    assert ms.check(program, graph, seed=3) != ms.check(program, graph, seed=4)


def test_several_outputs_are_all_compared() -> None:
    text = PROGRAM.format(dtype="fp32", floor=0.0, rows="i*4").replace("tensor out", "tensor out0")
    text = text.replace("store out", "store out0").replace("kernel", "tensor out1 dram fp32 [8, 16]\nkernel")
    x = ms.tensor("x", (8, 16))
    report = ms.check(ms.parse(text), [relu(x), x + 1.0])  # out1 is never written
    assert not report.ok
    assert report.output == "out1"
