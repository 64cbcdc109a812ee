"""``memsim collective``: a collective between the chips of a system, checked and simulated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._console import phase
from memsim.cli._files import check_writable, read_text, write_json, write_text
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.engine import Result
    from memsim.hierarchy import System
    from memsim.lowering.collectives import Collective

CHECK_LIMIT = 1 << 26
"""Bytes, over all chips, up to which the numbers are checked with numpy."""
CHECK_FAILED = 1


MOST_PIECES = 4096
"""Chunks that a vector may be cut into: each is a transfer, on every chip."""


def collective(
    operation: Annotated[str, typer.Argument(metavar="OPERATION", help="all_reduce, all_gather, reduce_scatter, …")],
    system: Annotated[str, typer.Option(metavar="NAME|FILE.toml", help="A system of chips.")] = "dgx_h100",
    algorithm: Annotated[
        str | None, typer.Option(metavar="NAME", help="ring, halving_doubling, tree, direct …")
    ] = None,
    size: Annotated[str, typer.Option(metavar="SIZE", help="Of the whole vector, such as 64MiB.")] = "64MiB",
    dtype: Annotated[str, typer.Option(metavar="TYPE", help="Of an element.")] = "bf16",
    chunk: Annotated[str | None, typer.Option(metavar="SIZE", help="Largest piece that is sent at once.")] = None,
    tree: Annotated[
        str, typer.Option(metavar="NAME", help="For algorithm tree: binary, binomial or chain.")
    ] = "binary",
    in_steps: Annotated[
        bool, typer.Option("--in-steps", help="Each step waits for the one before, as the textbook counts.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    program: Annotated[Path | None, typer.Option(metavar="FILE.tile", help="Write the tile program.")] = None,
    engine: Annotated[str | None, typer.Option(metavar="fast|simpy", help="Default: fast.")] = None,
) -> None:
    """Simulate a collective on a system of chips: time, energy, bandwidth, and whether its numbers are right."""
    from memsim.cli._run import engine_named

    to_stdout = json_file is not None and str(json_file) == "-"
    for path in (None if to_stdout else json_file, program):
        check_writable(path)
    named = engine_named(engine)
    machine = read_system(system)
    with phase("building the program"):
        work = _work(operation, machine, algorithm, size, dtype, chunk, tree, in_steps)
    result = _simulate(work, machine, named)
    right = work.is_right() if work.bytes * work.chips <= CHECK_LIMIT else None
    numbers = summary(work, machine, result, right)
    if not to_stdout:
        _print(work, machine, result, numbers)
    if json_file is not None:
        write_json(numbers, None if to_stdout else json_file)
    if program is not None:
        from memsim.isa import format

        write_text(format(work.program), program)
    if right is False:
        raise typer.Exit(CHECK_FAILED)


def read_system(name: str) -> System:
    """A system from the name of a preset or from a TOML file."""
    from memsim.hierarchy import System

    path = Path(name)
    if path.suffix == ".toml" or path.is_file() or os.sep in name:
        read_text(path)
        return System.from_toml(path)
    return System.preset(name)


def _work(
    operation: str,
    system: System,
    algorithm: str | None,
    size: str,
    dtype: str,
    chunk: str | None,
    tree: str,
    in_steps: bool,
) -> Collective:
    from memsim.isa import DTYPES
    from memsim.lowering.collectives import collective

    each = DTYPES[dtype].bytes if dtype in DTYPES else 1
    elements = _bytes("--size", size) // each
    pieces = None if chunk is None else _bytes("--chunk", chunk) // each
    if pieces is not None and elements > MOST_PIECES * pieces:
        least = f"write at least {max(each, -(-elements * each // MOST_PIECES))} B"
        raise MemsimError(f"chunks of {chunk} cut a vector of {size} too fine", where="--chunk", mend=least)
    return collective(
        operation, system.count, elements, algorithm=algorithm, dtype=dtype, chunk=pieces, tree=tree, in_steps=in_steps
    )


def _bytes(option: str, text: str) -> int:
    """A size with its unit, as the memories of a chip file are given."""
    from memsim.errors import ChipError
    from memsim.hierarchy import Memory

    try:
        return Memory(capacity=text).capacity
    except ChipError:
        raise MemsimError(f"{text!r} is not a size", where=option, mend="write such as 64MiB") from None


def _simulate(work: Collective, system: System, engine: str) -> Result:
    from memsim.cli._run import announce_compilation
    from memsim.engine import simulate

    if engine == "fast":
        announce_compilation()
    with phase(f"simulating {work.operation} on {system.name}", "instructions") as progress:
        return simulate(work.program, system.as_chip(), engine=engine, workload=work.operation, progress=progress)


def summary(work: Collective, system: System, result: Result, right: bool | None) -> dict[str, Any]:
    """The numbers of a run as plain JSON."""
    alpha = float(result.chip.ticks_of(result.chip.network.hop_latency) * result.tick_s)
    alpha += float(result.chip.ticks_of(system.message) * result.tick_s)
    book = float(work.terms.time(work.bytes, alpha, 1 / float(system.link_bytes_per_s)))
    return {
        "operation": work.operation,
        "algorithm": work.algorithm,
        "system": system.name,
        "chips": work.chips,
        "bytes": work.bytes,
        "dtype": work.dtype,
        "time_s": result.time_s,
        "textbook_s": book,
        "bandwidth_gbs": work.bytes / result.time_s / 1e9,
        "bus_bandwidth_gbs": work.bus_bandwidth(result.time_s) / 1e9,
        "energy_j": result.energy_j,
        "energy_by_level_j": {row["level"]: row["energy_j"] for row in result.energy.records("level")},
        "bytes_by_level": result.bytes_by_level,
        "check_passed": right,
    }


def _print(work: Collective, system: System, result: Result, numbers: dict[str, Any]) -> None:
    from memsim.report import show

    show(result)
    typer.echo()
    typer.echo(
        f"{work.operation} by {work.algorithm} of {work.bytes:,} B over {work.chips} chips of {system.name}: "
        f"bus bandwidth {numbers['bus_bandwidth_gbs']:.1f} GB/s of {float(system.link_bytes_per_s) / 1e9:.1f}; "
        f"textbook {numbers['textbook_s'] * 1e6:.1f} us without launch, reduction and DRAM"
    )
    verdict = {True: "right", False: "WRONG", None: "not checked: too large"}[numbers["check_passed"]]
    typer.echo(f"numbers against numpy: {verdict}")
