"""Runs one case in a process of its own and prints what it took as JSON: ``worker.py CASE``, the case as JSON.

Every stage is timed where the library calls it, so what a user waits for is what is measured.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

from cases import SMALL, Case
from programs import TEXTS, tile_program

import memsim as ms
from memsim.report import render
from memsim.workloads import workload

STAGES = ("graph", "compile", "verify", "plan", "simulate", "report")
INNER = {"verify": "verify", "plan": "make_plan"}
"""Stages that `simulate` itself runs, with the names under which it calls them."""


def main() -> None:
    case = Case(**json.loads(sys.argv[1]))
    if case.warm:
        measure(replace(SMALL, engine=case.engine, fold=case.fold))
    before_mb = peak_mb()
    found = measure(case)
    print(json.dumps({**found, "before_mb": before_mb, "peak_mb": peak_mb()}))


class Stopwatch:
    """Seconds that functions took, by stage: of the clock on the wall and of the processor."""

    def __init__(self) -> None:
        self.wall = dict.fromkeys(STAGES, 0.0)
        self.processor = dict.fromkeys(STAGES, 0.0)

    def of(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, its seconds added to a stage."""

        def call(*arguments: Any, **named: Any) -> Any:
            wall, processor = time.perf_counter(), time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                self.wall[stage] += time.perf_counter() - wall
                self.processor[stage] += time.process_time() - processor

        return call


def measure(case: Case) -> dict[str, Any]:
    """Seconds of each stage and in all, processor seconds of the simulation, and what it came to."""
    watch = Stopwatch()
    chip = ms.Chip.preset(case.chip).replace(case.changes)
    if case.source in TEXTS:
        program = watch.of("compile", tile_program)(case.source, **case.sizes)
    else:
        graph = watch.of("graph", workload)(case.source, **case.sizes)
        program = watch.of("compile", ms.compile)(graph, chip, name=case.source)
    result = simulated(watch, case, program, chip)
    watch.of("report", render)(result)
    return {
        **watch.wall,
        "total": sum(watch.wall.values()),
        "processor": watch.processor["simulate"],
        "instructions": sum(e.count for e in ms.analyze(program).executions),
        "time_s": result.time_s,
    }


def simulated(watch: Stopwatch, case: Case, program: ms.Program, chip: ms.Chip) -> ms.Result:
    """The result; stages that `simulate` itself runs are taken out of its time."""
    module = import_module("memsim.engine.simulate")
    originals = {name: getattr(module, name) for name in INNER.values()}
    for stage, name in INNER.items():
        setattr(module, name, watch.of(stage, originals[name]))
    fold = {} if case.engine == "simpy" else {"fold": case.fold}
    try:
        result: ms.Result = watch.of("simulate", module.simulate)(program, chip, engine=case.engine, **fold)
    finally:
        for name, original in originals.items():
            setattr(module, name, original)
    for clock in (watch.wall, watch.processor):
        clock["simulate"] -= sum(clock[stage] for stage in INNER)
    return result


def peak_mb() -> float:
    """Most memory that this process has had so far, MB (10⁶ bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    main()
