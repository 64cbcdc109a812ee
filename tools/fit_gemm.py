"""Fit the knobs of matrix products to one GPU's measured times, and judge them on the other's.

    python tools/fit_gemm.py [--data FILE.csv] [--sample N]

FILE has the columns of `memsim validate --data`; without it, the two dozen rows of the tests. Of a large file, N rows
of each GPU are taken (60), spread over sizes.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from memsim.hierarchy import Chip
from memsim.library import KNOBS, overridden
from memsim.validate.calls import Call
from memsim.validate.predict import predict

ROWS = Path(__file__).parents[1] / "tests" / "library" / "data" / "gemm_rows.csv"
GRID: dict[str, tuple[float, ...]] = {
    "gemm_start": (800, 1000, 1200, 1400, 1600, 1800, 2000, 2200, 2400),
    "gemm_epilogue": (2, 4, 6, 8, 10, 12),
}
"""What is tried of each knob, all other things being equal, one knob after the other."""
PASSES = 2
Row = tuple[int, int, int, float]
"""m, n, k, and measured seconds."""


def read(path: Path, sample: int = 60) -> dict[str, list[Row]]:
    """Products of a table by GPU; of many, a sample that depends on nothing but their sizes."""
    found: dict[str, list[Row]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["op"] == "gemm":
                m, n, k = (int(row[size]) for size in ("m", "n", "k"))
                found.setdefault(row["gpu"], []).append((m, n, k, float(row["lat_ms"]) * 1e-3))
    return {gpu: _sample(rows, sample) for gpu, rows in found.items()}


def _sample(rows: Sequence[Row], count: int) -> list[Row]:
    """Every so manieth of the rows by their operations, those alike in an order that means nothing."""
    if len(rows) <= count:
        return list(rows)
    by_size = sorted(
        rows, key=lambda r: ((r[0] * r[1] * r[2]).bit_length(), hashlib.md5(repr(r[:3]).encode()).digest())
    )
    return [by_size[i * len(by_size) // count] for i in range(count)]


def errors(gpu: str, rows: Sequence[Row], knobs: Mapping[str, float]) -> list[float]:
    """Predicted over measured, less one."""
    chip = Chip.preset(gpu)
    with overridden(**knobs):
        return [predict(Call("gemm", "bf16", m=m, n=n, k=k), chip).time_s / time - 1 for m, n, k, time in rows]


def mape(gpu: str, rows: Sequence[Row], knobs: Mapping[str, float]) -> float:
    """Mean absolute error, in percent."""
    found = errors(gpu, rows, knobs)
    return 100 * sum(abs(e) for e in found) / len(found)


def fit(gpu: str, rows: Sequence[Row], grid: Mapping[str, Sequence[float]] = GRID) -> dict[str, float]:
    """Knobs with the least mean error on a GPU's rows: one after the other, the rest as they are."""
    best = {name: KNOBS[name].value for name in grid}
    known: dict[tuple[float, ...], float] = {}
    for _ in range(PASSES):
        for name, values in grid.items():
            for value in values:
                trial = {**best, name: value}
                key = tuple(trial.values())
                if key not in known:
                    known[key] = mape(gpu, rows, trial)
            tried = {value: known[tuple({**best, name: value}.values())] for value in values}
            best[name] = min(tried, key=lambda value: tried[value])
    return best


def main() -> None:
    """Fit on each GPU, judge on all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROWS)
    parser.add_argument("--sample", type=int, default=60)
    options = parser.parse_args()
    tables = read(options.data, options.sample)
    own = {name: KNOBS[name].value for name in GRID}
    for gpu, rows in tables.items():
        print(f"{gpu}: {len(rows)} rows, {mape(gpu, rows, own):.1f} % with {own}", flush=True)
    for gpu, rows in tables.items():
        knobs = fit(gpu, rows)
        judged = ", ".join(f"{other} {mape(other, others, knobs):.1f} %" for other, others in tables.items())
        print(f"fitted on {gpu}: {knobs}; errors: {judged}", flush=True)


if __name__ == "__main__":
    main()
