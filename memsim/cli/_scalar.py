"""Files of scalar programs, for the commands that take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from memsim.cli._files import read_bytes
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.locality.files import AnyProgram
    from memsim.locality.scalar.program import ScalarProgram


def read_any(file: Path) -> AnyProgram:
    """Parse a scalar program in any of its forms; errors name the file, line and column."""
    from memsim.locality.files import read

    return read(read_bytes(file), str(file))


def straight(program: AnyProgram, name: str) -> ScalarProgram:
    """The program as a straight line; loops are unrolled."""
    from memsim.locality.loops import LoopProgram, unroll
    from memsim.locality.scalar.program import ScalarProgram

    if isinstance(program, LoopProgram):
        return unroll(program)
    if isinstance(program, ScalarProgram):
        return program
    raise MemsimError("a spatial program has no addresses", where=name, mend="give a program over addresses")


def names_of(files: Sequence[Path]) -> list[str]:
    """A name for each file: without folders and suffix where these are told apart by it, else in full."""
    stems = [file.stem for file in files]
    return stems if len({*stems}) == len(stems) else [str(file) for file in files]
