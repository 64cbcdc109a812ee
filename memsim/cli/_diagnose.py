"""``memsim diagnose``: where the locality of programs is, as tables, a page of figures or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsim.cli._console import print_table
from memsim.cli._files import check_figure, check_writable, read_chip, read_program, write_json
from memsim.cli._scalar import names_of, read_any, straight
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from rich.table import Table

    from memsim.hierarchy import Chip
    from memsim.locality.accesses import Accesses
    from memsim.locality.diagnosis import Diagnosis

_TILE = ".tile"

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Tile programs (.tile) or scalar programs (any other).", readable=False),
]
ToJson = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")]


def diagnose(
    files: Files,
    values: Annotated[
        bool, typer.Option("--values", help="Items are values, one for each write, instead of addresses.")
    ] = False,
    memory: Annotated[
        str | None, typer.Option(metavar="ROLE", help="Of a tile program: dram, sram …; the farthest unless given.")
    ] = None,
    chip: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="Tells a tile program's cores, and marks the cache.")
    ] = None,
    core: Annotated[
        int | None, typer.Option(metavar="N", help="Of a tile program: only what this core accesses, from 0.")
    ] = None,
    json_file: ToJson = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw four panels, for up to 4 programs.")] = (
        None
    ),
) -> None:
    """Miss-ratio curve, live set, reuse distances and distances of reads, of programs side by side."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    _check_options(files, values, {"--memory": memory, "--chip": chip, "--core": core})
    machine = None if chip is None else read_chip(chip)
    from memsim.locality.accesses import by_value
    from memsim.locality.diagnosis import diagnose as diagnosed

    found = []
    for file, name in zip(files, names_of(files), strict=True):
        accesses = _accesses(file, name, machine, memory, core)
        found.append(diagnosed(by_value(accesses) if values else accesses))
    if not to_stdout:
        _print(found)
    if json_file is not None:
        write_json({"programs": [d.to_json() for d in found]}, None if to_stdout else json_file)
    if plot is not None:
        _plot(found, machine, memory, plot)


def _check_options(files: Sequence[Path], values: bool, options: Mapping[str, object]) -> None:
    """Refuse a mixture of programs, and options of tile programs where there are none."""
    tiles = [file for file in files if file.suffix == _TILE]
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None and not tiles:
        raise MemsimError(
            f"{files[0]} is no tile program, and only those have memories and cores",
            where=given,
            mend="leave it out, or name files that end in .tile",
        )
    if values and tiles:
        raise MemsimError(f"{tiles[0]} has tiles, not values", where="--values", mend="leave it out")
    if tiles and len(tiles) < len(files):
        other = next(file for file in files if file.suffix != _TILE)
        raise MemsimError(
            f"{tiles[0]} counts bytes and {other} words", where="diagnose", mend="diagnose them one after the other"
        )


def _accesses(file: Path, name: str, chip: Chip | None, memory: str | None, core: int | None) -> Accesses:
    from dataclasses import replace

    if file.suffix != _TILE:
        from memsim.locality.accesses import scalar_accesses

        return scalar_accesses(straight(read_any(file), str(file)), name=name)
    from memsim import isa
    from memsim.locality.tile_accesses import tile_accesses

    program = read_program(file)
    isa.verify(program, chip)
    accesses = tile_accesses(program, chip, role=memory, core=core)
    return replace(accesses, name=name if core is None else f"{name}, core {core}")


def _plot(found: Sequence[Diagnosis], chip: Chip | None, memory: str | None, path: Path) -> None:
    from memsim.cli._files import replacing
    from memsim.report.figures.locality import draw_diagnosis
    from memsim.report.figures.style import save

    cached = chip is not None and chip.cache is not None and memory in (None, "dram")
    capacities = {f"cache of {chip.name}": chip.cache.capacity} if cached and chip and chip.cache else {}
    with replacing(path) as target:
        save(draw_diagnosis(found, capacities if any(d.unit == "byte" for d in found) else None), target)


# ---- tables ----


def _print(found: Sequence[Diagnosis]) -> None:
    from rich.console import Console

    console, unit = Console(highlight=False), f"{found[0].unit}s"
    for title, table in (
        ("", _totals(found)),
        (f"share that misses in a fully associative LRU cache of so many {unit}", _misses(found)),
        (f"share of what is accessed, by {unit} of other items since the last use", _reuse(found)),
        ("share of what is read, and of what it costs, at this distance or nearer", _distances(found)),
    ):
        if title:
            console.print()
            console.print(title, markup=False, soft_wrap=True)
        print_table(console, table)


def _table(first: str, found: Sequence[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column(first, justify="right" if first in ("capacity", "from", "distance") else "left", no_wrap=True)
    for header in found:
        table.add_column(Text(header), justify="right")
    return table


def _totals(found: Sequence[Diagnosis]) -> Table:
    table = _table("", [d.name for d in found])
    table.add_row("item", *(d.noun for d in found))
    for label, field in (
        ("accesses", "accesses"),
        ("reads", "reads"),
        ("items", "items"),
        ("first uses", "cold"),
        ("footprint", "footprint"),
        ("peak live set", "peak_live"),
    ):
        sized = field in ("footprint", "peak_live")
        table.add_row(label, *(f"{getattr(d, field):,}{f' {d.unit}s' if sized else ''}" for d in found))
    table.add_row("cost of distance", *(f"{d.cost:,}" for d in found))
    return table


def _misses(found: Sequence[Diagnosis]) -> Table:
    """Capacities in powers of two or four, up to the largest footprint."""
    last = max(int(d.misses["capacity"][-1]) for d in found)
    first = min((int(d.misses["capacity"][1]) for d in found if len(d.misses["capacity"]) > 1), default=1)
    powers = range(first.bit_length() - 1, max(last - 1, 0).bit_length() + 1)
    table = _table("capacity", [d.name for d in found])
    for power in powers[:: -(-len(powers) // 12)]:
        table.add_row(f"{1 << power:,}", *(f"{d.miss_ratio(1 << power):.2%}" for d in found))
    return table


def _reuse(found: Sequence[Diagnosis]) -> Table:
    table = _table("from", [d.name for d in found])
    for i in range(max(len(d.reuse["accesses"]) for d in found)):
        counts = [int(d.reuse["volume"][i]) if i < len(d.reuse["volume"]) else 0 for d in found]
        if any(counts):
            table.add_row(f"{1 << i >> 1:,}", *(f"{n / d.volume:.2%}" for n, d in zip(counts, found, strict=True)))
    table.add_row("first use", *(f"{d.footprint / d.volume:.2%}" for d in found))
    return table


def _distances(found: Sequence[Diagnosis]) -> Table:
    """Distances in powers of two."""
    table = _table("distance", [header for d in found for header in (d.name, "cost")])
    ends = [int(d.distances["distance"][end]) for d in found for end in (0, -1) if len(d.distances["distance"])]
    nearest, farthest = min(ends, default=1), max(ends, default=1)
    for power in range((nearest - 1).bit_length(), (farthest - 1).bit_length() + 1 if ends else 0):
        cells = []
        for d in found:
            near = [int(k) <= 1 << power for k in d.distances["distance"]]
            for column in ("read", "cost"):
                amounts = d.distances[column].tolist()
                inside = sum(amount for amount, kept in zip(amounts, near, strict=True) if kept)
                cells.append(f"{inside / max(1, sum(amounts)):.2%}")
        if any(cell != "0.00%" for cell in cells):
            table.add_row(f"{1 << power:,}", *cells)
    return table
