import itertools

import pytest

from memsim.engine import simulate
from memsim.errors import ChipError
from memsim.hierarchy import Chip
from memsim.isa import Load, Mma, ProgramBuilder, Push, analyze
from memsim.lowering import Facts, compile, plan_matmul
from memsim.lowering.expansion import recipes_of
from memsim.lowering.fusion import fuse
from memsim.workloads import flops, gelu, inputs_of, matmul, relu, silu, tensor, workload
from tests.lowering.chips import ALL, PRESETS, checked, chip, executed, toy

DTYPES = ("fp32", "bf16", "fp16", "fp8_e4m3", "fp8_e5m2", "int8")


def plan(on, **sizes):
    node = workload("matmul", **sizes)
    (group,) = fuse([node])
    program = ProgramBuilder("p")
    tensors = {id(n): program.tensor(name, n.dtype, n.shape) for name, n in inputs_of([node]).items()}
    out = program.tensor("out", node.dtype, node.shape)
    (recipe,) = recipes_of(group, "matmul", lambda n: tensors[id(n)], out, program.tensor)
    return plan_matmul(recipe, Facts(chip(on)))


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 513, 129), (100, 1, 65), (1, 90, 3), (96, 64, 32)])
def test_shapes(on, sizes):
    m, n, k = sizes
    checked(workload("matmul", m=m, n=n, k=k), on)


@pytest.mark.parametrize("on", ["toy", "h100_sxm", "stationary"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transposes", [*itertools.product([False, True], repeat=2)])
def test_types_and_transposes(on, dtype, transposes):
    sizes = {"m": 40, "n": 70, "k": 50, "transpose_a": transposes[0], "transpose_b": transposes[1]}
    checked(workload("matmul", dtype=dtype, **sizes), on)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((5,), (5, 6)),
        ((4, 5), (5,)),
        ((5,), (5,)),
        ((3, 7, 65), (3, 65, 9)),
        ((3, 7, 65), (65, 9)),
        ((7, 65), (3, 65, 9)),
        ((2, 1, 7, 33), (3, 33, 9)),
    ],
)
@pytest.mark.parametrize("on", ["toy", "h100_sxm", "small"])
def test_vectors_and_batches(on, a, b):
    checked(tensor("a", a, "bf16") @ tensor("b", b, "bf16"), on)


@pytest.mark.parametrize(
    ("dtype", "out"), [("bf16", "fp32"), ("fp32", "bf16"), ("fp8_e4m3", "bf16"), ("int8", "int8"), ("int8", "bf16")]
)
def test_another_type_of_result(dtype, out):
    for on in ("toy", "stationary"):
        checked(workload("matmul", m=33, n=65, k=40, dtype=dtype, out=out), on)


@pytest.mark.parametrize("on", ALL)
def test_epilogues(on):
    x, w = tensor("x", (50, 40), "bf16"), tensor("w", (40, 70), "bf16")
    bias, residual = tensor("bias", (70,), "bf16"), tensor("residual", (50, 70), "bf16")
    for node in (gelu(x @ w + bias), residual + x @ w * 0.5, silu(residual) * (x @ w), relu(x @ w) + bias * 2.0):
        assert len(checked(node, on).kernels) == 1


def test_an_epilogue_may_read_columns_numbers_and_transposed_matrices():
    x, w = tensor("x", (50, 40), "bf16"), tensor("w", (40, 70), "bf16")
    scale, one, turned = tensor("scale", (50, 1)), tensor("one", (1,)), tensor("turned", (70, 50))
    assert len(checked((x @ w) * scale * one + turned.T, "toy").kernels) == 1


def test_integer_epilogues_saturate_where_the_graph_says_int8():
    x, w, y = tensor("x", (20, 30), "int8"), tensor("w", (30, 20), "int8"), tensor("y", (20, 20), "int8")
    assert len(checked(relu(matmul(x, w, "int8")) + y, "toy").kernels) == 1


def test_two_products_are_two_kernels_and_the_second_reads_the_first():
    x, w, u = (tensor(name, (32, 32), "bf16") for name in "xwu")
    program = checked(silu(x @ w) * (x @ u), "toy")
    assert [kernel.name for kernel in program.kernels] == ["matmul", "matmul_2"]


def test_useful_flops_leave_padding_out():
    node = workload("matmul", m=7, n=513, k=129)
    program = compile(node, chip("toy"))
    assert program.useful_flops == flops(node) == 2 * 7 * 513 * 129
    assert analyze(program).flops >= program.useful_flops


# ---- plans ----


def test_plan_for_h100_is_the_one_that_libraries_use():
    """CUTLASS's default for large bf16 products on Hopper: 128 x 256 x 64, clusters of 2, 4 stages or so."""
    found = plan("h100_sxm", m=4096, n=4096, k=4096)
    assert (found.tile.m, found.tile.n, found.tile.k) == (128, 256, 64)
    assert (found.grid.rows, found.grid.columns, found.grid.at_once) == (2, 1, 66)
    assert found.tile.stages in (3, 4)


