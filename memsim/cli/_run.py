"""``memsim run``: compile a workload or take a tile program, simulate it, check its numbers, write what is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._console import phase
from memsim.cli._files import check_figure, check_writable, read_chip, read_program, replacing, write_json, write_text
from memsim.cli._settings import parse_settings, split_settings
from memsim.cli._window import window_of
from memsim.cli._workloads import find
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.engine import Result
    from memsim.engine.tracing import TraceWindow
    from memsim.hierarchy import Chip
    from memsim.isa import Program
    from memsim.lowering import CheckReport

CHECK_LIMIT = 2 * 10**11
"""Operations up to which the numerics are checked unless the user says otherwise: seconds of numpy."""

CHECK_FAILED = 1
"""Exit status when the numbers are wrong."""


@dataclass(frozen=True)
class Job:
    """What to run: a program and the chip; for a compiled workload also its parameters and the graph it came from."""

    name: str
    program: Program
    chip: Chip
    graph: Any = None
    parameters: dict[str, Any] = field(default_factory=dict)


def _png(what: str) -> Any:
    return typer.Option(metavar="FILE.png", help=what)


def _time(what: str) -> Any:
    return typer.Option(metavar="TIME", help=f"{what} Such as '12 us' or '3000 cycles'.")


def run(
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.tile", help="See: memsim workloads.")],
    chip: Annotated[str, typer.Option(metavar="NAME|FILE.toml", help="See: memsim chips.")] = "toy",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="m=4096, or of the chip: core.sram.capacity=512KiB."),
    ] = None,
    check: Annotated[
        bool | None, typer.Option("--check/--no-check", help="Compare values with numpy. Default: up to 2e11 FLOP.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    plot: Annotated[Path | None, _png("Draw energy by part and by tensor.")] = None,
    roofline: Annotated[Path | None, _png("Draw the workload under the roofs.")] = None,
    timeline: Annotated[Path | None, _png("Draw the queues of a core over time.")] = None,
    floorplan: Annotated[Path | None, _png("Draw traffic on each link, in place.")] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write every instruction, for Perfetto.")
    ] = None,
    trace_from: Annotated[str | None, _time("Trace from this time on.")] = None,
    trace_to: Annotated[str | None, _time("Trace up to this time.")] = None,
    trace_core: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Trace this core only; may be given many times.")
    ] = None,
    program: Annotated[
        Path | None, typer.Option(metavar="FILE.tile", help="Write the tile program that is run.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(metavar="fast|simpy", help="Compiled, or the readable specification. Default: fast.")
    ] = None,
    fold: Annotated[
        bool, typer.Option("--fold/--no-fold", help="Skip periods that repeat (exact), or run each. Default: skip.")
    ] = True,
    power_cap: Annotated[
        bool, typer.Option("--power-cap", help="Let the clock fall until mean power fits the chip's tdp.")
    ] = False,
) -> None:
    """Simulate a workload on a chip: time, energy, what bounds it, and whether its numbers are right."""
    figures = {"energy": plot, "roofline": roofline, "timeline": timeline, "floorplan": floorplan}
    to_stdout = json_file is not None and str(json_file) == "-"
    for path in (None if to_stdout else json_file, trace, program):
        check_writable(path)
    for path in figures.values():
        check_figure(path)
    traced = trace is not None or timeline is not None
    if not traced and (trace_from or trace_to or trace_core):
        raise MemsimError("there is no trace to limit", where="--trace-from", mend="say where to: --trace FILE.json")
    named = engine_named(engine)
    job = prepare(workload, chip, settings or [])
    if power_cap and job.chip.tdp_w is None:
        raise MemsimError(f"chip {job.chip.name} has no tdp", where="--power-cap", mend="give one: --set tdp=400W")
    window = window_of(trace_from, trace_to, trace_core or [], job.chip) if traced else None
    if check and job.graph is None:
        raise MemsimError(
            "a tile file has no reference to check against", where=workload, mend="leave --check out, or run by name"
        )
    result = _simulate(job, named, fold, window or traced, power_cap)
    if not to_stdout:
        _print_result(result)
    verdict, reason = _check(job, check, result.executed_flops)
    typer.echo(reason, err=to_stdout)
    if json_file is not None:
        write_json(summary(result, job, verdict), None if to_stdout else json_file)
    _write_files(result, job, figures, window, trace, program)
    if verdict is not None and not verdict.ok:
        raise typer.Exit(CHECK_FAILED)


def prepare(workload: str, chip_name: str, pairs: list[str]) -> Job:
    """Find the program to run: from a tile file, or by compiling a named workload for the chip."""
    from memsim.hierarchy.part import keys_of

    chip = read_chip(chip_name)
    settings, chip_keys = parse_settings(pairs), keys_of(type(chip))
    path = Path(workload)
    if path.suffix == ".tile" or path.is_file():
        tile_program = read_program(path)
        _, changes = split_settings(settings, {}, chip_keys)
        return Job(tile_program.name, tile_program, chip.replace(changes))
    found = find(workload)
    chosen, changes = split_settings(settings, found.parameters, chip_keys)
    chip = chip.replace(changes)
    parameters = {**found.parameters, **chosen}
    with phase("compiling"):
        from memsim.lowering import compile

        graph = found(**parameters)
        return Job(workload, compile(graph, chip, name=workload), chip, graph, parameters)


def summary(result: Result, job: Job, verdict: CheckReport | None) -> dict[str, Any]:
    """The numbers of a run as plain JSON: those of the result, the parameters, utilisations and the check."""
    from memsim.report import to_json

    return {
        **to_json(result, checked=verdict is not None, max_rel_err=verdict.max_rel_err if verdict else None),
        "parameters": job.parameters,
        "utilisation": result.busiest,
        "check_passed": verdict.ok if verdict else None,
        "tolerance": verdict.tolerance if verdict else None,
    }


def engine_named(name: str | None) -> str:
    """The engine of that name; the first, if none is named."""
    from memsim.engine.simulate import ENGINES

    if name is not None and name not in ENGINES:
        raise MemsimError(f"no engine {name!r}", where="--engine", mend=f"choose one of {', '.join(ENGINES)}")
    return name or ENGINES[0]


def _simulate(job: Job, engine: str, fold: bool, trace: bool | TraceWindow, power_cap: bool) -> Result:
    from memsim.engine import simulate
    from memsim.engine.power import simulate_capped

    if engine == "fast":
        announce_compilation()
    options: dict[str, Any] = {"engine": engine, "trace": trace, "workload": job.name}
    if engine != "simpy":  # which runs every instruction anyway
        options["fold"] = fold
    with phase(f"simulating {job.name} on {job.chip.name}", "instructions") as progress:
        runs = simulate_capped if power_cap else simulate
        return runs(job.program, job.chip, progress=progress, **options)


def announce_compilation() -> None:
    """Say on stderr why the first run takes longer."""
    from memsim.engine import warm

    if not warm.is_compiled():
        typer.echo(f"compiling the engine (once per installation, about {warm.COMPILE_S} s)", err=True)


def _print_result(result: Result) -> None:
    from memsim.report import show

    show(result)
    typer.echo()
    line = _power(result)
    if line:
        typer.echo(line)


def _power(result: Result) -> str | None:
    """What the chip's limit of power did, or would do."""
    from memsim.engine.power import mean_power_w

    limit, cap = result.chip.tdp_w, result.power_cap
    if cap is not None:
        return f"power cap: {cap}"
    power = 0.0 if limit is None else mean_power_w(result)
    if limit is None or power <= limit:
        return None
    return f"power cap: {power:.0f} W exceed {limit:g} W of {result.chip.name}: its clock would fall (--power-cap)"


