"""The command ``memsim``: run workloads, look at chips, check and count tile programs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from memsim.cli import (
    _chips,
    _collective,
    _crosscheck,
    _diagnose,
    _dmd,
    _measure,
    _microbench,
    _probe,
    _programs,
    _run,
    _score,
    _serve,
    _validate,
    _workloads,
)
from memsim.cli._errors import guarded

__all__ = ["app", "main", "run"]

app = typer.Typer(
    name="memsim",
    help="Script a chip, compile a workload to a tile program, and see what it costs in time and energy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(_run.run)
app.command()(_collective.collective)
app.command()(_serve.serve)
app.command()(_workloads.workloads)
app.add_typer(_chips.app, name="chips")
app.add_typer(_microbench.app, name="microbench")
app.command()(_programs.asm)
app.command()(_programs.check)
app.command()(_programs.analyze)
app.command()(_score.score)
app.command()(_dmd.dmd)
app.command()(_diagnose.diagnose)
app.command()(_crosscheck.crosscheck)
app.command()(_probe.probe)
app.command()(_validate.validate)
app.command()(_measure.measure)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"memsim {version('memsim')}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Script a chip, compile a workload to a tile program, and see what it costs in time and energy."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, 1 (a check failed), 2 (bad input) or 130 (interrupted)."""
    given = None if arguments is None else list(arguments)
    return guarded(lambda: app(args=given, prog_name="memsim", standalone_mode=False))


def main() -> NoReturn:
    """Entry point of the console script."""
    gc.set_threshold(500_000, 20, 100)  # much is loaded and little dies: collections were a tenth of a short run
    status = run()
    status = guarded(_flush) or status
    os._exit(status)  # all files are closed; taking modules and compiled code down was a fifth of a short run


def _flush() -> None:
    with suppress(BrokenPipeError):  # the reader has seen enough
        sys.stdout.flush()
    sys.stderr.flush()
