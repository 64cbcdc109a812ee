"""Which instructions a traced run keeps: those of some cores, in some window of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Real

from memsim.errors import MemsimError
from memsim.hierarchy import Chip

_WHERE = "trace"
_MEND = "such as TraceWindow(start_s=1e-6, end_s=2e-6, cores=(0, 1))"


@dataclass(frozen=True, slots=True)
class TraceWindow:
    """A window of a run: an instruction is kept if part of it lies in the window and its core is named.

    Parameters
    ----------
    start_s
        Begin of the window in seconds from the start of the run.
    end_s
        End of the window in seconds; ``None`` is the end of the run.
    cores
        Numbers of the cores to keep; ``None`` keeps all.

    Raises
    ------
    MemsimError
        If a time is negative or no number, the window is empty, or a core is no whole number from 0.
    """

    start_s: float = 0.0
    end_s: float | None = None
    cores: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("start_s", "end_s"):
            time = getattr(self, name)
            if time is None and name == "end_s":
                continue
            if not isinstance(time, Real) or isinstance(time, bool) or not math.isfinite(time) or time < 0:
                raise MemsimError(
                    f"{name} is a time in seconds of at least 0, found {time!r}", where=_WHERE, mend=_MEND
                )
        if self.end_s is not None and self.end_s <= self.start_s:
            raise MemsimError(
                f"the window ends at {self.end_s:g} s, not after its start at {self.start_s:g} s",
                where=_WHERE,
                mend=_MEND,
            )
        if self.cores is not None:
            object.__setattr__(self, "cores", _checked(self.cores))

    def ticks(self, tick_s: Fraction) -> tuple[int, int | None]:
        """The window [first, end) in whole ticks of ``tick_s`` seconds that covers it; no end is the run's end."""
        end = None if self.end_s is None else math.ceil(Fraction(self.end_s) / tick_s)
        return math.floor(Fraction(self.start_s) / tick_s), end

    def check_cores(self, count: int) -> None:
        """Refuse cores that a chip with ``count`` cores has not.

        Raises
        ------
        MemsimError
            If a core's number is ``count`` or more.
        """
        missing = [core for core in self.cores or () if core >= count]
        if missing:
            raise MemsimError(
                f"there is no core {missing[0]}: the chip has {count}",
                where=_WHERE,
                mend=f"name cores from 0 to {count - 1}",
            )


class Filter:
    """Whether an instruction is kept: called with its core and its first and last tick."""

    def __init__(self, window: TraceWindow, chip: Chip) -> None:
        self.first, self.end = window.ticks(chip.tick)
        cores = range(chip.core_count) if window.cores is None else window.cores
        self.cores = frozenset(cores)

    def __call__(self, core: int, begin: int, end: int) -> bool:
        """It is kept where part of it lies in the window; one that takes no time, if the window contains it."""
        before_end = self.end is None or begin < self.end
        return core in self.cores and before_end and (end > self.first or begin >= self.first)


def _checked(cores: object) -> tuple[int, ...]:
    """The cores in order, each once."""
    listed = cores if isinstance(cores, tuple | list | set | frozenset | range) else None
    if not listed:
        raise MemsimError(f"cores are a tuple of at least one number, found {cores!r}", where=_WHERE, mend=_MEND)
    for core in listed:
        if not isinstance(core, Integral) or isinstance(core, bool) or core < 0:
            raise MemsimError(f"a core is a whole number from 0, found {core!r}", where=_WHERE, mend=_MEND)
    return tuple(sorted({int(core) for core in listed}))
