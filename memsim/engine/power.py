"""Running under a limit of power: where a kernel draws more than its chip may, the cores' clock falls until it fits.

A board measures its power over milliseconds, so what counts is the mean over a run, launch included, as in a loop of
the same kernel. Dynamic energy on the die goes with V^2, the voltage follows the clock (`memsim.hierarchy.Dvfs`), and
the DRAM keeps its own.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

from memsim.engine.ledger import FINAL_WRITE_BACK, STATIC
from memsim.engine.power_cap import PowerCap
from memsim.engine.result import Result
from memsim.engine.sheets import LINKS, ROWS
from memsim.engine.simulate import simulate
from memsim.errors import GIVE_A_CHIP, GIVE_A_PROGRAM, check_kind
from memsim.hierarchy import Chip, Dvfs
from memsim.hierarchy.power import static_powers_at
from memsim.hierarchy.toggling import normal_toggle
from memsim.hierarchy.units import scaled
from memsim.isa.model import Mma, Program, walk

BUSY = 0.8
"""Share of the time from which on a part of the die decides how long a run takes at any clock."""
PROBES = (Fraction(7, 10), Fraction(1, 2), Fraction(7, 20))
"""Shares of the full clock at which runs tell how time follows it, one after the other until the limit is kept."""
OWN_VOLTAGE = ("dram", ROWS, LINKS)
"""Parts of the ledger that do not have the cores' voltage."""


def simulate_capped(program: Program, chip: Chip, *, free: Result | None = None, **options: Any) -> Result:
    """Run a program on a chip that keeps to its ``tdp``.

    Parameters
    ----------
    program
        A tile program.
    chip
        The chip; with a ``tdp`` and a ``dvfs``, or nothing can slow it down.
    free
        ``simulate(program, running_chip(program, chip))``, where it is there already.
    **options
        Those of `simulate`.

    Returns
    -------
    Result
        That of `simulate` on the chip at the clock it ended at, which `Result.power_cap` tells. It is exactly that of
        ``simulate(program, running_chip(program, chip))`` where the limit is kept anyway.

    Notes
    -----
    Where the limit is not kept, the time at other clocks is taken to be a + b / clock. Where a part of the die is busy
    most of the time, that time is b and the rest a; else, and far below the full clock, lines go through runs at fixed
    clocks. The clock follows from these lines and the limit alone, so a higher limit never gives a lower clock. Then
    the program runs at that clock, and may draw a little more or less than the line said.
    """
    check_kind(program, Program, "simulate_capped", GIVE_A_PROGRAM)
    check_kind(chip, Chip, "simulate_capped", GIVE_A_CHIP)
    chip = running_chip(program, chip)
    if free is None or free.chip != chip:
        free = simulate(program, chip, **options)
    if chip.tdp_w is None or not free.ticks:
        return free
    power = mean_power_w(free)
    if power <= chip.tdp_w:
        return _ended(free, free, power, f"draws {power:.0f} W of {chip.tdp_w:g} W")
    why = f"{power:.0f} W at {_ghz(chip.clock)} exceed {chip.tdp_w:g} W"
    dvfs = chip.dvfs
    if dvfs is None or not any(dvfs.clocks_below(chip.clock)):
        return _ended(free, free, power, f"{why}; no lower clock is known")
    clock, fits = _settled(program, free, dvfs, options)
    last = simulate(program, chip.at_clock(clock), **options)
    power = mean_power_w(last)
    end = "" if fits else ", and there is no lower clock"
    return _ended(last, free, power, f"{why}: {_ghz(clock)}, {power:.0f} W{end}")


def running_chip(program: Program, chip: Chip) -> Chip:
    """The chip at the clock at which the program starts: a kernel without matrix units may have one of its own."""
    dvfs = chip.dvfs
    if dvfs is None or dvfs.vector_clock is None or chip.clock != dvfs.clock or _multiplies(program):
        return chip
    return chip.at_clock(dvfs.vector_clock)


def with_normal_data(program: Program, chip: Chip) -> Chip:
    """The chip as it is while a program works on normal random numbers, as benchmarks do (``torch.randn``).

    Its `toggle` is that of such numbers of the type in which most bytes of the program's tensors are. A chip whose
    toggle was chosen stays as it is.
    """
    if "toggle" in chip.model_fields_set:
        return chip
    sizes: dict[str, int] = defaultdict(int)
    for tensor in program.tensors:
        sizes[tensor.dtype] += tensor.bytes
    most = max(sizes, key=lambda dtype: sizes[dtype], default="")
    return chip.replace({"toggle": normal_toggle(most)})


