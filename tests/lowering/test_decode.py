"""Decode steps on chips: heads that share a cache, rows that are appended in place, layers that are planned once."""

import numpy as np
import pytest

from memsim.engine import simulate
from memsim.errors import WorkloadError
from memsim.isa import Load, Store, analyze, interpret
from memsim.isa.canonical import key
from memsim.lowering import compile
from memsim.workloads import (
    append,
    decode_attention,
    from_heads,
    random_inputs,
    relu,
    rope,
    softmax,
    tensor,
    to_heads,
    workload,
)
from tests.lowering.chips import ALL, PRESETS, checked, chip, executed


def attend(batch, heads, kv_heads, keys, dim, value_dim=None, dtype="bf16"):
    q, k = tensor("q", (batch, heads, dim), dtype), tensor("k", (batch, kv_heads, keys, dim), dtype)
    return decode_attention(q, k, tensor("v", (batch, kv_heads, keys, value_dim or dim), dtype))


def moved(program, kinds, name):
    """Bytes that instructions of a kind move of one tensor."""
    found = (e for e in analyze(program).executions if isinstance(e.instruction, kinds))
    return sum(e.bytes for e in found if (e.instruction.dst if kinds is Store else e.instruction.src).tensor == name)


@pytest.mark.parametrize("on", ALL)
def test_heads_that_share_a_cache(on):
    checked(attend(2, 6, 2, 150, 16), on)


@pytest.mark.parametrize(
    "sizes",
    [
        (1, 1, 1, 1, 8),
        (1, 4, 4, 33, 16),
        (3, 8, 1, 257, 24),
        (1, 71, 1, 64, 16),
        (2, 40, 2, 99, 8),
        (1, 4, 2, 64, 8, 20),
    ],
)
def test_sizes_that_divide_nothing(sizes):
    checked(attend(*sizes), "toy")


@pytest.mark.parametrize("on", PRESETS)
def test_keys_and_values_are_read_once_for_all_heads_that_share_them(on):
    program = compile(attend(2, 32, 4, 1024, 128), chip(on))
    for name in "kv":
        assert moved(program, Load, name) == program.tensor(name).bytes


# ---- append ----

ROWS = tensor("r", (2, 3, 8), "bf16")
X, W = tensor("x", (2, 20), "bf16"), tensor("w", (20, 24), "bf16")


def cache(name="c"):
    return tensor(name, (2, 3, 5, 8), "bf16")


SOURCES = {
    "input": lambda: ROWS,
    "elementwise": lambda: relu(ROWS) * 2.0,
    "softmax": lambda: softmax(ROWS),
    "product": lambda: to_heads(X, W, 3),
    "rope": lambda: rope(ROWS, offset=4, step=0),
}


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize("source", SOURCES)
def test_rows_go_from_the_kernel_that_computes_them_into_the_cache(source, on):
    program = checked(append(cache(), SOURCES[source]()) * 2.0, on)
    assert len(program.kernels) == 2
    assert moved(program, Store, "c") == 2 * 3 * 8 * 2


@pytest.mark.parametrize("source", SOURCES)
def test_the_rest_of_a_cache_stays_as_it_was(source):
    node = append(cache(), SOURCES[source]())
    program = compile(node * 2.0, chip("toy"))
    given = random_inputs(node)
    after = interpret(program, given)["c"]
    np.testing.assert_array_equal(after[..., :-1, :], given["c"][..., :-1, :])
    assert (after[..., -1, :] != given["c"][..., -1, :]).any()


@pytest.mark.parametrize("fuse", [False, True])
def test_rows_that_others_read_too_are_copied(fuse):
    rows = relu(ROWS)
    program = checked([append(cache(), rows) * 2.0, rows + 1.0], "toy", fuse=fuse)
    assert len(program.kernels) == 4


def test_a_cache_as_the_result_is_copied():
    program = checked(append(cache(), ROWS), "toy")
    assert [t.name for t in program.tensors] == ["c", "r", "out"]


def test_a_vector_in_a_matrix_of_one_row():
    checked(append(tensor("c", (1, 7)), tensor("r", (7,))) + 1.0, "toy")


def test_the_old_cache_is_gone():
    c = cache()
    with pytest.raises(WorkloadError, match=r"(?s)append: cache c is read besides.*read what append gives"):
        compile([append(c, ROWS) * 2.0, c + 1.0], chip("toy"))
    with pytest.raises(WorkloadError, match="cache c is read besides"):
        compile([append(c, ROWS) * 2.0, append(c, ROWS + 1.0) * 2.0], chip("toy"))


