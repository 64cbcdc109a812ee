"""What a cost model says of a program, and which model, dialect and version said it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Score:
    """The cost of a program under one model.

    Attributes
    ----------
    model
        ``dally1``, ``dally2``, ``dally3``, ``bytedmd``, ``dmc``, ``ard`` or ``dmd``.
    dialect
        The variant of the model: a machine, a tracer's dialect or a placement.
    version
        The instruction set, or the revision of the definition that is followed.
    engine
        The code that computed it; there is one for a model and a form of program.
    cost
        In ``unit``; exact where it is an integer.
    unit
        Of the cost; a model without units counts in ``distance``.
    reads, writes
        Accesses that the model prices or could price.
    correct
        Whether the program computes what it should; ``None`` if that was not decided, and ``reason`` says why.
    reason
        How it was decided, or why it was not.
    details
        What a model tells besides, by name: ``time_ps``, ``ticks``, ``arithmetic`` …
    """

    model: str
    dialect: str
    version: str
    engine: str
    cost: int | float
    unit: str
    reads: int
    writes: int = 0
    correct: bool | None = None
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON; the details stand beside the rest."""
        names = ("model", "dialect", "version", "engine", "cost", "unit", "reads", "writes", "correct", "reason")
        return {**{name: getattr(self, name) for name in names}, **self.details}

    def __str__(self) -> str:
        amount = f"{self.cost:,}" if isinstance(self.cost, int) else f"{self.cost:,.8g}"
        return f"{self.model} ({self.dialect}, {self.version}): {amount} {self.unit}".rstrip()
