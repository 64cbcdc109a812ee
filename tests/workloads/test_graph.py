import pytest

from memsim.errors import WorkloadError
from memsim.workloads import (
    attention,
    cast,
    decoder_layer,
    exp,
    flops,
    inputs_of,
    layer_norm,
    linear,
    matmul,
    maximum,
    mean,
    mlp,
    output_names,
    relu,
    rms_norm,
    rope,
    softmax,
    tensor,
    walk,
)
from memsim.workloads import max as row_max
from memsim.workloads import sum as row_sum

X = tensor("x", (4, 6), "bf16")


def message(function, *args, **kwargs):
    with pytest.raises(WorkloadError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("a", "b", "shape"),
    [
        ((4, 5), (5, 6), (4, 6)),
        ((5,), (5, 6), (6,)),
        ((4, 5), (5,), (4,)),
        ((5,), (5,), (1,)),
        ((2, 3, 4, 5), (5, 6), (2, 3, 4, 6)),
        ((2, 1, 4, 5), (3, 5, 6), (2, 3, 4, 6)),
        ((1, 1), (1, 1), (1, 1)),
    ],
)
def test_matmul_shapes(a, b, shape):
    assert (tensor("a", a) @ tensor("b", b)).shape == shape


@pytest.mark.parametrize(
    ("dtype", "wanted", "result"),
    [("bf16", None, "bf16"), ("int8", None, "int32"), ("fp8_e4m3", "bf16", "bf16"), ("int8", "int8", "int8")],
)
def test_matmul_types(dtype, wanted, result):
    assert matmul(tensor("a", (2, 2), dtype), tensor("b", (2, 2), dtype), wanted).dtype == result


def test_transpose_swaps_the_last_two_and_twice_is_nothing():
    x = tensor("x", (2, 3, 5))
    assert x.T.shape == (2, 5, 3)
    assert x.T.T is x
    vector = tensor("v", (5,))
    assert vector.T is vector


@pytest.mark.parametrize(
    ("types", "result"),
    [
        (("bf16", "bf16"), "bf16"),
        (("bf16", "fp32"), "fp32"),
        (("bf16", "fp16"), "fp32"),
        (("fp8_e4m3", "bf16"), "bf16"),
        (("fp8_e4m3", "fp8_e5m2"), "fp16"),
        (("int8", "int32"), "int32"),
        (("int32", "bf16"), "bf16"),
    ],
)
def test_elementwise_types(types, result):
    a, b = (tensor(name, (3,), dtype) for name, dtype in zip("ab", types, strict=True))
    assert (a + b).dtype == (b * a).dtype == result


def test_operators_take_scalars_on_either_side():
    for node in (1 + X, X - 1, 1 - X, 2 * X, X / 2, 1 / X, -X, maximum(X, 0.0)):
        assert (node.shape, node.dtype) == ((4, 6), "bf16")
    assert (1 - X).args[0] == 1.0


def test_elementwise_shapes_broadcast():
    assert (tensor("a", (4, 1)) + tensor("b", (6,))).shape == (4, 6)


@pytest.mark.parametrize(("axis", "keepdims", "shape"), [(-1, False, (4,)), (0, False, (6,)), (0, True, (1, 6))])
def test_reductions(axis, keepdims, shape):
    for function in (row_sum, row_max, mean):
        assert function(X, axis, keepdims=keepdims).shape == shape


def test_a_vector_reduces_to_one_element():
    assert row_sum(tensor("v", (9,))).shape == (1,)


def test_walk_gives_operands_first_and_each_once():
    y = exp(X)
    order = list(walk([y + y, relu(y)]))
    assert [node.op for node in order] == ["input", "exp", "add", "relu"]


def test_walk_takes_chains_deeper_than_the_recursion_limit():
    y = X
    for _ in range(5000):
        y = y + 1
    assert len(list(walk([y]))) == 5001


def test_names():
    assert output_names([exp(X)]) == ("out",)
    assert output_names([exp(X).named("y"), relu(X)]) == ("y", "out1")
    assert list(inputs_of([linear(X, 8)])) == ["x", "w", "bias"]


def test_decoder_layer_has_the_weights_of_a_llama_layer():
    x = tensor("x", (16, 64), "bf16")
    layer = decoder_layer(x, heads=8, kv_heads=2, ffn=96)
    shapes = {name: node.shape for name, node in inputs_of([layer]).items()}
    assert shapes == {
        "x": (16, 64),
        "norm_1": (64,),
        "w_q": (64, 64),
        "w_k": (64, 16),
        "w_v": (64, 16),
        "w_o": (64, 64),
        "norm_2": (64,),
        "w_gate": (64, 96),
        "w_up": (64, 96),
        "w_down": (96, 64),
    }
    assert layer.shape == (16, 64)


