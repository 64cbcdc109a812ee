"""The training step against backward passes written by hand in numpy, and against differences of the loss."""

import numpy as np
import pytest

from memsim.errors import WorkloadError
from memsim.workloads import (
    cast,
    cross_entropy,
    elementwise,
    flops,
    greater,
    inputs_of,
    labels,
    log_softmax,
    random_inputs,
    reference,
    softmax,
    squared_error,
    tensor,
    training_step,
    workload,
)

BATCH, WIDTHS = 6, (7, 5, 4)
LOSSES, ACTIVATIONS = ("cross_entropy", "squared_error"), ("relu", "gelu", "tanh")


def step_of(loss="cross_entropy", activation="relu", dtype="fp32", **options):
    x = tensor("x", (BATCH, 3), dtype)
    y = labels("y", BATCH, WIDTHS[-1], dtype) if loss == "cross_entropy" else tensor("y", (BATCH, WIDTHS[-1]), dtype)
    return training_step(x, y, WIDTHS, loss=loss, activation=activation, **options)


def gelu(a):
    return a / (1 + np.exp(-2 * np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))


FORWARD = {"relu": lambda a: a * (a > 0), "gelu": gelu, "tanh": np.tanh}


def slope(activation, a):
    """Of an activation, by central differences: nothing is taken from the code under test."""
    if activation == "relu":
        return (a > 0).astype(float)
    return (FORWARD[activation](a + 1e-6) - FORWARD[activation](a - 1e-6)) / 2e-6


