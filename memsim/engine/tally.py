"""What a run did, counted in integers: the raw outcome of an engine, from which ledger and tables are made.

A `Tally` holds one kernel's counts by its instructions (`Step.number`, counted within the kernel) and cores. Arrays are
``int64``; where folding makes a count too large for that they are arrays of Python integers (``dtype=object``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

Counts: TypeAlias = np.ndarray[Any, Any]
"""Integers: ``int64``, or ``object`` where they may not fit."""
Crossed: TypeAlias = tuple[tuple[str, int], ...]
"""(kind, how many) of the links of a route that have an energy of their own."""


def objects(values: Sequence[Crossed]) -> np.ndarray[Any, np.dtype[np.object_]]:
    """An array with one tuple an entry."""
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


ByKind: TypeAlias = tuple[int, ...]
"""What memories did for a tensor, in the order of the rows of `memsim.engine.memory.Memory.counts`."""


def counts_by_tensor(tensors: Sequence[str], counts: Counts) -> dict[str, ByKind]:
    """The columns of `memsim.engine.memory.Memory.counts` that are not 0."""
    rows = zip(tensors, counts.T.tolist(), strict=False)
    return {name: tuple(column) for name, column in rows if any(column)}


@dataclass(frozen=True, slots=True)
class RouteFlows:
    """Bytes that passed the network, a row for each (step, issuing core, sort of route): columns of equal length."""

    step: Counts
    core: Counts
    mm: np.ndarray[Any, np.dtype[np.float64]]
    """Wire length of the whole route or tree."""
    crossed: np.ndarray[Any, np.dtype[np.object_]]
    """`Route.crossed`: links that have an energy of their own, by kind."""
    bytes: Counts
    router_bytes: Counts
    """Bytes times the routers passed."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one run of one kernel did. The first four are arrays of shape (steps, cores)."""

    executions: Counts
    """Executions of each step on each core."""
    moved: Counts
    """Bytes that its transfers moved, clipping done, by the core that issued them."""
    entered: Counts
    """Bytes that they wrote into the target's core memory, by the core that owns it."""
    fetched: Counts
    """Bytes that the DRAM sent because the cache missed, by the core that issued the transfer."""
    empty: np.ndarray[Any, np.dtype[np.bool_]]
    """For each step whether some execution of it had nothing to move."""
    flows: RouteFlows
    by_tensor: dict[str, ByKind] = field(default_factory=dict)
    """What no instruction can be told of, for each tensor."""


@dataclass(frozen=True, slots=True)
class KernelRun:
    """One kernel's span (launch included) in ticks from the start of the run, and its counts."""

    kernel: int
    begin: int
    end: int
    tally: Tally


@dataclass(frozen=True)
class Run:
    """Raw outcome of an engine. Every number is an exact integer; ticks and busy times may exceed 64 bits."""

    ticks: int
    kernels: list[KernelRun]
    server_busy: list[int]
    """Busy ticks of each server, in the order of `Hardware.names`."""
    link_bytes: list[int]
    """Bytes that passed each server that is a link, in the same order (0 for the others)."""
    bank_busy: dict[str, list[int]]
    """Busy ticks of each bank of each memory: keys of `Hardware.banks`."""
    stalls: dict[tuple[str, str], int]
    """Ticks that queues of a name spent for a reason, over all blocks."""
    final_write_back: dict[str, int]
    """Dirty bytes of each tensor that were in the cache at the end."""
    trace: list[Any] | None
    """Rows (kernel, block, core, queue, step, first tick, last tick, bytes, sequence in the queue)."""
