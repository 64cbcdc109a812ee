"""The scalar instructions, as data: one table that the parser, the scorers and the machines read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Op(IntEnum):
    """Operation codes, as they stand in a `ScalarProgram`."""

    ADD = 0
    SUB = 1
    MUL = 2
    COPY = 3
    AND = 4
    OR = 5
    NOT = 6
    XOR = 7
    SET = 8
    DIV = 9
    CMP = 10
    SELECT = 11
    ABS = 12
    RECV = 13
    SEND = 14


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes
    ----------
    op
        Its code.
    version
        The first instruction set that has it, 0 to 4; later sets keep it.
    sources
        Addresses that it reads.
    writes
        Whether it writes an address, which its text names first.
    short
        Whether the first source may be left out, and is the destination then: ``add d,a`` is ``add d,d,a``.
    takes
        What follows the addresses: nothing, an integer or a predicate.
    """

    op: Op
    version: int
    sources: int
    writes: bool = True
    short: bool = False
    takes: str = ""

    @property
    def name(self) -> str:
        """The word that it is written with."""
        return self.op.name.lower()


INSTRUCTIONS: tuple[Instruction, ...] = (
    Instruction(Op.ADD, 0, 2, short=True),
    Instruction(Op.SUB, 0, 2, short=True),
    Instruction(Op.MUL, 0, 2, short=True),
    Instruction(Op.COPY, 0, 1),
    Instruction(Op.AND, 1, 2, short=True),
    Instruction(Op.OR, 1, 2, short=True),
    Instruction(Op.NOT, 1, 1),
    Instruction(Op.XOR, 1, 2, short=True),
    Instruction(Op.SET, 2, 0, takes="integer"),
    Instruction(Op.DIV, 3, 2, short=True),
    Instruction(Op.CMP, 3, 2, takes="predicate"),
    Instruction(Op.SELECT, 3, 3),
    Instruction(Op.ABS, 3, 1),
    Instruction(Op.RECV, 4, 0),
    Instruction(Op.SEND, 4, 1, writes=False),
)
"""Each instruction, at the place of its code."""

PREDICATES = ("eq", "ne", "lt", "le", "gt", "ge")
"""What ``cmp`` may ask, by code."""

BY_NAME = {instruction.name: instruction for instruction in INSTRUCTIONS}
