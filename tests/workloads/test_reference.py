"""The reference against plain loops and closed forms: it is the truth for everything compiled, so it needs its own."""

import math

import ml_dtypes
import numpy as np
import pytest

from memsim.errors import WorkloadError
from memsim.workloads import (
    WORKLOADS,
    attention,
    cast,
    elementwise,
    layer_norm,
    matmul,
    mean,
    random_inputs,
    reference,
    rms_norm,
    rope,
    softmax,
    sqrt,
    tensor,
    workload,
)
from memsim.workloads import sum as total
from memsim.workloads.graph import as_roots


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_matmul_by_loops():
    a, b = normal(3, 4), normal(5, 4, seed=1)
    found = reference(tensor("a", (3, 4)) @ tensor("b", (5, 4)).T, {"a": a, "b": b})
    a32, b32 = a.astype(np.float32).astype(float), b.astype(np.float32).astype(float)
    expected = [[math.fsum(a32[i, t] * b32[j, t] for t in range(4)) for j in range(5)] for i in range(3)]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_int8_matmul_is_exact():
    a = np.full((2, 3000), -128, np.int8)
    node = tensor("a", a.shape, "int8") @ tensor("b", (3000, 2), "int8")
    np.testing.assert_array_equal(reference(node, {"a": a, "b": a.T}), np.full((2, 2), 3000 * 128**2, np.int32))


@pytest.mark.parametrize(
    ("op", "x", "value"),
    [
        ("exp", 1.0, math.e),
        ("log", math.e, 1.0),
        ("sqrt", 2.0, 2**0.5),
        ("rsqrt", 4.0, 0.5),
        ("recip", 4.0, 0.25),
        ("tanh", 0.5, math.tanh(0.5)),
        ("sigmoid", 0.5, 1 / (1 + math.exp(-0.5))),
        ("silu", -2.0, -2 / (1 + math.exp(2))),
        ("relu", -2.0, 0.0),
        ("neg", 2.0, -2.0),
        ("abs", -2.0, 2.0),
        ("sin", 1.0, math.sin(1)),
        ("cos", 1.0, math.cos(1)),
        ("gelu_slope", 0.0, 0.5),
        ("gelu", 1.0, 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * 1.044715))),
    ],
)
def test_functions_of_one(op, x, value):
    found = reference(elementwise(op, tensor("x", (1,))), {"x": [x]})
    assert found[0] == pytest.approx(value, rel=1e-6)


def test_gelu_is_near_its_definition_by_the_normal_distribution():
    x = np.linspace(-4, 4, 101)
    exact = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    np.testing.assert_allclose(reference(elementwise("gelu", tensor("x", (101,))), {"x": x}), exact, atol=5e-4)


def test_softmax_does_not_overflow():
    found = reference(softmax(tensor("x", (1, 3))), {"x": [[1e4, 1e4, 0.0]]})
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.0]])


def test_softmax_along_another_axis():
    x = normal(4, 5)
    node = tensor("x", (4, 5))
    np.testing.assert_allclose(reference(softmax(node, 0), {"x": x}), reference(softmax(node.T), {"x": x}).T, rtol=1e-6)


