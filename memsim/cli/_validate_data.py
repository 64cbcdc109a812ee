"""``memsim validate --data``: predicted against measured, by a table of measurements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from memsim.cli._console import phase
from memsim.cli._errors import INTERRUPTED
from memsim.cli._files import check_figure, check_writable, read_chip, read_text, replacing, write_json
from memsim.cli._run import CHECK_FAILED, announce_compilation
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.hierarchy import Chip
    from memsim.validate.measured import Batch


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, as options say it."""

    data: Path
    chips: list[str]
    json_file: Path | None
    plot: Path | None
    rows: int | None
    seed: int
    jobs: int | None
    worst: int
    skip_unknown: bool


def compare_table(request: Request) -> int:
    """Predict the rows of the table, print and write what is asked, and return the exit status."""
    to_stdout = request.json_file is not None and str(request.json_file) == "-"
    check_writable(None if to_stdout else request.json_file)
    check_figure(request.plot)
    chips = given_chips(request.chips)
    text = read_text(request.data)
    from memsim.validate.measured import predict_rows, read_table, sample, show, to_json

    table = read_table(
        text, str(request.data), chips={name: name for name in chips}, skip_unknown=request.skip_unknown
    )  # fmt: skip
    rows = table.rows if request.rows is None else sample(table.rows, request.rows, request.seed)
    announce_compilation()
    with phase(f"predicting {request.data.name}", "rows") as report:
        batch = predict_rows(rows, chips=chips, jobs=request.jobs, report=report)
    typer.echo(show(batch, table.unknown, request.worst), err=to_stdout)
    if request.json_file is not None:
        found = to_json(batch, table.unknown, file=str(request.data), worst_rows=request.worst)
        write_json(found, None if to_stdout else request.json_file)
    if request.plot is not None and batch.compared:
        _draw(batch, request.plot)
    if batch.interrupted:
        return INTERRUPTED
    return CHECK_FAILED if batch.failed else 0


def given_chips(pairs: list[str]) -> dict[str, Chip]:
    """Chips of ``GPU=NAME|FILE.toml``, by the name of the GPU."""
    chips: dict[str, Chip] = {}
    for pair in pairs:
        gpu, equals, name = pair.partition("=")
        gpu, name = gpu.strip(), name.strip()
        if not (equals and gpu and name):
            raise MemsimError(
                f"{pair!r} does not say which GPU of the file has this chip",
                where="--chip",
                mend="write such as --chip mine=mine.toml, where mine stands in the column gpu",
            )
        if gpu in chips:
            raise MemsimError(f"the GPU {gpu!r} has two chips", where="--chip", mend="keep one")
        chips[gpu] = read_chip(name)
    return chips


def _draw(batch: Batch, path: Path) -> None:
    from memsim.report.figures.measured import draw_measured
    from memsim.report.figures.style import save

    with replacing(path) as target:
        save(draw_measured(batch.compared), target)
