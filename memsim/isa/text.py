"""The text form of a program: `parse` reads it, `memsim.isa.format` writes it; each undoes the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from lark import Lark, Token, UnexpectedCharacters, UnexpectedToken

from memsim.errors import Location, ProgramError
from memsim.isa._text_program import program
from memsim.isa._text_source import Source, excerpt
from memsim.isa._text_syntax import unexpected_character, unexpected_token
from memsim.isa.jsonform import from_json
from memsim.isa.lexical import KEYWORDS, MAX_NAME, MAX_NESTING, shorten
from memsim.isa.model import Program

__all__ = ["MAX_LINE", "MAX_TEXT", "excerpt", "parse", "parse_file"]

MAX_LINE = 100_000
"""Longest line, in characters."""

MAX_TEXT = 16_000_000
"""Longest text, in characters."""


def parse(text: str | bytes, file: str | None = None) -> Program:
    """Read a program from its text form.

    Parameters
    ----------
    text
        The text; bytes are taken for UTF-8.
    file
        Name of the file that it came from, for messages.

    Returns
    -------
    Program
        Every loop and instruction knows its ``place`` in the text. It is not verified yet.

    Raises
    ------
    ProgramError
        With line, column, cause and mend, where the text is malformed or names something unknown.
    """
    source = Source(_decode(text, file) if isinstance(text, bytes) else _normalise(text), file)
    _check_size(source)
    if not source.text.strip():
        raise ProgramError("the text is empty", where=Location(1, 1, file), mend="begin with `program NAME`")
    try:
        tree = _grammar().parse(source.text)
    except UnexpectedToken as error:
        raise unexpected_token(source, error, _grammar()) from None
    except UnexpectedCharacters as error:
        raise unexpected_character(source, error) from None
    except _Refused as refused:
        raise source.error(refused.token, refused.cause, refused.mend) from None
    return program(source, tree)


def parse_file(path: str | Path) -> Program:
    """Read a program from the file ``path``: the text form in UTF-8, or the JSON form if its name ends in ``.json``."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ProgramError(
            f"cannot read the file: {error.strerror}", where=str(path), mend="check the path of the program"
        ) from None
    if Path(path).suffix == ".json":
        return _parse_json(_decode(data, str(path)), str(path))
    return parse(data, str(path))


def _parse_json(text: str, file: str) -> Program:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        place = Location(error.lineno, error.colno, file)
        raise Source(text, file).error_at(place, 1, f"this is not JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise ProgramError("the JSON nests too deep or has a number of too many digits", where=file) from None
    try:
        return from_json(document)
    except ProgramError as error:
        raise ProgramError(error.cause, where=f"{file}: {error.where}", mend=error.mend) from None


def _decode(data: bytes, file: str | None) -> str:
    try:
        return _normalise(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").split("\n")
        raise ProgramError(
            f"byte 0x{data[error.start]:02x} is not UTF-8 text",
            where=Location(len(before), len(before[-1]) + 1, file),
            mend="save the file as UTF-8",
        ) from None


def _normalise(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _check_size(source: Source) -> None:
    if len(source.text) > MAX_TEXT:
        raise ProgramError(
            f"the text is too long: {len(source.text)} characters",
            where=source.file or "",
            mend=f"use at most {MAX_TEXT}; a loop says the same in less",
        )
    longest = max(enumerate(source.text.split("\n"), 1), key=lambda numbered: len(numbered[1]))
    if len(longest[1]) > MAX_LINE:
        raise source.error_at(
            Location(longest[0], MAX_LINE + 1, source.file),
            1,
            f"the line is too long: {len(longest[1])} characters",
            f"use at most {MAX_LINE}; a line may be broken anywhere between two words",
        )


class _Refused(Exception):
    """A token that the grammar would accept and the language does not."""

    def __init__(self, token: Token, cause: str, mend: str) -> None:
        self.token, self.cause, self.mend = token, cause, mend
        super().__init__(cause)


class _Limits:
    """Stands between lexer and parser: keywords as names where they may be, no name too long, no nesting too deep."""

    always_accept: ClassVar[tuple[str, ...]] = ()
    before_free_name = frozenset({"PROGRAM", "KERNEL", "GROUP", "QUEUE", "TO"})
    """After these, no keyword can stand, so a name may be one."""
    deepest = MappingProxyType({"{": MAX_NESTING + 4, "(": 2 * MAX_NESTING + 3})
    """Braces of kernel, group and queue, then one loop too many; an expression may need two brackets a level."""

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Pass tokens on, unless one breaks a limit."""
        previous = ""
        opened = {"{": 0, "(": 0}
        closes = {"}": "{", ")": "("}
        for token in stream:
            if token in KEYWORDS and previous in self.before_free_name:
                token.type = "NAME"
            elif token.type == "NAME" and len(token) > MAX_NAME:
                cause = f"the name `{shorten(token)}` is too long"
                raise _Refused(token, cause, f"use at most {MAX_NAME} characters")
            elif token in opened:
                opened[token] += 1
                if opened[token] > self.deepest[token]:
                    raise _Refused(token, f"brackets nest more than {self.deepest[token]} deep", "simplify it")
            elif token in closes:
                opened[closes[token]] -= 1
            previous = token.type
            yield token


@cache
def _grammar() -> Lark:
    text = Path(__file__).with_name("program.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="basic", postlex=_Limits())
