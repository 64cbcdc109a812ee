"""A made-up result with exactly the columns that reports rely on: every number in it is known."""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import numpy as np
import pandas as pd

from memsim.hierarchy import Chip

LEDGER = ["part", "tensor", "operation", "level", "core", "access", "mm", "bits", "count", "energy_pj"]
TRACE = ["kernel", "block", "core", "queue", "op", "detail", "start_s", "end_s", "start_tick", "end_tick", "bytes"]
TRACE += ["lane"]
TICK = Fraction(1, 10**9)
SIDE = 4


class FakeLedger:
    def __init__(self, rows):
        self.table = pd.DataFrame(rows, columns=LEDGER)

    def by(self, *columns):
        sums = self.table.groupby(list(columns), as_index=False)[["bits", "count", "energy_pj"]].sum()
        sums["energy_j"] = sums.pop("energy_pj") * 1e-12
        sums["share"] = sums["energy_j"] / sums["energy_j"].sum()
        return sums.sort_values("energy_j", ascending=False)

    @property
    def total_j(self):
        return float(self.table["energy_pj"].sum()) * 1e-12


@dataclass
class FakeResult:
    workload: str = "matmul"
    engine: str = "simpy"
    ticks: int = 48_000
    tick_s: Fraction = TICK
    flops: int = 2 * 512**3
    executed_flops: int = 2 * 512**3 + 65_536
    mfu: float = 0.82
    mbu: float = 0.31
    bottleneck: str = "matrix units, busy 82% of the time"
    bytes_by_level: dict = field(default_factory=lambda: {"dram": 2_097_152, "sram": 83_886_080, "network": 5_242_880})
    chip: object = None
    energy: FakeLedger = None
    parts: pd.DataFrame = None
    links: pd.DataFrame = None
    bounds: pd.DataFrame = None
    stalls: pd.DataFrame = None
    trace: pd.DataFrame | None = None
    kernels: pd.DataFrame = None

    @property
    def time_s(self):
        return float(self.ticks * self.tick_s)

    @property
    def cycles(self):
        return float(self.ticks)

    @property
    def energy_j(self):
        return self.energy.total_j


CHIP = """
name = "toy"
clock = "1 GHz"
[core]
grid = [4, 4]
pitch = ["1 mm", "1 mm"]
origin = ["1 mm", "0 mm"]
sram = { capacity = "256 KiB", bandwidth = "128 B/cycle" }
vector = { lanes = 32 }
[core.matrix]
native.bf16 = [16, 16, 16, 16]
native.fp16 = [16, 16, 16, 16]
native.fp8_e4m3 = [16, 16, 32, 16]
[dram]
capacity = "1 GiB"
channels = 4
bandwidth = "256 GB/s"
at = [["0 mm", "0.5 mm"], ["0 mm", "1.5 mm"], ["0 mm", "2.5 mm"], ["0 mm", "3.5 mm"]]
[network]
link_bandwidth = "64 B/cycle"
"""


@cache
def make_chip():
    return Chip.from_text(CHIP)


def ledger_rows():
    return [
        ("matrix", "C", "mma", "compute", 0, "bf16", 0.0, 0, 512**3, 4.0e6),
        ("vector", "C", "fill", "compute", 0, "simple", 0.0, 0, 65_536, 2.0e4),
        ("sram", "A", "load", "sram", 0, "write", 0.0, 8_000_000, 0, 1.0e6),
        ("sram", "B", "load", "sram", 0, "write", 0.0, 8_000_000, 0, 1.1e6),
        ("sram", "A", "mma", "sram", 0, "read", 0.0, 8_000_000, 0, 0.9e6),
        ("sram", "B", "mma", "sram", 0, "read", 0.0, 8_000_000, 0, 0.8e6),
        ("reg", "C", "mma", "reg", 0, "write", 0.0, 8_000_000, 0, 0.4e6),
        ("dram", "A", "load", "dram", 0, "read", 0.0, 8_388_608, 0, 3.0e6),
        ("dram", "B", "load", "dram", 0, "read", 0.0, 8_388_608, 0, 3.1e6),
        ("dram", "C", "store", "dram", 0, "write", 0.0, 8_388_608, 0, 1.5e6),
        ("wires", "A", "load", "network", 0, "move", 2.5, 8_388_608, 0, 0.7e6),
        ("wires", "B", "load", "network", 0, "move", 3.5, 8_388_608, 0, 0.9e6),
        ("routers", "A", "load", "network", 0, "move", 0.0, 8_388_608, 0, 0.1e6),
        ("dma", "A", "load", "dma", 0, "transfer", 0.0, 0, 64, 0.0),
        ("static", "-", "static", "static", -1, "static", 0.0, 0, 0, 2.0e6),
    ]


