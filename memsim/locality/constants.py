"""The disputed constants of data movement, each with its source, and the variations that vary them.

The model that they enter is that of `memsim.locality.sensitivity`. The wire energies to vary, and what else is in
dispute, are the Sutro Group's own list (public discussion, autumn 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from math import isfinite
from types import MappingProxyType

from memsim.errors import MemsimError
from memsim.hierarchy.dram_parts import dram_part
from memsim.hierarchy.dram_split import HBM2
from memsim.hierarchy.technology import named_technology
from memsim.locality.scalar import dally2

WORD_BITS = 32
"""Bits of a word."""

MODEL_2_WIRE = 1000 * dally2.FJ_PER_UM / (2 * WORD_BITS)
"""31.25 fJ/bit/mm: Model 2's 2 fJ for each um of distance, spread over 32 bits that go 1 um out and 1 um back."""

WIRES = (2.84, 30.0, 100.0, 280.0)
"""In fJ/bit/mm. 100: Dally, Energy Efficiency and AI Hardware, Stanford AHA retreat, 31 Aug 2023, slide 8; 30: what
Model 2 has, rounded; 2.84 and 280: the extremes of the group's list."""

_N45 = named_technology("n45").op_energy
_INT32_MUL_FJ = 3100.0  # Horowitz, Computing's Energy Problem, ISSCC 2014, Fig. 1.1.9: 3.1 pJ

FETCH_FJ = 5000.0
"""An instruction as one word of 32 bits from a memory of 8 KB: half of the 10 pJ for 64 bits of Horowitz, Computing's
Energy Problem, ISSCC 2014, Fig. 1.1.9. That a three-address instruction fits 32 bits is an assumption."""

ICACHE_FJ = 25_000.0
"""An access of the instruction cache of a processor at 45 nm, by the same talk's breakdown of an addition (from
memory): 25 pJ."""

ACTIVATION_FJ = 1000.0 * HBM2.activation_pj
"""A row of HBM2, with its precharge: 909 pJ, O'Connor et al., Fine-Grained DRAM, MICRO-50 2017."""


FARTHEST = 2**50
"""Words: beyond any address that Model 2 has."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Where far memory begins, and how long its rows are.

    Attributes
    ----------
    near_words
        Addresses beyond this lie in far memory. 16,384 words are 64 KiB on chip: an assumption.
    row_words
        Words of a row, of which one is open at a time: 1 KiB as HBM2 has; one bank is an assumption.
    """

    near_words: int = 16_384
    row_words: int = dram_part("hbm2_2000").row_bytes * 8 // WORD_BITS

    def __post_init__(self) -> None:
        if not (0 <= self.near_words <= FARTHEST and 1 <= self.row_words <= FARTHEST):
            raise MemsimError(
                f"rows of {self.row_words} words beyond {self.near_words}",
                where="rows",
                mend="give at least 1 word a row, and a bound of at least 0",
            )


def _arithmetic(width: int) -> Mapping[str, float]:
    """The energy of each scalar instruction, in fJ: Horowitz's table at 45 nm.

    Comparisons and logic are taken for additions, and a division for a multiplication (assumptions; the table has
    neither). ``copy``, ``set``, ``select``, ``recv`` and ``send`` compute nothing.
    """
    add = 1000 * _N45[f"int{width}_add"]
    mul = 1000 * _N45["int8_mul"] if width == 8 else _INT32_MUL_FJ
    adds = dict.fromkeys(("add", "sub", "and", "or", "xor", "not", "cmp", "abs"), add)
    return MappingProxyType({**adds, "mul": mul, "div": mul})


ARITHMETIC_8, ARITHMETIC_32 = _arithmetic(8), _arithmetic(32)
"""fJ of each instruction with 8-bit and with 32-bit integers: an addition 30 and 100, a product 200 and 3,100."""

FREE: Mapping[str, float] = MappingProxyType({})
"""Arithmetic that costs nothing."""


