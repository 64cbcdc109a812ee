"""Tables of measurements: on the terminal and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from memsim.report.units import si


@dataclass(frozen=True)
class Table:
    """A title, what the numbers are, a header, and rows whose first cell is a name."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """A section of a page."""
        lines = [self.header, ("---", *("---:" for _ in self.header[1:])), *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"### {self.title}\n\n{self.note}\n\n{table}\n"

    def print(self) -> None:
        """Show it on the terminal."""
        from rich.console import Console
        from rich.table import Table as RichTable

        table = RichTable(box=None, pad_edge=False, title=self.title, title_justify="left", caption=self.note)
        table.caption_justify = "left"
        for i, name in enumerate(self.header):
            table.add_column(name, justify="right" if i else "left", no_wrap=bool(i))
        for row in self.rows:
            table.add_row(*row)
        console = Console(highlight=False, width=150)
        console.print(table)
        console.print()


def seconds(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def rate(value: float) -> str:
    return si(value) + "/s"
