"""``memsim score``: what a scalar program costs under the models of the Sutro Group, and whether it is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._console import phase, print_table
from memsim.cli._files import check_figure, check_writable, parse_json, read_text, write_json
from memsim.cli._scalar import names_of, read_any, straight
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.locality.files import AnyProgram
    from memsim.locality.scores import Score
    from memsim.locality.sensitivity import Sensitivity

WRONG = 1
"""Exit status when a challenge that was named is not met."""


def score(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Scalar programs: straight, with loops, or spatial.")
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="dally1, dally2, dally3, bytedmd, dmc, ard or dmd. Default: each that can."),
    ] = None,
    machine: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of dally1: matmul or int8. Default: the first that can run it.")
    ] = None,
    challenge: Annotated[
        str | None, typer.Option(metavar="NAME", help="What it should compute, such as parity-32-5 or matmul-16.")
    ] = None,
    placement: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help='Of dally2: the cell of each address, {"1": [3, 4]}.')
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of --model bytedmd; see: memsim dmd --help. Default: main.")
    ] = None,
    bytes_per_element: Annotated[
        int | None, typer.Option("--bytes", metavar="B", help="Of an element, for bytedmd. Default: 1.")
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Vary the disputed constants: which rankings of the files flip?")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="With --sensitivity: every combination, not one dispute at a time.")
    ] = False,
    near: Annotated[
        int | None,
        typer.Option(metavar="WORDS", help="With --sensitivity: addresses beyond lie in DRAM. Default: 16384."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="With --sensitivity: draw each variation's energies.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the scores (- prints them).")
    ] = None,
) -> None:
    """Price scalar programs by where their words lie, and decide whether they are right."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    if plot is not None and not sensitivity:
        raise MemsimError("there is nothing to draw", where="--plot", mend="add --sensitivity, or see: memsim diagnose")
    owners = {"machine": "dally1", "placement": "dally2", "dialect": "bytedmd", "bytes": "bytedmd"}
    given = {"machine": machine, "placement": placement, "dialect": dialect, "bytes": bytes_per_element}
    _check_options(model, {name: owners[name] for name, value in given.items() if value is not None})
    if not sensitivity and (full or near is not None):
        raise MemsimError("they vary nothing", where="--full, --near", mend="add --sensitivity")
    programs = {name: read_any(path) for name, path in zip(names_of(files), files, strict=True)}
    options: dict[str, Any] = {
        "machine": machine,
        "bytes_per_element": 1 if bytes_per_element is None else bytes_per_element,
    }
    options["placement"] = _read_placement(placement) if placement is not None else None
    study = _varied(programs, full, near) if sensitivity else None
    found = {name: _priced(program, model, dialect or "main", challenge, options) for name, program in programs.items()}
    if not to_stdout:
        for name, (scores, refusals) in found.items():
            _print(name, scores, refusals)
    runs = {name: _run(program, not to_stdout) for name, program in programs.items()}
    if study is not None:
        _show(study, plot, not to_stdout)
    if json_file is not None:
        told = [_json(str(path), model, *scored) for path, scored in zip(files, found.values(), strict=True)]
        for one, run in zip(told, runs.values(), strict=True):
            one.update({"contention": run} if run else {})
        whole = told[0] if len(told) == 1 else {"programs": told}
        write_json({**whole, **({"sensitivity": study.to_json()} if study else {})}, None if to_stdout else json_file)
    if challenge is not None and not all(scores[0].correct for scores, _ in found.values()):
        raise typer.Exit(WRONG)


def _run(program: AnyProgram, shown: bool) -> dict[str, Any] | None:
    """The makespan of a spatial program, with contention; ``None`` for others."""
    from memsim.locality.spatial import SpatialProgram, simulate

    if not isinstance(program, SpatialProgram):
        return None
    with phase("simulating"):
        result = simulate(program)
    if shown:
        typer.echo(f"\n{result}")
    return result.to_json()


