"""Runs suites on a device, and writes what was measured as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from memsim.errors import MemsimError
from memsim.measure.cases import Case
from memsim.measure.energy import Drawn, Meter, energy_of
from memsim.measure.protocol import Device, Effort, copies_of, protocol_of, time_case, time_loaded
from memsim.measure.table import Writer, row_of
from memsim.measure.webgpu_device import PROTOCOL, WebgpuDevice

Report = Callable[[str], None]


@dataclass(slots=True)
class Finished:
    """What became of the cases."""

    measured: int = 0
    already: int = 0
    """In the file before."""
    refused: dict[str, int] = field(default_factory=dict)
    """How many cases the device cannot run, by reason."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Cases that went wrong, and why."""
    left: int = 0
    """Not tried, as time was over."""

    def __str__(self) -> str:
        lines = [f"{self.measured} cases measured"]
        if self.already:
            lines.append(f"{self.already} were in the file")
        lines += [f"{count} left out: {reason}" for reason, count in self.refused.items()]
        lines += [f"failed: {label}: {reason}" for label, reason in self.failed]
        if self.left:
            lines.append(f"{self.left} not tried, as time was over: --resume goes on")
        return "\n".join(lines)


def run_cases(
    device: Device | WebgpuDevice,
    cases: Sequence[Case],
    writer: Writer,
    effort: Effort,
    *,
    meter: Meter | None = None,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    report: Report = lambda what: None,
) -> Finished:
    """Measure cases, and write each as soon as it is done.

    Parameters
    ----------
    device
        Where.
    cases
        What; those that are in the file are not measured again.
    writer
        The file.
    effort
        How hard.
    meter
        Counts energy for the suite ``power``; without one that suite has times only.
    seconds
        After so many no case is begun.
    clock
        Of the host.
    report
        Told each case before it begins.
    """
    done, begun = Finished(), clock()
    for place, case in enumerate(cases):
        if seconds is not None and clock() - begun > seconds:
            done.left = sum(not writer.has(c, device.name) and device.refuses(c) is None for c in cases[place:])
            break
        if writer.has(case, device.name):
            done.already += 1
        elif (reason := device.refuses(case)) is not None:
            done.refused[reason] = done.refused.get(reason, 0) + 1
        else:
            report(case.label)
            _one(device, case, writer, effort, meter, done)
    return done


def _one(
    device: Device | WebgpuDevice, case: Case, writer: Writer, effort: Effort, meter: Meter | None, done: Finished
) -> None:
    try:
        row = _measured(device, case, effort, meter)
    except (
        MemsimError,
        RuntimeError,
    ) as error:  # CUDA's errors are RuntimeErrors: one shape must not end hours of work
        done.failed.append((case.label, str(error).splitlines()[0]))
        return
    writer.append(row)
    done.measured += 1


def _measured(device: Device | WebgpuDevice, case: Case, effort: Effort, meter: Meter | None) -> dict[str, str]:
    if isinstance(device, WebgpuDevice):
        return row_of(case, device.name, PROTOCOL, device.time(case), None)
    protocol = protocol_of(case, device)
    if case.suite != "power" or meter is None:
        return row_of(case, device.name, protocol, time_case(device, case, effort), None)
    copies = copies_of(case, device)
    loaded = device.load(case, copies)
    try:
        timing = time_loaded(device, loaded, copies, effort)
        unit = timing.calls if timing.mode == "graph" else 1
        drawn: Drawn = energy_of(meter, loaded, timing.median, effort, unit)
    finally:
        loaded.release()
    return row_of(case, device.name, protocol, timing, drawn)


def counted(cases: Iterable[Case]) -> str:
    """How many cases of each suite, for people.

    Parameters
    ----------
    cases
        What is to be run.
    """
    counts: dict[str, int] = {}
    for case in cases:
        counts[case.suite] = counts.get(case.suite, 0) + 1
    return ", ".join(f"{count} of {suite}" for suite, count in counts.items())
