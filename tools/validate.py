"""Compare memsim with published measurements: what was measured, what memsim says, and how far apart they are.

Needs nothing but memsim for the figures below. Tables of measurements of your own go into validation/*.csv, with
columns workload, chip, settings, time_s and source; where there are none, that is said.

``--reference DIR`` also compares with the full reference tables: unit energies (energy/energy_constants.csv),
datasheets (energy/chip_presets.csv) and 2,560 measured kernels (gpu/kernel_times.csv), which takes minutes. Restated
constants must agree within half a percent, and the claims of claims.py must hold, or the exit status is 1.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import claims

import memsim as ms
from memsim.cli._settings import convert
from memsim.hierarchy import MatrixUnit, technologies
from memsim.workloads import WORKLOADS, workload

DATA = Path("validation")
KERNELS = "gpu/kernel_times.csv"
"""Measured kernels, in the folder of reference tables."""
REPORTS = {
    "validate_dram": "dram/ramulator2.csv",
    "validate_noc": "noc/booksim2.csv",
    "validate_latency": "gpu/latency_vs_footprint.csv",
    "validate_curves": "gpu/cache_bandwidth_vs_footprint.csv",
    "validate_energy": "energy/cacti_sram_sweep.csv",
    "validate_presets": "gpu/power_vs_intensity.csv",
}
"""Modules beside this one, each with a table that it needs."""
FAR = 0.05
"""Relative errors beyond this are shown one by one."""


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


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file as dictionaries."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def unit_energies(folder: Path) -> Iterator[Comparison]:
    """Recommended defaults of the energy table, at each node that memsim names."""
    fields = {
        "DEFAULT wire_random_data C=0.42pF/mm": "wire_energy",
        "DEFAULT sram_e0 (published-table fit)": "sram_energy",
        "DEFAULT sram_slope (published-table fit)": "sram_slope",
        "DEFAULT regfile_gpu_bank": "reg_energy",
    }
    for row in rows_of(folder / "energy" / "energy_constants.csv"):
        node = technologies().get(f"n{row['node_nm']}")
        if node is not None and row["quantity"] in fields:
            value = float(row["value"])
            got = 1000 * getattr(node, fields[row["quantity"]])
            what = f"{fields[row['quantity']]} at {row['node_nm']} nm"
            yield Comparison(what, "fJ", (value, value), got, row["source"].split(";")[0][:60])


def datasheets(folder: Path) -> Iterator[Comparison]:
    """Peak rates and capacities of the presets."""
    names = {"H100-SXM5": "h100_sxm", "TPUv4": "tpu_v4"}
    for row in rows_of(folder / "energy" / "chip_presets.csv"):
        if row["chip"] not in names:
            continue
        chip = ms.Chip.preset(names[row["chip"]])
        matrix, clock = chip.core.matrix, float(chip.clock)
        assert matrix is not None
        got = {
            "flops_bf16": 2 * float(matrix.peak_macs_per_cycle("bf16")) * clock * chip.core_count,
            "dram_bw": float(chip.rate_per_tick(chip.dram.bandwidth) / chip.tick),
            "clock_boost": clock / 1e9,
        }.get(row["parameter"])
        if got is not None:
            value = float(row["value"])
            yield Comparison(f"{row['parameter']} of {chip.name}", "", (value, value), got, row["source"][:60])


def kernels(folder: Path) -> dict[str, Any]:
    """Every measured kernel of the reference tables beside its prediction: prints tables, and returns them as JSON."""
    from memsim.cli._console import phase
    from memsim.validate.measured import predict_rows, read_file, to_json
    from memsim.validate.measured import show as show_errors

    table = read_file(folder / KERNELS)
    with phase("predicting measured kernels", "rows") as report:
        batch = predict_rows(table.rows, report=report)
    print(f"\n{len(batch.compared)} measured kernels of {KERNELS}\n{show_errors(batch)}\n")
    return to_json(batch, file=KERNELS)


def show(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Print one line a comparison, as each is made."""
    made = []
    for c in comparisons:
        made.append(c)
        low, high = c.measured
        published = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        print(f"{c.what:42} {published:>19} {c.unit:>6} {c.simulated:10.5g}  {c.error:+7.1%}  {c.source}", flush=True)
    return made


def report(module: str, table: str, folder: Path) -> None:
    """Print the comparisons of a module beside this one that are off by more than 5 %, and a summary of all."""
    if not (folder / table).is_file():
        print(f"\n{module}: no {table} there")
        return
    made = list(importlib.import_module(module).comparisons(folder))
    print(f"\n{module}: those of {len(made)} comparisons that are off by more than {FAR:.0%}")
    show(c for c in made if abs(c.error) > FAR)
    errors = [abs(c.error) for c in made]
    median, mean = statistics.median(errors), statistics.fmean(errors)
    print(f"{module}: median {median:.2%}, mean {mean:.2%}, worst {max(errors):.1%}")


def main(arguments: list[str] | None = None) -> int:
    """Print one line a comparison; 1 if a restated constant is not its source's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reference", type=Path, help="folder with the full reference tables")
    folder, failed = parser.parse_args(arguments).reference, False
    print(f"{'what':42} {'published':>26} {'memsim':>10}  {'error':>7}  source")
    show(gpu())
    if not show(own_tables()):
        print(f"no tables of measurements in {DATA}/")
    exact = show(systolic())
    if folder is None:
        print("\nno folder of reference tables was named (--reference DIR): nothing else to compare with")
    else:
        exact += show(unit_energies(folder)) + show(datasheets(folder))
        for module, table in REPORTS.items():
            report(module, table, folder)
        if (folder / KERNELS).is_file():
            failed = judge(kernels(folder))
        else:
            print(f"\nno {KERNELS} there")
    wrong = [c.what for c in exact if abs(c.error) > 0.005]
    if wrong:
        print(f"\nnot what their sources say: {', '.join(wrong)}")
    return 1 if wrong or failed else 0


def judge(record: dict[str, Any]) -> bool:
    """Print what memsim claims of these kernels, and whether it holds; true if something does not."""
    print(claims.show(record))
    if record["failed"]:
        print(f"{len(record['failed'])} rows could not be predicted")
    return bool(claims.broken(record) or record["failed"])


if __name__ == "__main__":
    sys.exit(main())
