"""The text form of scalar programs: read at the speed of memory, with the place of every mistake.

::

    prog  := addresses SEP {instruction SEP} addresses        SEP = newline or ";", blank ones do not count
    instruction := (add|sub|mul|div|and|or|xor) d,a[,b]       two operands mean d,d,a
                 | (copy|not|abs) d,a | set d,K | cmp d,a,b,(eq|ne|lt|le|gt|ge) | select d,c,t,f
                 | recv d | send s

The first line names the addresses of the inputs, the last those of the outputs. A program that takes its inputs from
the tape and sends its outputs to it has neither line.
"""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from memsim.compiled import bare_inlined, compiled
from memsim.errors import ProgramError
from memsim.locality.scalar.instructions import BY_NAME, INSTRUCTIONS, PREDICATES
from memsim.locality.scalar.program import NONE, ScalarProgram, location
from memsim.locality.shells import NARROW, Array


def _packed(word: str) -> int:
    """A word of at most seven letters as one number, as `_word` reads it."""
    number = 0
    for letter in word.encode():
        number = number << 8 | letter
    return number


_BLANKS = b" \t\r\n;"
_NAMES = np.array([_packed(kind.name) for kind in INSTRUCTIONS], np.int64)
_PREDICATES = np.array([_packed(name) for name in PREDICATES], np.int64)
_TAKES = ("", "integer", "predicate")
_SHAPES = np.array([(k.writes + k.sources, k.short, _TAKES.index(k.takes), k.writes) for k in INSTRUCTIONS], np.int64)
"""Of each instruction: addresses, whether there may be one less, what follows them, whether it has a destination."""

TAPE = 4
"""The instruction set that takes inputs from a tape and sends outputs to it."""

MAX_DIGITS = 1000
"""Of an address."""

DENSE = 2**24
"""Addresses up to this are numbered by way of a table."""

_OK, _WORD, _ADDRESS, _ZERO, _COMMA, _MORE, _INTEGER, _PREDICATE, _LIST, _RANGE = range(10)
"""What may be wrong with a text, as codes of the compiled reader."""


def parse(text: str | bytes, file: str | None = None) -> ScalarProgram:
    """Read a program.

    Parameters
    ----------
    text
        The program; bytes are taken as they are.
    file
        Its name, for messages.

    Raises
    ------
    ProgramError
        With line, column, cause and mend.
    """
    source = encoded(text, file)
    buffer = np.frombuffer(source, np.uint8)
    ops, values, immediates, offsets, inputs, outputs, at, error = _scan(buffer, _NAMES, _SHAPES, _PREDICATES)
    if error != _OK:
        raise _error(error, at, source, file)
    addresses, columns = slots_of(source, (inputs, values, outputs), file)
    program = ScalarProgram(ops, columns[1], immediates, columns[0], columns[2], addresses, offsets, source, file)
    _check_lists(program)
    return program


def encoded(text: str | bytes, file: str | None = None) -> bytes:
    """A text as bytes, without the mark of byte order that some editors put first."""
    try:
        source = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise ProgramError(
            f"character {error.start + 1} is no character of Unicode", where=file or "", mend="write plain ASCII"
        ) from None
    return source.removeprefix(b"\xef\xbb\xbf")


def slots_of(source: bytes, columns: tuple[Array, ...], file: str | None = None) -> tuple[Array, list[Array]]:
    """The addresses that are used, in the order of their first use, and columns of addresses as columns of slots.

    An address that does not fit int64 stands in a column as ``-2 - offset`` of its digits in the text.
    """
    far: list[int] = []
    if any((column < NONE).any() for column in columns) or max(c.max(initial=0) for c in columns) > DENSE:
        far, columns = _ranked(source, columns, file)
    numbers = np.full(1 + max(int(column.max(initial=0)) for column in columns), NONE, np.int32)
    addresses, used = np.empty(len(numbers), np.int64), 0
    found = []
    for column in columns:
        slots = np.empty(column.shape, np.int32)
        used = _number(column.reshape(-1), slots.reshape(-1), numbers, addresses, used)
        found.append(slots)
    addresses = addresses[:used].copy()
    if not far:
        return addresses, found
    kind = object if max(far) >= NARROW else np.int64
    return np.array([far[rank] for rank in addresses], dtype=kind), found


