"""Copies to nearer addresses: a value that is read often for a while is worth a read of its far address.

The reads of a value in the order of time fall into *clusters*: a cluster ends where the next read is more than ``gap``
instructions away. `insert_copies` gives every cluster of two or more reads a copy of its own, made just before its
first read; whether a copy also pays is for the allocation, and for `memsim.locality.optimise.search`, to tell.
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.values import Schedule
from memsim.locality.scalar.instructions import Op
from memsim.locality.shells import Array


def read_clusters(schedule: Schedule, gap: int) -> tuple[Array, Array]:
    """The clusters that reads of inputs fall into.

    Returns
    -------
    clusters
        The cluster of each source, ``(m, 3)`` int32; -1 where the source is no input.
    sizes
        Reads of each cluster, int64. Clusters are numbered in the order of their first reads.
    """
    return _clusters(schedule.sources, schedule.inputs, gap)


def with_copies(schedule: Schedule, clusters: Array, chosen: Array) -> Schedule:
    """The schedule with a copy for each chosen cluster, made just before its first read and read instead.

    Parameters
    ----------
    schedule
        What is computed.
    clusters
        Of each source, as `read_clusters` gives them.
    chosen
        Whether each cluster gets a copy, bool.
    """
    ops, sources, immediates, outputs = _copied(
        schedule.ops, schedule.sources, schedule.immediates, schedule.outputs, schedule.inputs, clusters, chosen
    )
    return Schedule(schedule.inputs, ops, sources, outputs, immediates)


def insert_copies(schedule: Schedule, gap: int) -> Schedule:
    """The schedule with a copy for every cluster of two or more reads of an input; see the module."""
    clusters, sizes = read_clusters(schedule, gap)
    return with_copies(schedule, clusters, sizes > 1)


@compiled
def _clusters(sources: Array, inputs: int, gap: int) -> tuple[Array, Array]:
    clusters = np.full(sources.shape, -1, np.int32)
    last, current = np.full(inputs, -gap - 2, np.int64), np.zeros(inputs, np.int64)
    sizes, count = np.zeros(sources.size, np.int64), 0
    for i in range(len(sources)):
        for j in range(sources.shape[1]):
            v = sources[i, j]
            if v < 0 or v >= inputs:
                continue
            if i - last[v] > gap:
                current[v] = count
                count += 1
            last[v] = i
            clusters[i, j] = current[v]
            sizes[current[v]] += 1
    return clusters, sizes[:count].copy()


@compiled
def _copied(
    ops: Array, sources: Array, immediates: Array, outputs: Array, inputs: int, clusters: Array, chosen: Array
) -> tuple[Array, Array, Array, Array]:
    m, extra = len(ops), 0
    for c in range(len(chosen)):
        extra += chosen[c]
    new_ops, new_sources = np.empty(m + extra, np.int8), np.full((m + extra, 3), -1, np.int32)
    new_immediates = np.zeros(m + extra, np.int64)
    copy, renamed = np.full(len(chosen), -1, np.int32), np.empty(inputs + m, np.int32)
    for v in range(inputs):
        renamed[v] = v
    at = 0
    for i in range(m):
        for j in range(sources.shape[1]):
            c = clusters[i, j]
            if c >= 0 and chosen[c] and copy[c] < 0:
                new_ops[at], new_sources[at, 0] = Op.COPY, renamed[sources[i, j]]
                copy[c] = inputs + at
                at += 1
        for j in range(sources.shape[1]):
            c = clusters[i, j]
            if c >= 0 and chosen[c]:
                new_sources[at, j] = copy[c]
            elif sources[i, j] >= 0:
                new_sources[at, j] = renamed[sources[i, j]]
        new_ops[at], new_immediates[at] = ops[i], immediates[i]
        renamed[inputs + i] = inputs + at
        at += 1
    new_outputs = np.empty(len(outputs), np.int32)
    for i in range(len(outputs)):
        new_outputs[i] = renamed[outputs[i]]
    return new_ops[:at], new_sources[:at], new_immediates[:at], new_outputs
