"""Where the builder is: which group, queue and loops are open, and the statements recorded so far."""

from __future__ import annotations

import contextlib
import math
import operator
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import SupportsFloat, SupportsIndex

from memsim.errors import Location, ProgramError
from memsim.isa.expr import Expr, ExprLike, as_expr, var
from memsim.isa.lexical import MAX_NESTING, check_expr, check_integer, check_name, nearest
from memsim.isa.model import Loop, Statement

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_COMMAND_LINE = _PACKAGE + "cli" + os.sep


class Recorder:
    """Collects the statements of the queue that is open, and checks the coordinates that they use."""

    def __init__(self) -> None:
        self.group: str | None = None
        """Identity of the group whose queue is open, as ``kernel/group``."""
        self._bodies: list[list[Statement]] = []
        self._variables: list[str] = []

    def emit(self, statement: Statement) -> None:
        """Append ``statement`` to the innermost open loop or queue."""
        self._innermost().append(statement)

    def _innermost(self) -> list[Statement]:
        if not self._bodies:
            raise ProgramError(
                "an instruction or loop stands outside of every queue",
                where=caller(),
                mend='write it within `with k.queue("name"):`',
            )
        return self._bodies[-1]

    @contextlib.contextmanager
    def queue(self, group: str, coordinates: tuple[str, ...], body: list[Statement]) -> Iterator[None]:
        """Record into ``body``, in which the block ``coordinates`` of ``group`` are known."""
        if self._bodies:
            raise ProgramError("a queue cannot be opened within a queue", where=caller(), mend="end the other first")
        self.group, self._bodies, self._variables = group, [body], [*coordinates]
        try:
            yield
        finally:
            self.group, self._bodies, self._variables = None, [], []

    @contextlib.contextmanager
    def loop(self, name: str, count: ExprLike) -> Iterator[Expr]:
        """Record the body of a loop; gives its counter."""
        where, outer = place(), self._innermost()
        check_name(name, "loop variable", caller())
        if name in self._variables:
            raise ProgramError(
                f"loop variable `{name}` is taken by a loop or block coordinate around it",
                where=caller(),
                mend="choose another name",
            )
        if len(self._bodies) > MAX_NESTING:
            raise ProgramError(f"loops nest more than {MAX_NESTING} deep", where=caller(), mend="flatten them")
        times = self.expr(count)
        body: list[Statement] = []
        self._bodies.append(body)
        self._variables.append(name)
        try:
            yield var(name)
        finally:
            self._bodies.pop()
            self._variables.pop()
        outer.append(Loop(name, times, tuple(body), place=where))

    def expr(self, value: ExprLike) -> Expr:
        """``value`` as an expression of the coordinates and loop counters that are known here."""
        try:
            expr = as_expr(value)
        except TypeError as error:
            raise ProgramError(str(error), where=caller(), mend="combine integers, coordinates and counters") from None
        unknown = sorted(expr.variables() - {*self._variables})
        if unknown:
            raise ProgramError(
                f"`{unknown[0]}` is not a loop counter or block coordinate here",
                where=caller(),
                mend=nearest(unknown[0], self._variables),
            )
        return check_expr(expr, caller())


def caller() -> Location | str:
    """The place in the user's own source that called the builder."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_code.co_filename):
        if frame.f_code.co_filename.startswith(_COMMAND_LINE):
            return ""  # the user wrote a command, and no source
        frame = frame.f_back
    if frame is None:
        return ""
    position = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    column = position[2] if position and position[2] is not None else 0
    return Location(frame.f_lineno, column + 1, frame.f_code.co_filename)


def _is_ours(file: str) -> bool:
    return file.startswith(_PACKAGE) or file == contextlib.__file__


def place() -> Location | None:
    """`caller`, for the ``place`` of a statement."""
    found = caller()
    return found if isinstance(found, Location) else None


def whole(value: SupportsIndex | Expr, what: str, least: int = 1) -> int:
    """``value`` as an int of at least ``least``; also takes numpy integers and constant expressions."""
    if isinstance(value, Expr) and value.is_constant:
        value = value.const
    if isinstance(value, (bool, Expr)) or not isinstance(value, SupportsIndex):
        raise ProgramError(f"{what} must be a whole number, found {value}", where=caller())
    number = operator.index(value)
    if number < least:
        raise ProgramError(f"{what} must be at least {least}, found {number}", where=caller())
    return check_integer(number, caller())


def real(value: SupportsFloat, what: str) -> float:
    """``value`` as a finite float."""
    if not isinstance(value, SupportsFloat):
        raise ProgramError(f"{what} must be a number, found {value!r}", where=caller())
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ProgramError(
            f"{what} must be finite, found {number}",
            where=caller(),
            mend="use the finite extreme of the type, `memsim.isa.DTYPES[dtype].lowest`",
        )
    return number
