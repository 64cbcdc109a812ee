"""``memsim microbench bandwidth``: bandwidth of each level of a chip, over the number of active cores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from memsim.cli._files import check_figure, check_writable, read_chip, write_json

if TYPE_CHECKING:
    from memsim.microbench.bandwidth import Kind


def bandwidth(
    chip: Annotated[str, typer.Option(metavar="NAME|FILE.toml", help="A preset, or a chip of your own.")],
    kind: Annotated[str, typer.Option(metavar="read|write|copy", help="What the cores do.")] = "read",
    level: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="sram, shared, cache, cache_all or dram; may be repeated. Default: all."),
    ] = None,
    cores: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Active cores; may be repeated. Default: 1, 2, 4 … and all."),
    ] = None,
    tile: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Of a transfer, such as 16KiB. Default: as the chip needs.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw GB/s over the active cores.")] = None,
) -> None:
    """Stream tiles from each memory of a chip with growing numbers of cores: GB/s, and the share of its peak."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    machine = read_chip(chip)
    from memsim.cli._microbench_latency import size_of

    size = None if tile is None else size_of(tile, "--tile")
    from memsim.microbench.bandwidth import show, study, summary

    found = study(machine, kind=cast("Kind", kind), levels=level or None, cores=cores or None, tile=size)
    if not to_stdout:
        typer.echo(show(found))
    if json_file is not None:
        write_json(summary(found), None if to_stdout else json_file)
    if plot is not None:
        from memsim.cli._files import replacing
        from memsim.report.figures.microbench_bandwidth import draw_bandwidth
        from memsim.report.figures.style import save

        with replacing(plot) as target:
            save(draw_bandwidth(found), target)