def test_norms_have_mean_and_variance():
    x = normal(6, 64) * 3 + 2
    normed = reference(layer_norm(tensor("x", (6, 64)), eps=0.0), {"x": x})
    np.testing.assert_allclose(normed.mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(normed.std(-1), 1, rtol=1e-5)
    rms = reference(rms_norm(tensor("x", (6, 64)), tensor("w", (64,)), eps=0.0), {"x": x, "w": np.full(64, 2.0)})
    np.testing.assert_allclose((rms**2).mean(-1), 4, rtol=1e-5)


def test_norm_parameters_apply_by_name():
    x, b = tensor("x", (2, 4)), tensor("b", (4,))
    values = {"x": normal(2, 4), "b": np.arange(4.0)}
    shifted = reference(layer_norm(x, bias=b), values)
    np.testing.assert_allclose(
        shifted - reference(layer_norm(x), {"x": values["x"]}), np.tile(np.arange(4.0), (2, 1)), atol=1e-6
    )


@pytest.mark.parametrize("causal", [False, True])
def test_grouped_query_attention_by_loops(causal):
    queries, keys, heads, kv_heads, dim = 3, 5, 4, 2, 2
    q, k, v = (normal(n, h * dim, seed=s).astype(np.float32) for s, (n, h) in enumerate([(3, 4), (5, 2), (5, 2)]))
    node = attention(
        tensor("q", q.shape), tensor("k", k.shape), tensor("v", v.shape), heads=heads, kv_heads=kv_heads, causal=causal
    )
    found = reference(node, {"q": q, "k": k, "v": v})
    for i in range(queries):
        seen = i + keys - queries + 1 if causal else keys
        for h in range(heads):
            g = h // 2
            weights = [
                math.exp(float(q[i, 2 * h : 2 * h + 2] @ k[j, 2 * g : 2 * g + 2]) / math.sqrt(2)) for j in range(seen)
            ]
            expected = sum(w * v[j, 2 * g : 2 * g + 2] for j, w in enumerate(weights)) / sum(weights)
            np.testing.assert_allclose(found[i, 2 * h : 2 * h + 2], expected, rtol=1e-5)


def test_rope_keeps_lengths_and_relative_angles():
    x = normal(2, 8)
    node = lambda offset: rope(tensor("x", (2, 8)), heads=2, offset=offset)  # noqa: E731
    first, later = (reference(node(offset), {"x": x}) for offset in (0, 7))
    np.testing.assert_allclose(np.hypot(first[:, 0], first[:, 2]), np.hypot(x[:, 0], x[:, 2]), rtol=1e-6)
    np.testing.assert_array_equal(first[0], x[0].astype(np.float32))  # position 0 is not turned
    for pair in ((0, 2), (1, 3), (4, 6), (5, 7)):  # inner products depend on the distance alone
        dot = lambda y, pair=pair: y[0, pair[0]] * y[1, pair[0]] + y[0, pair[1]] * y[1, pair[1]]  # noqa: E731
        assert dot(first) == pytest.approx(dot(later), abs=1e-5)


def test_rope_turns_by_the_angle_of_its_position():
    found = reference(rope(tensor("x", (4, 4)), base=100.0), {"x": np.tile([1.0, 1.0, 0.0, 0.0], (4, 1))})
    np.testing.assert_allclose(found[3], [math.cos(3), math.cos(0.3), math.sin(3), math.sin(0.3)], rtol=1e-6)


def test_inputs_and_results_are_rounded_to_their_type_and_no_more():
    x = np.array([1 + 2**-9], np.float32)  # not a bf16
    node = (tensor("x", (1,), "bf16") + 2.0**-9) * 512.0
    assert reference(node, {"x": x})[0] == ml_dtypes.bfloat16(513)  # 512 + 1, rounded once: 512 or 514
    assert reference(cast(tensor("x", (1,)), "bf16") * 512.0, {"x": x})[0] == 512


def test_saturation():
    x = {"x": [1000.0], "y": [200]}
    assert reference(cast(tensor("x", (1,)), "fp8_e4m3"), {"x": x["x"]})[0] == 448
    assert reference(cast(tensor("y", (1,), "int32"), "int8"), {"y": x["y"]})[0] == 127
    y = tensor("z", (1,), "int8")
    assert reference(y + y, {"z": [100]})[0] == 127


def test_several_nodes_share_operands():
    x = tensor("x", (3, 4))
    first, second = reference([total(x), mean(x)], {"x": np.ones((3, 4))})
    assert list(first) == [4, 4, 4]
    assert list(second) == [1, 1, 1]


def test_random_inputs_are_the_same_for_a_seed():
    node = matmul(tensor("a", (4, 5), "bf16"), tensor("b", (5, 6), "bf16", scale=0.01))
    one, same, other = (random_inputs(node, seed) for seed in (3, 3, 4))
    assert one["a"].dtype == ml_dtypes.bfloat16
    assert (one["a"] == same["a"]).all()
    assert (one["a"] != other["a"]).any()
    assert np.abs(one["b"].astype(float)).max() < 0.1


def test_random_inputs_suit_roots_and_integers():
    inputs = random_inputs([sqrt(tensor("x", (1000,))), 1.0 / tensor("y", (9,)), tensor("i", (9,), "int8") + 1])
    assert inputs["x"].min() > 0
    assert inputs["y"].min() > 0
    assert inputs["i"].dtype == np.int8


SMALL = {
    "matmul": {"m": 4, "n": 5, "k": 6},
    "batched_matmul": {"batch": 2, "m": 3, "n": 4, "k": 5},
    "linear": {"m": 4, "n": 5, "k": 6, "residual": True},
    "elementwise": {"rows": 3, "columns": 4},
    "reduce": {"rows": 3, "columns": 4},
    "softmax": {"rows": 3, "columns": 4},
    "layer_norm": {"rows": 3, "columns": 4},
    "rms_norm": {"rows": 3, "columns": 4},
    "attention": {"heads": 2, "kv_heads": 1, "queries": 3, "keys": 4, "dim": 4},
    "flash_attention": {"heads": 2, "kv_heads": 1, "queries": 3, "keys": 4, "dim": 4},
    "rope": {"positions": 3, "heads": 2, "dim": 4},
    "mlp": {"tokens": 3, "width": 4, "ffn": 6},
    "llama_layer": {"tokens": 4, "width": 16, "heads": 4, "kv_heads": 2, "ffn": 24},
    "llama_decode": {"model": "tiny", "batch": 3, "context": 70},
    "mlp_training": {"batch": 6, "inputs": 5, "hidden": 9, "layers": 3, "classes": 4, "activation": "gelu"},
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_named_workload_evaluates(name):
    nodes = as_roots(workload(name, **SMALL[name]))
    for node, value in zip(nodes, reference(nodes, random_inputs(nodes)), strict=True):
        assert value.shape == node.shape
        assert np.isfinite(value.astype(float)).all()
    assert WORKLOADS[name].summary.endswith(".")
    assert all(value is not None for value in WORKLOADS[name].parameters.values())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: workload("matmull"), ["'matmull'", "did you mean 'matmul'"]),
        (lambda: workload("matmul", mm=3), ["matmul", "'mm'"]),
        (lambda: workload("matmul", m="big"), ["matmul: m", "512", "'big'"]),
        (lambda: workload("matmul", m=True), ["matmul: m", "True"]),
        (lambda: workload("matmul", m=0), ["empty dimension"]),
        (lambda: workload("reduce", op="add"), ["unknown reduction 'add'"]),
        (lambda: reference(tensor("x", (2,)) + 1, {}), ["input x (2,) is missing"]),
        (lambda: reference(tensor("x", (2,)) + 1, {"x": [1, 2], "y": [1]}), ["'y'", "choose from x"]),
        (lambda: reference(tensor("x", (2,)) + 1, {"x": [1, 2, 3]}), ["input x", "(3,)", "(2,)"]),
    ],
)
def test_errors(call, words):
    with pytest.raises(WorkloadError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
