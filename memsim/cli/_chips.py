"""``memsim chips``: the presets, what each is made of, and any chip's description as TOML to copy and edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from memsim.cli._files import check_figure, read_chip

_HELP = "List the chips that come with memsim, show one, or print it as TOML to copy and edit."

app = typer.Typer(help=_HELP, add_completion=False)

ChipName: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME|FILE.toml", help="A preset, or a chip of your own.", show_default=False)
]


@app.callback(invoke_without_command=True)
def chips(context: typer.Context) -> None:
    """List the chips that come with memsim, show one, or print it as TOML to copy and edit."""
    if context.invoked_subcommand is None:
        list_chips()


@app.command("list")
def list_chips() -> None:
    """List the presets, with the numbers that matter most."""
    from memsim.hierarchy import Chip
    from memsim.report.chip_sheet import clock_text, dram_text, peak_text

    rows = [
        (chip.name, str(chip.core_count), clock_text(chip), peak_text(chip), dram_text(chip), chip.dram.kind)
        for chip in map(Chip.preset, Chip.presets())
    ]
    header = ("chip", "cores", "clock", "matrix peak", "DRAM", "")
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        name, cores, clock, peak, dram, kind = (text.ljust(w) for text, w in zip(row, widths, strict=True))
        typer.echo("  ".join((name, cores.strip().rjust(widths[1]), clock, peak, dram, kind)).rstrip())


@app.command("show")
def show(
    chip: ChipName,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw it to scale, as .png, .pdf or .svg.")
    ] = None,
) -> None:
    """Show a chip: its parts, their areas, a drawing of it, and how much of it is assumed."""
    check_figure(plot)
    found = read_chip(chip)
    from memsim.report.chip_sheet import sheet

    typer.echo(sheet(found))
    if plot is not None:
        from memsim.report.figures.chip import draw_chip
        from memsim.report.figures.style import save

        save(draw_chip(found), plot)


@app.command("toml")
def toml(chip: ChipName) -> None:
    """Print a chip as TOML, to copy and edit: `memsim chips toml toy > mine.toml`."""
    typer.echo(_text(chip).rstrip("\n"))


@app.command("technologies")
def technologies() -> None:
    """List the named technologies and their unit energies."""
    from memsim.cli._technologies import print_technologies

    print_technologies()


def _text(name: str) -> str:
    """A preset's own file, with its comments; any other chip as memsim writes it."""
    from importlib.resources import files

    chip = read_chip(name)
    preset = files("memsim.hierarchy") / "chips" / f"{name}.toml"
    return preset.read_text(encoding="utf-8") if preset.is_file() else chip.to_toml()
