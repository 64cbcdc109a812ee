"""A result on one screen: how long, how many joules, what bounds it, and where both went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from memsim.report.records import Records, energy_records, records, totals
from memsim.report.units import bar, clip_text, percent, si, times

if TYPE_CHECKING:
    from memsim.report.source import Outcome

WIDTH = 80
TOP = 6
"""Rows of each list; the rest is summed in one more."""

HEAD, LABEL, BAR, STATIC_BAR = "bold", "dim", "cyan", "bright_black"
COLUMN = WIDTH // 2 - 1


def render(result: Outcome) -> str:
    """The screen as plain text, at most `WIDTH` characters wide; `text` has it with styles."""
    return text(result).plain


def text(result: Outcome) -> Text:
    """The screen as styled text: ``rich.print(text(result))``."""
    lines = [
        *_headline(result),
        Text(),
        *_bounds(result),
        Text(),
        *_time(result),
        Text(),
        *_energy(result),
        Text(),
        *_bytes(result),
    ]
    return Text("\n").join(lines)


def show(result: Outcome) -> None:
    """Print the screen on the terminal, in colour where it has any."""
    Console(highlight=False, soft_wrap=True).print(text(result))


def _headline(result: Outcome) -> list[Text]:
    what = clip_text(f"{result.workload} on {result.chip.name}", WIDTH - 3 - len(result.engine))
    title = Text(what, HEAD).append(f" · {result.engine}", LABEL)
    seconds = result.time_s
    power = result.energy_j / seconds if seconds else 0.0
    speed = result.flops / seconds if seconds else 0.0
    first = [
        ("time", si(seconds, "s", 4)),
        ("energy", si(result.energy_j, "J", 4)),
        ("speed", si(speed, "FLOP/s") if result.flops else "no FLOP"),
    ]
    second = [
        ("", f"{result.cycles:,.0f} cycles"),
        ("", f"{si(power, 'W')} average"),
        ("", f"MFU {percent(result.mfu)} · MBU {percent(result.mbu)}"),
    ]
    return [title, Text("─" * WIDTH, LABEL), _cells(first, HEAD), _cells(second, LABEL)]


def _cells(cells: list[tuple[str, str]], style: str) -> Text:
    """Three columns, each a label and a value."""
    line = Text()
    for i, (label, value) in enumerate(cells):
        start = (0, 25, 49)[i]
        line.append(" " * max(1 if i else 0, start - cell_len(line.plain)))
        line.append(f"{label:<8}" if label else " " * 8, LABEL).append(value, style)
    return line


def _bounds(result: Outcome) -> list[Text]:
    """What bounds the time, and how far the time is from the analytic limits."""
    lines = [Text("Bound by ", HEAD).append(clip_text(result.bottleneck, WIDTH - 9))]
    rows = sorted(records(result, "bounds"), key=lambda row: -row["time_s"])
    roofs = [row for row in rows if row["bound"].startswith("roofline")]
    others = [row for row in rows if not row["bound"].startswith("roofline")]
    for row in sorted(roofs[:1] + others[:2], key=lambda row: -row["time_s"]):
        least = float(row["time_s"])
        ratio = f"{times(result.time_s / least)} this bound" if least > 0 else ""
        lines.append(Text(f"  {clip_text(str(row['bound']), 34):<34} ≥ {si(least, 's', 4):<10} {ratio}"))
    return lines


def _time(result: Outcome) -> list[Text]:
    """Where the time of the queue that computes went, and of the kernels if there are several."""
    stalls = records(result, "stalls")
    queue = compute_queue(stalls)
    if queue is None:
        return [Text("Where the time went: no instruction ran")]
    ordered = totals((row for row in stalls if row["queue"] == queue), "reason", "share")
    lines = [Text("Where the time went", HEAD).append(f"  queue {queue!r}, all blocks", LABEL)]
    for reason, share in ordered[:TOP]:
        lines.append(_bar_line(reason, share, "", 40, 26))
    return [*lines, *_kernels(result)]


def _kernels(result: Outcome) -> list[Text]:
    kernels = records(result, "kernels")
    if len(kernels) < 2:
        return []
    spans = [{"kernel": row["kernel"], "span": row["end_s"] - row["start_s"]} for row in kernels]
    lines = [Text(f"  {len(spans)} kernels, launches included", LABEL)]
    for name, seconds in totals(spans, "kernel", "span")[:TOP]:
        share = seconds / result.time_s if result.time_s else 0.0
        lines.append(_bar_line(name, share, si(seconds, "s"), 31, 26))
    return lines


def compute_queue(stalls: Records) -> str | None:
    """The queue whose time tells most: the one that works longest (of all kernels that have a queue of that name)."""
    working = [row for row in stalls if row["reason"] == "working"]
    longest = max(working, key=lambda row: float(row["time_s"]), default=None) or next(iter(stalls), None)
    return None if longest is None else str(longest["queue"])


def _bar_line(name: str, share: float, value: str, name_width: int, bar_width: int, style: str = BAR) -> Text:
    line = Text(f"  {clip_text(name, name_width):<{name_width}} ")
    line.append(bar(share, bar_width), style).append(f" {percent(share):>7}")
    return line.append(f" {value:>9}") if value else line


def _energy(result: Outcome) -> list[Text]:
    """The largest parts and the largest tensors, side by side."""
    rows = energy_records(result, "part", "tensor")
    total = sum(row["energy_j"] for row in rows)
    parts = _column(totals(rows, "part", "energy_j"), total)
    tensors = _column(totals((row for row in rows if row["part"] != "static"), "tensor", "energy_j"), total)
    title = Text("Where the energy went", HEAD).append("  by part", LABEL)
    title.append(" " * (COLUMN + 2 - cell_len(title.plain)) + "  by tensor", LABEL)
    lines = [title]
    for i in range(max(len(parts), len(tensors))):
        left = parts[i].copy() if i < len(parts) else Text()
        left.append(" " * (COLUMN + 2 - cell_len(left.plain)))
        lines.append(left.append_text(tensors[i]) if i < len(tensors) else left)
    for line in lines:
        line.rstrip()
    return lines


def _column(sums: list[tuple[str, float]], total: float) -> list[Text]:
    shown = [(name or "(none)", joules) for name, joules in sums if joules > 0]
    if len(shown) > TOP:
        rest = shown[TOP - 1 :]
        shown = [*shown[: TOP - 1], (f"{len(rest)} others", sum(joules for _, joules in rest))]
    return [
        _bar_line(name, joules / total, si(joules, "J"), 9, 8, STATIC_BAR if name == "static" else BAR)
        for name, joules in shown
    ]


def _bytes(result: Outcome) -> list[Text]:
    """Bytes that each memory read and wrote, in as many lines as they need."""
    moved = sorted(result.bytes_by_level.items(), key=lambda item: -item[1])
    lines = [Text("Bytes moved", HEAD).append("  read and written at each level", LABEL)]
    line = Text()
    for level, size in moved:
        cell = f"  {level} {si(size, 'B')}"
        if cell_len(line.plain) + cell_len(cell) > WIDTH:
            lines.append(line)
            line = Text()
        line.append(cell)
    if line.plain:
        lines.append(line)
    late = written_back_at_the_end(result)
    if late:
        lines.append(
            Text(f"  {si(late, 'B')} of dram are left in the cache at the end: charged as energy, not as time")
        )
    return lines


def written_back_at_the_end(result: Outcome) -> int:
    """Bytes that were still dirty in the cache when the run ended."""
    rows = energy_records(result, "part", "operation")
    return sum(int(r["bits"]) for r in rows if r["part"] == "dram" and r["operation"] == "final_write_back") // 8
