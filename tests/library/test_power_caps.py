"""What limits of power do to kernels as libraries write them, beside what boards were seen to do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from memsim.engine import Result
from memsim.engine.power import simulate_capped, with_normal_data
from memsim.hierarchy import Chip
from memsim.library.attention import decode
from memsim.library.gemm import gemm
from memsim.library.kernel import Kernel
from memsim.library.pointwise import elementwise
from memsim.library.rows import softmax

# TFLOP/s in bf16: from the median of large products in ai-dynamo/aiconfigurator's data (095f58a51) to the best of
# stas00/ml-engineering's search (744d01e) or, where that has none, the 99th percentile.
LARGE = {
    "a100_sxm": (246, 271),
    "h100_sxm": (735, 795),
    "h200_sxm": (711, 795),
    "b200_sxm": (1475, 1745),
    "l40s": (194, 231),
    "rtx_pro_6000_server": (390, 422),
}


def run(kernel: Kernel) -> Result:
    return simulate_capped(kernel.program, with_normal_data(kernel.program, kernel.chip))


@pytest.mark.parametrize("name", LARGE)
def test_large_products_run_at_their_limit_of_power(name: str) -> None:
    result = run(gemm(Chip.preset(name), 4096, 4096, 4096))
    cap, (low, high) = result.power_cap, LARGE[name]
    assert cap is not None
    assert 0.96 * cap.limit_w < cap.power_w < 1.04 * cap.limit_w
    rate = 2 * 4096**3 / result.time_s / 1e12
    assert 0.9 * low < rate < 1.1 * high


def test_a_board_with_less_power_multiplies_more_slowly() -> None:
    chip = Chip.preset("a100_sxm")
    times = [run(gemm(chip.replace({"tdp": watts}), 2048, 2048, 4096)).time_s for watts in (250, 300, 400, 700)]
    assert times == sorted(times, reverse=True)
    assert times[0] > 1.1 * times[-1]


UNHURRIED: dict[str, Callable[[Chip], Kernel]] = {
    "add": partial(elementwise, op="add", rows=8192, cols=4096),
    "softmax": partial(softmax, rows=8192, cols=4096),
    "decode attention": partial(decode, batch=8, seq=4096, heads=32, kv_heads=8),
    "small product": partial(gemm, m=256, n=256, k=256),
    "product of one row": partial(gemm, m=1, n=8192, k=8192),
}


@pytest.mark.parametrize("name", ["a100_sxm", "h100_sxm", "h200_sxm"])
@pytest.mark.parametrize("what", UNHURRIED)
def test_what_does_not_throttle_in_reality_keeps_its_clock(name: str, what: str) -> None:
    result = run(UNHURRIED[what](Chip.preset(name)))
    cap = result.power_cap
    assert cap is not None and not cap.slowed
    assert cap.power_w < cap.limit_w


def test_zeros_are_multiplied_at_full_clock_and_normal_numbers_are_not() -> None:
    """On an A100: 295 and 257 TFLOP/s, Horace He, thonking.ai, 2024 (8192 cubed)."""
    kernel = gemm(Chip.preset("a100_sxm"), 4096, 8192, 4096)
    flop = 2 * 4096 * 8192 * 4096
    normal = run(kernel)
    zeros = simulate_capped(kernel.program, kernel.chip.replace({"toggle": 0}))
    assert zeros.power_cap is not None and not zeros.power_cap.slowed
    assert flop / zeros.time_s == pytest.approx(295e12, rel=0.1)
    assert flop / normal.time_s == pytest.approx(257e12, rel=0.1)
