"""Syntax errors in words: what was found, what was expected, and the word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable

from lark import Lark, Token, UnexpectedCharacters, UnexpectedToken
from lark.lexer import PatternStr

from memsim.errors import Location, ProgramError
from memsim.isa._text_source import Source
from memsim.isa.lexical import KEYWORDS, shorten, similar
from memsim.isa.ops import REDUCE_OPS, VECTOR_OPS

_INSTRUCTIONS = frozenset({"LOAD", "STORE", "GATHER", "COPY", "SEND", "MMA", "FILL", "PUSH", "POP", "NAME"})
_OPERATORS = frozenset({"PLUS", "MINUS", "TIMES", "FLOORDIV", "MODULO"})
_OPERAND = frozenset({"NUMBER", "NAME", "LPAR", "MINUS", "MIN", "MAX", "CEILDIV"})
_CATEGORIES = (
    (_INSTRUCTIONS, "an instruction"),
    (_OPERATORS, "an operator"),
    (_OPERAND, "an expression"),
    (frozenset({"MINUS", "NUMBER"}), "a number"),
)
_WORDS = {"NAME": "a name", "NUMBER": "a number", "TRANSPOSED": "`^T`", "$END": "the end of the text"}
_CLOSERS = {"{": "RBRACE", "(": "RPAR", "[": "RSQB"}
_BLOCKS = frozenset({"tensor", "kernel", "group", "ring", "queue"})
"""What can stand in no queue, so that a brace is missing before it."""
_CHARACTER_MENDS = {
    "/": "whole division is `//`",
    "#": "a comment begins with `;`",
    '"': "names are written without quotes",
    "'": "names are written without quotes",
    "^": "`a^T` is tile a transposed, an operand of mma",
    "!": "a comment begins with `;`",
    "<": "a transfer is written `destination <- source`",
    ">": "a transfer is written `destination <- source`",
}


def unexpected_token(source: Source, error: UnexpectedToken, grammar: Lark) -> ProgramError:
    """The error for a token that cannot stand where it stands."""
    expected = frozenset(error.accepts or error.expected)
    if expected == {"ASSIGN"}:  # a name begins a statement that is no assignment
        previous: Token = error.interactive_parser.parser_state.value_stack[-1]
        return _unknown_instruction(source, previous, grammar)
    if error.token.type == "$END":
        return _ended(source, _in_words(expected, grammar))
    cause = f"unexpected `{shorten(error.token)}`: expected {_in_words(expected, grammar)}"
    return source.error(error.token, cause, _mend(source, error.token, expected, grammar))


def unexpected_character(source: Source, error: UnexpectedCharacters) -> ProgramError:
    """The error for a character that begins no word of the language."""
    place = Location(error.line, error.column, source.file)
    found = error.char if error.char.isprintable() else f"U+{ord(error.char):04X}"
    mend = _CHARACTER_MENDS.get(error.char, "")
    return source.error_at(place, 1, f"the character `{found}` has no meaning here", mend)


def _mend(source: Source, token: Token, expected: frozenset[str], grammar: Lark) -> str:
    if token in KEYWORDS:
        before = source.text[: token.start_pos]
        opened = _unclosed(before)
        if opened is not None and _CLOSERS[before[opened]] in expected and (token in _BLOCKS or before[opened] != "{"):
            return f"close the `{before[opened]}` of line {_line(before, opened)} first"
        if "$END" in expected:
            return "there may be a `}` too many before it"
        as_name = "NAME" in expected and not expected >= _INSTRUCTIONS
        return f"`{token}` is a keyword; for a name choose another word, for example `{token}_`" if as_name else ""
    if token in ("inf", "nan"):
        return "numbers are finite; the finite lowest fp32 is -3.4028234663852886e+38"
    return similar(token, _keywords(expected, grammar)) if token.type == "NAME" else ""


def _unknown_instruction(source: Source, name: Token, grammar: Lark) -> ProgramError:
    if name in VECTOR_OPS or name in REDUCE_OPS:
        mend = f"name the ring that takes the result: `r = {name}(...)`"
    else:
        mend = similar(name, _keywords({*_INSTRUCTIONS, "LOOP"}, grammar))
        mend = mend or "an instruction begins with a keyword, or reads `ring = operation(...)`"
    return source.error(name, f"`{shorten(name)}` is not an instruction", mend)


def _ended(source: Source, expected: str) -> ProgramError:
    text = source.text.rstrip()
    last = text[text.rfind("\n") + 1 :]
    place = Location(text.count("\n") + 1, len(last) + 1, source.file)
    opened = _unclosed(text)
    mend = f"close the `{text[opened]}` of line {_line(text, opened)}" if opened is not None else ""
    return source.error_at(place, 1, f"the text ends too early: expected {expected}", mend)


def _unclosed(text: str) -> int | None:
    """Position of the innermost bracket that is not closed."""
    opened: list[int] = []
    comment = False
    for position, character in enumerate(text):
        comment = character != "\n" and (comment or character == ";")
        if comment:
            continue
        if character in "{([":
            opened.append(position)
        elif character in "})]" and opened:
            opened.pop()
    return opened[-1] if opened else None


def _in_words(expected: frozenset[str], grammar: Lark) -> str:
    words = []
    for members, word in _CATEGORIES:
        if members <= expected:
            words.append(word)
            expected -= members
    words += sorted(_WORDS.get(name) or f"`{_literal(name, grammar)}`" for name in expected)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _literal(terminal: str, grammar: Lark) -> str:
    """How a keyword or sign is written; empty for names and numbers."""
    if terminal == "$END":
        return ""
    pattern = grammar.get_terminal(terminal).pattern
    return pattern.value if isinstance(pattern, PatternStr) else ""


def _keywords(terminals: Iterable[str], grammar: Lark) -> list[str]:
    return [word for word in (_literal(name, grammar) for name in sorted(terminals)) if word.isalpha()]


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
