"""Files of scalar programs: which form a text has, and reading it."""

from __future__ import annotations

import re
from typing import TypeAlias

from memsim.errors import Location, ProgramError
from memsim.locality.loops.jsonform import from_json
from memsim.locality.loops.model import LoopProgram
from memsim.locality.loops.text import parse as parse_loops
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.scalar.text import encoded
from memsim.locality.scalar.text import parse as parse_scalar
from memsim.locality.spatial.program import SpatialProgram
from memsim.locality.spatial.text import parse as parse_spatial

AnyProgram: TypeAlias = ScalarProgram | LoopProgram | SpatialProgram

_LOOPS = re.compile(rb"\s*(#[^\n]*\s*)*(program|region|for)\b")
_SPATIAL = re.compile(rb"(?m)^\s*(core|word)\b|\d:\d")


def read(source: bytes | str, file: str | None = None) -> AnyProgram:
    """Read a program in whichever form it has.

    A JSON object and a text that declares regions are programs with loops; a text that names cores or cells is a
    spatial one; every other text is a straight line.

    Raises
    ------
    ProgramError
        With line, column, cause and mend.
    """
    text = encoded(source, file)
    begin = text[:4096].lstrip()
    if begin.startswith(b"{"):
        return from_json(_decoded(text, file), file)
    if _LOOPS.match(text):
        return parse_loops(_decoded(text, file), file)
    if _SPATIAL.search(text, 0, 1 << 16):
        return parse_spatial(_decoded(text, file), file)
    return parse_scalar(text, file)


def _decoded(text: bytes, file: str | None) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - text.rfind(b"\n", 0, error.start)
        raise ProgramError(
            f"byte {error.start} is not UTF-8", where=Location(line, column, file), mend="save it as UTF-8 text"
        ) from None
