"""``memsim crosscheck``: run a program on the interpreter and on a WebGPU device, and compare every value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsim.cli._console import phase
from memsim.cli._files import check_writable, write_json
from memsim.cli._run import CHECK_FAILED, prepare

if TYPE_CHECKING:
    from memsim.webgpu import CrossCheck


def crosscheck(
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD|FILE.tile", help="See: memsim workloads.")],
    chip: Annotated[
        str, typer.Option(metavar="NAME|FILE.toml", help="Chip that the workload is compiled for. See: memsim chips.")
    ] = "toy",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="m=64, or of the chip: core.sram.capacity=512KiB."),
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(metavar="NAME", help="A part of the adapter's name. Default: the first GPU.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random inputs.", min=0)] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the comparison (- prints it).")
    ] = None,
) -> None:
    """Check on a GPU, or a software adapter, that a program computes what the interpreter says."""
    from memsim.webgpu import crosscheck as check
    from memsim.webgpu import find_adapter

    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    where = find_adapter(adapter)
    job = prepare(workload, chip, settings or [])
    inputs = None
    if job.graph is not None:
        from memsim.workloads import random_inputs

        inputs = random_inputs(job.graph, seed)
    with phase(f"running {job.name} on {where.name}"):
        found = check(job.program, inputs, where, cores=job.program.cores or job.chip.core_count, seed=seed)
    typer.echo(report(found), err=to_stdout)
    if json_file is not None:
        write_json(found.to_json(), None if to_stdout else json_file)
    if not found.ok:
        raise typer.Exit(CHECK_FAILED)


def report(found: CrossCheck) -> str:
    """What is printed: the verdict, and how the device ran."""
    run, adapter = found.run, found.adapter
    dispatches = f"{run.dispatches} dispatch{'' if run.dispatches == 1 else 'es'}"
    speed = "; a software adapter says nothing of speed" if adapter.is_software else ""
    features = ", ".join(adapter.features) or "none"
    return (
        f"{found}\n"
        f"{dispatches} in one pass, {run.device_s * 1e3:.3g} ms by {run.timed_by} the first time{speed}; "
        f"{run.compile_s:.2g} s to compile; features: {features}"
    )
