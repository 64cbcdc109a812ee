"""The catalogue of products: values against numpy, and plans that every chip can hold."""

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from memsim.engine import simulate
from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import interpret, verify
from memsim.library.gemm import Plan, Problem, Tiling, catalogue, choose, gemm, write

CORES = 8
NUMPY = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16, "fp8_e4m3": ml_dtypes.float8_e4m3fn, "int8": np.int8}
GPUS = [
    "v100_sxm", "t4", "a100_sxm", "a100_pcie_40", "h100_sxm", "h100_pcie", "h200_sxm", "b200_sxm", "l4", "l40s",
    "rtx_3090", "rtx_4090", "rtx_pro_6000_server", "mi100", "mi210", "mi300x",
]  # fmt: skip


def problem(m, n, k, dtype="bf16", batch=1):
    out = {"fp8_e4m3": "bf16", "int8": "int32"}.get(dtype, dtype)
    return Problem(m, n, k, dtype, out, "int32" if dtype == "int8" else "fp32", batch)


def operands(what, rng):
    """Random A and B of the problem's type, small enough that nothing saturates."""
    shapes = ((what.m, what.k), (what.n, what.k))
    outer = (what.batch,) if what.batch > 1 else ()
    values = [rng.uniform(-2, 2, (*outer, *shape)) for shape in shapes]
    return [np.rint(v).astype(np.int8) if what.dtype == "int8" else v.astype(NUMPY[what.dtype]) for v in values]


def check(what, plan, rng):
    """Values of a plan's program against numpy's product of the same operands."""
    a, b = operands(what, rng)
    program = write(what, plan, CORES)
    verify(program)
    got = interpret(program, {"A": a, "B": b}, cores=CORES)["C"]
    wide = np.int64 if what.dtype == "int8" else np.float64
    wanted = a.astype(wide) @ np.swapaxes(b.astype(wide), -1, -2)
    if what.dtype == "int8":
        np.testing.assert_array_equal(got, wanted)
    else:  # one rounding to the type of C: 8 bits of bf16, 11 of fp16; sums in fp32
        bits = 2.0**-11 if what.out == "fp16" else 2.0**-8
        np.testing.assert_allclose(got.astype(np.float64), wanted, rtol=bits, atol=1e-4 * what.k)


def tilings():
    """Kernels of two generations, each once: how many blocks a core holds does not matter for values."""
    found = (t for name in ("a100_sxm", "h100_sxm") for t in catalogue(Chip.preset(name), "bf16"))
    return [*dict.fromkeys(replace(t, residents=1) for t in found)]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("tiling", tilings(), ids=lambda t: f"{Plan(t)}, {t.accumulators}")
def test_every_kernel_of_the_catalogue(tiling, rng):
    """Edges that no tile divides, fewer and more tiles than blocks."""
    check(problem(37, 139, 70), Plan(tiling), rng)
    check(problem(300, 150, 140), Plan(tiling, group=3), rng)


@pytest.mark.parametrize("splits", [2, 3, 5])
@pytest.mark.parametrize("turned", [False, True])
def test_parts_along_k(splits, turned, rng):
    """The last part is shorter, the last step not full."""
    check(problem(70, 1100, 610), Plan(Tiling(64, 128, 64, 3, turned=turned), splits), rng)


@pytest.mark.parametrize("dtype", ["fp16", "fp8_e4m3", "int8"])
@pytest.mark.parametrize("splits", [1, 2])
def test_types(dtype, splits, rng):
    check(problem(33, 65, 250, dtype), Plan(Tiling(64, 64, 128, 3), splits), rng)


@pytest.mark.parametrize(
    "tiling", [Tiling(64, 64, 64, 2), Tiling(64, 64, 64, 2, high=2, accumulators=2, persistent=True)]
)
def test_batches(tiling, rng):
    check(problem(70, 100, 70, batch=3), Plan(tiling, group=2), rng)