def _check_options(model: str | None, owners: dict[str, str]) -> None:
    """Refuse options of other models than the one that is named; a dialect needs its model."""
    for name, owner in owners.items():
        if model not in (None, owner) or (model is None and name == "dialect"):
            raise MemsimError(
                f"is an option of {owner}", where=f"--{name}", mend=f"add --model {owner}, or leave it out"
            )


def _varied(programs: dict[str, AnyProgram], full: bool, near: int | None) -> Sensitivity:
    """Vary the disputed constants."""
    from memsim.cli import _sensitivity

    with phase("varying constants"):
        chosen = {name: straight(program, name) for name, program in programs.items()}
        return _sensitivity.study(chosen, full=full, **({} if near is None else {"near": near}))


def _show(study: Sensitivity, plot: Path | None, shown: bool) -> None:
    """Print what flips, and draw it."""
    from memsim.cli import _sensitivity

    if shown:
        typer.echo()
        _sensitivity.show(study)
    if plot is not None:
        _sensitivity.draw(study, plot)


def _priced(
    program: AnyProgram, model: str | None, dialect: str, challenge: str | None, options: dict[str, Any]
) -> tuple[list[Score], dict[str, str]]:
    """Scores with a verdict, and why other models cannot take the program."""
    from memsim.locality import pricing

    with phase("scoring"):
        refusals: dict[str, str] = {}
        if model is not None:
            scores = [pricing.score(program, model, dialect=dialect, **options)]
        else:
            scores, refusals = pricing.score_all(program, **options)
    with phase("checking"):
        verdict = pricing.decide(program, options["machine"], challenge)
    return pricing.decided(scores, *verdict), refusals


def _read_placement(path: Path) -> dict[int, tuple[int, int]]:
    """The cell of each address from a JSON object."""
    example = 'write {"1": [3, 4], "2": [0, 1]}'
    found = parse_json(read_text(path), str(path), example)
    if not isinstance(found, dict):
        raise MemsimError("is no JSON object", where=str(path), mend=example)
    cells: dict[int, tuple[int, int]] = {}
    for key, cell in found.items():
        whole = isinstance(cell, list) and len(cell) == 2 and all(type(part) is int for part in cell)
        if not whole or not key.isdecimal() or len(key) > 1000 or int(key) in cells:
            raise MemsimError(f"{key[:40]!r}: {str(cell)[:40]} gives no cell", where=str(path), mend=example)
        cells[int(key)] = (cell[0], cell[1])
    return cells


def _json(file: str, model: str | None, scores: list[Score], refusals: dict[str, str]) -> dict[str, Any]:
    """The score of the model that was named; else that of the first that can, with all of them beside it."""
    if model is not None:
        return {"file": file, **scores[0].to_json()}
    first = scores[0].to_json() if scores else {}
    return {"file": file, **first, "models": [one.to_json() for one in scores], "refused": refusals}


def _print(name: str, scores: list[Score], refusals: dict[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for header in ("model", "dialect", "version"):
        table.add_column(header, no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for header in ("reads", "writes"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in scores:
        cost = f"{one.cost:,}" if isinstance(one.cost, int) else f"{one.cost:,.2f}"
        row = (one.model, one.dialect, one.version, cost, one.unit, f"{one.reads:,}", f"{one.writes:,}")
        table.add_row(*map(Text, row))
    console.print(Text(name, style="bold"))
    if scores:
        print_table(console, table)
    for cause in dict.fromkeys(refusals.values()):  # many models may have one reason
        models = ", ".join(model for model, said in refusals.items() if said == cause)
        console.print(Text(f"{models}: {cause}", style="dim"), soft_wrap=True)
    if scores:
        verdict = {True: "right", False: "WRONG", None: "not checked"}[scores[0].correct]
        console.print(Text(f"{verdict}: {scores[0].reason}"), soft_wrap=True)