def _ranked(source: bytes, columns: tuple[Array, ...], file: str | None) -> tuple[list[int], tuple[Array, ...]]:
    """Addresses that are few but far apart, and the columns with their ranks from 1 on instead."""
    values, inverse = np.unique(np.concatenate([column.reshape(-1) for column in columns]), return_inverse=True)
    exact = [value if value >= NONE else _digits(source, -2 - value, file) for value in values.tolist()]
    order = {value: rank for rank, value in enumerate(sorted({0, *exact} - {NONE}))}
    ranks = np.array([order.get(value, NONE) for value in exact], np.int64)[inverse]
    cuts = np.cumsum([column.size for column in columns])[:-1]
    ranked = (part.reshape(column.shape) for part, column in zip(np.split(ranks, cuts), columns, strict=True))
    return list(order), tuple(ranked)


def _digits(source: bytes, at: int, file: str | None) -> int:
    """The number of any size that begins at a byte."""
    end = at
    while source[end : end + 1].isdigit():
        end += 1
    if end - at > MAX_DIGITS:
        raise ProgramError(
            f"an address of {end - at:,} digits", where=location(source, at, file), mend=f"use at most {MAX_DIGITS}"
        )
    return int(source[at:end])


def _check_lists(program: ScalarProgram) -> None:
    """Inputs are distinct; inputs and outputs are there unless the tape takes their place."""
    source, file = program.text, program.file
    begin = location(source, len(source) - len(source.lstrip(_BLANKS)), file)
    if not source.strip(_BLANKS):
        raise ProgramError(
            "the program is empty",
            where=file or "",
            mend="write a line of input addresses, instructions, and a line of output addresses",
        )
    slots, counts = np.unique(program.inputs, return_counts=True)
    if (counts > 1).any():
        raise ProgramError(
            f"address {program.addresses[slots[counts > 1][0]]} is named twice as an input",
            where=begin,
            mend="give each input an address of its own",
        )
    if program.version == TAPE:
        return
    mend = "write addresses with commas, such as `1,2,3`, on a line of their own"
    if not len(program.inputs):
        raise ProgramError("the first line does not name the input addresses", where=begin, mend=mend)
    if not len(program.outputs):
        raise ProgramError("the last line does not name the output addresses", where=program.end(), mend=mend)


def _error(code: int, at: int, source: bytes, file: str | None) -> ProgramError:
    """The message for what the compiled reader found at a byte."""
    rest = source[at : at + 40].split(b"\n")[0].split(b";")[0].decode(errors="replace").strip()
    word = rest.replace(",", " ").split(" ")[0]
    shown = repr(word or rest) if rest else "the end of the line"
    near = difflib.get_close_matches(word.lower(), BY_NAME, n=1)
    known = f"did you mean `{near[0]}`?" if near else f"the instructions are {', '.join(BY_NAME)}"
    cause, mend = {
        _WORD: (f"there is no instruction {shown}", known),
        _ADDRESS: (f"{shown} is not an address", "addresses are whole numbers from 1 on, such as `12`"),
        _ZERO: ("there is no address 0", "the first address, next to the processor, is 1"),
        _COMMA: (f"an operand is missing before {shown}", "separate operands with commas, such as `add 3,1,2`"),
        _MORE: (f"the line should end before {rest!r}", "write one instruction a line, or separate them with `;`"),
        _INTEGER: (f"{shown} is not a whole number", "`set d,K` takes one, such as `set 1,-7`"),
        _RANGE: (f"{word} has too many digits", "`set d,K` takes at most 18"),
        _PREDICATE: (f"{shown} is not a comparison", f"end `cmp` with one of {', '.join(PREDICATES)}"),
        _LIST: (
            "addresses stand where an instruction should",
            "only the first and the last line are lists of addresses",
        ),
    }[code]
    return ProgramError(cause, where=location(source, at, file), mend=mend)


@compiled
def _scan(text: Array, names: Array, shapes: Array, predicates: Array) -> Any:
    """Read a whole text into columns of addresses; the last two results are where reading ended, and the error."""
    limit = 1
    for letter in text:
        limit += letter == 10 or letter == 59
    ops, offsets = np.empty(limit, np.int8), np.empty(limit, np.int64)
    operands, immediates = np.full((limit, 4), -1, np.int64), np.zeros(limit, np.int64)
    inputs, outputs = np.empty(0, np.int64), np.empty(0, np.int64)
    count, error, last = 0, 0, -1
    at = _skip(text, 0, True)
    first = at
    while at < len(text) and error == 0:
        begin = at
        if last >= 0:
            at, error = last, 8
        elif _is_digit(text, at):
            listed = np.empty(_commas(text, at) + 1, np.int64)
            at, error, _ = _addresses(text, at, listed, len(listed))
            if begin == first:
                inputs = listed
            else:
                outputs, last = listed, begin
        else:
            offsets[count] = begin
            at, error = _instruction(text, at, names, shapes, predicates, ops, operands[count], immediates, count)
            count += 1
        if error == 0 and at < len(text) and text[at] != 10 and text[at] != 59:
            error = 5
        if error == 0:
            at = _skip(text, at, True)
    return ops[:count], operands[:count], immediates[:count], offsets[:count], inputs, outputs, at, error


