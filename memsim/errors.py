"""The one family of errors that a user sees: place, cause and mend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a text: ``line`` and ``column`` count from 1."""

    line: int
    column: int
    file: str | None = None

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}"
        return f"{self.file}: {place}" if self.file else place


class MemsimError(Exception):
    """Bad input, told as where it is, what is wrong, and how to mend it.

    Parameters
    ----------
    cause
        What is wrong, with the offending value.
    where
        The place: a `Location` in a text, or a path such as ``core.sram.capacity``.
    mend
        What the user can do about it.
    """

    def __init__(self, cause: str, *, where: str | Location = "", mend: str = "") -> None:
        self.cause, self.where, self.mend = cause, where, mend
        super().__init__(self._text())

    def _text(self) -> str:
        place = f"{self.where}: " if self.where else ""
        mend = f"\n  mend: {self.mend}" if self.mend else ""
        return f"{place}{self.cause}{mend}"


class ProgramError(MemsimError):
    """A tile program that cannot be parsed or breaks a rule of the ISA."""


class ChipError(MemsimError):
    """A chip description that is malformed, inconsistent or cannot hold a program."""


class WorkloadError(MemsimError):
    """A workload whose shapes, types or parameters make no sense."""


def check_kind(value: object, kind: type, where: str, mend: str) -> None:
    """Refuse what is no ``kind``: a name where the thing itself is meant, or arguments in another order."""
    if not isinstance(value, kind):
        shown = repr(value)
        text = shown if len(shown) <= 40 else f"a {type(value).__name__}"
        raise MemsimError(f"{text} is no {kind.__name__}", where=where, mend=mend)


GIVE_A_CHIP = 'give a chip, such as memsim.Chip.preset("toy")'
GIVE_A_PROGRAM = "give a program, such as memsim.compile(a @ b, chip)"
