"""The table of ``memsim chips technologies``."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from memsim.hierarchy import Technology, technologies

_COLUMNS: dict[str, Callable[[Technology], float | None]] = {
    "\nV": lambda t: t.voltage,
    "wire\nfJ/mm": lambda t: 1e3 * t.wire_pj_per_bit_mm(),
    "SRAM\nfJ": lambda t: 1e3 * t.sram_pj_per_bit(1 << 15),
    "Dally\nfJ": lambda t: 1e3 * t.sram_pj_per_bit(1 << 15, family="dally"),
    "reg\nfJ": lambda t: 1e3 * t.reg_energy,
    "bf16\npJ": lambda t: t.mac_energy.get("bf16"),
    "fp32\npJ": lambda t: t.mac_energy.get("fp32"),
    "+/-\n%": lambda t: 100 * t.uncertainty.get("mac_energy", 0),
    "SRAM\num2": lambda t: t.sram_area,
    "logic\nMTr": lambda t: t.logic_density,
    "leak\nmW": lambda t: 1e3 * t.leakage,
}
"""Header and value: energies of a bit (of wires a bit-millimetre), of a multiply-add; area of a bit; per mm2."""


def print_technologies() -> None:
    """Print a line for each named technology."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("\ntechnology", no_wrap=True)
    for header in _COLUMNS:
        table.add_column(header, justify="right", no_wrap=True)
    for name, technology in technologies().items():
        table.add_row(name, *(_number(of(technology)) for of in _COLUMNS.values()))
    console = Console()
    console.print(table)
    console.print("wire, SRAM (32 KiB; its own curve, and Dally's), reg: a bit; bf16, fp32: a")
    console.print("multiply-add, known to +/- %; SRAM um2: a bit; logic, leak: a mm2.")


def _number(value: float | None) -> str:
    return f"{value:.3g}" if value else "-"
