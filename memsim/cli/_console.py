"""What a person sees: entries of a list on stdout, and progress on stderr, only where someone watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Report: TypeAlias = Callable[[int, int], None]
"""``(done, total)`` of the phase that runs."""


@contextmanager
def phase(name: str) -> Iterator[Report]:
    """Show ``name`` with a progress bar while the body runs; the body may call what it is given."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    percentage = "{task.percentage:>3.0f}%"
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(percentage), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def print_entry(name: str, summary: str, details: str) -> None:
    """Print one entry of a list: its name, and below it two indented lines, wrapped to the terminal."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(name, style="bold"))
    for line, style in ((summary, ""), (details, "dim")):
        console.print(Padding(Text(line, style=style), (0, 0, 0, 4), expand=False))
