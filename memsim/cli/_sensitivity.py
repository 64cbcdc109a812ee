"""``memsim score --sensitivity``: which rankings of programs flip when disputed constants move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from memsim.cli._console import print_table

if TYPE_CHECKING:
    from rich.table import Table

    from memsim.locality.scalar.program import ScalarProgram
    from memsim.locality.sensitivity import Sensitivity

MOST_LINES = 20
"""Flips and variations that are printed one by one."""


def study(programs: Mapping[str, ScalarProgram], *, full: bool = False, near: int = 16_384) -> Sensitivity:
    """Price programs under all variations."""
    from memsim.locality.constants import Rows, variations
    from memsim.locality.sensitivity import rankings

    return rankings(programs, variations(full=full, rows=Rows(near_words=near)))


def draw(found: Sensitivity, path: Path) -> None:
    """Draw each variation's energies."""
    from memsim.cli._files import replacing
    from memsim.report.figures.sensitivity import draw_sensitivity
    from memsim.report.figures.style import save

    with replacing(path) as target:
        save(draw_sensitivity(found), target)


def show(found: Sensitivity) -> None:
    """Print energies and ranks by variation, and what flips; of many variations only those that flip a pair."""
    from rich.console import Console

    console = Console(highlight=False)
    turned = Counter(flip.variation for flip in found.flips)
    few = len(found.variations) <= MOST_LINES
    chosen = [v for v, setting in enumerate(found.variations) if few or v == 0 or turned[setting.name]]
    print_table(console, _table(found, chosen[: MOST_LINES + 1], turned))
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
