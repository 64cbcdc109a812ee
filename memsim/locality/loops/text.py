"""The text form of programs with loops, made to be written by hand.

::

    region A 256 input                      # addresses 1 to 256
    region C 256 output
    region t 1 at 1000                      # `at` moves a region to another place
    for i 16 {                              # i = 0 … 15
      for k 1..16 {                         # k = 1 … 15: the end does not count
        mul t, A[16*i + k], A[16*k + i]
        add C[16*i], t                      # `add d, a` is `add d, d, a`; `t` is `t[0]`
      }
    }

Indices are sums of loop counters times constants; they may have parentheses.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memsim.errors import Location, ProgramError
from memsim.isa._text_source import Source, children
from memsim.isa.lexical import shorten, similar
from memsim.locality.loops.builder import op
from memsim.locality.loops.checks import MAX_NESTING, check_bound, check_name
from memsim.locality.loops.model import Loop, LoopProgram, Operation, Ref, Region, Statement
from memsim.locality.scalar.instructions import BY_NAME

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

MAX_TEXT = 16_000_000
"""Longest text, in characters."""

MAX_DIGITS = 1000
"""Of a number."""

Sum = tuple[int, dict[str, int]]
"""A constant, and the factors of counters."""

_WORDS = {
    "NAME": "a name",
    "INTEGER": "a whole number",
    "ROLE": "`input` or `output`",
    "NOTE": "a note",
    "$END": "the end of the text",
}


def parse(text: str, file: str | None = None) -> LoopProgram:
    """Read a program with loops.

    Parameters
    ----------
    text
        The program.
    file
        Its name, for messages.

    Raises
    ------
    ProgramError
        With line, column, cause and mend.
    """
    from lark import UnexpectedCharacters, UnexpectedToken

    source = Source(text.replace("\r\n", "\n"), file)
    if len(text) > MAX_TEXT:
        raise ProgramError(f"a text of {len(text):,} characters", where=file or "", mend=f"use at most {MAX_TEXT:,}")
    if not text.strip():
        raise ProgramError("the text is empty", where=Location(1, 1, file), mend="begin with `region NAME WORDS`")
    _check_depth(source)
    try:
        tree = _grammar().parse(source.text)
    except UnexpectedToken as error:
        raise _unexpected(source, error) from None
    except UnexpectedCharacters as error:
        place = Location(error.line, error.column, file)
        mend = "a comment begins with `#`" if error.char == "/" else ""
        raise source.error_at(place, 1, f"the character {error.char!r} has no meaning here", mend) from None
    return _Reader(source).program(tree)


def read(path: str | Path) -> LoopProgram:
    """Read a program with loops from a file: text, or the JSON form if its first character is ``{``."""
    from memsim.locality.loops.jsonform import from_json

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramError(f"cannot be read: {error}", where=str(path), mend="name a text file") from None
    return from_json(text, str(path)) if text.lstrip().startswith("{") else parse(text, str(path))


@cache
def _grammar() -> Lark:
    from lark import Lark

    grammar = (Path(__file__).parent / "loops.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False)


def _check_depth(source: Source) -> None:
    """Brackets nest no deeper than loops may, so that no text exhausts the stack."""
    depth, comment = 0, False
    for position, letter in enumerate(source.text):
        comment = letter != "\n" and (comment or letter == "#")
        if comment or letter not in "{}()":
            continue
        depth += 1 if letter in "{(" else -1
        if depth > 2 * MAX_NESTING:
            line = source.text.count("\n", 0, position) + 1
            place = Location(line, position - source.text.rfind("\n", 0, position), source.file)
            raise source.error_at(place, 1, f"loops nest more than {MAX_NESTING} deep", "merge loops")


def _unexpected(source: Source, error: Any) -> ProgramError:
    """The error for a word that cannot stand where it stands."""
    token, expected = error.token, frozenset(error.accepts or error.expected)
    words = [_WORDS.get(name) or f"`{_grammar().get_terminal(name).pattern.value}`" for name in sorted(expected)]
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    if token.type == "$END":
        text = source.text.rstrip()
        place = Location(text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1, source.file)
        return source.error_at(place, 1, f"the text ends too early: expected {listed}", "close every `{` and `[`")
    previous = source.text[: token.start_pos].split()
    mend = ""
    if "region" in previous[-2:]:  # where no region can stand, the word is read as a name
        mend = "declare regions before the first loop or operation"
    elif token.type == "NAME" and previous and previous[-1].isidentifier() and previous[-1] not in BY_NAME:
        mend = similar(previous[-1], [*BY_NAME, "for", "region"])
    return source.error(token, f"unexpected `{shorten(token)}`: expected {listed}", mend)


class _Reader:
    """From the tree of a text to a program; places are kept for messages."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.bound: list[str] = []  # names of the loops around

    def program(self, tree: Tree[Token]) -> LoopProgram:
        regions: list[Region] = []
        body: list[Statement] = []
        notes: list[tuple[str, Any]] = []
        for node in tree.children:
            kind = node.data  # type: ignore[union-attr]
            if kind == "note":
                notes.append(self.note(node.children[0]))  # type: ignore[union-attr, arg-type]
            elif kind == "region":
                regions.append(self.region(children(node)))  # type: ignore[arg-type]
            else:
                body.append(self.statement(node))
        return LoopProgram(tuple(regions), tuple(body), tuple(notes))

    def note(self, token: Token) -> tuple[str, Any]:
        from memsim.locality.loops.jsonform import NOTES

        _, key, value = token.split(None, 2)
        if key not in NOTES:
            raise self.source.error(token, f"there is no note `{key}`", f"the notes are {', '.join(NOTES)}")
        try:
            return key, json.loads(value)
        except ValueError:
            raise self.source.error(
                token, f"{shorten(value)} is no JSON value", 'write a text in quotes: "…"'
            ) from None

    def region(self, parts: list[Any]) -> Region:
        name, words, *rest = parts
        base, roles = None, []
        for part in rest:
            if hasattr(part, "data"):
                base = self.number(part.children[0])
            else:
                roles.append(str(part))
        role = "both" if len(set(roles)) == 2 else (roles or ["none"])[0]
        return Region(str(name), self.number(words), role, base, self.source.place(name))

    def statement(self, node: Any) -> Statement:
        if node.data == "operation":
            return self.operation(node)
        name, bounds, *inner = node.children
        place = self.source.place(name)
        check_name(str(name), place)
        numbers = [self.number(part) for part in children(bounds)]
        start, stop = (0, *numbers) if len(numbers) == 1 else numbers
        if stop < start:
            mend = "count from 0 with `for i COUNT`, or from START to END - 1 with `for i START..END`"
            raise self.source.error(name, f"loop `{name}` goes from {start} to {stop}", mend)
        self.bound.append(str(name))
        body = tuple(self.statement(part) for part in inner)
        self.bound.pop()
        return Loop(str(name), start, stop - start, body, place)

    def operation(self, node: Any) -> Operation:
        name, *operands = node.children
        place = self.source.place(name)
        kind = BY_NAME.get(str(name))
        asks = kind is not None and kind.takes == "predicate" and len(operands) > kind.writes + kind.sources
        found: list[Ref | str | int] = [self.operand(operand) for operand in (operands[:-1] if asks else operands)]
        if asks:
            found.append(str(operands[-1].children[0]))
        return op(str(name), *found, where=place)

    def operand(self, node: Any) -> Ref | int:
        first, *index = children(node)
        if hasattr(first, "data") or first.type == "INTEGER":
            return self.number(first)
        constant, factors = self.sum(index[0]) if index else (0, {})
        return Ref(str(first), constant, tuple(factors.items()), self.source.place(first))

    def number(self, part: Any) -> int:
        if hasattr(part, "data"):
            return -self.number(part.children[-1])
        if len(part) > MAX_DIGITS:
            raise self.source.error(part, f"a number of {len(part):,} digits", f"use at most {MAX_DIGITS}")
        return int(part)

    def sum(self, node: Any) -> Sum:
        """A sum, a product or a factor as a constant and the factors of counters."""
        if not hasattr(node, "data"):
            if node.type == "INTEGER":
                return self.number(node), {}
            check_bound(str(node), tuple(self.bound), self.source.place(node))
            return 0, {str(node): 1}
        if node.data == "negative":
            return _scaled(self.sum(node.children[-1]), -1)
        if node.data == "product":
            return self.product(node.children)
        total = self.sum(node.children[0])
        for sign, part in zip(node.children[1::2], node.children[2::2], strict=True):
            total = _added(total, _scaled(self.sum(part), 1 if sign == "+" else -1))
        return total

    def product(self, parts: list[Any]) -> Sum:
        total = self.sum(parts[0])
        for sign, part in zip(parts[1::2], parts[2::2], strict=True):
            other = self.sum(part)
            if total[1] and other[1]:
                counters = f"{next(iter(total[1]))} * {next(iter(other[1]))}"
                mend = "an index is a sum of counters times constants"
                raise self.source.error(sign, f"`{counters}` is a product of counters", mend)
            total = _scaled(total, other[0]) if total[1] else _scaled(other, total[0])
        return total


def _scaled(value: Sum, factor: int) -> Sum:
    return value[0] * factor, {name: factor * own for name, own in value[1].items()}


def _added(value: Sum, other: Sum) -> Sum:
    names = {**value[1], **other[1]}
    return value[0] + other[0], {name: value[1].get(name, 0) + other[1].get(name, 0) for name in names}
