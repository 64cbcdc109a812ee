"""The file that is written: a row for each case as soon as it is measured; what is there can be resumed."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memsim.errors import MemsimError
from memsim.measure.cases import Case
from memsim.measure.energy import Drawn
from memsim.measure.protocol import Timing

COLUMNS = (
    "suite", "gpu", "op", "dtype", "batch", "m", "n", "k", "seq", "n_heads", "n_kv_heads", "rows", "cols", "lat_ms",
    "lat_lo", "lat_hi", "n_src", "protocol", "power_w", "energy_j", "spread_percent", "samples", "calls", "copies",
    "mode", "sm_mhz", "window_s",
)  # fmt: skip
IDENTITY = COLUMNS[:13]
"""Columns that say what was measured, and where."""


def identity(case: Case, gpu: str) -> dict[str, str]:
    """What is measured and where, as the file writes it."""
    c = case.call
    sizes = {
        "batch": c.batch if c.heads or c.batch > 1 else 0, "m": c.m, "n": c.n, "k": c.k, "seq": c.seq,
        "n_heads": c.heads, "n_kv_heads": c.kv_heads, "rows": c.rows, "cols": c.cols,
    }  # fmt: skip
    names = {"suite": case.suite, "gpu": gpu, "op": case.op, "dtype": case.dtype}
    return {**names, **{name: str(size) if size else "" for name, size in sizes.items()}}


def row_of(case: Case, gpu: str, protocol: str, timing: Timing, drawn: Drawn | None) -> dict[str, str]:
    """A row of the file.

    Parameters
    ----------
    case, gpu
        What was measured, and where.
    protocol
        What was in the cache: see `memsim.validate.protocol`.
    timing
        Its time.
    drawn
        Its energy, if that was measured.
    """
    values: dict[str, Any] = {
        "lat_ms": 1e3 * timing.median, "lat_lo": 1e3 * timing.low, "lat_hi": 1e3 * timing.high, "n_src": 1,
        "protocol": protocol, "spread_percent": 100 * timing.spread, "samples": timing.samples, "calls": timing.calls,
        "copies": timing.copies, "mode": timing.mode, "sm_mhz": timing.clock_mhz,
    }  # fmt: skip
    if drawn is not None:
        values |= {"power_w": drawn.power_w, "energy_j": drawn.energy_j, "window_s": drawn.window_s}
    return {**identity(case, gpu), **{name: _text(value) for name, value in values.items()}}


def _text(value: float | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class Writer:
    """Appends rows to a file; what was written before an interruption is kept.

    Parameters
    ----------
    path
        The file.
    about
        What is told of the run in the comment at its beginning.
    resume
        Go on with a file that is there.

    Raises
    ------
    MemsimError
        The file is there, and is not to be gone on with, or is none of this GPU.
    """

    def __init__(self, path: Path, about: Mapping[str, str], *, resume: bool = False) -> None:
        self.path, self.done = path, set[tuple[str, ...]]()
        if path.exists() and path.stat().st_size:
            if not resume:
                raise MemsimError(
                    "is there already", where=str(path), mend="name another file, or go on with it by --resume"
                )
            self._read(about)
        else:
            comment = "".join(f"# {name}: {value}\n" for name, value in about.items())
            path.write_text(comment + ",".join(COLUMNS) + "\n", encoding="utf-8")

    def _read(self, about: Mapping[str, str]) -> None:
        """Find what is done; a last line that was cut short is dropped."""
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            self.path.write_text(whole, encoding="utf-8")
        lines = [line for line in whole.splitlines() if not line.startswith("#")]
        if not lines or lines[0] != ",".join(COLUMNS):
            raise MemsimError("was not written by this memsim measure", where=str(self.path), mend="name another file")
        for row in csv.DictReader(lines):
            if row["gpu"] != about["gpu"]:
                raise MemsimError(
                    f"holds measurements of {row['gpu']}, and this is {about['gpu']}",
                    where=str(self.path),
                    mend="name another file",
                )
            self.done.add(tuple(row[name] for name in IDENTITY))

    def has(self, case: Case, gpu: str) -> bool:
        """Whether a case is in the file."""
        return tuple(identity(case, gpu).values()) in self.done

    def append(self, row: Mapping[str, str]) -> None:
        """Write a row, all the way to the disk."""
        line = io.StringIO()
        csv.DictWriter(line, COLUMNS, restval="", lineterminator="\n").writerow(row)
        append_line(self.path, line.getvalue())
        self.done.add(tuple(row.get(name, "") for name in IDENTITY))


def append_line(path: Path, line: str) -> None:
    """Append a line in one write, so that it is there as a whole or not at all."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def write_curve(
    path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], about: Mapping[str, str]
) -> None:
    """Write a curve (latency over footprint, power over intensity) with the same comment.

    Parameters
    ----------
    path
        The file.
    columns
        Names of columns.
    rows
        Values by name.
    about
        What is told of the run.
    """
    text = io.StringIO()
    text.write("".join(f"# {name}: {value}\n" for name, value in about.items()))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _text(row[name]) for name in columns} for row in rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def write_sidecar(path: Path, about: Mapping[str, Any]) -> None:
    """Write what is told of a run as JSON beside the table."""
    path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
