"""``memsim microbench dram``: bandwidth, latency and energy of one channel of a DRAM part under synthetic traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memsim.cli._files import check_figure, check_writable, write_json


def dram(
    part: Annotated[str, typer.Option(metavar="NAME", help="Kind and speed, such as hbm3_6400.")] = "hbm2_2000",
    address_map: Annotated[
        str,
        typer.Option(
            "--map", metavar="NAME|BITS", help="mop4clxor, robaracoch, or fields as row:bank:group:pc:column."
        ),
    ] = "mop4clxor",
    pattern: Annotated[
        str, typer.Option(metavar="NAME", help="seq, rand, rowconf, stride<bytes> or streams<count>.")
    ] = "seq",
    reads: Annotated[int, typer.Option(metavar="PERCENT", help="Share of reads, 0 to 100.")] = 100,
    mlp: Annotated[int, typer.Option(metavar="N", help="Reads outstanding, of a closed loop.")] = 16,
    rate: Annotated[
        float | None, typer.Option(metavar="R", help="Requests a clock cycle instead, whatever is outstanding.")
    ] = None,
    n: Annotated[int, typer.Option("--n", metavar="N", help="Requests measured, after a tenth as many of warm-up.")] = (
        10_000
    ),
    page: Annotated[str, typer.Option(metavar="open|closed", help="What becomes of a row that no request wants.")] = (
        "open"
    ),
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="frfcfs|bank_queues", help="One window, or a queue a bank. Default: by the map."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw latency over load and the energy split.")
    ] = None,
) -> None:
    """Drive one channel of a DRAM part with a pattern of bursts: bandwidth, latency, row hits, energy."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    from memsim.microbench.dram import DramStudy, show, study, summary

    settings = DramStudy(
        part=part,
        map=address_map,
        pattern=pattern,
        reads=reads,
        mlp=mlp,
        rate=rate,
        n=n,
        page=page,
        scheduler=scheduler,
    )
    measured = study(settings)
    if not to_stdout:
        typer.echo(show(settings, measured))
    if json_file is not None:
        write_json(summary(settings, measured), None if to_stdout else json_file)
    if plot is not None:
        from memsim.cli._files import replacing
        from memsim.report.figures.microbench_dram import draw

        with replacing(plot) as target:
            draw(settings, measured, target)
