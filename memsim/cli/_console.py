"""Progress on stderr, shown only to someone who watches; stdout holds nothing but answers."""

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
