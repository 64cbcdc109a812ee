"""``--trace-from``, ``--trace-to`` and ``--trace-core``: the part of a run that is traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.engine.tracing import TraceWindow
    from memsim.hierarchy import Chip


def window_of(start: str | None, end: str | None, cores: Sequence[int], chip: Chip) -> TraceWindow | None:
    """The window that the options ask for; none if they ask for nothing. Times are texts with a unit."""
    if start is None and end is None and not cores:
        return None
    from memsim.engine.tracing import TraceWindow

    begin_s = 0.0 if start is None else seconds("--trace-from", start, chip)
    end_s = None if end is None else seconds("--trace-to", end, chip)
    if end_s is not None and end_s <= begin_s:
        raise MemsimError(
            f"the window ends at {end}, not after its start at {start or '0 s'}",
            where="--trace-to",
            mend="give a later time",
        )
    window = TraceWindow(begin_s, end_s, tuple(cores) or None)
    window.check_cores(chip.core_count)
    return window


def seconds(option: str, text: str, chip: Chip) -> float:
    """A time such as ``12 us``, or in cycles of the chip's core clock, in seconds."""
    from pydantic_core import PydanticCustomError

    from memsim.hierarchy.units import TIME, parse

    try:
        number, unit = parse(text, TIME)
    except PydanticCustomError as error:
        told = error.context or {}
        raise MemsimError(str(told["cause"]), where=option, mend=f'write for example {option} "12 us"') from None
    if number < 0:
        raise MemsimError(f"{text} is before the run begins", where=option, mend=f"write for example {option} 0s")
    return float(number * chip.clock_period if unit == "cycle" else number)
