"""`simulate`: verify a program against a chip, run it, and wrap what happened into a `Result`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import simpy

from memsim.engine import warm
from memsim.engine.cached import Cached, check_cached
from memsim.engine.compile_plan import make_plan
from memsim.engine.fast.engine import FastEngine
from memsim.engine.plan import Plan
from memsim.engine.result import Result
from memsim.engine.simpy_engine import SimpyEngine
from memsim.engine.tracing import TraceWindow
from memsim.errors import GIVE_A_CHIP, GIVE_A_PROGRAM, MemsimError, check_kind
from memsim.hierarchy import Chip
from memsim.isa import analyze, verify
from memsim.isa.model import Program

ENGINES = ("fast", "simpy")
"""The compiled engine, and its specification; the first is the default."""


def simulate(
    program: Program,
    chip: Chip,
    *,
    engine: str = "fast",
    fold: bool = True,
    trace: bool | TraceWindow = False,
    workload: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    cached: Cached | None = None,
) -> Result:
    """Run ``program`` on ``chip``: time, energy, utilisation of every part.

    Parameters
    ----------
    program
        A tile program; it is verified against the chip first.
    chip
        The chip.
    engine
        ``"fast"``, compiled; or ``"simpy"``, the specification of which it is the exact twin.
    fold
        Let the fast engine skip what repeats exactly. The result is the same; only its cost is not.
    trace
        Record every instruction's start and end (`Result.trace`), or those of a window of time and cores.
    workload
        Name shown in reports; the program's own if not given.
    progress
        Called now and then with (instructions done, instructions in all).
    cached
        What the cache holds at first: (tensor, dirty) of tensors in DRAM, as if they had just been streamed through
        side by side; what came last is there, as far as there is room (`memsim.engine.cached`). For a run that is
        repeated: ``[("X", False), ("Y", True)]``. An empty cache if not given.

    Raises
    ------
    ProgramError, ChipError
        If the program breaks a rule, or the chip cannot hold it.
    MemsimError
        If an argument is none of these, or ``cached`` names what cannot be in the chip's cache.
    """
    if engine not in ENGINES:
        raise MemsimError(f"no engine {engine!r}", where="simulate", mend=f"choose one of {', '.join(ENGINES)}")
    check_kind(program, Program, "simulate", GIVE_A_PROGRAM)
    check_kind(chip, Chip, "simulate", GIVE_A_CHIP)
    if not isinstance(trace, (bool, TraceWindow)):
        raise MemsimError(
            f"trace is True, False or a TraceWindow, found {trace!r}",
            where="simulate",
            mend="such as trace=TraceWindow(start_s=1e-6, end_s=2e-6, cores=(0, 1))",
        )
    window = (TraceWindow() if trace else None) if isinstance(trace, bool) else trace
    if window is not None:
        window.check_cores(chip.core_count)
    warm.forget_stale()
    verify(program, chip)
    plan = make_plan(program, chip)
    return run_plan(plan, engine=engine, fold=fold, trace=window, progress=progress, workload=workload, cached=cached)


def run_plan(
    plan: Plan,
    *,
    engine: str = "simpy",
    fold: bool = True,
    trace: TraceWindow | None = None,
    progress: Callable[[int, int], None] | None = None,
    workload: str | None = None,
    env: simpy.Environment | None = None,
    cached: Cached | None = None,
) -> Result:
    """Run a compiled program; ``env`` is the SimPy environment, where it is not to be a new one.

    Raises
    ------
    MemsimError
        If ``cached`` names what cannot be in the chip's cache.
    """
    cached = () if cached is None else cached
    check_cached(plan, cached)
    note = None
    if progress is not None:
        total = sum(e.count for e in analyze(plan.program).executions)
        note = partial(_tell, progress, total)
    model: FastEngine | SimpyEngine
    if engine == "fast":
        model = FastEngine(plan, fold=fold, trace=trace, progress=note, cached=cached)
    else:
        model = SimpyEngine(plan, trace=trace, progress=note, env=env, cached=cached)
    run = model.run()
    return Result(plan, run, model.hardware, workload=workload or plan.program.name, engine=engine)


def _tell(progress: Callable[[int, int], None], total: int, done: int) -> None:
    progress(done, total)
