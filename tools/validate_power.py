"""Large products under each board's limit of power, beside what was measured: ``python tools/validate_power.py``.

Rates are those of microbench_facts.csv: the best of stas00/ml-engineering's search (MAMF), and median and 99th
percentile of all products above 1e12 FLOP in ai-dynamo/aiconfigurator's data. Both multiply normal random numbers.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import memsim as ms
from memsim.engine.power import simulate_capped, with_normal_data
from memsim.engine.power_cap import PowerCap
from memsim.library.gemm import gemm


class Measured(NamedTuple):
    """TFLOP/s of large products of 16-bit floats; None where nothing is known."""

    median: float | None
    p99: float | None
    best: float | None


MEASURED = {
    "a100_sxm": Measured(246, 266, 271.2),
    "a100_pcie": Measured(None, None, 252.9),
    "h100_sxm": Measured(735, 819, 794.5),
    "h200_sxm": Measured(711, 811, 794.5),
    "b200_sxm": Measured(1475, 1655, 1745),
    "l40s": Measured(194, 231, None),
    "rtx_pro_6000_server": Measured(390, 422, None),
    "mi300x": Measured(None, None, 668.4),
    "h100_pcie": Measured(None, None, None),
    "v100_sxm": Measured(None, None, None),
    "l4": Measured(None, None, None),
    "t4": Measured(None, None, None),
    "mi210": Measured(None, None, None),
}
SIZES = (8192, 8192, 4096)


class Product(NamedTuple):
    """A product on a board."""

    cap: PowerCap
    tflops: float
    free_tflops: float
    """At the clock that the board would have without a limit."""


def product(name: str, sizes: tuple[int, int, int] = SIZES) -> Product:
    """Simulate a product of 16-bit floats on a preset."""
    m, n, k = sizes
    chip = ms.Chip.preset(name)
    assert chip.core.matrix is not None
    kernel = gemm(chip, m, n, k, dtype="bf16" if chip.core.matrix.supports("bf16") else "fp16")
    result = simulate_capped(kernel.program, with_normal_data(kernel.program, kernel.chip))
    free = ms.simulate(kernel.program, kernel.chip)
    assert result.power_cap is not None
    return Product(result.power_cap, *(2e-12 * m * n * k / run.time_s for run in (result, free)))


def row(name: str) -> str:
    """A line of the table in docs/models/power.md."""
    cap, tflops, free = product(name)
    published = " | ".join("-" if value is None else f"{value:g}" for value in MEASURED[name])
    clocks = f"{cap.free_clock_hz / 1e9:.2f} → {cap.clock_hz / 1e9:.2f}"
    watts = f"{cap.limit_w:g} | {cap.free_power_w:.0f} → {cap.power_w:.0f} | {clocks}"
    return f"| `{name}` | {watts} | {free:.0f} → {tflops:.0f} | {published} |"


if __name__ == "__main__":
    print("| preset | limit, W | W | GHz | TFLOP/s | measured: median | 99 % | best |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for preset in sys.argv[1:] or MEASURED:
        print(row(preset), flush=True)
