"""What is going on during a trace: the operations so far, what escaped, and what was refused."""

from __future__ import annotations

import dis
import sys
import threading
from array import array
from collections import Counter
from functools import lru_cache
from itertools import count
from types import CodeType, FrameType
from typing import NoReturn

import numpy as np

from memsim.errors import MemsimError
from memsim.locality.tracing.columns import NO_RESULT, Escape, Trace

MADE, READ = -1, -2
"""Ends of an operation among the numbers that it reads: with a result, or without."""

INSIDE = __name__.rpartition(".")[0]
"""This package, whose frames are not the user's."""

_numbers = count()
"""Of every value of every trace, so that a value of another trace is known by its number."""

new_number = _numbers.__next__


class Recorder:
    """The events of one trace, as one sequence of integers: the values that an operation reads, then how it ended."""

    __slots__ = ("escapes", "events", "first", "refused", "thread")

    def __init__(self) -> None:
        self.events = array("q")
        self.escapes: Counter[tuple[str, str]] = Counter()
        self.refused: MemsimError | None = None
        self.thread = threading.get_ident()
        self.first = -1

    def escape(self, kind: str, number: int) -> None:
        """Note that a value left the trace; its read is charged."""
        self.events.extend((number, READ))
        self.escapes[kind, place_of_user()] += 1

    def refuse(self, cause: str, mend: str) -> NoReturn:
        """Stop the trace, even if the user's function catches this error."""
        self.refused = MemsimError(cause, where=place_of_user(), mend=mend)
        raise self.refused

    def columns(self, arguments: list[int], returned: list[int]) -> Trace:
        """The trace that was recorded, for the argument of each element and the numbers of what is returned.

        Raises
        ------
        MemsimError
            If a value of another trace took part.
        """
        events = np.frombuffer(self.events, np.int64) if self.events else np.zeros(0, np.int64)
        made = events[events < 0] != READ
        # Values are numbered as they are made, so results need not be recorded. Nothing else draws numbers meanwhile:
        # traces of other threads wait.
        results = np.where(made, len(arguments) + np.cumsum(made) - 1, NO_RESULT)
        at_end = np.flatnonzero(events < 0)
        offsets = np.concatenate([[0], at_end - np.arange(len(at_end))])
        reads = events[events >= 0] - self.first
        sent = np.array(returned, np.int64) - self.first
        if (reads < 0).any() or (sent < 0).any():
            raise MemsimError(
                "a value of an earlier trace takes part",
                mend="keep no traced values between traces, such as in globals",
            )
        escapes = tuple(Escape(kind, where, times) for (kind, where), times in self.escapes.items())
        return Trace(np.array(arguments, np.int64), reads, offsets, results, sent, escapes=escapes)


def of_user(frame: FrameType) -> bool:
    """Whether a frame is neither of this package nor of numpy, which calls back to it."""
    name: str = frame.f_globals.get("__name__") or ""
    return not f"{name}.".startswith((f"{INSIDE}.", "numpy."))


STEERING = frozenset(
    (
        "BINARY_SUBSCR", "STORE_SUBSCR", "DELETE_SUBSCR", "BINARY_SLICE", "STORE_SLICE", "CONTAINS_OP",
        "BUILD_SET", "BUILD_MAP", "BUILD_CONST_KEY_MAP", "SET_ADD", "MAP_ADD", "SET_UPDATE", "DICT_UPDATE",
    )
)  # fmt: skip
"""Instructions of Python that look a place up: the plain number goes nowhere else."""


def steers(frame: FrameType) -> bool:
    """Whether a frame is at an instruction that looks a place up, in a list or in a table."""
    return _instruction(frame.f_code, frame.f_lasti) in STEERING


@lru_cache(maxsize=4096)
def _instruction(code: CodeType, offset: int) -> str:
    return dis.opname[code.co_code[offset]] if offset >= 0 else ""


def place_of_user() -> str:
    """File and line of the innermost frame of the user."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not of_user(frame):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "the traced function"


__all__ = ["MADE", "READ", "Recorder", "new_number", "of_user", "place_of_user", "steers"]