@pytest.mark.parametrize("name", GPUS)
def test_every_chip_has_a_kernel(name):
    """Chosen, held by the chip, and no faster than its peak."""
    chip = Chip.preset(name)
    for dtype in sorted({"bf16", "fp16", "fp8_e4m3", "int8"} & {*chip.core.matrix.dtypes}):
        for sizes in ((1, 512, 1000), (48, 384, 4096), (1024, 1024, 512)):
            kernel = gemm(chip, *sizes, dtype=dtype)
            result = simulate(kernel.program, kernel.chip)
            peak = 2 * float(chip.core.matrix.peak_macs_per_cycle(dtype) * chip.clock) * chip.core_count
            assert chip.ticks_of(chip.launch) * float(chip.tick) < result.time_s
            assert result.flops == 2 * sizes[0] * sizes[1] * sizes[2]
            assert result.flops / result.time_s < peak


def test_few_tiles_and_a_long_k_are_split():
    for name in ("a100_sxm", "h100_sxm"):
        assert choose(Chip.preset(name), problem(512, 512, 16384)).splits > 1
        assert choose(Chip.preset(name), problem(8192, 8192, 1024)).splits == 1


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("toy", {}, "no GPU"),
        ("tpu_v4", {}, "no GPU"),
        ("m1_ultra", {}, "no matrix unit for 'bf16'"),
        ("gc200", {"dtype": "fp16"}, "no GPU"),
        ("a100_sxm", {"dtype": "fp8"}, "no matrix unit for 'fp8_e4m3'"),
        ("h100_sxm", {"dtype": "fp64"}, "no matrix unit for 'fp64'"),
        ("h100_sxm", {"m": 0}, "m is a whole number"),
        ("h100_sxm", {"batch": 2.0}, "batch is a whole number"),
    ],
)
def test_refusals(name, changes, message):
    with pytest.raises(MemsimError, match=message):
        gemm(Chip.preset(name), **{"m": 64, "n": 64, "k": 64, **changes})


def test_the_pause_is_in_both_engines():
    """Fixed cycles before each product: a k twice as long takes twice as many of them."""
    chip = Chip.preset("a100_sxm").replace({"core.matrix.pause": "100 cycles"})
    plain = Chip.preset("a100_sxm")
    what, plan = problem(64, 64, 1024), Plan(Tiling(64, 64, 64, 4))
    program = write(what, plan, chip.core_count)
    fast, slow = (simulate(program, chip, engine=engine) for engine in ("fast", "simpy"))
    assert fast.ticks == slow.ticks
    assert chip.core.matrix.cycles(64, 64, 64, "bf16")[0] == plain.core.matrix.cycles(64, 64, 64, "bf16")[0] + 100
    assert 10 * 100 < fast.ticks - simulate(program, plain).ticks <= 16 * 100


@pytest.mark.parametrize(("m", "splits"), [(1, 1), (128, 2)])
def test_engines_agree(m, splits):
    """A row on vector lanes; a split with its reduction."""
    chip = Chip.preset("a100_sxm").replace({"core.grid": [4, 2], "core.count": 8})
    kernel = gemm(chip, m, 256, 1024)
    program = write(problem(m, 256, 1024), Plan(Tiling(64, 64, 64, 3), splits), 8) if splits > 1 else kernel.program
    fast, slow = (simulate(program, kernel.chip, engine=engine) for engine in ("fast", "simpy"))
    assert fast.ticks == slow.ticks
    assert fast.energy_j == pytest.approx(slow.energy_j)


def test_a_row_on_vector_lanes(rng):
    for sizes in ((1, 139, 70), (1, 30, 1111)):
        what = problem(*sizes)
        a, b = operands(what, rng)
        kernel = gemm(Chip.preset("a100_sxm"), *sizes)
        got = interpret(kernel.program, {"A": a, "B": b}, cores=CORES)["C"]
        wanted = a.astype(np.float64) @ b.astype(np.float64).T
        np.testing.assert_allclose(got.astype(np.float64), wanted, rtol=2.0**-8, atol=1e-4 * what.k)
