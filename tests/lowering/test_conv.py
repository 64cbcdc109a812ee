"""Convolutions on chips: values, both engines, and bytes and operations that closed forms give."""

import math
import re
from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import pytest

from memsim.engine import simulate
from memsim.errors import ChipError
from memsim.isa import Load, ProgramBuilder, Store, analyze, verify
from memsim.lowering import Facts, check, compile, plan_conv
from memsim.lowering.conv_plan import pixel_tiles, pixels_within
from memsim.lowering.expansion import recipes_of
from memsim.lowering.fusion import fuse
from memsim.workloads import append, cast, conv2d, flops, gelu, inputs_of, relu, softmax, tensor, workload
from tests.engine.twins import Case, check_twins
from tests.lowering.chips import ALL, PRESETS, checked, chip, toy

DTYPES = ("fp32", "bf16", "fp16", "fp8_e4m3", "fp8_e5m2", "int8")
LAYER = {"batch": 3, "rows": 9, "columns": 11, "channels": 20, "filters": 24}


def conv(images, channels, filters, window, dtype="fp32", groups=1, **options):
    x = tensor("x", (*images, channels), dtype)
    w = tensor("w", (*window, channels // groups, filters), dtype, scale=1 / math.sqrt(math.prod(window) * channels))
    return conv2d(x, w, groups=groups, **options)


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": 7, "stride": 2, "padding": 3, "channels": 3, "rows": 20, "activation": "gelu"},
        {"size": 1, "padding": 0, "stride": 3, "bias": False},
        {"size": 2, "padding": 1, "batch": 1, "rows": 1, "columns": 1},
        {"groups": 4},
        {"groups": 20, "filters": 40, "stride": 2},
        {"size": 5, "padding": 0, "filters": 1, "channels": 70},
    ],
)
def test_layers_on_every_chip(changes, on):
    program = checked(workload("conv2d", **{**LAYER, **changes}), on)
    assert [kernel.name for kernel in program.kernels] == ["conv2d"]


