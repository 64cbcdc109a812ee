"""A program text and its places: errors that show the guilty line with a caret under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lark import Token, Tree

from memsim.errors import Location, ProgramError

EXCERPT_WIDTH = 100
"""Characters of a line that an error shows."""

Node = Tree[Token]


def excerpt(text: str, place: Location, width: int = 1) -> str:
    """The line of ``place`` in ``text``, with ``width`` carets under it."""
    lines = text.split("\n", place.line)
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    line = "".join(c if c.isprintable() else " " for c in line)
    first = max(0, min(place.column - 1 - EXCERPT_WIDTH // 2, len(line) - EXCERPT_WIDTH))
    shown, column = line[first : first + EXCERPT_WIDTH].rstrip(), place.column - 1 - first
    carets = "^" * max(1, min(width, len(shown) - column))
    head = f"  {place.line} | "
    return f"{head}{shown}\n{' ' * (len(head) - 2)}| {' ' * column}{carets}"


@dataclass(frozen=True, slots=True)
class Source:
    """A program text, and the name of its file for messages."""

    text: str
    file: str | None = None

    def place(self, token: Token) -> Location:
        """Where ``token`` stands."""
        return Location(token.line or 1, token.column or 1, self.file)

    def error(self, at: Token, cause: str, mend: str = "") -> ProgramError:
        """The error ``cause`` at ``at``, with the line printed under it."""
        return self.error_at(self.place(at), len(at), cause, mend)

    def error_at(self, place: Location, width: int, cause: str, mend: str = "") -> ProgramError:
        """The error ``cause`` at ``place``, ``width`` characters wide."""
        return ProgramError(f"{cause}\n{excerpt(self.text, place, width)}", where=place, mend=mend)


def children(node: Node) -> list[Any]:
    """What a rule has matched, without the optional parts that are missing."""
    return [child for child in node.children if child is not None]


def first_token(node: Any) -> Token:
    """The first token that a rule has matched (brackets are not kept)."""
    while isinstance(node, Tree):
        node = children(node)[0]
    token: Token = node
    return token
