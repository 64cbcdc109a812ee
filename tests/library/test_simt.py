"""fp32 products on SIMT pipes: values against numpy, the pipes against closed forms, times against measured ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from memsim import Chip, interpret, simulate
from memsim.errors import MemsimError
from memsim.isa import analyze
from memsim.library.simt import Plan, Product, bmm, build, linear, simt_chip
from memsim.library.simt.build import coarsened
from memsim.library.simt.choice import candidates, choose
from memsim.library.simt.program import write
from memsim.library.simt.tiles import CATALOGUE, Block

A100, V100 = Chip.preset("a100_pcie_40"), Chip.preset("v100_pcie")
GPUS = (
    "p4", "p100_pcie", "v100_pcie", "v100_sxm", "t4", "a100_sxm", "a100_sxm_40", "a100_pcie", "a100_pcie_40",
    "h100_sxm", "h100_pcie", "h200_sxm", "gh200", "b200_sxm", "gb200_sxm", "b300_sxm", "l4", "l40", "l40s", "rtx_3090",
    "rtx_4090", "rtx_pro_6000_server", "mi100", "mi210", "mi300x",
)  # fmt: skip


def _values(product: Product, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    batch = (product.batch,) if product.batch > 1 else ()
    inputs = {
        "X": random.standard_normal((*batch, product.m, product.k), dtype=np.float32),
        "W": random.standard_normal(
            (*batch, product.n, product.k) if product.transposed else (*batch, product.k, product.n), dtype=np.float32
        ),
    }
    if product.bias:
        inputs["bias"] = random.standard_normal((1, product.n), dtype=np.float32)
    return inputs


def _check(product: Product, plan: Plan) -> None:
    inputs = _values(product)
    found = interpret(write(product, plan), inputs)["Y"]
    w = np.swapaxes(inputs["W"], -1, -2) if product.transposed else inputs["W"]
    expected = inputs["X"].astype(np.float64) @ w.astype(np.float64) + inputs.get("bias", 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("block", CATALOGUE, ids=str)
@pytest.mark.parametrize(("stages", "grain"), [(2, 1), (4, 1), (2, 3)])
def test_every_block_multiplies(block: Block, stages: int, grain: int) -> None:
    _check(Product(block.m + 5, block.n + 3, 3 * block.k + 7), Plan(block, 1, stages, 2, grain))


@pytest.mark.parametrize("k", [1, 3, 8, 9, 16, 17, 31])
def test_few_stages(k: int) -> None:
    """Fewer stages than are fetched ahead."""
    for stages in (2, 4):
        _check(Product(5, 130, k), Plan(Block(64, 64, 8, 4, 8), 1, stages, 1, 1))


@pytest.mark.parametrize("block", [CATALOGUE[0], CATALOGUE[3], CATALOGUE[8]], ids=str)
@pytest.mark.parametrize("splits", [2, 3, 5])
def test_parts_of_a_split_are_added(block: Block, splits: int) -> None:
    _check(Product(37, 139, 8 * 32 + 11), Plan(block, splits, 2, 2, 1))


def test_batches() -> None:
    product = Product(35, 33, 41, batch=3, bias=False, transposed=False)
    _check(product, Plan(CATALOGUE[0], 1, 2, 2, 1))
    _check(product, Plan(CATALOGUE[3], 2, 2, 2, 1))
    _check(Product(35, 33, 41, batch=2), Plan(CATALOGUE[3], 1, 2, 2, 1))


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 257, 65), (130, 5, 1000), (97, 101, 103)])
def test_chosen_programs_multiply(sizes: tuple[int, int, int]) -> None:
    m, n, k = sizes
    product = Product(m, n, k)
    _check(product, coarsened(product, choose(product, A100), A100))
    inputs = _values(Product(m, n, k, 2, bias=False, transposed=False))
    found = interpret(bmm(V100, 2, m, n, k).program, inputs)["Y"]
    np.testing.assert_allclose(found, inputs["X"] @ inputs["W"], rtol=1e-3, atol=1e-3)


def test_registers_are_those_of_cublas() -> None:
    """volta_sgemm_128x128_tn has 118 to 122 registers and 16 KiB, two blocks an SM; 128x64 has 12 KiB, four."""
    large, wide = Block(128, 128, 8, 8, 8), Block(128, 64, 8, 8, 8)
    assert large.threads == 256 and 118 <= large.registers <= 122
    assert large.shared_bytes(2) == 16 << 10 and large.resident(V100, 2) == 2
    assert wide.threads == 128 and wide.shared_bytes(2) == 12 << 10 and wide.resident(V100, 2) == 4


def test_data_pipe_by_hand() -> None:
    """Wavefronts of one stage of 128 x 128 x 8, counted."""
    block, lanes = Block(128, 128, 8, 8, 8), 64
    warps, fma_cycles = 8, 128 * 128 * 8 / lanes
    fragments = warps * 8 * 4 * 4  # a warp and k: four LDS.128, each of 512 bytes
    fetched = 256 * 8 / 32 * 4  # a warp's 32 words lie in 4 rows
    stored = 256 * 8 / 32  # without conflicts: 8 along k are 4 banks apart, 4 rows one
    assert block.data_pipe(lanes, Fraction(128), aligned=True) == (fragments + fetched + stored) / fma_cycles
    assert block.data_pipe(lanes, Fraction(64), aligned=True) == 2 * (fragments + fetched + stored) / fma_cycles
    assert block.data_pipe(lanes, Fraction(128), aligned=False) > block.data_pipe(lanes, Fraction(128), aligned=True)


def test_issue_slots_by_hand() -> None:
    """128 lanes: a scheduler issues an FMA every cycle, and all else takes its place; 64: every other cycle."""
    block = Block(128, 128, 8, 8, 8)
    per_k = 64 + 4 + 2 * 256 / 256  # of a thread: FMA, LDS.128, a word fetched and stored
    assert block.issue(128) == pytest.approx(per_k / 64)
    assert block.issue(64) == pytest.approx(per_k / 128)


def test_a_chip_at_the_rate_of_its_lanes() -> None:
    for name, lanes in (("a100_pcie_40", 64), ("v100_pcie", 64), ("t4", 64)):
        chip = simt_chip(Chip.preset(name))
        assert chip.core.matrix is not None
        rate = float(chip.core.matrix.peak_macs_per_cycle("fp32"))
        assert rate <= lanes and (name == "t4" or rate == lanes)  # 64 B a cycle of shared memory hold Turing up


def test_a_whole_wave_runs_at_the_peak() -> None:
    """108 SMs, two tiles of 128 x 128 each and a long k: within 3 % of 64 FMA a cycle and SM."""
    kernel = linear(A100, 12 * 128, 18 * 128, 8192)
    time_s = simulate(kernel.program, kernel.chip).time_s
    ideal = 12 * 18 * 128 * 128 * 8192 / (108 * 64 * 1.41e9)
    assert ideal < time_s < 1.03 * ideal


def test_time_grows_with_the_last_wave() -> None:
    """One tile more than the SMs hold evenly is a whole round more."""
    plan = Plan(Block(128, 128, 8, 8, 8), 1, 2, 1, 4)
    times = []
    for tiles in (108, 109):
        kernel = build(A100, Product(128 * tiles, 128, 4096), plan)
        times.append(simulate(kernel.program, kernel.chip).time_s)
    assert times[1] > 1.9 * times[0]


def test_splits_keep_to_the_workspace() -> None:
    wide, narrow = Product(2282, 222, 47143), Product(300, 22, 45580)
    assert {plan.splits for plan in candidates(wide, A100)} == {1}  # 2 MB a part
    assert choose(wide, V100).splits > 1
    assert choose(narrow, A100).splits > 4


def test_grain_changes_little() -> None:
    product = Product(1500, 700, 3000)
    plan = choose(product, A100)
    fine, coarse = (simulate(k.program, k.chip).time_s for k in (_with_grain(product, plan, g) for g in (1, 8)))
    assert coarse == pytest.approx(fine, rel=0.04)


def _with_grain(product: Product, plan: Plan, grain: int):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    from memsim.library.kernel import Kernel

    chosen = replace(plan, grain=grain)
    room = {"core.sram.capacity": "2 MiB", "core.reg.capacity": "2 MiB", "core.dma.max_bytes": "2 MiB"}
    return Kernel(write(product, chosen), simt_chip(A100, plan.block).replace(room), "")


@pytest.mark.parametrize("name", GPUS)
def test_every_gpu(name: str) -> None:
    """No faster than the lanes at the chip's clock, nor less than a quarter as fast."""
    chip = Chip.preset(name)
    m, n, k = 2000, 1501, 700
    kernel = linear(chip, m, n, k)
    ideal = m * n * k / (chip.core_count * chip.core.vector.lanes * float(1 / chip.clock_period))
    time_s = simulate(kernel.program, kernel.chip).time_s
    assert ideal < time_s < 4 * ideal + 20e-6
    assert analyze(kernel.program).flops >= 2 * m * n * k


