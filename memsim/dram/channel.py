"""One channel of a DRAM part under a list of requests: what each took, and what all of them cost."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from memsim.dram import kernel
from memsim.dram import state as columns
from memsim.dram.distances import distances
from memsim.dram.frfcfs import WAS_HIT
from memsim.dram.maps import AddressMap, address_map
from memsim.dram.stimulus import Requests
from memsim.errors import MemsimError
from memsim.hierarchy.dram_parts import DramPart

Page: TypeAlias = Literal["open", "closed"]
"""Whether a row stays open when no request wants it."""

Scheduler: TypeAlias = Literal["frfcfs", "bank_queues"]
"""One window over all requests, or a short queue a bank."""

Array: TypeAlias = npt.NDArray[np.int64]

COMMANDS = ("activate", "precharge", "read", "write", "refresh", "precharge_all")
"""The commands that are counted, in the order of the model's counters."""

_FLYING = 1 << 12
"""Reads that can be on their way at a time: a power of two, many more than a latency has bursts."""


@dataclass(frozen=True)
class Source:
    """How requests are offered: at most ``mlp`` reads outstanding, or ``rate`` requests a clock, or at given clocks."""

    mlp: int | None = None
    rate: float | None = None
    arrivals: Array | None = None


@dataclass(frozen=True)
class Run:
    """What a run of requests did. Times are ticks: clocks, or half clocks where a part has commands on them."""

    part: DramPart
    ticks_a_clock: int
    accepted: Array
    """When each request entered its queue; -1 if never."""
    done: Array
    """When the last of its data was there; -1 if never."""
    writes: npt.NDArray[np.bool_]
    """Which of them write."""
    hit: npt.NDArray[np.bool_]
    """Whether it found its row open."""
    start: int
    """When the measurement started."""
    end: int
    served: int
    """Requests served from start to end: reads with data, writes taken."""
    counts: dict[str, int]
    """Commands from start to end."""
    open_ticks: int
    """Ticks with a row open, of all ranks or pseudo-channels."""
    ranks: int
    trace: Array
    """(tick, command, bank or rank, row) of each command, where it was asked for."""

    @property
    def tick_ns(self) -> Fraction:
        """Nanoseconds of a tick, exact."""
        return self.part.tck_ps / 1000 / self.ticks_a_clock


def run(
    part: DramPart,
    requests: Requests,
    source: Source,
    *,
    address: AddressMap | str = "mop4clxor",
    warm: int = 0,
    measured: int | None = None,
    page: Page = "open",
    scheduler: Scheduler = "frfcfs",
    queue: int | None = None,
    refresh: bool = True,
    trace: int = 0,
) -> Run:
    """Run requests through a channel; measure from the ``warm``-th that is served on, ``measured`` of them (or all).

    Parameters
    ----------
    queue
        Reads, and writes, that the controller holds; unless given, the part's.
    refresh
        False leaves refresh out: for closed forms.
    trace
        Commands to record, at most.
    """
    mapped = address_map(address, part) if isinstance(address, str) else address
    mode, mlp, rate = _mode(source, part)
    table = _table(part, requests, mapped, source.arrivals)
    m = _matrix(part)
    depth = queue or part.queue
    lists = np.zeros((2 * part.bank_count + 2, max(depth, 8) + 1), dtype=np.int64)
    goal = len(requests) if measured is None else warm + measured
    refresh = refresh and part.refresh == "all_bank"
    options = [depth, scheduler == "bank_queues", page == "closed", mode, mlp, warm, goal, refresh]
    recorded, before, after = np.zeros((trace, 4), np.int64), np.zeros(9, np.int64), np.zeros(9, np.int64)
    fly = np.zeros(_FLYING, dtype=np.int64)
    kernel.run(np.array(options, dtype=np.int64), rate, m, lists, table, fly, recorded, before, after)
    change = after - before
    return Run(
        part=part,
        ticks_a_clock=_ticks(part),
        accepted=table[:, columns.ACCEPTED],
        done=table[:, columns.DONE],
        writes=table[:, columns.WRITE] == 1,
        hit=table[:, columns.FOUND] == WAS_HIT,
        start=int(before[7]),
        end=int(after[7]),
        served=int(change[8]),
        counts={name: int(change[i]) for i, name in enumerate(COMMANDS)},
        open_ticks=int(change[6]),
        ranks=int(m[columns.S, columns.RANK_COUNT]),
        trace=recorded[: m[columns.S, columns.TRACED]],
    )


def _ticks(part: DramPart) -> int:
    return 2 if part.half_clocks else 1


def _table(part: DramPart, requests: Requests, mapped: AddressMap, arrivals: Array | None) -> Array:
    """The array of requests: bank, row, direction, number of the burst, arrival; and room for what becomes of it."""
    total, count = part.capacity // part.burst_bytes, len(requests)
    if count and not 0 <= int(requests.bursts.min()) <= int(requests.bursts.max()) < total:
        raise MemsimError("an address is beyond the channel", where="requests", mend=f"stay below {part.capacity} B")
    fields = mapped.fields(requests.bursts)
    stack = fields["pc"] * part.stacks + fields["stack"]
    table = np.zeros((count, 8), dtype=np.int64)
    table[:, columns.BANK] = (stack * part.bank_groups + fields["group"]) * part.banks + fields["bank"]
    table[:, columns.ROW_OF] = fields["row"]
    table[:, columns.WRITE] = requests.writes
    table[:, columns.KEY] = requests.bursts
    table[:, columns.ARRIVAL] = 0 if arrivals is None else arrivals * _ticks(part)
    table[:, columns.ACCEPTED] = table[:, columns.DONE] = -1
    return table


def _matrix(part: DramPart) -> Array:
    """The state: everything closed and free, and the distances that the part asks for."""
    stack_count = part.pseudo_channels * part.stacks
    rank_count = stack_count if part.ranks_apart else part.pseudo_channels
    number = np.arange(part.bank_count)
    m = np.zeros((columns.ROWS, max(part.bank_count, columns.STATE_SIZE)), dtype=np.int64)
    m[columns.GROUP, number] = number // part.banks
    m[columns.STACK, number] = number // (part.banks * part.bank_groups)
    m[columns.RANK, number] = number // (part.bank_count // rank_count)
    m[[columns.ROW, columns.OWNER]] = -1
    m[columns.HIT : columns.LENGTH] = -1
    m[columns.N + columns.OLDEST : columns.N + columns.RANK_ROWS] = -(1 << 40)
    m[columns.S, columns.BANK_COUNT], m[columns.S, columns.RANK_COUNT] = part.bank_count, rank_count
    between = distances(part)
    m[columns.T, : len(between)] = between
    return m


def _mode(source: Source, part: DramPart) -> tuple[int, int, float]:
    """Mode of the source for the compiled loop, reads outstanding, requests a tick."""
    if source.arrivals is not None:
        return kernel.BY_ARRIVAL, 0, 0.0
    if source.rate is not None:
        if not source.rate > 0:
            raise MemsimError(f"a rate of {source.rate}", where="rate", mend="write a number above 0, such as 0.2")
        return kernel.BY_RATE, 0, source.rate / _ticks(part)
    mlp = 16 if source.mlp is None else source.mlp
    if mlp < 1:
        raise MemsimError(f"{mlp} reads outstanding", where="mlp", mend="write a whole number of at least 1")
    return kernel.CLOSED_LOOP, mlp, 0.0