def trace_rows(cores=2, steps=60):
    """Double-buffered loads of 90 ns beside products of 100 ns, and one store at the end; per core."""
    rows = []
    for core in range(cores):
        arrived = []
        for k in range(steps):
            for n, tensor in enumerate("AB"):
                start = max(0, 100 * (k - 1)) + 10 * n
                rows.append(("main", core, core, "load", "load", tensor, start, start + 90, 16_384, "dma"))
            arrived.append(start + 90)
            begin = max(arrived[k], 200 + 100 * k)
            rows.append(("main", core, core, "compute", "mma", "C", begin, begin + 80, 0, "matrix"))
        rows.append(("main", core, core, "store", "store", "C", begin + 100, begin + 400, 65_536, "dma"))
    out = []
    for kernel, block, core, queue, op, detail, a, b, size, lane in rows:
        out.append((kernel, block, core, queue, op, detail, a * 1e-9, b * 1e-9, a, b, size, lane))
    return out


def link_rows():
    rows = []
    for i in range(SIDE * SIDE):
        x, y = i % SIDE, i // SIDE
        left = f"r{i - 1}" if x else f"dram{y}"
        rows += [(left, f"r{i}", 1.0, (SIDE - x) * 100_000), (f"r{i}", left, 1.0, (SIDE - x) * 20_000)]
        rows += [(f"core{i}", f"r{i}", 0.0, 20_000), (f"r{i}", f"core{i}", 0.0, 100_000)]
        if y:
            rows += [(f"r{i - SIDE}", f"r{i}", 1.0, 0), (f"r{i}", f"r{i - SIDE}", 1.0, 0)]
    return [(*row, row[3] * 1e-11, row[3] / 4e6) for row in rows]


def part_rows():
    rng = np.random.default_rng(1)
    rows = []
    for i in range(SIDE * SIDE):
        for unit, busy in (("matrix", 0.82), ("vector", 0.05), ("sram", 0.6)):
            share = busy * float(rng.uniform(0.9, 1.0))
            rows.append((f"core{i}.{unit}", unit, share * 20e-6, share))
    return rows


def make_result(**changes):
    values = {
        "chip": make_chip(),
        "energy": FakeLedger(ledger_rows()),
        "parts": pd.DataFrame(part_rows(), columns=["part", "kind", "busy_s", "utilisation"]),
        "links": pd.DataFrame(link_rows(), columns=["src", "dst", "mm", "bytes", "busy_s", "utilisation"]),
        "bounds": pd.DataFrame(
            [("roofline: matrix units", 16.4e-6, 0.82), ("critical path", 4e-6, 0.2)],
            columns=["bound", "time_s", "of_time"],
        ),
        "stalls": pd.DataFrame(
            [
                ("compute", "working", 16e-6, 0.80),
                ("compute", "waiting for data in a", 3e-6, 0.15),
                ("compute", "waiting for the result in c", 1e-6, 0.05),
                ("load", "waiting for space in a", 9e-6, 0.9),
                ("load", "working", 1e-6, 0.1),
            ],
            columns=["queue", "reason", "time_s", "share"],
        ),
        "trace": pd.DataFrame(trace_rows(), columns=TRACE),
        "kernels": pd.DataFrame([("main", 0.0, 20e-6)], columns=["kernel", "start_s", "end_s"]),
    }
    return FakeResult(**(values | changes))
