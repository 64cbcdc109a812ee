"""``memsim dmd``: what a Python function over scalars costs in data movement."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from memsim.cli._files import check_writable, write_json
from memsim.cli._functions import read_arguments, read_function


def dmd(
    function: Annotated[str, typer.Argument(metavar="FILE.py:FUNCTION", help="What to trace.")],
    args: Annotated[str, typer.Option(metavar="JSON", help="Its arguments, such as '[[1,2],[3,4]]'.")],
    dialect: Annotated[
        str, typer.Option(metavar="NAME", help="main, dev, classic-14, l2-live or l2-classic.")
    ] = "main",
    bytes_per_element: Annotated[int, typer.Option("--bytes", metavar="B", help="Of an element.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the score (- prints it).")
    ] = None,
) -> None:
    """Trace a Python function over numbers and price its reads: ByteDMD, an LRU stack of bytes."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    from memsim.locality import bytedmd

    arguments = read_arguments(args, "--args")
    with redirect_stdout(sys.stderr if to_stdout else sys.stdout):  # what the function prints
        score = bytedmd(read_function(function), arguments, dialect=dialect, bytes_per_element=bytes_per_element)
    if not to_stdout:
        typer.echo(f"{score}, {score.reads:,} reads")
    for escape in score.details.get("escapes", ()):
        typer.echo(f"escape: {escape}", err=True)
    if json_file is not None:
        write_json(score.to_json(), None if to_stdout else json_file)