@dataclass(frozen=True, slots=True)
class Constants:
    """One setting of the model; the defaults are Model 2, "single core with tape", of the Sutro Group.

    Attributes
    ----------
    name
        For tables.
    dispute
        What it varies: ``wire``, ``writes``, ``arithmetic``, ``fetch``, ``activation``, several of them, or nothing.
    wire_fj_per_bit_mm
        Of a bit over a millimetre of wire, one way.
    floor_fj
        The least energy of an access.
    cell_um
        The pitch of cells: a word at distance ``h`` lies ``h`` cells away.
    trips
        How often the way is travelled in an access: 2 is out and back.
    priced_writes
        Whether writes cost what reads cost; else nothing.
    arithmetic_fj
        By instruction, such as ``mul``; what is not in it is free.
    fetch_fj
        Of fetching an instruction.
    activation_fj
        Of an access to far memory that meets another row than the access to far memory before it.
    rows
        What far memory is.

    Raises
    ------
    MemsimError
        If a number is negative or not finite.
    """

    name: str = "Model 2"
    dispute: str = ""
    wire_fj_per_bit_mm: float = MODEL_2_WIRE
    floor_fj: float = dally2.FLOOR_FJ
    cell_um: float = 1.0
    trips: float = 2.0
    priced_writes: bool = True
    arithmetic_fj: Mapping[str, float] = field(default_factory=lambda: FREE)
    fetch_fj: float = 0.0
    activation_fj: float = 0.0
    rows: Rows = Rows()

    def __post_init__(self) -> None:
        names = ("wire_fj_per_bit_mm", "floor_fj", "cell_um", "trips", "fetch_fj", "activation_fj")
        numbers = {name: getattr(self, name) for name in names} | dict(self.arithmetic_fj)
        for name, value in numbers.items():
            if not (isfinite(value) and value >= 0):
                raise MemsimError(f"{name} is {value}", where=f"constants {self.name}", mend="give a number from 0 on")

    @property
    def fj_per_distance(self) -> float:
        """Wire energy of a word for each cell of distance; 2 fJ in Model 2."""
        return self.trips * WORD_BITS * self.wire_fj_per_bit_mm * self.cell_um / 1000

    def scaled(self, factor: float) -> Constants:
        """Every energy times ``factor``: no ranking depends on it."""
        return replace(
            self,
            name=f"{self.name} x {factor:g}",
            wire_fj_per_bit_mm=self.wire_fj_per_bit_mm * factor,
            floor_fj=self.floor_fj * factor,
            arithmetic_fj={name: value * factor for name, value in self.arithmetic_fj.items()},
            fetch_fj=self.fetch_fj * factor,
            activation_fj=self.activation_fj * factor,
        )


_Changes = dict[str, object]


def variations(*, full: bool = False, rows: Rows | None = None) -> list[Constants]:
    """Model 2 first, then each dispute by itself: wire, writes, arithmetic, fetch, row activation.

    Parameters
    ----------
    full
        Every combination of the settings of all disputes instead: 180 with the baseline.
    rows
        What far memory is, for row activation; `Rows` as it is unless given.
    """
    base = Constants(rows=rows or Rows())
    disputes: dict[str, list[tuple[str, _Changes]]] = {
        "wire": [(f"wire {wire:g}", {"wire_fj_per_bit_mm": wire}) for wire in WIRES],
        "writes": [("writes free", {"priced_writes": False})],
        "arithmetic": [
            ("8-bit arithmetic", {"arithmetic_fj": ARITHMETIC_8}),
            ("32-bit arithmetic", {"arithmetic_fj": ARITHMETIC_32}),
        ],
        "fetch": [("fetch 5 pJ", {"fetch_fj": FETCH_FJ}), ("fetch 25 pJ", {"fetch_fj": ICACHE_FJ})],
        "activation": [("row activation", {"activation_fj": ACTIVATION_FJ})],
    }
    if not full:
        return [base, *(_changed(base, [(d, *s)]) for d, settings in disputes.items() for s in settings)]
    choices = [[None, *((dispute, *setting) for setting in settings)] for dispute, settings in disputes.items()]
    return [_changed(base, [setting for setting in chosen if setting is not None]) for chosen in product(*choices)]


def _changed(base: Constants, settings: Iterable[tuple[str, str, _Changes]]) -> Constants:
    """The baseline with some settings in its place."""
    chosen = list(settings)
    if not chosen:
        return base
    changes = {key: value for _, _, setting in chosen for key, value in setting.items()}
    name, dispute = (", ".join(column) for column in list(zip(*chosen, strict=True))[1::-1])
    return replace(base, name=name, dispute=dispute, **changes)  # type: ignore[arg-type]
