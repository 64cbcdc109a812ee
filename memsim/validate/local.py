"""Predicted against measured time of the suite, on the device that a chip was probed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import Program
from memsim.validate.rows import Row, Validation
from memsim.validate.suite import SUITE, Case
from memsim.webgpu.probe.machine import GpuMachine
from memsim.webgpu.probe.studies import software_error
from memsim.webgpu.probe.timing import Effort, Measured, measure

if TYPE_CHECKING:
    from memsim.webgpu import Adapter, CrossCheck

Report: TypeAlias = Callable[[str], None]

GRAIN_S = {"timestamps": 1e-6, "wall clock": 2e-5}
"""What a clock can surely tell apart: some devices count in microseconds."""
MOST_DISPATCHES = 4096
"""In one pass."""


class Timer(Protocol):
    """Measures programs."""

    timed_by: str

    def seconds(self, program: Program) -> Measured:
        """Seconds of a run of the program, from the first dispatch to the end of the last."""


def validate(
    chip: Chip, device: str, timer: Timer, cases: Sequence[Case] = SUITE, report: Report = lambda what: None
) -> Validation:
    """Simulate and measure each case.

    Parameters
    ----------
    chip
        The chip that was probed; cases are compiled for it, and the same programs are run on the device.
    device
        Name of the device.
    timer
        Measures on it.
    cases
        What to run.
    report
        Called before each case.

    Raises
    ------
    MemsimError
        There is no case, or a time cannot be resolved.
    """
    from memsim.engine import simulate

    if not cases:
        raise MemsimError("no case to run", where="suite", mend="give at least one")
    rows = []
    for case in cases:
        report(case.label)
        program = case.program(chip)
        rows.append(Row(case.kind, case.label, simulate(program, chip).time_s, timer.seconds(program)))
    return Validation(chip.name, device, timer.timed_by, tuple(rows))


def cross_check(
    chip: Chip, adapter: Adapter, cases: Sequence[Case] = SUITE, report: Report = lambda what: None
) -> tuple[tuple[Case, CrossCheck], ...]:
    """Compare the values of the small program of each case with the interpreter's.

    Parameters
    ----------
    chip
        What cases are compiled for.
    adapter
        Where they run: a software adapter will do.
    cases
        What to run.
    report
        Called before each case.
    """
    from memsim.webgpu import crosscheck

    found = []
    for case in cases:
        report(case.label)
        program = case.program(chip, small=True)
        found.append((case, crosscheck(program, None, adapter, cores=program.cores or chip.core_count)))
    return tuple(found)


class GpuTimer:
    """Times programs on an adapter: many runs in one pass, by the device's timestamps where it has them.

    Parameters
    ----------
    adapter
        A GPU.
    effort
        How long samples are, and how many.

    Raises
    ------
    MemsimError
        The adapter is in software: its times mean nothing.
    """

    def __init__(self, adapter: Adapter, effort: Effort | None = None) -> None:
        if adapter.is_software:
            raise software_error(adapter.name)
        self.adapter, self.effort = adapter, effort or Effort()
        self.tick_s = GpuMachine(adapter).tick_s  # None where the device's ticks do not follow the host's clock
        self.timed_by = "wall clock" if self.tick_s is None else "timestamps"

    def seconds(self, program: Program) -> Measured:
        """Seconds of a run of the program; programs of the suite may run again on what they have written."""
        from memsim.webgpu.execute import DeviceProgram
        from memsim.webgpu.inputs import inputs_for

        session = DeviceProgram.of(program, inputs_for(program), self.adapter)
        session.clock(self.tick_s)
        found = time_session(session, self.effort, program.name)
        self.timed_by = session.timed_by
        return found


class Runs(Protocol):
    """What of a `memsim.webgpu.execute.DeviceProgram` is used: its dispatches may be repeated."""

    commands: list[Any]
    timed_by: str

    def run(self) -> float:
        """Dispatch all commands in one pass, and wait; the seconds that they took."""


def time_session(session: Runs, effort: Effort, what: str) -> Measured:
    """Seconds of one run: commands are repeated in a pass until it is long enough to time.

    By the host's clock, the difference of two passes of which one has twice as many runs: submission and fence are in
    both.
    """
    commands = list(session.commands)

    def passing(times: int) -> float:
        session.commands = commands * times
        return session.run()

    def sample(times: int) -> float:
        if session.timed_by == "timestamps":
            return passing(times)
        return max(0.0, passing(2 * times) - passing(times))

    most = max(1, MOST_DISPATCHES // max(1, len(commands)))
    try:
        return measure(sample, GRAIN_S[session.timed_by], most=most, effort=effort, what=what)
    finally:
        session.commands = commands