def mean_power_w(result: Result) -> float:
    """Mean power in watts over a run.

    What caches hold at the end is written back in no time that the run has, so its energy is not in it: in a loop it
    belongs to the next run, which has overwritten it or pays for its eviction.
    """
    split = spent(result)
    static = sum(result.chip.static_powers_w.values())
    return (split.core_j + split.other_j) / result.time_s + static if result.ticks else 0.0


class Spent(NamedTuple):
    """Dynamic energy of a run in joules."""

    core_j: float
    """Of what has the cores' voltage."""
    other_j: float


def spent(result: Result) -> Spent:
    """What a run spends while it lasts; not what caches write back after its end."""
    core: list[float] = []
    other: list[float] = []
    for row in result.energy.records("part", "operation"):
        if row["part"] != STATIC["part"] and row["operation"] != FINAL_WRITE_BACK:
            (other if row["part"] in OWN_VOLTAGE else core).append(row["energy_j"])
    return Spent(sum(core), sum(other))


class TimeLine(NamedTuple):
    """Time over clock: seconds, and cycles."""

    fixed_s: float
    cycles: float

    def time_s(self, clock: Fraction) -> float:
        """Seconds at a clock in hertz."""
        return self.fixed_s + self.cycles / float(clock)


def _settled(program: Program, free: Result, dvfs: Dvfs, options: dict[str, Any]) -> tuple[Fraction, bool]:
    """The fastest clock at which the limit is kept, and whether there is one; else the lowest."""
    chip, energy = free.chip, spent(free)
    most = chip.clock
    on_die = max((share for kind, share in free.busiest.items() if kind != "dram"), default=0.0)
    if on_die >= BUSY and on_die > free.busiest.get("dram", 0.0):
        line = TimeLine(free.time_s * (1 - on_die), free.time_s * on_die * float(chip.clock))
        most = PROBES[0] * chip.clock
        found = fitting_clock(chip, dvfs, line, energy, most, chip.clock)
        if found is not None:
            return found, True
    quiet = {**options, "trace": False, "progress": None}
    above = free
    for clock in _probes(dvfs, chip.clock):
        below = simulate(program, chip.at_clock(clock), **quiet)
        if mean_power_w(below) <= (chip.tdp_w or 0.0):
            top = min(above.chip.clock, most)
            found = fitting_clock(chip, dvfs, _line(above, below), energy, clock, top)
            return found or clock, True
        above = below
    return above.chip.clock, False


def _line(a: Result, b: Result) -> TimeLine:
    """Through two runs; time does not fall with the clock, nor rise by more than it."""
    periods = [float(1 / r.chip.clock) for r in (a, b)]
    cycles = (b.time_s - a.time_s) / (periods[1] - periods[0])
    cycles = min(max(cycles, 0.0), a.time_s / periods[0])
    return TimeLine(a.time_s - cycles * periods[0], cycles)


def _probes(dvfs: Dvfs, clock: Fraction) -> list[Fraction]:
    """Clocks that do not depend on the limit: of those a board has, the first below each of `PROBES`, and the last."""
    below = list(dvfs.clocks_below(clock))
    chosen = [next((c for c in below if c <= share * clock), below[-1]) for share in PROBES]
    return sorted({*chosen, below[-1]}, reverse=True)


def fitting_clock(
    chip: Chip, dvfs: Dvfs, line: TimeLine, energy: Spent, least: Fraction, most: Fraction
) -> Fraction | None:  # fmt: skip
    """The fastest clock from ``least`` up to ``most``, but below the chip's, at which the limit is kept; or none.

    Parameters
    ----------
    chip
        The chip at the clock of the run.
    dvfs
        Its clocks and voltages.
    line
        Time over clock.
    energy
        Of the run.
    least, most
        Clocks in hertz.
    """
    limit = chip.tdp_w or 0.0
    for clock in dvfs.clocks_below(chip.clock):
        if least <= clock <= most:
            volts = dvfs.volts_over_nominal(clock) / chip.volts_over_nominal
            dynamic_w = (energy.core_j * volts**2 + energy.other_j) / line.time_s(clock)
            if dynamic_w + sum(static_powers_at(chip, clock).values()) <= limit:
                return clock
    return None


def _ended(result: Result, free: Result, power_w: float, why: str) -> Result:
    limit = free.chip.tdp_w
    assert limit is not None
    free_w = power_w if result is free else mean_power_w(free)
    clock, free_clock = float(result.chip.clock), float(free.chip.clock)
    result.power_cap = PowerCap(limit, free_w, free_clock, power_w, clock, why)
    return result


def _multiplies(program: Program) -> bool:
    queues = chain.from_iterable(group.queues for kernel in program.kernels for group in kernel.groups)
    return any(isinstance(instruction, Mma) for queue in queues for instruction, _ in walk(queue.body))


def _ghz(clock: Fraction) -> str:
    return f"{scaled(clock)}Hz"
