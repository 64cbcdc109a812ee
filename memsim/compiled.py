"""How the engine's inner functions are compiled: to machine code that is kept, with divisions that are not checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

njit: Any = numba.njit
"""Its overloads, where numba declares them, turn a function of any signature into one of none."""


def compiled(function: F) -> F:
    """Compile a function when it is first called, and keep its code for later processes.

    Where no folder for the code can be written (an installation that is read-only, and no home), it is compiled anew.
    """
    return _compile(function)


def inlined(function: F) -> F:
    """The same for a small function, whose code is copied to where it is called."""
    return _compile(function, forceinline=True)


def bare(function: F) -> F:
    """Compile a function that makes no array and is only called by compiled ones: without counting references.

    Where small functions pass arrays around, the counting (two atomic steps for each array and call) took most of
    the time: the DRAM model is three times as fast without.
    """
    return _compile(function, _nrt=False)


def bare_inlined(function: F) -> F:
    """The same for a small function, whose code is copied to where it is called."""
    return _compile(function, _nrt=False, forceinline=True)


def _compile(function: F, **options: bool) -> F:
    try:
        result: F = njit(cache=True, error_model="numpy", **options)(function)
    except RuntimeError:  # numba cannot find a folder for its cache
        result = njit(error_model="numpy", **options)(function)
    return result
