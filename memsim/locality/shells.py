"""Shells of a half plane: how far the word at an address is, and closed sums of it.

A processor sits in the middle of the lower edge of a half plane of unit cells. Shell ``k`` holds the ``2k - 1`` cells
at Manhattan distance ``k``, and addresses fill the shells in order: shell ``k`` is the addresses ``(k - 1)^2 + 1`` to
``k^2``. So the distance of address ``a`` is ``ceil(sqrt(a))`` = ``isqrt(a - 1) + 1``.

Everything here is exact: Python integers, or int64 where the docstring says so.
"""

from __future__ import annotations

from math import isqrt
from typing import Any, TypeAlias

import numpy as np

from memsim.compiled import bare_inlined, compiled

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

NARROW = 2**62
"""Addresses below this are kept in int64."""


def distance(address: int) -> int:
    """The shell of an address, ``ceil(sqrt(address))``, for an ``address`` of at least 1 and of any size."""
    return isqrt(address - 1) + 1


def prefix_distance(address: int) -> int:
    """The sum of the distances of the addresses 1 to ``address``, in closed form; 0 for ``address`` 0.

    With ``q = isqrt(x)``, the full shells 1 to ``q`` add up to ``q (q + 1) (4q - 1) / 6``, and the ``x - q^2``
    addresses of the next cost ``q + 1`` each.
    """
    full = isqrt(address)
    return full * (full + 1) * (4 * full - 1) // 6 + (address - full * full) * (full + 1)


def distances(addresses: Array) -> Array:
    """The shell of each address of an array: int64 for int64 addresses below `NARROW`, objects for objects."""
    if addresses.dtype == object:
        return np.array([distance(int(a)) for a in addresses], dtype=object)
    return _distances(addresses)


@compiled
def _distances(addresses: Array) -> Array:
    found = np.empty(len(addresses), np.int64)
    for i in range(len(addresses)):
        found[i] = shell(addresses[i])
    return found


@bare_inlined
def shell(address: int) -> int:
    """`distance` for compiled code, exact for int64 addresses from 1 to `NARROW`."""
    return integer_root(address - 1) + 1


@bare_inlined
def integer_root(value: int) -> int:
    """The integer square root of an int64 from 0 to `NARROW`, for compiled code."""
    root = int(np.sqrt(np.float64(value)))
    while root * root > value:  # the double may be off by one where value has more than 53 bits
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root
