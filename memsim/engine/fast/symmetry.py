"""Folding across cores: where no two cores share anything, and all do the same, one is simulated for all.

That is so for a kernel of one group whose blocks stay by themselves: they read and write only memories of their own
core, nothing in their text depends on their coordinates, and each core gets as many blocks as the others, one after
another. Then core 0 stands for the first `alike` cores; the rest have nothing to do.
"""

from __future__ import annotations

import numpy as np

from memsim.engine.fast import words as w
from memsim.engine.fast.counted import Counted
from memsim.engine.fast.machine import Places
from memsim.engine.plan import KernelPlan, Step
from memsim.engine.servers import BUSY, FREE_AT, SERVER_WORDS, Array
from memsim.engine.tally import Counts
from memsim.isa.expr import Expr
from memsim.isa.model import Gather, Load, Loop, Statement, Store

KINDS = 5
"""Servers of a core."""


def alike(kernel: KernelPlan, servers: Array, clock: int) -> int:
    """How many cores, from core 0 on, do exactly the same in a kernel that begins now; 1 if that is not sure."""
    blocks = kernel.kernel.block_count
    if len(kernel.groups) != 1 or kernel.kernel.cooperative or kernel.groups[0].group.cluster_size > 1:
        return 1
    if (blocks % kernel.cores and blocks > kernel.cores) or (servers[:, FREE_AT] > clock).any():
        return 1
    if not all(map(_stays, kernel.steps)):
        return 1
    group = kernel.groups[0].group
    names = {name for name, _ in group.grid}
    expressions = [e for queue in group.queues for e in _expressions(queue.body)]
    if any(names & e.variables() for e in expressions):
        return 1
    return min(blocks, kernel.cores)


def _stays(step: Step) -> bool:
    """Whether an instruction needs nothing but its own core."""
    own = step.target is None or step.target.blocks is None
    return own and (step.access is None or step.access.layout is None)


def _expressions(body: tuple[Statement, ...]) -> list[Expr]:
    """Trip counts, and where transfers begin."""
    found: list[Expr] = []
    for statement in body:
        match statement:
            case Loop():
                found += [statement.count, *_expressions(statement.body)]
            case Load(src=region) | Gather(src=region) | Store(dst=region):
                found += region.starts
    return found


def leave_to_first(m: Array, cores: int) -> None:
    """Let no block start on the cores that core 0 stands for; there are ``cores`` with core 0."""
    own = -(-int(m[w.KERNEL_BLOCKS]) // cores)
    for core in range(1, int(m[w.KERNEL_CORES])):
        m[int(m[w.CORE_BASE]) + core * w.CORE_WORDS + w.C_NEXT_BLOCK] = m[w.KERNEL_BLOCKS]
    m[w.BLOCKS_TO_DO] = own


def spread(m: Array, places: Places, more: Counted | None, before: Array, cores: int) -> Counted | None:
    """Give all alike cores what core 0 has counted; returns ``more``, what folding has skipped, of all of them.

    Parameters
    ----------
    m, places
        The machine, and where it counts.
    more
        What folding has skipped of core 0.
    before
        The servers when the kernel began.
    cores
        How many are alike.
    """
    servers = m[places.servers : places.servers_end].reshape(-1, SERVER_WORDS)
    chip_cores = int(m[w.CORES])
    for first in range(0, KINDS * chip_cores, chip_cores):
        others = slice(first + 1, first + cores)
        servers[others, FREE_AT] = servers[first, FREE_AT]
        servers[others, BUSY] += servers[first, BUSY] - before[first, BUSY]
    _spread_counts(m[places.stalls : places.counts_end], places, chip_cores, cores)
    m[w.EXECUTED] *= cores
    if more is None:
        return None
    arrays = {name: counts.copy() for name, counts in more.arrays.items()}
    skipped = arrays["servers"].reshape(-1, SERVER_WORDS)
    for first in range(0, KINDS * chip_cores, chip_cores):
        skipped[first + 1 : first + cores] = skipped[first]
    arrays["kernel"] = arrays["kernel"].astype(object)
    _spread_counts(arrays["kernel"], places, chip_cores, cores)
    return Counted(arrays, more.flows, more.executed * cores)


def _spread_counts(counts: Counts, places: Places, chip_cores: int, cores: int) -> None:
    split = places.counts - places.stalls
    counts[:split] *= cores
    table: Counts = counts[split:].reshape(-1, chip_cores, w.COUNT_WORDS)
    table[:, 1:cores] = np.repeat(table[:, :1], cores - 1, axis=1)
