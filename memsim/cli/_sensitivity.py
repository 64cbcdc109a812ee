"""``memsim sensitivity``: which rankings of scalar programs flip when disputed constants of data movement move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsim.cli._diagnose import ToJson, names_of, read_scalar
from memsim.cli._files import check_figure, check_writable, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from memsim.locality.sensitivity import Sensitivity

MOST_LINES = 20
"""Flips and variations that are printed one by one."""


def sensitivity(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE FILE...", help="Scalar programs to rank.", readable=False)
    ],
    full: Annotated[bool, typer.Option("--full", help="Every combination, not one dispute at a time.")] = False,
    near: Annotated[
        int, typer.Option(metavar="WORDS", help="Addresses beyond this lie in DRAM, for row activation.")
    ] = 16_384,
    json_file: ToJson = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw each variation's energies.")] = None,
) -> None:
    """Vary wire energy, writes, arithmetic, fetch and row activation, and say which rankings flip."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    found = study(files, full=full, near=near)
    if not to_stdout:
        show(found)
    if json_file is not None:
        write_json(found.to_json(), None if to_stdout else json_file)
    if plot is not None:
        from memsim.cli._files import replacing
        from memsim.report.figures.sensitivity import draw_sensitivity
        from memsim.report.figures.style import save

        with replacing(plot) as target:
            save(draw_sensitivity(found), target)


def study(files: Sequence[Path], *, full: bool = False, near: int = 16_384) -> Sensitivity:
    """Price the programs of files under all variations."""
    from memsim.locality.constants import Rows, variations
    from memsim.locality.sensitivity import rankings

    programs = {name: read_scalar(file) for file, name in zip(files, names_of(files), strict=True)}
    return rankings(programs, variations(full=full, rows=Rows(near_words=near)))


def show(found: Sensitivity) -> None:
    """Print energies and ranks by variation, and what flips; of many variations only those that flip a pair."""
    from rich.console import Console

    console = Console(highlight=False)
    turned = Counter(flip.variation for flip in found.flips)
    few = len(found.variations) <= MOST_LINES
    chosen = [v for v, setting in enumerate(found.variations) if few or v == 0 or turned[setting.name]]
    console.print(_table(found, chosen[: MOST_LINES + 1], turned))
    console.print()
    if not few:
        flipping = len([v for v in found.variations if turned[v.name]])
        console.print(f"{flipping} of {len(found.variations) - 1} variations flip a pair", soft_wrap=True)
    if not found.flips:
        console.print(f"no pair of programs changes its order against {found.variations[0].name}", soft_wrap=True)
    for flip in found.flips[:MOST_LINES]:
        console.print(
            f"{flip.variation}: {flip.dearer} is cheaper than {flip.cheaper}, {flip.ratio:.3g} of it; "
            f"it is {flip.baseline_ratio:.3g} of it in {found.variations[0].name}",
            markup=False,
            soft_wrap=True,
        )
    if len(found.flips) > MOST_LINES:
        console.print(f"and {len(found.flips) - MOST_LINES:,} more (--json has them all)")


def _table(found: Sensitivity, chosen: Sequence[int], turned: Counter[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from memsim.report.units import si

    table = Table(box=None, pad_edge=False)
    table.add_column("energy (rank)")
    for header in (*found.programs, "flips", "tau"):
        table.add_column(Text(header), justify="right")
    for v in chosen:
        cells = [
            f"{si(float(energy) * 1e-15, 'J')} ({rank})"
            for energy, rank in zip(found.energies[v], found.ranks[v], strict=True)
        ]
        name = found.variations[v].name
        table.add_row(Text(name), *cells, str(turned[name] or ""), f"{found.kendall[v]:.2f}")
    return table
