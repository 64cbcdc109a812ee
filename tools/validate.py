"""Compare memsim with published measurements: what was measured, what memsim says, and how far apart they are.

Needs nothing but memsim for the figures below. Tables of measurements of your own go into validation/*.csv, with
columns workload, chip, settings, time_s and source; where there are none, that is said.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import memsim as ms
from memsim.cli._settings import convert
from memsim.hierarchy import MatrixUnit
from memsim.workloads import WORKLOADS, workload

DATA = Path("validation")


@dataclass(frozen=True)
class Comparison:
    """One measured (or independently computed) value beside memsim's."""

    what: str
    unit: str
    measured: tuple[float, float]
    """Lowest and highest published value."""
    simulated: float
    source: str

    @property
    def error(self) -> float:
        """Relative distance from the published range; 0 inside it."""
        low, high = self.measured
        nearest = min(max(self.simulated, low), high)
        return (self.simulated - nearest) / nearest


def systolic() -> Iterator[Comparison]:
    """Cycles of 512^3 on a 128x128 array."""
    for dataflow, cycles in (("weight_stationary", 14303), ("output_stationary", 12255)):
        unit = MatrixUnit(kind="systolic", rows=128, cols=128, dataflow=dataflow, cycles_scale={"bf16": 1})
        got = float(sum(unit.cycles(512, 512, 512, "bf16")))
        yield Comparison(f"512^3, 128x128 {dataflow}", "cycles", (cycles, cycles), got, "SCALE-Sim, closed form")


def simulated_time(name: str, chip_name: str, **settings: int | str) -> float:
    """Time in seconds that memsim gives for a named workload on a preset or chip file."""
    chip = ms.Chip.from_toml(chip_name) if chip_name.endswith(".toml") else ms.Chip.preset(chip_name)
    return ms.simulate(ms.compile(workload(name, **settings), chip), chip).time_s


def gpu() -> Iterator[Comparison]:
    """A large dense product on an H100."""
    got = simulated_time("matmul", "h100_sxm", m=4096, n=4096, k=4096, dtype="bf16")
    source = "published runs on H100 SXM: 77-84 % of 989 TFLOP/s dense bf16"
    yield Comparison("matmul 4096^3 bf16, h100_sxm", "ms", (0.166, 0.178), got * 1e3, source)


def own_tables() -> Iterator[Comparison]:
    """Every row of validation/*.csv."""
    for path in sorted(DATA.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                defaults = WORKLOADS[row["workload"]].parameters
                pairs = [pair.split("=") for pair in row["settings"].split()]
                settings = {key: convert(key, text, defaults[key]) for key, text in pairs}
                got = simulated_time(row["workload"], row["chip"], **settings) * 1e3
                time_ms = float(row["time_s"]) * 1e3
                what = f"{row['workload']} {row['settings']}, {row['chip']}"
                yield Comparison(what, "ms", (time_ms, time_ms), got, row["source"])


def main() -> None:
    """Print one line a comparison."""
    print(f"{'what':42} {'published':>20} {'memsim':>10}  {'error':>7}  source")
    for comparisons in (systolic(), gpu(), own_tables()):
        for c in comparisons:
            low, high = c.measured
            published = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            print(f"{c.what:42} {published:>13} {c.unit:>6} {c.simulated:10.5g}  {c.error:+7.1%}  {c.source}")
    if not any(DATA.glob("*.csv")):
        print(f"\nno tables of measurements in {DATA}/: nothing else to compare with")


if __name__ == "__main__":
    main()
