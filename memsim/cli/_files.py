"""Files that a command reads or writes: each problem is told before any work is done."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.hierarchy import Chip
    from memsim.isa import Program


def read_bytes(path: Path) -> bytes:
    """What is in a file, or an error that says why it cannot be had."""
    if path.is_dir():
        raise MemsimError("is a folder, not a file", where=str(path), mend="name a file in it")
    if not path.exists():
        raise MemsimError("no such file", where=str(path), mend=_similar_files(path))
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The text of a file, or an error that says why it cannot be had."""
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise MemsimError(
            f"is not a text file: byte {error.start} is not UTF-8", where=str(path), mend="save it as UTF-8 text"
        ) from error


def check_writable(path: Path | None) -> None:
    """Refuse a file that could not be written later; ``None`` is no file."""
    if path is None:
        return
    if path.is_dir():
        raise MemsimError("cannot write: it is a folder", where=str(path), mend="name a file in it")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise MemsimError(f"cannot write: there is no folder {folder}", where=str(path), mend="create the folder first")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise MemsimError("cannot write: permission denied", where=str(path), mend="name a file that you may write")


def check_figure(path: Path | None) -> None:
    """Refuse a figure whose suffix is no image format, or that could not be written later."""
    check_writable(path)
    if path is None or not path.suffix:
        return
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        known = ", ".join(f".{name}" for name in sorted(formats))
        raise MemsimError(f"{path.suffix!r} is not an image format", where=str(path), mend=f"end the name in {known}")


def parse_json(text: str, where: str, example: str) -> Any:
    """What a JSON text says, or an error that names the place; a key that stands twice is refused."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key in found if sum(key == other for other, _ in pairs) > 1)
            raise MemsimError(f"the key {twice!r} stands twice", where=where, mend="keep one")
        return found

    try:
        return json.loads(text, object_pairs_hook=distinct)
    except json.JSONDecodeError as error:
        place = f"{where}: line {error.lineno}, column {error.colno}"
        raise MemsimError(f"no JSON: {error.msg.lower()}", where=place, mend=example) from None
    except RecursionError:
        raise MemsimError("it nests too deep", where=where, mend=example) from None
    except ValueError:  # an integer of more digits than Python reads
        raise MemsimError("a number has too many digits", where=where, mend=example) from None


def write_json(value: dict[str, Any], path: Path | None) -> None:
    """Write ``value`` as indented JSON to a file, or to stdout if there is none."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    if path is None:
        sys.stdout.write(text)
    else:
        write_text(text, path)


def write_text(text: str, path: Path) -> None:
    """Write a file as UTF-8."""
    with replacing(path) as target:
        target.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to; what was written there takes the place of ``path`` when the body has ended, and only then.

    So an interruption leaves the file as it was. What is no plain file (a pipe, a terminal) is written to as it is.
    """
    path = path.resolve()
    if not os.access(path.parent, os.W_OK) or (path.exists() and not path.is_file()):
        yield path
        return
    with TemporaryDirectory(prefix=".memsim-", dir=path.parent) as folder:
        yield Path(folder) / path.name
        for written in Path(folder).iterdir():  # a figure may have got the suffix of its format
            written.replace(path.parent / written.name)


def read_program(path: Path) -> Program:
    """Parse a tile program; syntax errors name the file, line and column."""
    from memsim.isa import parse

    return parse(read_text(path), file=str(path))


def read_chip(name: str) -> Chip:
    """A chip from the name of a preset or from a TOML file."""
    from memsim.hierarchy import Chip

    path = Path(name)
    if path.suffix == ".toml" or path.is_file() or os.sep in name:
        read_text(path)
        return Chip.from_toml(path)
    return Chip.preset(name)


def _similar_files(path: Path) -> str:
    import difflib

    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    names = [p.name for p in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"did you mean {path.parent / near[0]}?" if near else "check the name"