def test_flops_of_a_llama_3_8b_layer():
    """Parameters of a layer are 218.1 M (arXiv:2407.21783, table 3); each costs a multiply-add a token."""
    x = tensor("x", (2048, 4096), "bf16")
    layer = decoder_layer(x, heads=32, kv_heads=8, ffn=14336)
    parameters = 4096 * (4096 * 2 + 1024 * 2 + 3 * 14336)
    scores = 32 * 2048 * 2049 // 2
    least = 2 * 2048 * parameters + scores * 4 * 128
    assert least < flops(layer) < 1.01 * least


def test_flops_of_small_things():
    assert flops(tensor("a", (3, 4)) @ tensor("b", (4, 5))) == 2 * 3 * 4 * 5
    assert flops(tensor("a", (7, 3, 4)) @ tensor("b", (4, 5))) == 7 * 2 * 3 * 4 * 5
    assert flops(X + 1) == 24
    assert flops(row_sum(X)) == 24
    q, k = tensor("q", (2, 8)), tensor("k", (3, 8))
    assert flops(attention(q, k, k, heads=2, causal=True)) == 2 * (2 + 3) * (4 * 4 + 5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tensor("x", (0, 4)), ["tensor x", "(0, 4)", "empty dimension"]),
        (lambda: tensor("x", ()), ["at least one dimension"]),
        (lambda: tensor("x", (2.5,)), ["2.5", "whole number"]),
        (lambda: tensor("x y", (2,)), ["'x y'", "name"]),
        (lambda: tensor("x", (2,), "bf17"), ["bf17", "did you mean 'bf16'"]),
        (lambda: X @ X, ["matmul", "(4, 6)", "6 and 4 differ", ".T"]),
        (lambda: X @ tensor("b", (6, 2)), ["bf16 and fp32", "cast"]),
        (lambda: X @ 2.0, ["2.0", "not a tensor"]),
        (lambda: tensor("a", (2, 2), "int32") @ tensor("b", (2, 2), "int32"), ["int32", "matmul"]),
        (lambda: tensor("a", (2, 3, 4)) @ tensor("b", (5, 4, 6)), ["do not broadcast", "2 against 5"]),
        (lambda: X + tensor("y", (4, 5)), ["add", "(4, 6) and (4, 5)", "5 against 6"]),
        (lambda: X + float("nan"), ["nan", "finite"]),
        (lambda: X + "y", ["'y'", "neither"]),
        (lambda: exp(tensor("i", (2,), "int8")), ["exp needs floats", "int8"]),
        (lambda: tensor("i", (2,), "int8") + 0.5, ["0.5", "int8"]),
        (lambda: row_sum(X, 2), ["axis 2", "(4, 6)", "-2 to 1"]),
        (lambda: cast(X, "f32"), ["'f32'", "fp32"]),
        (lambda: softmax(tensor("i", (2,), "int8")), ["softmax", "int8"]),
        (lambda: layer_norm(X, tensor("w", (4,))), ["weight of shape (4,)", "rows of 6"]),
        (lambda: rms_norm(X, eps=-1.0), ["-1.0"]),
        (lambda: attention(X, X, X, heads=4), ["does not divide into 4 heads"]),
        (lambda: attention(X, X, X, heads=3, kv_heads=2), ["3 heads", "2 kv_heads"]),
        (lambda: attention(X, X, X, kind="flush"), ["'flush'", "did you mean 'flash'"]),
        (lambda: attention(X, tensor("k", (5, 4), "bf16"), X), ["differ in size"]),
        (lambda: attention(X, X, tensor("v", (5, 6), "bf16")), ["same rows"]),
        (lambda: attention(X, *(tensor("k", (3, 6), "bf16"),) * 2, causal=True), ["4 queries but 3 keys"]),
        (lambda: rope(X, heads=2), ["odd size 3"]),
        (lambda: rope(tensor("v", (6,))), ["rope", "(6,)"]),
        (lambda: mlp(X, 8, activation="gleu"), ["'gleu'", "'gelu'"]),
        (lambda: decoder_layer(X, heads=5, kv_heads=1, ffn=8), ["width 6", "5 heads"]),
        (lambda: output_names([exp(X).named("x")]), ["two tensors are called x"]),
        (lambda: inputs_of([X + tensor("x", (4, 6), "bf16")]), ["two inputs are called x"]),
    ],
)
def test_errors_tell_the_operation_and_the_shapes(make, words):
    text = message(make)
    assert all(word in text for word in words), text


def test_a_size_beyond_all_memories_is_refused_with_its_place():
    with pytest.raises(
        WorkloadError, match=r"tensor huge: a dimension of 99,999,.* is too large\n  mend: sizes go up to"
    ):
        tensor("huge", (10**20 - 1, 4))


@pytest.mark.parametrize(
    ("heads", "kv_heads", "mend"),
    [
        (4, 1, "the last dimension is heads \\* dim"),
        (3, 2, "choose heads as a multiple of kv_heads"),
        (2, 1, "a head of q has 3, one of k 6"),
    ],
)
def test_heads_that_do_not_divide_are_mended(heads, kv_heads, mend):
    with pytest.raises(WorkloadError, match=f"(?s)attention: .*mend: .*{mend}"):
        attention(X, X, X, heads=heads, kv_heads=kv_heads)