@pytest.mark.parametrize(("on", "most"), [("toy", 60_000), ("h100_sxm", 33_000), ("tpu_v4", 1_000)])
def test_large_products_take_few_instructions(on, most):
    found = plan(on, m=4096, n=4096, k=4096)
    steps = -(-4096 // found.tile.m) * -(-4096 // found.tile.n) * -(-4096 // found.tile.k)
    assert steps <= most


@pytest.mark.parametrize("on", PRESETS)
def test_estimates_are_above_the_compute_roof_and_near_it_for_large_products(on):
    found, machine = plan(on, m=4096, n=4096, k=4096), chip(on)
    roof = 4096**3 / float(machine.core.matrix.peak_macs_per_cycle("bf16")) / machine.core_count
    assert roof < found.cycles < 1.25 * roof


def test_a_plan_shows_itself():
    assert str(plan("toy", m=64, n=64, k=64)).startswith("tiles ")


def test_clusters_share_what_they_load():
    """A cluster of all 16 cores of the toy chip reads each operand once for each of its big tiles."""
    node = workload("matmul")
    found, program = plan("toy"), checked(node, "toy")
    assert found.grid.rows * found.grid.columns > 1
    high, wide = found.tile.m * found.grid.rows, found.tile.n * found.grid.columns
    read = 2 * (512 * 512 * -(-512 // wide) + 512 * 512 * -(-512 // high))
    assert analyze(program).bytes_read["dram"] == read


def test_a_pair_halves_the_traffic_of_the_operand_that_it_shares():
    found, program = (
        plan("h100_sxm", m=2048, n=2048, k=256),
        compile(workload("matmul", m=2048, n=2048, k=256), chip("h100_sxm")),
    )
    assert found.grid.rows * found.grid.columns == 2
    loads = executed(program, Load)
    products = executed(program, Mma)
    assert loads == products * 3 // 2


def test_large_loads_run_ahead_of_the_products():
    """A load queue holds no waits but ring space, so nothing ties it to the tile that is computed."""
    program = compile(workload("matmul", m=4096, n=4096, k=4096), chip("h100_sxm"))
    (group,) = program.kernels[0].groups
    assert {queue.name for queue in group.queues} >= {"load_a", "load_b", "multiply", "store"}
    assert group.ring("a").depth >= 3
    assert group.block_count == 132


def test_accumulators_that_do_not_fit_registers_lie_in_sram():
    program = checked(workload("matmul", m=64, n=64, k=64), "stationary")
    assert program.kernels[0].groups[0].ring("c").memory == "sram"
    assert checked(workload("matmul"), "toy").kernels[0].groups[0].ring("c").memory == "reg"


def test_a_result_of_the_accumulators_type_is_stored_as_it_is():
    program = checked(workload("matmul", dtype="bf16", out="fp32"), "toy")
    assert "out" not in {ring.name for ring in program.kernels[0].groups[0].rings}
    assert executed(program, Push) == 16


# ---- errors ----


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (lambda: toy(core__sram__capacity="64 B"), ["sram", "64 bytes", "smallest tiles", "core.sram.capacity"]),
        (lambda: toy(dram__capacity="1 MiB"), ["dram", "1,048,576", "1,572,864"]),
    ],
)
def test_a_chip_that_is_too_small(machine, words):
    with pytest.raises(ChipError) as caught:
        compile(workload("matmul"), machine())
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_all_cores_of_a_chip_whose_number_is_no_power_of_two_work():
    machine = toy(core__grid=[3, 5])
    program = checked(workload("matmul", m=600, n=960, k=64), machine)
    assert program.kernels[0].groups[0].block_count == 15


@pytest.mark.parametrize("name", ["matmul", "conv2d", "softmax", "flash_attention", "rope", "layer_norm"])
def test_what_an_error_says_to_raise_is_enough(name):
    with pytest.raises(ChipError) as caught:
        compile(workload(name), toy(core__sram__capacity="8 B", core__reg__capacity="64 B"))
    size = caught.value.mend.split('"')[1]
    compile(workload(name), toy(core__sram__capacity=size, core__reg__capacity="64 B"))


def test_types_that_the_matrix_unit_lacks():
    with pytest.raises(ChipError, match=r"(?s)tpu_v4 does not multiply fp16, but bf16, int8.*choose another dtype"):
        compile(workload("matmul", dtype="fp16"), chip("tpu_v4"))


def test_a_chip_without_a_matrix_unit():
    with pytest.raises(ChipError, match=r"no matrix unit"):
        compile(workload("matmul"), toy(core__matrix=None))


def test_more_sram_is_never_slower() -> None:
    times = []
    for capacity in ("32 KiB", "64 KiB", "128 KiB", "512 KiB"):
        chip = Chip.preset("toy").replace({"core.sram.capacity": capacity})
        a, b = (tensor(name, (1024, 1024), "bf16") for name in "ab")
        times.append(simulate(compile(a @ b, chip), chip).time_s)
    assert all(later <= 1.01 * earlier for earlier, later in itertools.pairwise(times)), times
