"""``memsim probe``: measure the local GPU with WGSL microbenchmarks, and write a chip that the simulator can use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._console import phase
from memsim.cli._files import check_figure, check_writable, read_chip, read_text, replacing, write_json, write_text
from memsim.cli._run import CHECK_FAILED
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.hierarchy import Chip
    from memsim.webgpu import Adapter
    from memsim.webgpu.probe import Check, Findings


def probe(
    adapter: Annotated[
        str | None, typer.Option(metavar="NAME", help="A part of the adapter's name. Default: the first GPU.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write what was measured (- prints it).")
    ] = None,
    chip: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Write a chip for the simulator.")] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE.toml", help="Gives the chip what WGSL cannot measure. Default: by name."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw what was measured.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer sizes and samples.")] = False,
    given: Annotated[
        Path | None, typer.Option("--from", metavar="FILE.json", help="Take what --json wrote; measure nothing.")
    ] = None,
) -> None:
    """Measure the local GPU: latency, bandwidth, arithmetic, dispatches. On a software adapter only values count."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_writable(chip)
    check_figure(plot)
    if given is not None and (adapter is not None or quick):
        raise MemsimError("nothing is measured with --from", where="--from", mend="leave --adapter and --quick out")
    if like is not None and chip is None:
        raise MemsimError("there is no chip to write", where="--like", mend="say where to: --chip FILE.toml")
    base = None if like is None else read_chip(like)
    if given is None:
        from memsim.webgpu import find_adapter

        where = find_adapter(adapter)
        if where.is_software:
            _values(where, json_file, refused=[name for name, path in (("chip", chip), ("plot", plot)) if path])
            return
        if chip is not None and base is None:
            base = _named_like(where.name)  # before minutes of measuring
    found = _measured(where, quick) if given is None else _read(given)
    typer.echo(_report(found), err=to_stdout)
    if json_file is not None:
        write_json(found.to_json(), None if to_stdout else json_file)
    if plot is not None:
        _draw(found, plot)
    if chip is not None:
        _write_chip(found, base or _named_like(found.device.name), chip, to_stdout)


def _measured(where: Adapter, quick: bool) -> Findings:
    from memsim.webgpu.probe import FULL, QUICKLY, GpuMachine, device_of
    from memsim.webgpu.probe import probe as measure

    with phase(f"probing {where.name}"):
        machine = GpuMachine(where)
        return measure(
            device_of(machine),
            machine,
            QUICKLY if quick else FULL,
            lambda what: typer.echo(f"measuring {what}", err=True),
        )


def _read(path: Path) -> Findings:
    from memsim.webgpu.probe import Findings, software_error

    try:
        values = json.loads(read_text(path))
    except ValueError as error:
        raise MemsimError(f"is not JSON: {error}", where=str(path), mend="give a file that --json wrote") from error
    if isinstance(values, dict) and values.get("timing", 0) is None:
        raise software_error(str(values.get("adapter")))
    found = Findings.from_json(values, str(path))
    if found.device.is_software:
        raise software_error(found.device.name)
    return found


def _named_like(name: str) -> Chip:
    from memsim.webgpu.probe import preset_like

    return preset_like(name)


def _report(found: Findings) -> str:
    from memsim.webgpu.probe import show

    return show(found)


def _draw(found: Findings, path: Path) -> None:
    from memsim.report.figures.probe import draw_probe
    from memsim.report.figures.style import save

    with replacing(path) as target:
        save(draw_probe(found), target)


def _write_chip(found: Findings, like: Chip, path: Path, quiet: bool) -> None:
    from memsim.webgpu.probe import chip_from, chip_text

    made = chip_from(found, like)
    write_text(chip_text(made, found, like), path)
    typer.echo(f"wrote {path}: what WGSL cannot measure is that of {like.name}", err=quiet)


# Software adapters ----------------------------------------------------------------------------------------------------


def _values(where: Adapter, json_file: Path | None, refused: list[str]) -> None:
    """Check the values of all kernels, and say that timing means nothing."""
    from memsim.webgpu.probe import GpuMachine, check_values, left_out, software_error

    if refused:
        error = software_error(where.name)
        raise MemsimError(
            f"no {' or '.join(refused)} can be made: {where.name} {error.cause}",
            where="--" + refused[0],
            mend="choose a GPU with --adapter; without "
            + " and ".join(f"--{name}" for name in refused)
            + " values are checked",
        )
    with phase(f"checking values on {where.name}"):
        machine = GpuMachine(where)
        checks, missing = check_values(machine), left_out(machine)
    to_stdout = json_file is not None and str(json_file) == "-"
    typer.echo(_verdict(where, checks, missing), err=to_stdout)
    if json_file is not None:
        write_json(_json(where, checks, missing), None if to_stdout else json_file)
    if not all(check.ok for check in checks):
        raise typer.Exit(CHECK_FAILED)


def _verdict(where: Adapter, checks: tuple[Check, ...], missing: tuple[str, ...]) -> str:
    wrong = [check for check in checks if not check.ok]
    lines = [f"{where}", "is a software adapter: timing means nothing here, so nothing is measured. Values only:"]
    lines += [
        f"  {'ok   ' if check.ok else 'WRONG'}  {check.kernel}" + (f": {check.differs}" if check.differs else "")
        for check in checks
    ]
    lines += [f"  -      {label}: the adapter has no such type" for label in missing]
    lines.append(f"{len(checks) - len(wrong)} of {len(checks)} kernels compute what they should")
    return "\n".join(lines)


def _json(where: Adapter, checks: tuple[Check, ...], missing: tuple[str, ...]) -> dict[str, Any]:
    return {
        "adapter": str(where),
        "timing": None,
        "reason": "a software adapter says nothing of the speed of a GPU",
        "ok": all(check.ok for check in checks),
        "values": [{"kernel": check.kernel, "ok": check.ok, "differs": check.differs} for check in checks],
        "left_out": list(missing),
    }
