"""The system that a chip is usually sold in."""

from __future__ import annotations

from memsim.errors import MemsimError
from memsim.hierarchy import Chip, System


def system_for(chip: Chip, count: int) -> System:
    """``count`` of these chips, joined as in the first preset system that has as many of them.

    Raises
    ------
    MemsimError
        If no preset joins so many chips of this kind.
    """
    for name in System.presets():
        system = System.preset(name)
        if system.chip == chip and system.count == count and system.topology == "fully_connected":
            return system
    for name in System.presets():
        system = System.preset(name)
        if system.chip == chip and system.topology == "switch" and system.count >= count:
            return system if system.count == count else system.replace({"count": count})
    mend = "describe a system: its chip, count, link and topology"
    raise MemsimError(f"no known system joins {count} {chip.name}", where="tp", mend=mend)
