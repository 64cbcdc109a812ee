"""``memsim validate --local``: predicted against measured time, on the device that a chip was probed on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._console import phase
from memsim.cli._files import check_figure, check_writable, read_chip, replacing, write_json
from memsim.cli._run import CHECK_FAILED, announce_compilation
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.hierarchy import Chip
    from memsim.validate import Case, Validation
    from memsim.webgpu import Adapter, CrossCheck

    Checked = tuple[tuple[Case, CrossCheck], ...]


def validate(
    chip: Annotated[str, typer.Option(metavar="NAME|FILE.toml", help="What memsim probe --chip wrote of this device.")],
    local: Annotated[bool, typer.Option("--local", help="Against the GPU of this machine.")] = False,
    adapter: Annotated[
        str | None, typer.Option(metavar="NAME", help="A part of the adapter's name. Default: the first GPU.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw predicted over measured.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer samples.")] = False,
) -> None:
    """Hold the simulator against this machine's GPU: a table, and the mean error by kind of workload."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    if not local:
        raise MemsimError(
            "it is not said what to compare with", where="validate", mend="add --local: the GPU of this machine"
        )
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