@bare_inlined
def _instruction(
    text: Array,
    at: int,
    names: Array,
    shapes: Array,
    predicates: Array,
    ops: Array,
    row: Array,
    extra: Array,
    count: int,
) -> tuple[int, int]:
    """Read one instruction into its columns; returns where it ended, and the error."""
    word, end = _word(text, at)
    code = _find(names, word)
    if code < 0:
        return at, 1
    ops[count] = code
    most, short, takes, writes = shapes[code]
    at, error, given = _addresses(text, _skip(text, end, False), row[1 - writes :], most - short)
    if error == 0 and given < most and at < len(text) and text[at] == 44:
        at, error, _ = _addresses(text, _skip(text, at + 1, False), row[given:], 1)
    elif given < most:  # d,a stands for d,d,a
        row[2], row[1] = row[1], row[0]
    if error or not takes:
        return at, error
    if at == len(text) or text[at] != 44:
        return at, 4
    at = _skip(text, at + 1, False)
    if takes == 1:
        end, error, extra[count] = _integer(text, at)
    else:
        word, end = _word(text, at)
        extra[count] = _find(predicates, word)
        error = 7 if extra[count] < 0 else 0
    return (at, error) if error else (_skip(text, end, False), 0)


@bare_inlined
def _addresses(text: Array, at: int, row: Array, wanted: int) -> tuple[int, int, int]:
    """Read ``wanted`` addresses with commas between them; returns where they end, the error and how many were read."""
    for i in range(wanted):
        if i:
            if at == len(text) or text[at] != 44:
                return at, 4, i
            at = _skip(text, at + 1, False)
        if not _is_digit(text, at):
            return at, 2, i
        while text[at] == 48 and _is_digit(text, at + 1):
            at += 1
        start, value = at, 0
        while _is_digit(text, at):
            value = value * 10 + (text[at] - 48)
            at += 1
            if at - start > 18:
                value = 0
        if at - start > 18:  # beyond int64: stands as the place of its digits
            value = -2 - start
        if value == 0:
            return start, 3, i
        row[i] = value
        at = _skip(text, at, False)
    return at, 0, wanted


@bare_inlined
def _integer(text: Array, at: int) -> tuple[int, int, int]:
    """Read a whole number with a sign; returns where it ends, the error and the number."""
    negative = at < len(text) and text[at] == 45
    start, value = at + negative, 0
    at = start
    while _is_digit(text, at) and at - start <= 18:
        value = value * 10 + (text[at] - 48)
        at += 1
    error = 6 if at == start else (9 if at - start > 18 else 0)
    return at, error, -value if negative else value


@bare_inlined
def _word(text: Array, at: int) -> tuple[int, int]:
    """Read letters as one number, eight bits each; returns it and where they end."""
    number, start = 0, at
    while at < len(text) and 97 <= text[at] <= 122 and at - start < 7:
        number = number << 8 | text[at]
        at += 1
    return number, at


@bare_inlined
def _find(names: Array, word: int) -> int:
    for code in range(len(names)):
        if names[code] == word:
            return code
    return -1


@bare_inlined
def _commas(text: Array, at: int) -> int:
    """Commas up to the end of the line."""
    count = 0
    while at < len(text) and text[at] != 10 and text[at] != 59:
        count += text[at] == 44
        at += 1
    return count


@bare_inlined
def _skip(text: Array, at: int, separators: bool) -> int:
    """The next character that is no blank, nor a separator where these are skipped too."""
    while at < len(text):
        letter = text[at]
        if not (letter == 32 or letter == 9 or letter == 13 or (separators and (letter == 10 or letter == 59))):
            break
        at += 1
    return at


@bare_inlined
def _is_digit(text: Array, at: int) -> bool:
    return at < len(text) and 48 <= text[at] <= 57


@compiled
def _number(values: Array, slots: Array, numbers: Array, addresses: Array, used: int) -> int:
    """Number the addresses of a column in the order of their first use; returns how many there are."""
    for i in range(len(values)):
        value = values[i]
        if value == -1:
            slots[i] = -1
            continue
        if numbers[value] < 0:
            numbers[value] = used
            addresses[used] = value
            used += 1
        slots[i] = numbers[value]
    return used
