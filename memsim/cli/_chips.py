"""``memsim chips``: the presets, and any chip's description as TOML to copy and edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memsim.cli._console import print_entry
from memsim.cli._files import read_chip

if TYPE_CHECKING:
    from memsim.hierarchy import Chip

app = typer.Typer(help="List the chips that come with memsim, or show one to copy and edit.", add_completion=False)


@app.callback(invoke_without_command=True)
def chips(context: typer.Context) -> None:
    """List the chips that come with memsim, or show one to copy and edit."""
    if context.invoked_subcommand is None:
        list_chips()


@app.command("list")
def list_chips() -> None:
    """List the presets, with the numbers that matter most."""
    from memsim.hierarchy import Chip

    for name in Chip.presets():
        chip = Chip.preset(name)
        numbers = f"{chip.core_count} cores  {_clock(chip)}  {_peak(chip)}  DRAM {_dram(chip)}"
        print_entry(name, chip.description, numbers)


@app.command("show")
def show(
    chip: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="A preset, or a chip of your own.")],
) -> None:
    """Print a chip as TOML, to copy and edit: `memsim chips show toy > mine.toml`."""
    typer.echo(_text(chip).rstrip("\n"))


@app.command("technologies")
def technologies() -> None:
    """List the named technologies and their unit energies."""
    from rich.console import Console
    from rich.table import Table

    from memsim.hierarchy import technologies

    table = Table(box=None, pad_edge=False)
    table.add_column("technology")
    for header in ("wire fJ/bit/mm", "32 KiB SRAM fJ/bit", "reg fJ/bit", "bf16 MAC pJ", "fp32 MAC pJ"):
        table.add_column(header, justify="right")
    for name, technology in technologies().items():
        femto = (technology.wire_energy, technology.sram_pj_per_bit(32 * 1024), technology.reg_energy)
        macs = (technology.mac_energy.get(dtype, 0.0) for dtype in ("bf16", "fp32"))
        table.add_row(name, *(f"{1e3 * pj:.3g}" for pj in femto), *(f"{pj:.3g}" for pj in macs))
    Console().print(table)


def _text(name: str) -> str:
    """A preset's own file, with its comments; any other chip as memsim writes it."""
    from importlib.resources import files

    chip = read_chip(name)
    preset = files("memsim.hierarchy") / "chips" / f"{name}.toml"
    return preset.read_text(encoding="utf-8") if preset.is_file() else chip.to_toml()


def _clock(chip: Chip) -> str:
    return f"{float(chip.clock) / 1e9:g} GHz"


def _peak(chip: Chip) -> str:
    matrix = chip.core.matrix
    if matrix is None:
        return "no matrix unit"
    dtype = next((d for d in ("bf16", "fp16", "fp32", "int8") if matrix.supports(d)), matrix.dtypes[0])
    flops = 2 * float(matrix.peak_macs_per_cycle(dtype)) * chip.core_count * float(chip.clock)
    return f"{flops / 1e12:.4g} TFLOP/s {dtype}"


def _dram(chip: Chip) -> str:
    per_s = float(chip.rate_per_tick(chip.dram.bandwidth) / chip.tick)
    return f"{per_s / 1e9:.4g} GB/s"
