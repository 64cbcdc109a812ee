"""Why accesses miss: Hill's three C's (Hill and Smith, IEEE Trans. Computers 38(12), 1989)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from memsim.caches.model import run
from memsim.caches.spec import CacheSpec
from memsim.caches.stack_distance import COLD, Array, stack_distances
from memsim.caches.state import empty_caches


class MissKinds(NamedTuple):
    """Misses of a trace of reads, by cause."""

    compulsory: int
    """First uses of a line (or sector)."""
    capacity: int
    """More, in a fully associative LRU cache of the same size."""
    conflict: int
    """More, in the cache itself; negative where it does better than LRU would."""


def classify_misses(spec: CacheSpec, addresses: Sequence[int] | Array) -> MissKinds:
    """Split the misses of one-byte reads in a cache with whole-line sectors; smaller sectors count with the first C."""
    trace = np.asarray(addresses, dtype=np.int64)
    distances = stack_distances(trace, line=spec.line)
    cold = int((distances == COLD).sum())
    far = int((distances >= spec.lines).sum())
    counts = run(empty_caches(spec), trace, size=1)
    return MissKinds(cold + counts.sector_misses, far, counts.line_misses - cold - far)
