"""``memsim microbench noc``: latency of a network against load, at the level of flits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memsim.cli._files import check_figure, check_writable, write_json


def noc(
    topology: Annotated[
        str, typer.Option(metavar="NAME", help="mesh, torus, ring, crossbar, fattree or dragonfly.")
    ] = "mesh",
    k: Annotated[int | None, typer.Option(metavar="N", help="Nodes along a dimension, or ports of a router.")] = None,
    n: Annotated[int | None, typer.Option(metavar="N", help="Dimensions, or levels of a fat tree.")] = None,
    traffic: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="uniform, transpose, tornado, bitcomp, shuffle, neighbor, hotspot and others."
        ),
    ] = "uniform",
    flits: Annotated[int, typer.Option(metavar="N", help="Flits a packet.")] = 1,
    vcs: Annotated[int, typer.Option(metavar="N", help="Virtual channels of an input.")] = 4,
    buffer: Annotated[int, typer.Option(metavar="FLITS", help="What a virtual channel holds.")] = 8,
    rate: Annotated[
        float | None,
        typer.Option(metavar="R", help="Flits a node and cycle; unless given, all loads up to saturation."),
    ] = None,
    routing_delay: Annotated[int, typer.Option(metavar="CYCLES", help="Of a router; 0 is look-ahead.")] = 0,
    speculative: Annotated[bool, typer.Option("--speculative", help="Allocate switch and channel at once.")] = False,
    input_speedup: Annotated[int, typer.Option(metavar="N", help="Switch inputs of an input port.")] = 1,
    cut_through: Annotated[bool, typer.Option("--cut-through", help="Instead of wormhole flow control.")] = False,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="On a torus, use both classes of channels evenly.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Of traffic and ties.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw latency over load.")] = None,
) -> None:
    """Load a network of virtual-channel routers with synthetic traffic: latency, accepted rate, saturation."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    from memsim.microbench.noc import NocStudy, show, study, summary

    settings = NocStudy(
        topology=topology, k=k, n=n, traffic=traffic, flits=flits, vcs=vcs, buffer=buffer, rate=rate,
        routing_delay=routing_delay, speculative=speculative, input_speedup=input_speedup, cut_through=cut_through,
        balanced=balanced, seed=seed,
    )  # fmt: skip
    result = study(settings)
    if not to_stdout:
        typer.echo(show(settings, result))
    if json_file is not None:
        write_json(summary(settings, result), None if to_stdout else json_file)
    if plot is not None:
        from memsim.report.figures.microbench_noc import draw

        draw(settings, result, plot)
