"""``memsim validate``: predicted against measured time, on the device that a chip was probed on, or of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._console import phase
from memsim.cli._files import check_figure, check_writable, read_chip, replacing, write_json
from memsim.cli._run import CHECK_FAILED, announce_compilation
from memsim.cli._validate_data import Request, compare_table
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.hierarchy import Chip
    from memsim.validate import Case, Validation
    from memsim.webgpu import Adapter, CrossCheck

    Checked = tuple[tuple[Case, CrossCheck], ...]


def validate(
    chip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[GPU=]NAME|FILE.toml",
            help="With --local, what memsim probe --chip wrote. With --data, chips of GPUs in the file.",
        ),
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Against the GPU of this machine.")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE.csv", help="Against a table of measurements.")
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(metavar="NAME", help="--local: a part of the adapter's name. Default: the first GPU.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw predicted over measured.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="--local: fewer samples.")] = False,
    rows: Annotated[
        int | None, typer.Option(min=1, help="--data: so many rows, spread over operators and GPUs.")
    ] = None,
    seed: Annotated[int, typer.Option(help="--data: of the choice of rows.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="--data: processes. Default: one a processor.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="--data: how many of the worst rows are listed.")] = 20,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="--data: list rows of unknown GPUs, operators and types, and go on.")
    ] = False,
) -> None:
    """Hold the simulator against measured times: of this machine's GPU, or of a table."""
    if local == (data is not None):
        cause = "two things to compare with are named" if local else "it is not said what to compare with"
        mend = "give either --local, the GPU of this machine, or --data FILE.csv, a table of measurements"
        raise MemsimError(cause, where="validate", mend=mend)
    if data is not None:
        _refuse({"--adapter": adapter is not None, "--quick": quick}, "--local")
        status = compare_table(
            Request(data, chip or [], json_file, plot, rows, seed, jobs, worst, skip_unknown)
        )  # fmt: skip
        raise typer.Exit(status)
    _refuse({"--rows": rows is not None, "--jobs": jobs is not None, "--skip-unknown": skip_unknown}, "--data")
    _validate_locally(_only(chip or []), adapter, json_file, plot, quick)


def _refuse(given: dict[str, bool], kind: str) -> None:
    """Options of the other kind of validation."""
    for option, is_given in given.items():
        if is_given:
            raise MemsimError(f"belongs to {kind}", where=option, mend=f"leave it out, or say {kind}")


def _only(chips: list[str]) -> str:
    if len(chips) != 1:
        raise MemsimError(
            f"{len(chips)} chips are given, and --local compares one",
            where="--chip",
            mend="give the file that memsim probe --chip wrote of this device",
        )
    return chips[0]


def _validate_locally(
    chip: str, adapter: str | None, json_file: Path | None, plot: Path | None, quick: bool
) -> None:  # fmt: skip
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    machine = read_chip(chip)
    from memsim.webgpu import find_adapter

    where = find_adapter(adapter)
    if where.is_software and plot is not None:
        raise _no_times(where, plot)
    checked = _checked(machine, where)
    if where.is_software:
        typer.echo(_values(where, checked), err=to_stdout)
        if json_file is not None:
            write_json(_json(where, checked), None if to_stdout else json_file)
    if not all(check.ok for _, check in checked):
        if not where.is_software:
            typer.echo(_values(where, checked), err=True)
        raise typer.Exit(CHECK_FAILED)
    if not where.is_software:
        _report(_timed(machine, where, quick), json_file, plot, to_stdout)


def _no_times(where: Adapter, plot: Path) -> MemsimError:
    return MemsimError(
        f"there are no times to draw: {where.name} is a software adapter, whose times say nothing of a GPU",
        where=f"--plot {plot}",
        mend="choose a GPU with --adapter; without --plot values are compared",
    )


def _checked(chip: Chip, where: Adapter) -> Checked:
    """Values of the suite's small programs: a time of a wrong answer is worth nothing."""
    from memsim.validate import cross_check

    with phase(f"comparing values on {where.name}"):
        return cross_check(chip, where)


def _timed(chip: Chip, where: Adapter, quick: bool) -> Validation:
    from memsim.validate import GpuTimer
    from memsim.validate import validate as compare
    from memsim.webgpu.probe.timing import QUICK

    announce_compilation()
    with phase(f"measuring on {where.name}"):
        timer = GpuTimer(where, QUICK if quick else None)
        return compare(chip, where.name, timer, report=lambda what: typer.echo(f"measuring {what}", err=True))


def _report(found: Validation, json_file: Path | None, plot: Path | None, to_stdout: bool) -> None:
    from memsim.validate import show

    typer.echo(show(found), err=to_stdout)
    if json_file is not None:
        write_json(found.to_json(), None if to_stdout else json_file)
    if plot is not None:
        from memsim.report.figures.style import save
        from memsim.report.figures.validation import draw_validation

        with replacing(plot) as target:
            save(draw_validation(found), target)


def _values(where: Adapter, checked: Checked) -> str:
    """What is said of values; on a software adapter, why there is nothing else."""
    lines = [str(where)]
    if where.is_software:
        lines.append("is a software adapter: its times say nothing of a GPU, so none are compared. Values only:")
    for case, check in checked:
        lines.append(f"  {'ok   ' if check.ok else 'WRONG'}  {case.kind:10} {case.name}: {check.worst}")
    right = sum(check.ok for _, check in checked)
    lines.append(f"{right} of {len(checked)} programs compute on it what the interpreter says")
    return "\n".join(lines)


def _json(where: Adapter, checked: Checked) -> dict[str, Any]:
    return {
        "adapter": str(where),
        "timing": None,
        "reason": "a software adapter says nothing of the speed of a GPU",
        "ok": all(check.ok for _, check in checked),
        "values": [{"kind": case.kind, "case": case.name, "ok": check.ok} for case, check in checked],
    }