@pytest.mark.parametrize("on", ["toy", "h100_sxm", "stationary"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_types(dtype, on):
    checked(conv((2, 6, 7), 12, 10, (3, 3), dtype, padding=1), on)


@pytest.mark.parametrize(
    ("dtype", "out"), [("bf16", "fp32"), ("fp32", "bf16"), ("int8", "int8"), ("int8", "bf16"), ("fp8_e4m3", "bf16")]
)
def test_another_type_of_result(dtype, out):
    x, w = tensor("x", (2, 6, 7, 12), dtype), tensor("w", (3, 3, 12, 10), dtype, scale=0.1)
    for on in ("toy", "stationary"):
        checked(conv2d(x, w, padding=1, dtype=out), on)


@hypothesis.given(
    images=st.tuples(st.integers(1, 4), st.integers(1, 13), st.integers(1, 13)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    groups=st.sampled_from([1, 1, 2, 3]),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    on=st.sampled_from(["toy", "small", "stationary", "three_cores", "h100_sxm"]),
)
@hypothesis.settings(max_examples=60)
def test_any_shape_stride_and_padding(images, window, stride, padding, groups, sizes, on):
    padding = tuple(min(pad, k - 1) for pad, k in zip(padding, window, strict=True))
    hypothesis.assume(all(n + 2 * pad >= k for n, pad, k in zip(images[1:], padding, window, strict=True)))
    channels, filters = (groups * size for size in sizes)
    node = conv(images, channels, filters, window, groups=groups, stride=stride, padding=padding)
    program = checked(node, on)
    _bytes_are_those_of_the_windows(program, node)
    macs = analyze(program).macs["fp32"]
    assert 2 * macs >= program.useful_flops == flops(node)


def _bytes_are_those_of_the_windows(program, node):
    """What each tile sees of x, place by place and element by element; filters once for each row of a cluster."""
    (group,) = program.kernels[0].groups
    high, wide = (size for _, size in group.grid[1:])
    pixels, n = group.ring("a").shape[:3], group.ring("b").shape[1]
    x, w = node.nodes
    stride, padding, groups = (node.attributes[name] for name in ("stride", "padding", "groups"))
    seen = x.shape[0] * x.shape[3]
    for axis in (0, 1):
        out, size, window = node.shape[1 + axis], pixels[1 + axis], w.shape[axis]
        firsts = [
            i * stride[axis] + tap - padding[axis] for tap in range(window) for i in range(-(-out // size) * size)
        ]
        seen *= sum(0 <= first < x.shape[1 + axis] for first in firsts)
    tiles = math.prod(-(-extent // size) for extent, size in zip(node.shape[:3], pixels, strict=True))
    turns = math.ceil(math.ceil(node.shape[3] // groups / n) / wide)
    item = x.bytes // x.elements
    found = _moved(program)
    assert found["x", Load] == seen * turns * item
    assert found["w", Load] == w.bytes * -(-tiles // high)
    assert found["out", Store] == node.bytes


def _moved(program):
    found = {}
    for e in analyze(program).executions:
        if isinstance(e.instruction, (Load, Store)):
            kind = type(e.instruction)
            region = e.instruction.src if kind is Load else e.instruction.dst
            found[region.tensor, kind] = found.get((region.tensor, kind), 0) + e.bytes
    return found


@pytest.mark.parametrize("on", PRESETS)
def test_a_layer_moves_what_its_windows_hold(on):
    node = conv((4, 14, 14), 64, 128, (3, 3), "bf16", padding=1)
    program = compile(node, chip(on))
    _bytes_are_those_of_the_windows(program, node)


@pytest.mark.parametrize(
    "changes", [{}, {"stride": 2}, {"size": 1, "padding": 0}, {"rows": 7, "columns": 7, "channels": 512}]
)
def test_behind_a_cache_each_tensor_crosses_the_dram_once(changes):
    node, machine = workload("conv2d", **{"batch": 32, "filters": 256, **changes}), chip("h100_sxm")
    result = simulate(compile(node, machine), machine)
    least = sum(given.bytes for given in inputs_of([node]).values()) + node.bytes
    assert least <= result.bytes_by_level["dram"] < 1.05 * least


@hypothesis.given(
    images=st.tuples(st.integers(1, 2), st.integers(3, 9), st.integers(3, 9)),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    groups=st.integers(1, 2),
    on=st.sampled_from(["small", "three_cores", "stationary"]),
)
@hypothesis.settings(max_examples=12)
def test_the_engines_agree_on_every_tick(images, stride, padding, groups, on):
    node = relu(conv(images, 8 * groups, 12 * groups, (3, 3), groups=groups, stride=stride, padding=padding))
    check_twins(Case(compile(node, chip(on)), chip(on)))


@pytest.mark.parametrize("on", ["toy", "h100_sxm"])
def test_both_engines_give_one_answer(on):
    program = compile(workload("conv2d", **LAYER), chip(on))
    fast, simpy = (simulate(program, chip(on), engine=engine) for engine in ("fast", "simpy"))
    assert fast.ticks == simpy.ticks
    assert fast.energy_j == simpy.energy_j
    assert fast.bytes_by_level == simpy.bytes_by_level


# ---- fusion ----


@pytest.mark.parametrize("on", ALL)
def test_epilogues(on):
    y = conv((2, 6, 7), 12, 10, (3, 3), "bf16", padding=1)
    bias, residual = tensor("bias", (10,), "bf16"), tensor("residual", (2, 6, 7, 10), "bf16")
    row, image = tensor("row", (6, 1, 1)), tensor("image", (2, 1, 1, 10))
    for node in (gelu(y + bias), relu(residual + y * 0.5), y * row + image, cast(y, "fp32") * 2.0):
        assert len(checked(node, on).kernels) == 1


def test_a_residual_block_is_two_kernels():
    x = tensor("x", (2, 9, 9, 16), "bf16")
    w1, w2 = (tensor(name, (3, 3, 16, 16), "bf16", scale=1 / 12) for name in ("w1", "w2"))
    b1, b2 = (tensor(name, (16,), "bf16") for name in ("b1", "b2"))
    inner = relu(conv2d(x, w1, padding=1) + b1)
    program = checked(relu(conv2d(inner, w2, padding=1) + b2 + x), "toy")
    assert [kernel.name for kernel in program.kernels] == ["conv2d", "conv2d_2"]


def test_what_goes_in_and_out_of_a_convolution():
    x, w = tensor("x", (2, 6, 6, 6), "bf16"), tensor("w", (3, 3, 6, 6), "bf16")
    turned = checked(conv2d(x.T, w.T), "toy")
    assert sorted(kernel.name for kernel in turned.kernels) == ["conv2d", "transposed", "transposed_2"]
    assert [k.name for k in checked(softmax(conv2d(relu(x), w)), "toy").kernels] == ["elementwise", "conv2d", "softmax"]
    y = conv2d(x, w)
    assert len(checked([y, relu(y)], "toy").kernels) == 2
    assert len(checked(relu(y) * 2.0, "toy", fuse=False).kernels) == 3


def test_a_convolution_may_write_the_last_rows_of_a_cache():
    rows = conv((2, 6, 6), 5, 8, (3, 3), padding=1)
    program = checked(append(tensor("cache", (2, 6, 6, 4, 8)), rows) * 2.0, "toy")
    assert [kernel.name for kernel in program.kernels] == ["conv2d", "elementwise"]


# ---- plans and errors ----


def plan(on, **sizes):
    node = workload("conv2d", **sizes)
    (group,) = fuse([node])
    program = ProgramBuilder("p")
    tensors = {id(n): program.tensor(name, n.dtype, n.shape) for name, n in inputs_of([node]).items()}
    out = program.tensor("result", node.dtype, node.shape)
    (recipe,) = recipes_of(group, "conv2d", lambda n: tensors[id(n)], out, program.tensor)
    return node, recipe, plan_conv(recipe, Facts(chip(on)))


@pytest.mark.parametrize("on", ["toy", "h100_sxm", "tpu_v4"])
@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"rows": 7, "columns": 7, "channels": 512, "filters": 512, "batch": 32},
        {"rows": 56, "columns": 56, "stride": 2, "batch": 32},
        {"rows": 224, "columns": 224, "channels": 3, "filters": 64, "size": 7, "stride": 2, "padding": 3, "batch": 8},
    ],
)
def test_plans_are_chosen_by_times_near_those_of_the_engine(sizes, on):
    node, _, found = plan(on, **sizes)
    program = compile(node, chip(on))
    assert program.kernels[0].groups[0].ring("a").shape == (*found.pixels, found.tile.k)
    assert 0.75 < simulate(program, chip(on)).cycles / found.cycles < 1.35


def test_a_plan_shows_itself():
    _, _, found = plan("toy", batch=1)
    assert re.match(r"\d+ x \d+ x \d+ pixels: tiles \d+ x \d+ x \d+, ", str(found))


@hypothesis.given(
    space=st.tuples(st.integers(1, 40), st.integers(1, 60), st.integers(1, 60)), most=st.sampled_from([1, 16, 64, 256])
)
def test_windows_of_a_number_of_pixels_are_those_that_cover_the_result_with_the_fewest(space, most):
    _, recipe, _ = plan("toy", batch=1, rows=3, columns=3)
    recipe = replace(recipe, space=(*space, 8))
    found = pixels_within(recipe, most)
    assert math.prod(found) <= most
    slices = [-(-math.prod(space) // most), *(math.prod(space) // n * -(-n // most) for n in space)]
    assert slices[0] <= math.prod(pixel_tiles(recipe, found)) <= 2 * min(slices[1:])


@pytest.mark.parametrize("on", ["toy", "h100_sxm"])
def test_tiles_of_small_images_take_several(on):
    """With a tile of 49 pixels, an image, a matrix unit of 64 rows would idle, and filters be loaded more often."""
    program = compile(workload("conv2d", rows=7, columns=7, channels=512, filters=512, batch=32), chip(on))
    images, rows, columns, _ = program.kernels[0].groups[0].ring("a").shape
    assert images > 1
    pixels = images * rows * columns
    covered = math.prod(-(-extent // size) for extent, size in zip((32, 7, 7), (images, rows, columns), strict=True))
    assert covered * pixels < 1.15 * 32 * 49


def test_a_chip_that_is_too_small():
    with pytest.raises(ChipError, match=r"(?s)kernel conv2d.*sram.*smallest tiles.*core\.sram\.capacity"):
        compile(workload("conv2d", **LAYER), toy(core__sram__capacity="64 B"))
    with pytest.raises(ChipError, match="does not multiply fp16"):
        compile(workload("conv2d", **LAYER, dtype="fp16"), chip("tpu_v4"))


def test_a_check_finds_a_wrong_pixel():
    node = workload("conv2d", **LAYER)
    program = compile(node, chip("toy"))
    verify(program, chip("toy"))
    other = conv2d(*node.nodes[0].nodes[0].nodes, padding=1, stride=1)
    assert check(program, node).ok
    assert other.shape == node.shape
    assert not check(program, other.named("out")).ok