def _check(job: Job, wanted: bool | None, operations: int) -> tuple[CheckReport | None, str]:
    """The verdict, if there is one, and the line that tells it or says why there is none."""
    if wanted is False:
        return None, "numbers not checked: --no-check"
    if job.graph is None:
        return None, "numbers not checked: a tile file has no reference"
    if wanted is None and operations > CHECK_LIMIT:
        return None, f"numbers not checked: {operations:.2g} operations (--check insists, above {CHECK_LIMIT:.0g})"
    from memsim.lowering import check

    with phase("checking the numbers"):
        verdict = check(job.program, job.graph)
    return verdict, str(verdict)


def _write_files(
    result: Result,
    job: Job,
    figures: dict[str, Path | None],
    window: TraceWindow | None,
    trace: Path | None,
    program: Path | None,
) -> None:
    for name, path in figures.items():
        if path is not None:
            with phase(f"drawing {name}"), replacing(path) as target:
                getattr(result.plot, name)(target, **(_view(result, window) if name == "timeline" else {}))
    if trace is not None:
        from memsim.report import write_trace

        with phase("writing the trace"), replacing(trace) as target:
            write_trace(result, target)
    if program is not None:
        from memsim.isa import format

        write_text(format(job.program), program)


def _view(result: Result, window: TraceWindow | None) -> dict[str, Any]:
    """What a timeline shows of the window: the first of its cores, and its time if it says any."""
    if window is None:
        return {}
    view: dict[str, Any] = {"core": window.cores[0]} if window.cores else {}
    if window.start_s or window.end_s is not None:
        view["window"] = (window.start_s, result.time_s if window.end_s is None else window.end_s)
    return view
