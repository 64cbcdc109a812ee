"""DMC, ARD and DMD of a scalar program: each address is a block of one element; inputs are written first.

The same clock and stack as in `memsim.locality.trackers`, over the columns of a program.
"""

from __future__ import annotations

import numpy as np

from memsim.caches.fenwick import add, sum_to
from memsim.compiled import compiled
from memsim.locality.accesses import scalar_accesses
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.scores import Score
from memsim.locality.shells import Array
from memsim.locality.trackers.clock import VERSION


def track(program: ScalarProgram) -> tuple[Score, Score, Score]:
    """DMC, ARD and DMD, in this order; outputs are read at the end.

    Raises
    ------
    MemsimError
        If the program reads what was never written, or has too many accesses.
    """
    accesses = scalar_accesses(program)
    reads, writes = int((~accesses.writes).sum()), int(accesses.writes.sum())
    dmc, weighed, dmd = _track(accesses.items, accesses.writes, len(accesses.weights))
    rows = (
        ("dmc", "MemTracker", "clock", dmc),
        ("ard", "MemTracker", "clock", weighed / max(1, reads)),
        ("dmd", "LRUStackTracker", "fenwick", dmd),
    )
    first, second, third = (
        Score(model, dialect, VERSION, engine, cost, "distance", reads, writes) for model, dialect, engine, cost in rows
    )
    return first, second, third


@compiled
def _track(items: Array, writes: Array, count: int) -> tuple[float, int, float]:
    """The sums of the root of the distance, of the distance, and of the root of the depth, over reads."""
    written = np.zeros(count, np.int64)  # the clock at the last write of each item, 0 for none
    tree = np.zeros(len(items) + 1, np.int64)  # a mark at the clock of each item's last write
    dmc, weighed, dmd, live = 0.0, 0, 0.0, 0
    for i in range(len(items)):
        item, clock = items[i], i + 1
        if writes[i]:
            if written[item] > 0:
                add(tree, written[item], -1)
                live -= 1
            add(tree, clock, 1)
            live += 1
            written[item] = clock
        else:
            distance = clock - written[item]
            dmc += np.sqrt(float(distance))
            weighed += distance
            dmd += np.sqrt(float(live - sum_to(tree, written[item]) + 1))
    return dmc, weighed, dmd
