"""What a person sees: entries of a list on stdout, and progress on stderr, only where someone watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Report: TypeAlias = Callable[[int, int], None]
"""``(done, total)`` of the phase that runs."""

SHOWN_AFTER_S = 1.0
"""A phase that ends before shows nothing."""


@contextmanager
def phase(
    name: str, noun: str = "", *, console: Console | None = None, after_s: float = SHOWN_AFTER_S
) -> Iterator[Report]:
    """Show ``name`` with a progress bar while the body runs, if it runs for long; the body may call what it is given.

    Parameters
    ----------
    name
        What is being done.
    noun
        What is counted; without it no amounts are shown.
    console
        The terminal; stderr if not given.
    after_s
        Seconds after which the bar appears.
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    from threading import Timer
    from time import monotonic

    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    texts = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amounts]}"), TimeElapsedColumn())
    progress = Progress(*texts, console=console, transient=True)
    task = progress.add_task(name, total=None, amounts="")
    begun = monotonic()

    def report(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total, amounts=amounts(done, total, monotonic() - begun, noun))

    timer = Timer(after_s, progress.start)
    timer.daemon = True
    timer.start()
    try:
        yield report
    finally:
        timer.cancel()
        timer.join()
        if progress.live.is_started:
            progress.stop()


def amounts(done: int, total: int, elapsed_s: float, noun: str) -> str:
    """How much is done and how fast, as ``12 M of 3.4 G instructions, 5.1 M/s``; nothing where nothing is counted."""
    if not noun:
        return ""
    from memsim.report.units import si

    rate = f", {si(done / elapsed_s)}/s" if elapsed_s > 0 else ""
    return f"{si(done)} of {si(total)} {noun}{rate}"


def print_table(console: Console, table: Table) -> None:
    """Print a table as wide as it is: a number that is cut short would be a wrong one."""
    from rich.measure import Measurement

    narrow = console.width
    console.width = 10_000
    console.width = max(narrow, Measurement.get(console, console.options, table).maximum)
    console.print(table)
    console.width = narrow


def print_entry(name: str, summary: str, details: str) -> None:
    """Print one entry of a list: its name, and below it two indented lines, wrapped to the terminal."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(name, style="bold"))
    for line, style in ((summary, ""), (details, "dim")):
        console.print(Padding(Text(line, style=style), (0, 0, 0, 4), expand=False))
