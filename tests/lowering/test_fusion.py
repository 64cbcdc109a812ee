import hypothesis
import hypothesis.strategies as st
import pytest

from memsim.errors import WorkloadError
from memsim.lowering import check, compile
from memsim.workloads import (
    WORKLOADS,
    absolute,
    attention,
    cast,
    decoder_layer,
    elementwise,
    exp,
    layer_norm,
    matmul,
    mean,
    mlp,
    relu,
    rms_norm,
    rope,
    softmax,
    tanh,
    tensor,
    workload,
)
from memsim.workloads import max as largest
from memsim.workloads import sum as total
from tests.lowering.chips import PRESETS, checked, chip, executed
from tests.workloads.test_reference import SMALL

X, Y = tensor("x", (20, 30), "bf16"), tensor("y", (20, 30), "bf16")
W = tensor("w", (30, 30), "bf16")


def kernels(node, **options):
    return [kernel.name for kernel in checked(node, "toy", **options).kernels]


def test_chains_are_one_kernel_unless_told_otherwise():
    node = relu(X * Y + 1.0)
    assert kernels(node) == ["elementwise"]
    assert kernels(node, fuse=False) == ["elementwise", "elementwise_2", "elementwise_3"]


def test_what_two_need_is_written_once():
    shared = exp(X)
    assert kernels([relu(shared), total(shared)]) == ["elementwise", "elementwise_2", "reduce_sum"]


def test_results_are_written_even_where_others_use_them():
    y = X @ W
    program = checked([y, relu(y)], "toy")
    assert [t.name for t in program.tensors] == ["x", "w", "out0", "out1"]


def test_a_product_takes_what_follows_not_what_precedes():
    assert kernels(relu(tanh(X) @ W) + Y) == ["elementwise", "matmul"]


def test_products_and_reductions_are_apart():
    assert kernels(softmax(X @ W)) == ["matmul", "softmax"]
    assert kernels(softmax(X) @ W) == ["softmax", "matmul"]


def test_reductions_of_two_axes_are_apart():
    assert kernels(X / total(X, 0, keepdims=True) + softmax(X)) == ["reduce_sum", "softmax"]


def test_a_reduction_broadcast_against_other_rows_is_apart():
    assert kernels(total(X, keepdims=True) * tensor("z", (20, 7), "bf16")) == ["reduce_sum", "elementwise"]
    assert kernels(total(X, 0) + Y) == ["reduce_sum", "elementwise"]


def test_views_cost_nothing():
    assert kernels(X.T @ Y) == ["matmul"]
    assert kernels(X @ Y.T) == ["matmul"]
    assert kernels((X.T + Y.T).T) == ["elementwise", "transposed"]
    assert kernels(relu(X).T @ Y) == ["elementwise", "matmul"]


def test_a_transposed_result_and_a_transposed_operand_of_attention_are_written():
    turned = tensor("k", (8, 16), "bf16").T
    assert kernels(attention(tensor("p", (16, 8), "bf16"), turned, turned)) == ["transposed", "attention"]


def test_names_of_tensors_are_never_taken_twice():
    a, b = tensor("matmul", (8, 8), "bf16"), tensor("out0", (8, 8), "bf16")
    program = checked(relu((a @ b) @ a).named("matmul_2"), "toy")
    names = [t.name for t in program.tensors]
    assert len(names) == len(set(names))
    assert "matmul_2" in names


def test_name_of_the_program():
    assert compile(X @ W, chip("toy")).name == "matmul"
    assert compile(X @ W, chip("toy"), name="mine").name == "mine"


def test_nothing_to_compute():
    with pytest.raises(WorkloadError, match="nothing to compute"):
        compile([], chip("toy"))
    with pytest.raises(WorkloadError, match="is not a node"):
        compile([3], chip("toy"))


def test_an_input_as_the_result_and_a_result_asked_for_twice_are_copied():
    checked(X, "toy")
    y = X @ W
    program = checked([y, X, y], "toy")
    assert [t.name for t in program.tensors] == ["x", "w", "out0", "out1", "out2"]


# ---- composed workloads ----


