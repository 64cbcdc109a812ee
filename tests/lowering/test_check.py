import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from memsim.engine import simulate
from memsim.errors import MemsimError, ProgramError, WorkloadError
from memsim.isa import Expr, Loop, Store
from memsim.lowering import TOLERANCE, check, compile, tolerance_of
from memsim.workloads import attention, cast, exp, log, random_inputs, relu, rope, softmax, tensor, workload
from tests.lowering.chips import chip

NODE = workload("matmul", m=40, n=50, k=60)


def rewritten(program, change):
    """The program with every instruction replaced by what ``change`` makes of it."""

    def body(statements):
        return tuple(
            dataclasses.replace(s, body=body(s.body)) if isinstance(s, Loop) else change(s) for s in statements
        )

    kernels = []
    for kernel in program.kernels:
        groups = [
            dataclasses.replace(g, queues=tuple(dataclasses.replace(q, body=body(q.body)) for q in g.queues))
            for g in kernel.groups
        ]
        kernels.append(dataclasses.replace(kernel, groups=tuple(groups)))
    return dataclasses.replace(program, kernels=tuple(kernels))


def test_a_right_program_passes():
    report = check(compile(NODE, chip("toy")), NODE)
    assert report.ok
    assert report.max_rel_err <= report.tolerance == TOLERANCE["bf16"]
    assert report.output == "C"
    assert str(report).startswith("values agree with numpy: C off by ")


def test_a_store_to_the_wrong_place_is_found():
    def shift(instruction):
        if not isinstance(instruction, Store):
            return instruction
        region = dataclasses.replace(instruction.dst, starts=(instruction.dst.starts[0], Expr(3)), clip=True)
        return dataclasses.replace(instruction, dst=region)

    report = check(rewritten(compile(NODE, chip("one_core")), shift), NODE)
    assert not report.ok
    assert report.max_abs_err > 1
    assert str(report).startswith("VALUES DIFFER")


def test_one_step_of_a_loop_too_few_is_found():
    node = workload("matmul", m=16, n=16, k=2048, dtype="fp32")
    program = compile(node, chip("one_core"))
    queues = []
    for queue in program.kernels[0].groups[0].queues:
        loops = tuple(dataclasses.replace(s, count=s.count - 1) if isinstance(s, Loop) else s for s in queue.body)
        queues.append(dataclasses.replace(queue, body=loops))
    group = dataclasses.replace(program.kernels[0].groups[0], queues=tuple(queues))
    kernel = dataclasses.replace(program.kernels[0], groups=(group,))
    assert not check(dataclasses.replace(program, kernels=(kernel,)), node).ok


def test_the_worst_of_several_results_is_told():
    x = tensor("x", (30, 40), "bf16")
    nodes = [cast(x, "bf16"), softmax(cast(x, "fp32"))]
    assert check(compile(nodes, chip("toy")), nodes).output == "out1"


def test_given_inputs_are_used():
    x = tensor("x", (4,))
    report = check(compile(relu(x), chip("toy")), relu(x), {"x": np.array([-1, 0, 1, 2], np.float32)})
    assert report.ok
    assert report.max_abs_err == 0


def test_infinities_and_nans_must_be_where_the_reference_has_them():
    x = tensor("x", (4,))
    inputs = {"x": np.array([1e4, -1.0, 0.0, 1.0], np.float32)}
    for node in (exp(x), log(x)):
        assert check(compile(node, chip("toy")), node, inputs).ok
    wrong = compile(relu(x).named("out"), chip("toy"))
    assert not check(wrong, log(x), inputs).ok


def test_seeds_give_other_inputs():
    node = workload("matmul", m=40, n=50, k=60, dtype="fp32")
    program = compile(node, chip("toy"))
    assert check(program, node, seed=1) == check(program, node, seed=1) != check(program, node, seed=2)


X = tensor("x", (2, 4), "bf16")


@pytest.mark.parametrize(
    ("node", "tolerance"),
    [
        (tensor("x", (2,)) + 1.0, TOLERANCE["fp32"]),
        (cast(tensor("x", (2,)), "bf16"), TOLERANCE["bf16"]),
        (tensor("i", (2,), "int8") + 1, 0.0),
        (cast(tensor("x", (2,), "fp8_e4m3"), "fp32"), TOLERANCE["fp8_e4m3"]),
        (relu(X.T) + 1.0, 2 * TOLERANCE["bf16"]),
        (attention(X, X, X), 4 * TOLERANCE["bf16"]),
        (relu(relu(relu(relu(relu(X))))), 4 * TOLERANCE["bf16"]),
        (rope(tensor("x", (2048, 4)), offset=2048), TOLERANCE["fp32"] + 4096 * 2**-23),
    ],
)
def test_the_tolerance_counts_operations_of_the_coarsest_type(node, tolerance):
    assert tolerance_of(node) == pytest.approx(tolerance)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_tolerances_are_about_one_rounding_of_their_type(dtype):
    ulp = {"fp32": 2**-23, "fp16": 2**-10, "bf16": 2**-7, "fp8_e4m3": 2**-3, "fp8_e5m2": 2**-2}.get(dtype, 0)
    assert ulp <= TOLERANCE[dtype] <= (200 if dtype == "fp32" else 2) * ulp


def test_long_rotary_embeddings_are_within_the_error_of_their_angles():
    node = rope(tensor("x", (64, 64)), offset=100_000)
    report = check(compile(node, chip("toy")), node)
    assert report.ok
    assert report.max_rel_err > TOLERANCE["fp32"]


def test_inputs_by_name_are_those_of_the_graph():
    assert set(random_inputs(NODE)) == {"A", "B"}


def test_another_graph_is_refused():
    program = compile(NODE, chip("toy"))
    with pytest.raises(
        ProgramError, match=r"tensor C has shape \(40, 50\), in the graph it is \(40, 51\)\n  mend: check"
    ):
        check(program, workload("matmul", m=40, n=51, k=60))
    with pytest.raises(ProgramError, match="there is no tensor out, which the graph computes"):
        check(program, tensor("A", (40, 60), "bf16") + 1.0)


def test_a_missing_input_is_refused():
    values = {"A": random_inputs(NODE, 0)["A"]}
    with pytest.raises(WorkloadError, match=r"check: no value for input B\n  mend: give an array"):
        check(compile(NODE, chip("toy")), NODE, inputs=values)


def test_things_of_another_kind_are_refused():
    program = compile(NODE, chip("toy"))
    with pytest.raises(
        MemsimError, match=r"compile: 'toy' is no Chip\n  mend: give a chip, such as memsim.Chip.preset"
    ):
        compile(NODE, "toy")
    with pytest.raises(WorkloadError, match="3 is not a node"):
        compile(3, chip("toy"))
    with pytest.raises(MemsimError, match=r"simulate: 'toy' is no Chip\n  mend: give a chip"):
        simulate(program, "toy")
    with pytest.raises(MemsimError, match=r"simulate: .* is no Program\n  mend: give a program"):
        simulate(NODE, chip("toy"))
    with pytest.raises(MemsimError, match=r"check: .* is no Program\n  mend: give a program"):
        check(NODE, program)


def test_tolerances_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "numerics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \| (\S+) \|", page, re.MULTILINE)
    told = {name: float(value) for names, value in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == pytest.approx(TOLERANCE)
