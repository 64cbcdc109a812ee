"""Python functions that the user names as ``FILE.py:function``."""

from __future__ import annotations

import difflib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from memsim.cli._files import parse_json, read_text
from memsim.errors import MemsimError


def read_function(target: str) -> Callable[..., Any]:
    """The function of ``FILE.py:function``; the file is run, as ``python FILE.py`` would run it up to its main part."""
    name, colon, function = target.rpartition(":")
    if not colon or not function.isidentifier():
        raise MemsimError(f"{target!r} is no FILE.py:function", mend="write for example programs.py:dot")
    path = Path(name)
    read_text(path)
    module = _load(path)
    found = getattr(module, function, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    near = difflib.get_close_matches(function, known, n=1)
    mend = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'no functions'}"
    raise MemsimError(f"there is no function {function!r}", where=str(path), mend=mend)


def read_arguments(text: str, option: str) -> list[Any]:
    """A JSON list with one entry for each argument."""
    found = parse_json(text, option, "write such as '[[1,2],[3,4]]'")
    if not isinstance(found, list):
        raise MemsimError(
            f"{text.strip()[:40]} is no list", where=option, mend=f"one entry for each argument: [{text.strip()[:40]}]"
        )
    return found


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise MemsimError("is no Python file", where=str(path), mend="end its name in .py")
    module = importlib.util.module_from_spec(spec)
    with _beside(path):
        try:
            spec.loader.exec_module(module)
        except SyntaxError as error:
            raise MemsimError(
                f"no Python: {error.msg}",
                where=f"{path}: line {error.lineno}, column {error.offset}",
                mend="mend the file",
            ) from error
        except (Exception, SystemExit) as error:
            raise MemsimError(
                f"the file cannot be loaded: {type(error).__name__}: {error}",
                where=_line_in(path, error),
                mend="it must run when it is imported",
            ) from error
    return module


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let the file import what lies beside it."""
    sys.path.insert(0, str(path.absolute().parent))
    try:
        yield
    finally:
        sys.path.remove(str(path.absolute().parent))


def _line_in(path: Path, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).absolute() == path.absolute()]
    return f"{path}: line {lines[-1]}" if lines else str(path)