def by_hand(values, loss, activation):
    """Loss and gradients by name, in float64, one sample at a time."""
    v = {name: value.astype(np.float64) for name, value in values.items()}
    gradients = {name: np.zeros_like(value) for name, value in v.items() if name not in "xy"}
    mean = 0.0
    for x, y in zip(v["x"], v["y"], strict=True):
        hs, before = [x], []
        for i in (1, 2, 3):
            before.append(v[f"w{i}"].T @ hs[-1] + v[f"b{i}"])
            hs.append(before[-1] if i == 3 else FORWARD[activation](before[-1]))
        z = hs[-1]
        if loss == "cross_entropy":
            powers = np.exp(z - z.max())
            mean += -np.log((powers / powers.sum())[y.argmax()]) / BATCH
            delta = (powers / powers.sum() - y) / BATCH
        else:
            mean += ((z - y) ** 2).mean() / BATCH
            delta = 2 * (z - y) / (BATCH * len(z))
        for i in (3, 2, 1):
            gradients[f"w{i}"] += np.outer(hs[i - 1], delta)
            gradients[f"b{i}"] += delta
            if i > 1:
                delta = (v[f"w{i}"] @ delta) * slope(activation, before[i - 2])
    return mean, gradients


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_loss_gradients_and_update_are_those_worked_out_by_hand(loss, activation):
    step = step_of(loss, activation, lr=0.25)
    values = random_inputs(step.roots, 3)
    expected, gradients = by_hand(values, loss, activation)
    assert set(step.gradients) == set(gradients) == {"w1", "b1", "w2", "b2", "w3", "b3"}
    assert reference(step.loss, values)[0] == pytest.approx(expected, rel=1e-5)
    for name, node in step.gradients.items():
        needed = {key: values[key] for key in inputs_of([node])}
        np.testing.assert_allclose(reference(node, needed), gradients[name], rtol=2e-5, atol=1e-7)
    for name, new in zip(step.updated, reference(step.roots, values)[1:], strict=True):
        np.testing.assert_allclose(new, values[name] - 0.25 * gradients[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_differences_of_the_loss(loss, activation):
    """The loss in float64 by `by_hand`, which its own gradients take no part in; weights moved one at a time."""
    step = step_of(loss, activation)
    values = {name: value.astype(np.float64) for name, value in random_inputs(step.roots, 5).items()}
    for name, node in step.gradients.items():
        found = reference(node, {key: values[key] for key in inputs_of([node])})
        for index in np.ndindex(found.shape):
            moved = {sign: {**values, name: values[name].copy()} for sign in (1, -1)}
            for sign, there in moved.items():
                there[name][index] += sign * 1e-5
            up, down = (by_hand(moved[sign], loss, activation)[0] for sign in (1, -1))
            assert found[index] == pytest.approx((up - down) / 2e-5, rel=2e-4, abs=1e-6)


def test_flops_are_the_three_products_of_each_layer_and_the_work_on_each_element():
    batch, inputs, hidden, classes = 64, 20, 30, 10
    step = workload("mlp_training", batch=batch, inputs=inputs, hidden=hidden, classes=classes, dtype="fp32")
    macs = 2 * batch * inputs * hidden + 3 * batch * hidden * classes  # nothing goes back to x
    forward = 2 * batch * hidden + batch * classes  # bias and relu, bias
    loss = batch * classes * (5 + 1 + 1) + batch + 1  # log of softmax, product, sum; mean, sign
    backward = batch * classes * (5 + 2) + 2 * batch * hidden  # softmax, difference, 1/batch; slope and product
    sums = batch * (hidden + classes)
    update = 2 * (inputs * hidden + hidden + hidden * classes + classes)
    assert flops(step) == 2 * macs + forward + loss + backward + sums + update


def test_labels_are_rows_with_a_single_one_which_the_seed_decides():
    drawn, again, other = (random_inputs(labels("y", 50, 7, "bf16"), seed)["y"].astype(float) for seed in (1, 1, 2))
    assert (np.sort(drawn, 1) == [0, 0, 0, 0, 0, 0, 1]).all()
    assert (drawn == again).all()
    assert (drawn != other).any()
    assert (drawn.sum(0) > 0).sum() > 3


def test_log_softmax_keeps_what_softmax_loses():
    x = {"x": [[0.0, 200.0, -300.0], [1e4, 1e4, -1e4]]}
    found = reference(log_softmax(tensor("x", (2, 3))), x)
    np.testing.assert_allclose(found, [[-200, 0, -500], [-np.log(2), -np.log(2), -2e4 - np.log(2)]], rtol=1e-5)
    node = tensor("x", (4, 5))
    values = random_inputs(node)
    logarithm = np.log(reference(softmax(node, 0), values))
    np.testing.assert_allclose(reference(log_softmax(node, 0), values), logarithm, rtol=1e-5, atol=1e-6)


def test_greater_is_one_or_zero_of_floats_and_integers():
    x, y = np.array([-1.0, 0.0, 2.0]), np.array([-2, 0, 3])
    assert list(reference(greater(tensor("x", (3,)), 0.0), {"x": x})) == [0, 0, 1]
    assert list(reference(greater(tensor("y", (3,), "int8"), -1), {"y": y})) == [0, 1, 1]


def test_slope_of_gelu():
    x = np.linspace(-4, 4, 81)
    found = reference(elementwise("gelu_slope", tensor("x", (81,))), {"x": x})
    np.testing.assert_allclose(found, slope("gelu", x), atol=1e-6)


X, Y = tensor("x", (4, 3)), labels("y", 4, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: training_step(X, Y, []), ["training_step", "no layers", "width of each layer"]),
        (lambda: training_step(X, Y, [0, 2]), ["empty dimension"]),
        (lambda: training_step(X, Y, [5, 3]), ["outputs (4, 3)", "targets (4, 2)", "one shape"]),
        (lambda: training_step(X, cast(Y, "bf16"), [2]), ["fp32", "bf16", "cross_entropy"]),
        (lambda: training_step(tensor("x", (4,)), Y, [2]), ["(4,)", "batch x inputs"]),
        (lambda: training_step(tensor("x", (4, 3), "int8"), Y, [2]), ["int8", "cast"]),
        (lambda: training_step(X, Y, [2], activation="rely"), ["'rely'", "did you mean 'relu'"]),
        (lambda: training_step(X, Y, [2], loss="cross"), ["'cross'", "cross_entropy"]),
        (lambda: training_step(X, Y, [2], lr=0.0), ["learning rate 0.0", "above 0"]),
        (lambda: training_step(X, Y, [2], lr=float("nan")), ["learning rate nan"]),
        (lambda: squared_error(tensor("a", (4,)), tensor("b", (4,))), ["squared_error", "rows x columns"]),
        (lambda: cross_entropy(tensor("a", (4, 2), "int8"), Y), ["int8"]),
        (lambda: workload("mlp_training", layers=0), ["layers is 0", "at least 1"]),
        (lambda: workload("mlp_training", loss="mse"), ["unknown loss 'mse'", "squared_error"]),
    ],
)
def test_errors(call, words):
    with pytest.raises(WorkloadError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