@pytest.mark.parametrize("on", ["toy", "h100_sxm", "dally_grid"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_named_workload_on_three_chips(name, on):
    checked(workload(name, **SMALL[name]), on)


@pytest.mark.parametrize("gated", [False, True])
def test_mlp(gated):
    program = checked(mlp(X, 50, gated=gated), "toy")
    assert len(program.kernels) == (3 if gated else 2)


@pytest.mark.parametrize("on", PRESETS)
def test_decoder_layer(on):
    x = tensor("x", (70, 128), "bf16")
    program = checked(decoder_layer(x, heads=4, kv_heads=2, ffn=300), on)
    names = [kernel.name for kernel in program.kernels]
    before = ["normed_1", "q_proj", "q_rope", "k_proj", "k_rope", "v_proj", "attention", "o_proj"]
    assert names == [*before, "normed_2", "gate", "up", "down"]


@pytest.mark.slow
@pytest.mark.parametrize(("on", "most"), [("toy", 1_000_000), ("tpu_v4", 50_000), ("h100_sxm", 1_300_000)])
def test_a_llama_3_8b_layer_takes_few_instructions(on, most):
    program = compile(workload("llama_layer"), chip(on))
    assert executed(program, object) < most


@pytest.mark.slow
def test_a_wide_decoder_layer_is_right():
    x = tensor("x", (300, 1024), "bf16")
    checked(decoder_layer(x, heads=8, kv_heads=2, ffn=2816), "h100_sxm")


# ---- random graphs ----

SAFE = ["add", "sub", "mul", "maximum", "minimum", "neg", "abs", "tanh", "sigmoid", "relu", "gelu", "silu", "sin"]


@st.composite
def graphs(draw):
    """A few operations on small tensors, of any kind that keeps values tame."""
    rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    dtype = draw(st.sampled_from(["fp32", "bf16"]))
    shapes = [(rows, columns), (columns,), (rows, 1), (1, columns), (columns, rows), (2, rows, columns)]
    nodes = [tensor(f"x{i}", shape, dtype) for i, shape in enumerate(shapes)]
    for _ in range(draw(st.integers(1, 7))):
        nodes.append(_grown(draw, nodes))
    results = draw(st.lists(st.sampled_from(nodes[len(shapes) :]), min_size=1, max_size=2, unique_by=id))
    return [nodes[-1], *(n for n in results if n is not nodes[-1])]


def _grown(draw, nodes):
    x = draw(st.sampled_from(nodes[-4:] + nodes))
    axis = draw(st.integers(0, len(x.shape) - 1))
    kind = draw(st.sampled_from(["elementwise"] * 4 + ["matmul", "reduce", "softmax", "norm", "transpose", "cast"]))
    if kind == "elementwise":
        return _elementwise(draw, nodes, x)
    if kind == "matmul":
        others = [n for n in nodes if n.dtype == x.dtype and _fits(x, n)]
        return (matmul(x, draw(st.sampled_from(others))) if others else absolute(x)) * (1 / x.shape[-1] ** 0.5)
    if kind == "reduce":
        function = draw(st.sampled_from([mean, largest]))
        return function(x, axis, keepdims=draw(st.booleans()))
    if kind == "softmax":
        return softmax(x, axis)
    if kind == "norm":
        return draw(st.sampled_from([layer_norm, rms_norm]))(x, eps=0.1)
    return x.T if kind == "transpose" and len(x.shape) > 1 else cast(x, draw(st.sampled_from(["fp32", "bf16"])))


def _elementwise(draw, nodes, x):
    op = draw(st.sampled_from(SAFE))
    if op not in SAFE[:5]:
        return elementwise(op, x)
    others = [n for n in nodes if _broadcasts(x, n)]
    return tanh(elementwise(op, x, draw(st.sampled_from([*others, 0.5]))))


def _broadcasts(a, b):
    try:
        elementwise("add", a, b)
    except WorkloadError:
        return False
    return True


def _fits(a, b):
    try:
        matmul(a, b)
    except WorkloadError:
        return False
    return True


@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(graphs(), st.sampled_from(["toy", "h100_sxm", "small", "stationary", "three_cores"]), st.booleans())
def test_random_graphs(nodes, on, fuse):
    program = compile(nodes, chip(on), fuse=fuse)
    report = check(program, nodes)
    assert report.ok, (report, nodes)


def test_rope_reads_what_a_product_wrote():
    assert kernels(rope(X @ W, heads=3)) == ["matmul", "rope"]
