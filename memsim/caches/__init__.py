"""Caches at the level of lines: a model of any organisation, and stack distances, which answer for every capacity.

`CacheSpec` says what a cache is, `empty_caches` makes one or several, `run` sends them a trace and counts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memsim.caches.model import flush, run
    from memsim.caches.spec import CacheSpec
    from memsim.caches.stack_distance import hits_by_capacity, miss_ratio_curve, stack_distances
    from memsim.caches.state import HINTS, Caches, Counts, empty_caches
    from memsim.caches.three_cs import classify_misses

__all__ = [
    "HINTS",
    "CacheSpec",
    "Caches",
    "Counts",
    "classify_misses",
    "empty_caches",
    "flush",
    "hits_by_capacity",
    "miss_ratio_curve",
    "run",
    "stack_distances",
]

_HOMES = {
    "model": ["flush", "run"],
    "spec": ["CacheSpec"],
    "state": ["HINTS", "Caches", "Counts", "empty_caches"],
    "stack_distance": ["hits_by_capacity", "miss_ratio_curve", "stack_distances"],
    "three_cs": ["classify_misses"],
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"memsim.caches.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'memsim.caches' has no attribute {name!r}")
