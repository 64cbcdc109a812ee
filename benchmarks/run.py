"""Measure memsim: ``python benchmarks/run.py [--quick | --full] [--json FILE] [--markdown FILE]``.

Both engines are measured side by side in one run. Every figure is the median of several runs, each in a process of its
own, after a small run that has loaded the compiled engine. Rates are for a second of processor time.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from cases import COMMANDS, FACTORS, GROWTH, HEADLINES, LONG, RATES, SMALL, Case, grown
from tables import Table, rate, seconds

from memsim.engine.simulate import ENGINES
from memsim.report.units import si
from memsim.workloads import WORKLOADS

HERE = Path(__file__).parent
ABSENT = "-"
STAGES = ("graph", "compile", "verify", "plan", "simulate", "report", "total")
Measured = dict[str, Any]


class Bench:
    """Runs cases, keeps what was measured, and says why something was not."""

    def __init__(self, mode: str, repeats: int) -> None:
        self.mode, self.repeats = mode, repeats
        self.measured: list[Measured] = []
        self.skipped: dict[str, set[str]] = defaultdict(set)
        """Why, and what was not measured for that reason."""

    def run(self, case: Case, repeats: int | None = None, **environment: str) -> Measured | None:
        """The medians of a case; none if it cannot be run yet."""
        reason = self._why_not(case)
        if reason:
            self.skipped[reason].add(case.name)
            return None
        runs = []
        for _ in range(repeats or self.repeats):
            print(f"\r\033[K{case.name} ({case.engine})", end="", file=sys.stderr, flush=True)
            done = _python(str(HERE / "worker.py"), json.dumps(asdict(case)), **environment)
            if done.returncode:
                self.skipped[_line(done.stderr, -1)].add(f"{case.name} ({case.engine})")
                return None
            runs.append(json.loads(done.stdout.splitlines()[-1]))
        print("\r\033[K", end="", file=sys.stderr, flush=True)
        found = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        self.measured.append({**asdict(case), "runs": len(runs), "median": found})
        return found

    def _why_not(self, case: Case) -> str:
        if case.engine not in ENGINES:
            return f"there is no engine {case.engine!r}"
        known = {*WORKLOADS, "uncontended", "streaming"}
        return "" if case.source in known else f"there is no workload {case.source!r}"


def _python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def _line(text: str, number: int) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[number]


# Tables -------------------------------------------------------------------------------------------------------------


def rates(bench: Bench) -> Table:
    rows = []
    for pair in RATES:
        found = {e: bench.run(pair.of(e, quick=bench.mode == "quick")) for e in ("fast", "simpy")}
        speed = {e: f["instructions"] / f["processor"] if f else None for e, f in found.items()}
        cells = [cell for e, f in found.items() for cell in _rate_cells(f, speed[e])]
        ratio = f"{speed['fast'] / speed['simpy']:.0f}x" if speed["fast"] and speed["simpy"] else ABSENT
        rows.append((pair.case.name, *cells, ratio))
    note = "Tile instructions for each second of processor time, nothing folded; SimPy runs the same program, smaller."
    return Table("Instructions a second", note, ("program", "fast", "rate", "simpy", "rate", "ratio"), rows)


def _rate_cells(found: Measured | None, speed: float | None) -> tuple[str, str]:
    return (si(found["instructions"]), rate(speed)) if found and speed else (ABSENT, ABSENT)


def headlines(bench: Bench) -> Table:
    rows = []
    for case in HEADLINES:
        found = bench.run(case)
        if found is None:
            rows.append((case.name, *(ABSENT for _ in STAGES), ABSENT))
            continue
        rows.append((case.name, si(found["instructions"]), *(seconds(found[stage]) for stage in STAGES)))
    header = ("workload", "instructions", *STAGES)
    return Table("Seconds by stage", "Fast engine, folded, in seconds; imports are not counted.", header, rows)


def growth(bench: Bench) -> Table:
    rows = []
    for case, keys in GROWTH:
        found = [bench.run(grown(case, keys, factor)) for factor in FACTORS]
        if any(f is None for f in found):
            rows.append((case.name, *(ABSENT for _ in (*FACTORS, *FACTORS[1:]))))
            continue
        times = [f["total"] for f in found if f]
        ratios = [f"{b / a:.2f}x" for a, b in pairwise(times)]
        rows.append((case.name, *(seconds(t) for t in times), *ratios))
    header = ("workload", "N", "2 N", "4 N", "2 N / N", "4 N / 2 N")
    return Table("Growth with trip counts", "Fast engine, folded: all stages, in seconds.", header, rows)


def memory(bench: Bench) -> Table:
    modes = {"quick": ("quick",), "usual": ("usual",), "full": ("usual", "full")}[bench.mode]
    rows = []
    for case in (LONG[mode] for mode in modes):
        found = bench.run(case, repeats=1)
        cells = (f"{found['peak_mb']:.0f}", f"{found['peak_mb'] - found['before_mb']:.0f}") if found else (ABSENT,) * 2
        rows.append((case.name, *cells, seconds(found["simulate"]) if found else ABSENT))
    note = "Peak of the process in MB (10⁶ bytes), and what it is above that of a small run before."
    return Table("Memory", note, ("run", "peak", "above a small run", "seconds"), rows)


def start_up(bench: Bench) -> Table:
    rows = []
    for command in COMMANDS:
        times = sorted(_wall(bench, command) for _ in range(3 if bench.mode == "quick" else 10))
        bench.measured.append({"name": f"memsim {command}", "seconds": times})
        rows.append((f"`memsim {command}`", seconds(statistics.median(times)), seconds(times[0])))
    for label, found in zip(("first run after installation", "second run"), _first_runs(bench), strict=True):
        cell = seconds(found["simulate"]) if found else ABSENT
        rows.append((f"{label}: simulation of {SMALL.name}", cell, cell))
    note = "Seconds of the whole process; of the first runs, the simulation alone, which compiles."
    return Table("Start-up", note, ("command", "median", "least"), rows)


def _wall(bench: Bench, command: str) -> float:
    started = time.perf_counter()
    done = _python("-m", "memsim", *command.split())
    taken = time.perf_counter() - started
    if done.returncode:
        bench.skipped[_line(done.stderr, 0)].add(f"memsim {command}")
        return math.nan
    return taken


def _first_runs(bench: Bench) -> Iterator[Measured | None]:
    """The same small run twice, with a cache of compiled code that is empty at first."""
    with tempfile.TemporaryDirectory() as folder:
        for order in ("first", "second"):
            case = replace(SMALL, name=f"{SMALL.name}, {order} run", warm=False)
            yield bench.run(case, repeats=1, NUMBA_CACHE_DIR=folder)


# All together -------------------------------------------------------------------------------------------------------


def facts() -> dict[str, str]:
    """What the numbers depend on."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("memsim", "numba", "numpy", "simpy"))
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "packages": packages,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="mode", action="store_const", const="quick", help="small sizes, one run each")
    size.add_argument("--full", dest="mode", action="store_const", const="full", help="with 10⁹ instructions unfolded")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    options = parser.parse_args()
    mode = options.mode or "usual"
    bench, about = Bench(mode, 1 if mode == "quick" else 3), facts()
    print(", ".join(f"{key}: {value}" for key, value in about.items()), end="\n\n")
    tables = []
    for make in (rates, headlines, growth, memory, start_up):
        tables.append(make(bench))
        tables[-1].print()
    for reason, names in bench.skipped.items():
        print(f"not measured, as {reason}: {'; '.join(sorted(names))}")
    if options.json:
        skipped = {reason: sorted(names) for reason, names in bench.skipped.items()}
        found = {"facts": about, "mode": mode, "measured": bench.measured, "skipped": skipped}
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        machine = "\n".join(f"- {key}: {value}" for key, value in about.items())
        text = "\n".join(["### Machine", "", machine, "", *(table.markdown() for table in tables)])
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
