"""Whether the compiled engine is in numba's cache, and what makes that cache forget code that has changed.

numba keeps the machine code of each jitted function beside its module, or in the folder ``NUMBA_CACHE_DIR``, or in a
cache folder of the user, and compiles it again when *that* module changes. It does not see that a function of another
module, which is compiled into it, has changed. A digest of all modules whose code is compiled, beside the cache, does.
"""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ENTRY = ("memsim.engine.fast.loop", "run_until")
"""Module and name of the jitted function that calls all others."""
NEIGHBOUR = ("memsim.engine.servers", "serve")
"""Any jitted function of the folder above."""
COMPILE_S = 50
"""Seconds that the first compilation takes, roughly (``make bench`` measures them); only shown."""
MARKER = "memsim-engine.sha256"


def is_compiled() -> bool:
    """Whether the engine's machine code is there, so that a run starts at once.

    It looks for numba's index of one function, of this numba and Python, and for the digest of these sources. It is a
    guess, for a message: numba may still compile, for another processor say.
    """
    folder = cache_folder(ENTRY)
    if folder is None:
        return True
    python = f"py{sys.version_info[0]}{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"
    indices = folder.glob(f"*.{ENTRY[1]}-*.{python}.nbi")
    return _marked(folder) == digest() and any(_of_this_numba(index) for index in indices)


def forget_stale() -> None:
    """Make numba compile anew if a module that is compiled has changed since; to be called before it loads anything.

    A cache that cannot be written stays as it is: it came with the installation.
    """
    folder = cache_folder(ENTRY)
    if folder is None or _marked(folder) == digest():
        return
    with suppress(OSError):
        for place in (folder, cache_folder(NEIGHBOUR)):
            for index in place.glob("*.nbi") if place is not None else ():
                index.unlink(missing_ok=True)
        (folder / MARKER).write_text(digest(), encoding="ascii")


def cache_folder(function: tuple[str, str]) -> Path | None:
    """The folder of numba's cache for a jitted function; none if numba does not compile (``NUMBA_DISABLE_JIT``)."""
    stats: Any = getattr(getattr(import_module(function[0]), function[1]), "stats", None)
    return None if stats is None or stats.cache_path is None else Path(stats.cache_path)


@cache
def digest() -> str:
    """SHA-256 of the sources of all modules that are compiled, and of the constants that they share."""
    here = Path(__file__).parent
    total = hashlib.sha256()
    for module in (here.parent / "compiled.py", *sorted(here.rglob("*.py"))):
        text = module.read_bytes()
        if b"memsim.compiled" in text or module.name in ("compiled.py", "words.py"):
            total.update(text)
    return total.hexdigest()


def _marked(folder: Path) -> str:
    try:
        return (folder / MARKER).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _of_this_numba(index: Path) -> bool:
    """An index begins with the version of numba that wrote it, pickled."""
    import numba

    try:
        with index.open("rb") as file:
            return numba.__version__.encode() in file.read(64)
    except OSError:
        return False
