"""The system that a chip is usually sold in."""

from __future__ import annotations

from memsim.errors import MemsimError
from memsim.hierarchy import Chip, System

PCIE = {
    "pcie3_x16": ("p100_pcie", "t4", "v100_pcie"),
    "pcie4_x16": ("a100_pcie", "a100_pcie_40", "l4", "l40", "l40s", "rtx_3090", "rtx_4090"),
    "pcie5_x16": ("h100_pcie", "rtx_pro_6000_server"),
}
"""Cards by the slot that they have, of their data sheets; several of them in a server meet in a PCIe switch."""


def system_for(chip: Chip, count: int) -> System:
    """``count`` of these chips, joined as in the first preset system that has as many of them, or by PCIe.

    Raises
    ------
    MemsimError
        If no preset joins so many chips of this kind, and it is no card.
    """
    presets = [system for system in map(System.preset, System.presets()) if system.chip == chip]
    for system in presets:
        if system.count == count and system.topology == "fully_connected":
            return system
    for system in presets:
        if system.topology == "switch" and system.count >= count:
            return system if system.count == count else system.replace({"count": count})
    for link, cards in PCIE.items():
        if chip.name in cards:
            return System(name=f"pcie_{chip.name}_{count}", chip=chip, count=count, link=link, host_link=link)
    mend = "describe a system: its chip, count, link and topology"
    raise MemsimError(f"no known system joins {count} {chip.name}", where="tp", mend=mend)
