"""Other people's simulators: SCALE-Sim 3.0.0's compute cycles, as the engine schedules them.

SCALE-Sim 3.0.0 (``pip install scalesim``), 128 x 128 array, 1-byte words, run on 512 x 512 x 512: 14,303 compute
cycles weight-stationary and 12,255 output-stationary; 1024^3 weight-stationary 89,983. Its closed forms (Samajdar et
al., ISPASS 2020, eq. 1-3) hold for the other shapes here.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from memsim.isa import Program, ProgramBuilder
from tests.engine.machines import plain_chip, run


def product(m: int, n: int, k: int) -> Program:
    """One matrix product of operands that are there, and one instruction that waits for its result."""
    p = ProgramBuilder("product")
    with p.kernel("k", grid={"b": 1}) as kernel:
        a = kernel.ring("a", "sram", "int8", (m, k))
        b = kernel.ring("b", "sram", "int8", (k, n))
        c = kernel.ring("c", "reg", "int32", (m, n))
        d = kernel.ring("d", "reg", "int32", (m, n))
        with kernel.queue("q"):
            a.fill(1)
            b.fill(1)
            c.mma(a, b, accumulate=False)
            d.set("cast", c)
    return p.build(verify=False)


def cycles(m: int, n: int, k: int, dataflow: str, side: int = 128) -> int:
    """Cycles from the start of the product until its result can be used."""
    array: dict[str, Any] = {"rows": side, "cols": side, "dataflow": dataflow, "cycles_scale": {"int8": 1}}
    result = run(product(m, n, k), plain_chip(1, **{"core.matrix": {"kind": "systolic", **array}}))
    assert result.trace is not None
    rows = result.trace.set_index("op")
    return int(rows.loc["cast", "start_tick"] - rows.loc["mma", "start_tick"])


@pytest.mark.parametrize(
    ("shape", "dataflow", "expected"),
    [
        ((512, 512, 512), "weight_stationary", 14_303),
        ((512, 512, 512), "output_stationary", 12_255),
        ((1024, 1024, 1024), "weight_stationary", 89_983),
    ],
)
def test_scalesim_runs(shape: tuple[int, int, int], dataflow: str, expected: int) -> None:
    assert cycles(*shape, dataflow) == expected


SHAPES = [
    (1, 1, 1), (1, 512, 512), (512, 1, 512), (512, 512, 1), (7, 513, 129), (128, 128, 128), (129, 129, 129),
    (64, 256, 32), (100, 1000, 10), (33, 17, 65), (256, 64, 768), (1000, 3, 500), (2, 300, 200), (640, 128, 384),
    (31, 31, 31), (200, 400, 100), (511, 255, 127), (16, 2048, 16), (2048, 16, 64), (96, 96, 960),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scalesim_closed_forms(shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    rows = columns = 32
    weight = math.ceil(k / rows) * math.ceil(n / columns) * (2 * rows + columns + m - 2) - 1
    output = math.ceil(m / rows) * math.ceil(n / columns) * (rows + columns + k - 2) - 1
    assert cycles(m, n, k, "weight_stationary", 32) == weight
    assert cycles(m, n, k, "output_stationary", 32) == output