# ---- heads in a dimension of their own ----


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize("dim", [1, 8, 24, 64, 200])
def test_products_that_give_heads_to_one_that_takes_them(dim, on):
    x, w = tensor("x", (5, 30), "bf16"), tensor("w", (30, 3 * dim), "bf16")
    heads = to_heads(x, w, 3)
    program = checked(relu(from_heads(heads, tensor("u", (3 * dim, 50), "bf16"))) + 1.0, on)
    assert len(program.kernels) == 2


def test_elementwise_work_on_heads_is_a_kernel_of_its_own():
    program = checked(relu(to_heads(X, W, 3)), "toy")
    assert [len(program.kernels), program.tensor("out").shape] == [2, (2, 3, 8)]


# ---- whole steps ----


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize(("batch", "context"), [(1, 1), (1, 100), (4, 65)])
def test_a_decode_step(on, batch, context):
    checked(workload("llama_decode", model="tiny", batch=batch, context=context), on)


def test_layers_that_differ_in_names_are_the_same():
    program = checked(workload("llama_decode", model="tiny", layers=5, context=40), "h100_sxm")
    assert len({key(program, kernel) for kernel in program.kernels}) == 12
    assert len(program.kernels) == 5 * 12 + 2
    assert len({kernel.name for kernel in program.kernels}) == len(program.kernels)


def test_rings_of_a_layer_have_no_names_of_another():
    program = compile(workload("llama_decode", model="tiny", layers=3), chip("toy"))
    for kernel in program.kernels:
        own = kernel.name.split("_")[0]
        names = [ring.name for group in kernel.groups for ring in group.rings]
        assert not [name for name in names if name[:2] in {"l0", "l1", "l2"} - {own}]


def test_shares_that_look_alike_are_not_taken_for_the_same():
    """Pairs of kernels that differ in a scalar, an attribute, a shape, or in which operand is which."""
    a, b, long = tensor("a", (12, 8)), tensor("b", (12, 8)), tensor("long", (13, 8))
    w = tensor("w", (8, 8))
    pairs = [relu(a * 2.0) - b, relu(a * 3.0) - b, relu(b * 2.0) - a, relu(a * 2.0) - a]
    pairs += [softmax(a), softmax(b), softmax(a, 0), softmax(long)]
    pairs += [a @ w, b @ w, a @ w.T, (a @ w) * 2.0, a @ w - b, b - a @ w]
    pairs += [rope(a, offset=1), rope(b, offset=1), rope(a, offset=2), rope(a, step=2), rope(a, heads=2)]
    program = checked(pairs, "toy")
    assert len({key(program, kernel) for kernel in program.kernels}) == len(pairs) - 4  # a and b are alike four times


def test_a_step_of_llama_3_70b_reads_weights_and_caches_once():
    """On an H100 within 1 % (the activations are loaded by every core); and in few instructions."""
    layers, context = 2, 4096
    program = compile(workload("llama_decode", model="70b", layers=layers, context=context), chip("h100_sxm"))
    attention, mlp = 2 * 8192 * 8192 + 2 * 8192 * 1024, 3 * 8192 * 28672
    weights = layers * (attention + mlp) + 8192 * 128256
    caches = layers * 2 * 8 * context * 128
    assert 1 <= analyze(program).bytes_read["dram"] / (2 * (weights + caches)) < 1.01
    own = [kernel.name for kernel in program.kernels if kernel.name.startswith("l1_")]
    assert len(own) == 12
    assert sum(e.count for e in analyze(program).executions if e.kernel in own) < 150_000


def test_narrow_products_use_slivers_where_wider_tiles_leave_cores_idle():
    program = compile(workload("matmul", m=1, k=8192, n=1024), chip("h100_sxm"))
    assert program.kernels[0].block_count >= 64
    assert executed(program, Load) < 2000


@pytest.mark.parametrize(("k", "n"), [(8192, 8192), (4096, 14336)])
def test_a_product_of_a_decode_step_runs_near_the_rate_of_the_memory(k, n):
    """What the weights take at the DRAM's bandwidth, and little for launch, latency and the activations."""
    on = chip("h100_sxm")
    result = simulate(compile(workload("matmul", m=1, k=k, n=n), on), on)
    least = 2 * k * n / (3.35e12 * 0.9)
    assert least < result.time_s < 1.15 * least
