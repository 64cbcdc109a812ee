"""Training steps on chips: values of every part, both engines, bytes that have to move, and that training learns."""

from itertools import pairwise

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from memsim.engine import simulate
from memsim.isa import Load, Store, analyze, interpret
from memsim.lowering import compile
from memsim.workloads import labels, log_softmax, tensor, training_step, workload
from memsim.workloads.training import NEXT
from tests.lowering.chips import ALL, PRESETS, checked, chip

SIZES = {"batch": 70, "inputs": 33, "hidden": 50, "layers": 3, "classes": 10}


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_a_step_on_every_chip(loss, on):
    checked(workload("mlp_training", loss=loss, **SIZES), on)


@pytest.mark.parametrize("on", ["toy", "h100_sxm"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_logits_loss_and_gradients_each_alone(dtype, activation, on):
    step = training_step(tensor("x", (40, 20), dtype), labels("y", 40, 5, dtype), [30, 5], activation=activation)
    for node in (step.logits, step.loss, *step.gradients.values()):
        checked(node, on)
    checked([step.loss, *step.gradients.values(), *step.updated.values()], on)


@hypothesis.given(
    batch=st.integers(1, 40),
    widths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    inputs=st.integers(1, 40),
    activation=st.sampled_from(["relu", "gelu", "tanh"]),
    loss=st.sampled_from(["cross_entropy", "squared_error"]),
    on=st.sampled_from(["toy", "small", "stationary"]),
)
@hypothesis.settings(max_examples=15)
def test_steps_of_any_size(batch, widths, inputs, activation, loss, on):
    x, y = tensor("x", (batch, inputs)), labels("y", batch, widths[-1])
    program = checked(training_step(x, y, widths, activation=activation, loss=loss).roots, on)
    sizes = list(pairwise([inputs, *widths]))
    macs = batch * (3 * sum(a * b for a, b in sizes) - sizes[0][0] * sizes[0][1])  # nothing goes back to x
    assert analyze(program).macs["fp32"] >= macs


@pytest.mark.parametrize("on", ["toy", "three_cores"])
def test_both_engines_run_a_step(on):
    program = compile(workload("mlp_training", **SIZES), chip(on))
    fast, simpy = (simulate(program, chip(on), engine=engine) for engine in ("fast", "simpy"))
    assert fast.ticks == simpy.ticks
    assert fast.energy_j == simpy.energy_j
    assert fast.bytes_by_level == simpy.bytes_by_level


@pytest.mark.parametrize("on", PRESETS)
def test_bytes_are_what_the_kernels_must_read_and_write(on):
    """Each kernel reads what it needs at least once, and each result is written once, whatever the tiles."""
    batch, inputs, hidden, classes = 64, 48, 32, 16
    sizes = {"batch": batch, "inputs": inputs, "hidden": hidden, "classes": classes, "dtype": "bf16"}
    program = compile(workload("mlp_training", **sizes), chip(on))
    read, written = {}, {}
    for execution in analyze(program).executions:
        match execution.instruction:
            case Load(src=region):
                read[region.tensor] = read.get(region.tensor, 0) + execution.bytes
            case Store(dst=region):
                written[region.tensor] = written.get(region.tensor, 0) + execution.bytes
    tensors = {tensor.name: tensor.bytes for tensor in program.tensors}
    results = set(tensors) - {"x", "y", "w1", "w2", "b1", "b2"}
    assert written == {name: tensors[name] for name in results}
    uses = {"x": 2, "y": 2, "w1": 2, "w2": 3}  # products and updates; w2 takes the gradient back besides
    for name, times in uses.items():
        assert read[name] >= times * tensors[name]
    assert results >= {"loss", "w1" + NEXT, "b1" + NEXT, "w2" + NEXT, "b2" + NEXT}


@pytest.mark.parametrize("on", ["toy", "h100_sxm", "small"])
def test_log_softmax_in_one_pass_and_in_several(on):
    for columns in (40, 5000):
        program = checked(log_softmax(tensor("x", (5, columns), "bf16")), on)
        assert len(program.kernels) == 1


@pytest.mark.parametrize("on", ["toy", "small"])
def test_log_softmax_of_rows_far_from_zero(on):
    x = np.array([[1e4, 1e4 + 2, -1e4], [-500.0, -700.0, -501.0]], np.float32)
    program = compile(log_softmax(tensor("x", (2, 3))), chip(on))
    exact = x.astype(float) - x.max(1, keepdims=True)
    exact -= np.log(np.exp(exact).sum(1, keepdims=True))
    np.testing.assert_allclose(interpret(program, {"x": x})["out"], exact, rtol=1e-5)


def test_a_step_repeated_learns_exclusive_or():
    """Not one layer can: the hidden one has to be trained through the backward pass."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.eye(2, dtype=np.float32)[[0, 1, 1, 0]]
    step = training_step(tensor("x", (4, 2)), labels("y", 4, 2), [16, 2], activation="tanh", lr=1.0)
    program = compile(step.roots, chip("toy"))
    generator = np.random.default_rng(0)
    values = {name: generator.standard_normal(program.tensor(name).shape).astype(np.float32) for name in step.updated}
    losses = []
    for _ in range(60):
        found = interpret(program, {"x": x, "y": y, **values})
        losses.append(float(found["loss"][0]))
        values = {name: found[name + NEXT] for name in step.updated}
    assert losses[0] > 0.5
    assert losses[-1] < 0.05