MEASURED = (
    # chip, m, n, k, milliseconds: NeuSight, best 5 of 25 calls of torch.nn.Linear, fp32
    (A100, 7282, 2044, 157, 0.3048), (A100, 6152, 3035, 433, 1.0138), (A100, 976, 29163, 150, 0.5395),
    (A100, 2181, 15097, 174, 0.7574), (A100, 6114, 1314, 188, 0.2300), (A100, 297, 4381, 459, 0.1354),
    (V100, 1412, 1329, 151, 0.1067), (V100, 937, 4802, 655, 0.5560), (V100, 673, 634, 7122, 0.5896),
    (V100, 3289, 725, 2298, 0.9515), (V100, 2006, 475, 1150, 0.2494), (V100, 366, 170, 1704, 0.0769),
)  # fmt: skip


@pytest.mark.parametrize(("chip", "m", "n", "k", "measured_ms"), MEASURED)
def test_measured(chip: Chip, m: int, n: int, k: int, measured_ms: float) -> None:
    """Kernels too short for a power limit, with the 50 us that PyTorch takes to launch one."""
    kernel = linear(chip, m, n, k)
    assert simulate(kernel.program, kernel.chip).time_s * 1e3 + 0.05 == pytest.approx(measured_ms, rel=0.12)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: linear(A100, 0, 8, 8), "m is 0"),
        (lambda: linear(A100, 8, True, 8), "n is True"),
        (lambda: bmm(A100, 2, 8, 8, -3), "k is -3"),
        (lambda: linear("a100_pcie_40", 8, 8, 8), "a100_pcie_40"),  # type: ignore[arg-type]
        (lambda: linear(Chip.preset("toy"), 8, 8, 8), "no cache"),
    ],
)
def test_bad_input(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MemsimError, match=text):
        call()
