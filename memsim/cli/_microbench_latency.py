"""``memsim microbench latency``: the latency ladder of a chip, by chasing pointers through growing buffers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memsim.cli._files import check_figure, check_writable, read_chip, write_json


def latency(
    chip: Annotated[str, typer.Option(metavar="NAME|FILE.toml", help="A preset, or a chip of your own.")],
    footprint: Annotated[
        str | None, typer.Option(metavar="SIZE", help="One buffer only, such as 30MB or 64KiB; else a ladder of them.")
    ] = None,
    stride: Annotated[
        str, typer.Option(metavar="SIZE", help="From one element of the buffer to the next in memory.")
    ] = "64B",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw latency over the size of the buffer.")] = (
        None
    ),
) -> None:
    """Chase pointers through buffers of growing size on one core: the latency of each cache and of the DRAM."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    machine = read_chip(chip)
    sizes = None if footprint is None else [size_of(footprint, "--footprint")]
    between = size_of(stride, "--stride")
    from memsim.microbench.latency import show, study, summary

    ladder = study(machine, sizes, stride=between)
    if not to_stdout:
        typer.echo(show(ladder))
    if json_file is not None:
        write_json(summary(ladder), None if to_stdout else json_file)
    if plot is not None:
        from memsim.cli._files import replacing
        from memsim.report.figures.microbench_latency import draw_latency
        from memsim.report.figures.style import save

        with replacing(plot) as target:
            save(draw_latency(ladder), target)


def size_of(text: str, option: str) -> int:
    """A size from text with a unit, or from a number of bytes."""
    from pydantic_core import PydanticCustomError

    from memsim.errors import MemsimError
    from memsim.hierarchy.units import SIZE, parse

    try:
        number, _ = parse(int(text) if text.isdecimal() else text, SIZE)
    except PydanticCustomError as error:
        found = error.context or {}
        raise MemsimError(str(found.get("cause")), where=option, mend=str(found.get("mend"))) from error
    if number.denominator != 1 or not 1 <= number <= 1 << 60:
        raise MemsimError(f"{text!r} is not a whole number of bytes", where=option, mend="write such as 30MB")
    return int(number)
