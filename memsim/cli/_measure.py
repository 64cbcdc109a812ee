"""``memsim measure``: run a suite of calls on a real GPU, and write what they took."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._files import check_writable, read_chip
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.measure import Case, CudaDevice, Finished
    from memsim.measure.energy import Meter
    from memsim.measure.protocol import Device, Effort
    from memsim.measure.webgpu_device import WebgpuDevice

BACKENDS = ("cuda", "wgpu", "cpu")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, as options say it."""

    out: Path
    suites: tuple[str, ...]
    quick: bool
    seconds: float | None
    resume: bool

    def beside(self, name: str) -> Path:
        """A file beside the table: its name with another suffix."""
        return self.out.with_suffix(f".{name}")


def measure(
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The table to write, row by row.")],
    suite: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="What is run. Default: all but power, which takes 20 s a case.")
    ] = "matmul,streams,softmax,norms,attention,reductions,latency",
    backend: Annotated[str, typer.Option(metavar="cuda|wgpu|cpu", help="Through what. cpu only tries it.")] = "cuda",
    device: Annotated[int, typer.Option(min=0, help="cuda: number of the GPU.")] = 0,
    adapter: Annotated[str | None, typer.Option(metavar="NAME", help="wgpu: a part of the adapter's name.")] = None,
    like: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="wgpu: programs are compiled for it. Default: by name.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Each eighth case, fewer samples, windows of 5 s.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="Begin no case after so many.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a file that was begun.")] = False,
) -> None:
    """Measure calls on this machine's GPU: times, spreads, clocks, energy; the table is what validate --data reads."""
    check_writable(out)
    if backend not in BACKENDS:
        raise MemsimError(f"no backend {backend!r}", where="--backend", mend=f"choose one of {', '.join(BACKENDS)}")
    if backend != "wgpu" and (adapter is not None or like is not None):
        raise MemsimError("belongs to --backend wgpu", where="--adapter" if adapter else "--like", mend="leave it out")
    request = Request(out, _suites(suite), quick, seconds, resume)
    try:
        failed = _RUN[backend](request, device, adapter, like)
    except KeyboardInterrupt:
        typer.echo(f"{out} holds what was measured; --resume goes on", err=True)
        raise
    if failed:
        raise typer.Exit(1)


def _suites(text: str) -> tuple[str, ...]:
    from memsim.measure import cases_of

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise MemsimError("no suite is named", where="--suite", mend="such as --suite matmul,softmax")
    for name in names:
        cases_of(name, quick=True)
    return names


def _cases(request: Request) -> tuple[Case, ...]:
    from memsim.measure import cases_of

    return tuple(case for name in request.suites for case in cases_of(name, quick=request.quick))


def _about(request: Request, gpu: str, driver: str) -> dict[str, str]:
    from importlib.metadata import version

    return {
        "written by": f"memsim measure {version('memsim')}",
        "command": shlex.join(["memsim", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "gpu": gpu,
        "driver": driver,
    }


def _effort(request: Request) -> Effort:
    from memsim.measure import QUICKLY, THOROUGH

    return QUICKLY if request.quick else THOROUGH


def _measure(
    request: Request, device: Device | WebgpuDevice, about: dict[str, str], meter: Meter | None = None, **more: Any
) -> bool:
    """Run the cases and tell how it ended; whether something failed."""
    from memsim.measure import Writer, run_cases
    from memsim.measure.run import counted
    from memsim.measure.table import write_sidecar

    cases = _cases(request)
    writer = Writer(request.out, about, resume=request.resume)
    write_sidecar(request.beside("json"), {**about, **more})
    typer.echo(f"{device.name}: {counted(cases) or 'no table'}", err=True)
    done: Finished = run_cases(
        device, cases, writer, _effort(request), meter=meter, seconds=request.seconds, report=_told
    )  # fmt: skip
    typer.echo(f"{done}\nwrote {request.out}")
    return bool(done.failed)


def _told(what: str) -> None:
    typer.echo(f"measuring {what}", err=True)


def _curve(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, Any]], about: dict[str, str]) -> None:
    from memsim.measure.table import write_curve

    write_curve(path, columns, list(rows), about)
    typer.echo(f"wrote {path}")


# Backends -----------------------------------------------------------------------------------------------------------


def _on_cuda(request: Request, index: int, adapter: str | None, like: str | None) -> bool:
    from memsim.measure import open_cuda
    from memsim.measure.curves import kernels
    from memsim.measure.energy import idle_power

    device = open_cuda(index)
    run = kernels() if {"latency", "power"} & set(request.suites) else None
    about = _about(request, device.name, device.nvml.driver())
    more: dict[str, Any] = {"power_limit_w": device.nvml.power_limit_w(), "torch": str(device.torch.__version__)}
    if "power" in request.suites:
        _told("power at rest")
        more["idle_w"] = idle_power(device.nvml, _effort(request))
    failed = _measure(request, device, about, device.nvml, **more)
    _curves(request, device, run, about)
    return failed


def _curves(request: Request, device: CudaDevice, run: Any, about: dict[str, str]) -> None:
    from memsim.measure.curves import LATENCY_COLUMNS, POWER_COLUMNS, footprints, latency, power

    if "latency" in request.suites:
        sizes = footprints(device.cache_bytes, quick=request.quick)
        _curve(request.beside("latency.csv"), LATENCY_COLUMNS, latency(device, sizes, run, _told), about)
    if "power" in request.suites:
        rows = power(device, run, _effort(request), report=_told)
        _curve(request.beside("power.csv"), POWER_COLUMNS, rows, about)


def _on_cpu(request: Request, index: int, adapter: str | None, like: str | None) -> bool:
    from memsim.measure import NumpyDevice

    _refuse_suites(request, "cpu", {"power", "latency", "attention"})
    typer.echo("times of a CPU through numpy: they try the protocol, and say nothing of a GPU", err=True)
    device = NumpyDevice()
    return _measure(request, device, _about(request, device.name, "numpy"))


def _on_wgpu(request: Request, index: int, adapter: str | None, like: str | None) -> bool:
    from memsim.measure import WebgpuDevice, open_webgpu

    _refuse_suites(request, "wgpu", {"power", "attention"})
    where = open_webgpu(adapter)
    from memsim.measure.curves import LATENCY_COLUMNS
    from memsim.measure.webgpu_device import latency
    from memsim.validate import GpuTimer
    from memsim.webgpu.probe import GpuMachine, preset_like
    from memsim.webgpu.probe.timing import QUICK

    chip = preset_like(where.name) if like is None else read_chip(like)
    device = WebgpuDevice(where.name, chip, GpuTimer(where, QUICK if request.quick else None))
    about = _about(request, where.name, f"{where}")
    failed = _measure(request, device, about, kernels="WGSL that memsim compiles, no library's", compiled_for=chip.name)
    if "latency" in request.suites:
        rows = latency(where.name, GpuMachine(where), quick=request.quick, report=_told)
        _curve(request.beside("latency.csv"), LATENCY_COLUMNS, rows, about)
    return failed


def _refuse_suites(request: Request, backend: str, missing: set[str]) -> None:
    for name in request.suites:
        if name in missing:
            raise MemsimError(
                f"the suite {name!r} cannot be measured through {backend}",
                where="--suite",
                mend="leave it out, or take --backend cuda",
            )


_RUN: dict[str, Callable[[Request, int, str | None, str | None], bool]] = {
    "cuda": _on_cuda,
    "wgpu": _on_wgpu,
    "cpu": _on_cpu,
}
