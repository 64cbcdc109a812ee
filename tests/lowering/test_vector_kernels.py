import pytest

from memsim.errors import ChipError
from memsim.isa import Load, Reduce, Store, Vector, analyze
from memsim.lowering import compile
from memsim.lowering.vector_layout import Chunk, chunks_of
from memsim.lowering.vector_plan import tile_sizes
from memsim.workloads import (
    absolute,
    cast,
    exp,
    layer_norm,
    log,
    maximum,
    mean,
    relu,
    rms_norm,
    rsqrt,
    sigmoid,
    softmax,
    sqrt,
    tanh,
    tensor,
    workload,
)
from memsim.workloads import max as largest
from memsim.workloads import sum as total
from tests.lowering.chips import ALL, checked, chip, executed, toy

X = tensor("x", (7, 513), "bf16")
ROW, COLUMN = tensor("row", (513,), "bf16"), tensor("column", (7, 1), "bf16")
LONG = tensor("x", (3, 5000), "bf16")


@pytest.mark.parametrize("on", ALL)
def test_an_elementwise_chain_is_one_kernel(on):
    node = relu((X * ROW + COLUMN) / (absolute(COLUMN) + 1.0) - 0.5)
    assert len(checked(node, on).kernels) == 1


def test_a_chain_moves_its_operands_and_result_once():
    x, y = tensor("x", (256, 128)), tensor("y", (256, 128))
    found = analyze(checked(tanh(x * y) + x, "toy"))
    assert found.bytes_read["dram"] == 2 * 256 * 128 * 4
    assert found.bytes_written["dram"] == 256 * 128 * 4


@pytest.mark.parametrize("on", ["toy", "h100_sxm", "small"])
@pytest.mark.parametrize(
    "node",
    [
        X.T,
        X.T + tensor("y", (513, 7), "bf16"),
        tensor("x", (3, 5, 7)).T * tensor("y", (7, 1)),
        tensor("x", (1, 9)).T + tensor("y", (9, 1)),
        tensor("x", (4, 1, 6)) + tensor("y", (5, 1)),
        tensor("x", (64, 7, 7)) * tensor("y", (7,)),
        tensor("x", (1,)) + 1.0,
        tensor("x", (100_003,)) * 2.0,
        cast(X, "fp8_e4m3") * 0.5,
        cast(tensor("i", (5, 70), "int32"), "bf16") * 0.3,
        cast(tensor("x", (5, 70)) * 100.0, "int8"),
        tensor("i", (5, 70), "int8") + tensor("j", (70,), "int8") * 9,
        maximum(tensor("i", (5, 70), "int8"), 0) - 3,
        rsqrt(tensor("x", (5, 7))) + log(tensor("y", (7,))) * sqrt(tensor("z", (5, 1))),
    ],
    ids=repr,
)
def test_shapes_and_types(on, node):
    checked(node, on)


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize("function", [total, largest, mean])
def test_reductions(on, function):
    for axis in (0, 1):
        checked(function(X, axis), on)
    checked(function(tensor("x", (3, 4, 5)), 1, keepdims=True), on)
    checked(function(tensor("v", (1000,))), on)


def test_integer_reductions():
    i = tensor("i", (7, 513), "int8")
    for node in (total(i), largest(i), total(i * 3, 0), largest(i, 0) + 1):
        checked(node, "toy")
        checked(node, "small")


@pytest.mark.parametrize("on", ALL)
def test_softmax_and_norms_in_one_pass(on):
    for node in (
        softmax(X),
        softmax(X, 0),
        softmax(tensor("x", (2, 3, 77)), 1),
        layer_norm(X, ROW, tensor("bias", (513,), "bf16")),
        rms_norm(X, ROW),
    ):
        assert len(checked(node, on).kernels) == 1


def test_a_softmax_that_fits_reads_its_rows_once():
    program = checked(softmax(tensor("x", (64, 300))), "toy")
    assert analyze(program).bytes_read["dram"] == 64 * 300 * 4


def test_work_before_and_after_reductions_shares_their_kernel():
    mask = tensor("mask", (513,), "bf16")
    for node in (
        softmax(X * 0.1 + mask) * COLUMN,
        relu(layer_norm(X * 2.0, ROW)) + X,
        X / total(absolute(X), keepdims=True),
        total(exp(X - largest(X, keepdims=True)), keepdims=True),
        softmax(rms_norm(X)),
        mean(X * X) * 2.0 + tensor("y", (7,), "bf16"),
    ):
        assert len(checked(node, "toy").kernels) == 1


