"""``memsim asm``, ``check`` and ``analyze``: tile programs in files, without running them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._files import check_writable, read_chip, read_program, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from memsim.engine.static_cache import CacheTraffic
    from memsim.isa import Analysis, Program

ProgramFile = Annotated[Path, typer.Argument(metavar="FILE.tile", help="A tile program in text form.", readable=False)]


def asm(
    file: ProgramFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON form instead of text.")] = False,
) -> None:
    """Parse and verify a tile program, and print its canonical text."""
    from memsim import isa

    program = read_program(file)
    isa.verify(program)
    if as_json:
        import json

        typer.echo(json.dumps(isa.to_json(program), indent=2))
    else:
        typer.echo(isa.format(program).rstrip("\n"))


def check(
    file: ProgramFile,
    chip: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Also check that the program fits this chip.")
    ] = None,
) -> None:
    """Verify a tile program: bounds, types, rates, deadlock, and the capacity of a chip's memories."""
    from memsim import isa

    program = read_program(file)
    machine = read_chip(chip) if chip is not None else None
    isa.verify(program, machine)
    if machine is not None:
        from memsim.engine.compile_plan import make_plan

        make_plan(program, machine)  # which refuses what the chip has no unit for
    fits = f"; it fits {machine.name}" if machine is not None else ""
    typer.echo(f"{file}: ok: {describe(program)}{fits}")


def analyze(
    file: ProgramFile,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE.json", help="Write the counts.")] = None,
    chip: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Also tell what this chip's cache will do.")
    ] = None,
) -> None:
    """Count operations, bytes and peak memory of a tile program exactly, without running it."""
    from memsim import isa

    check_writable(json_file)
    program = read_program(file)
    machine = read_chip(chip) if chip is not None else None
    isa.verify(program, machine)
    analysis = isa.analyze(program)
    _print_analysis(program, analysis)
    told = analysis_json(program, analysis)
    if machine is not None:
        from memsim.engine.static_cache import cache_traffic

        traffic = cache_traffic(program, machine)
        told["cache"] = None if traffic is None else _cache_json(traffic)
        _print_cache(machine.name, traffic)
    if json_file is not None:
        write_json(told, json_file)


def describe(program: Program) -> str:
    """One line: name, kernels, blocks and instructions in the text."""
    from memsim.isa.model import walk

    groups = [group for kernel in program.kernels for group in kernel.groups]
    blocks = sum(group.block_count for group in groups)
    instructions = sum(1 for group in groups for queue in group.queues for _ in walk(queue.body))
    counts = ((len(program.kernels), "kernel"), (blocks, "block"), (instructions, "instruction"))
    return f"program {program.name}: " + ", ".join(f"{n} {noun}{'' if n == 1 else 's'}" for n, noun in counts)


def analysis_json(program: Program, analysis: Analysis) -> dict[str, Any]:
    """The counts as plain JSON; a route is named ``"dram -> sram"``."""
    return {
        "program": program.name,
        "flops": analysis.flops,
        "arithmetic_intensity": _finite(analysis.arithmetic_intensity),
        "macs": dict(analysis.macs),
        "vector_elements": [
            {"class": kind, "dtype": dtype, "elements": n} for (kind, dtype), n in analysis.vector_elements.items()
        ],
        "bytes_read": dict(analysis.bytes_read),
        "bytes_written": dict(analysis.bytes_written),
        "routes": {f"{source} -> {target}": n for (source, target), n in analysis.routes.items()},
        "peak_bytes": dict(analysis.peak_bytes),
        "instructions": analysis.table().to_dict("records"),
    }


def _cache_json(traffic: CacheTraffic) -> dict[str, Any]:
    """What the cache will do; pairs are the least and the most."""
    return {
        "exact": traffic.exact,
        "reason": traffic.reason,
        "read_bytes": traffic.read_bytes,
        "written_bytes": traffic.written_bytes,
        "hit_bytes": list(traffic.hit_bytes),
        "fetched_bytes": list(traffic.fetched_bytes),
        "stored_bytes": list(traffic.stored_bytes),
        "fetched_by_capacity": [{"capacity": c, "fetched_bytes": n} for c, n in traffic.curve],
    }


def _print_cache(chip: str, traffic: CacheTraffic | None) -> None:
    if traffic is None:
        typer.echo(f"\n{chip} has no cache")
        return
    typer.echo(f"\ncache of {chip}, {'exactly' if traffic.exact else 'at least and at most'}: {traffic.reason}")
    rows = (
        ("found by loads", traffic.hit_bytes),
        ("from DRAM", traffic.fetched_bytes),
        ("to DRAM", traffic.stored_bytes),
    )
    for name, (least, most) in rows:
        typer.echo(f"  {name:15}{least:>18,}" + (f" to {most:,}" if most > least else "") + " bytes")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _print_analysis(program: Program, analysis: Analysis) -> None:
    from rich.console import Console

    from memsim.report.units import si

    console = Console(highlight=False)
    console.print(describe(program), markup=False, soft_wrap=True)
    intensity = _finite(analysis.arithmetic_intensity)
    console.print(f"{si(analysis.flops, 'FLOP')}, " + (f"{intensity:.4g} FLOP a DRAM byte" if intensity else "no DRAM"))
    console.print()
    console.print(_memory_table(analysis))
    console.print()
    console.print(_instruction_table(analysis))


def _memory_table(analysis: Analysis) -> Table:
    from rich.table import Table

    from memsim.isa.model import PER_CORE_ROLES

    table = Table(box=None, pad_edge=False)
    table.add_column("memory")
    for header in ("bytes read", "bytes written", "peak bytes"):
        table.add_column(header, justify="right")
    for role in sorted({*analysis.bytes_read, *analysis.bytes_written, *analysis.peak_bytes}):
        peak = f"{analysis.peak_bytes.get(role, 0):,}{' a core' if role in PER_CORE_ROLES else ''}"
        moved = (analysis.bytes_read.get(role, 0), analysis.bytes_written.get(role, 0))
        table.add_row(role, *(f"{n:,}" for n in moved), peak)
    return table


def _instruction_table(analysis: Analysis) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("queue", no_wrap=True)
    table.add_column("instruction")
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    for row in analysis.table().to_dict("records"):
        place = row["kernel"] if row["group"] == row["kernel"] else f"{row['kernel']}.{row['group']}"
        moved = f"{row['bytes']:,}" if row["bytes"] else ""
        table.add_row(f"{place}.{row['queue']}", Text(str(row["instruction"])), f"{row['count']:,}", moved)
    return table