# ---- rows that do not fit a core ----


def test_a_long_softmax_reads_its_rows_twice_not_thrice():
    """The running maximum and sum are kept in one pass (arXiv:1805.02867)."""
    program = checked(softmax(LONG), "small")
    assert analyze(program).bytes_read["dram"] == 2 * 3 * 5000 * 2


def test_a_long_norm_reads_its_rows_once_for_each_statistic_and_once_to_write():
    for node, passes in ((rms_norm(LONG), 2), (layer_norm(LONG), 3), (total(LONG), 1), (total(LONG * LONG + LONG), 1)):
        assert analyze(checked(node, "small")).bytes_read["dram"] == passes * 3 * 5000 * 2


@pytest.mark.parametrize("length", [4999, 5000, 8192, 10007])
def test_long_rows_of_any_length(length):
    """A rest that does not divide has tiles of its own: no padding enters a sum."""
    x, w = tensor("x", (5, length), "bf16"), tensor("w", (length,), "bf16")
    y = tensor("y", (5, 1), "bf16")
    for node in (
        softmax(x * 3.0),
        layer_norm(x, w, w),
        exp(x - largest(x, keepdims=True)) * w + y,
        total(exp(x)),
        softmax(x) * y,
        largest(x + y) * 2.0,
        rms_norm(x * sigmoid(y), w),
    ):
        checked(node, "small")


def test_long_columns():
    x = tensor("x", (5000, 3), "bf16")
    for node in (softmax(x, 0), total(x, 0), largest(x.T), mean(x * x, 0)):
        checked(node, "small")


def test_what_chunks_share_is_computed_once_a_row():
    program = checked(rms_norm(LONG), "small")
    roots = [
        e for e in analyze(program).executions if isinstance(e.instruction, Vector) and e.instruction.op == "rsqrt"
    ]
    assert sum(e.count for e in roots) == 3


# ---- plans ----


def test_tiles_are_few_and_large():
    program = compile(workload("elementwise", rows=4096, columns=4096), chip("toy"))
    assert executed(program, Load, Store, Vector) < 20_000


def test_every_core_gets_work():
    for rows, columns in ((1024, 1024), (16, 100_000), (100_000, 16)):
        program = compile(workload("elementwise", rows=rows, columns=columns), chip("toy"))
        assert program.kernels[0].groups[0].block_count == 16


def test_rows_are_not_processed_one_by_one():
    program = compile(workload("softmax", rows=8192, columns=128), chip("toy"))
    assert executed(program, Reduce) < 8192


@pytest.mark.parametrize(
    ("space", "axis", "budget", "tile"),
    [
        ((100, 200), None, 1000, (5, 200)),
        ((100, 200), None, 150, (1, 128)),
        ((100, 200), None, 50, (1, 50)),
        ((100, 200), 1, 1, (1, 200)),
        ((100, 200), 0, 1000, (100, 10)),
        ((3, 4, 5), None, 60, (3, 4, 5)),
        ((3, 4, 5), None, 10, (1, 2, 5)),
    ],
)
def test_tile_sizes(space, axis, budget, tile):
    assert tile_sizes(space, axis, budget) == tile


def test_chunks_cover_the_axis():
    assert chunks_of(100, 100) == (Chunk("", 0, 1, 100),)
    assert chunks_of(100, 30) == (Chunk("", 0, 3, 30), Chunk("_rest", 90, 1, 10))


def test_a_row_that_no_core_can_hold_even_in_chunks():
    with pytest.raises(ChipError, match=r"(?s)kernel softmax: sram and reg of a core of toy hold 16 and 64 bytes"):
        compile(softmax(LONG), toy(core__sram__capacity="16 B", core__reg__capacity="64 B"))


def test_weights_that_all_rows_share_are_loaded_once_a_core():
    weight = tensor("weight", (256,), "bf16")
    program = checked(rms_norm(tensor("x", (1000, 256), "bf16"), weight), "toy")
    assert analyze(program).bytes_read["dram"] == 1000 * 256 * 2 + 16 * 256 * 2
