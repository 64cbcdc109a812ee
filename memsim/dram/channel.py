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
from memsim.dram.frfcfs import FIRST, WAS_HIT
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
    table = _table(part, requests, mapped)
    state, banks, groups, stacks, ranks = _state(part)
    depth = queue or part.queue
    lists = np.full((max(2 * len(banks), len(banks) + 2), FIRST + max(depth, 8) + 2), -1, dtype=np.int64)
    lists[:, 2] = 0
    goal = len(requests) if measured is None else warm + measured
    mode, mlp, rate, arrivals = _mode(source, part, len(requests))
    options = [depth, scheduler == "bank_queues", page == "closed", mode, mlp, warm, goal, refresh]
    accepted, done, found = (np.full(len(requests), fill, dtype=np.int64) for fill in (-1, -1, 0))
    recorded, before, after = np.zeros((trace, 4), np.int64), np.zeros(12, np.int64), np.zeros(12, np.int64)
    fly = np.zeros(_FLYING + 2 * depth, dtype=np.int64)
    kernel.run(
        np.array(options, dtype=np.int64), rate, distances(part), state, banks, groups, stacks, ranks, lists,
        table, arrivals, accepted, done, found, fly, recorded, before, after,
    )  # fmt: skip
    change = after - before
    return Run(
        part=part,
        ticks_a_clock=_ticks(part),
        accepted=accepted,
        done=done,
        hit=found == WAS_HIT,
        start=int(before[9]),
        end=int(after[9]),
        served=int(change[11]),
        counts={name: int(change[i]) for name, i in zip(COMMANDS, (0, 1, 2, 3, 4, 5), strict=True)},
        open_ticks=int(change[8]),
        ranks=len(ranks),
        trace=recorded[: state[columns.TRACED]],
    )


def _ticks(part: DramPart) -> int:
    return 2 if part.half_clocks else 1


def _table(part: DramPart, requests: Requests, mapped: AddressMap) -> Array:
    """Rows of the array of requests: bank, row, direction, number of the burst."""
    total = part.capacity // part.burst_bytes
    if len(requests) and not 0 <= int(requests.bursts.min()) <= int(requests.bursts.max()) < total:
        raise MemsimError("an address is beyond the channel", where="requests", mend=f"stay below {part.capacity} B")
    fields = mapped.fields(requests.bursts)
    stack = fields["pc"] * part.stacks + fields["stack"]
    bank = (stack * part.bank_groups + fields["group"]) * part.banks + fields["bank"]
    return np.stack([bank, fields["row"], requests.writes, requests.bursts])


def _state(part: DramPart) -> tuple[Array, Array, Array, Array, Array]:
    """Everything closed and free."""
    stack_count = part.pseudo_channels * part.stacks
    rank_count = stack_count if part.ranks_apart else part.pseudo_channels
    banks = np.zeros((part.bank_count, columns.BANK_COLUMNS), dtype=np.int64)
    number = np.arange(part.bank_count)
    banks[:, columns.GROUP] = number // part.banks
    banks[:, columns.STACK] = number // (part.banks * part.bank_groups)
    banks[:, columns.RANK] = number // (part.bank_count // rank_count)
    banks[:, columns.ROW] = banks[:, columns.OWNER] = -1
    ranks = np.zeros((rank_count, columns.RANK_COLUMNS), dtype=np.int64)
    ranks[:, columns.OLDEST :] = -(1 << 40)
    groups = np.zeros((part.bank_count // part.banks, 4), dtype=np.int64)
    stacks = np.zeros((stack_count, 4), dtype=np.int64)
    return np.zeros(columns.STATE_COLUMNS, dtype=np.int64), banks, groups, stacks, ranks


def _mode(source: Source, part: DramPart, count: int) -> tuple[int, int, float, Array]:
    nothing = np.zeros(1, dtype=np.int64)
    if source.arrivals is not None:
        return kernel.BY_ARRIVAL, 0, 0.0, source.arrivals.astype(np.int64) * _ticks(part)
    if source.rate is not None:
        if not source.rate > 0:
            raise MemsimError(f"a rate of {source.rate}", where="rate", mend="write a number above 0, such as 0.2")
        return kernel.BY_RATE, 0, source.rate / _ticks(part), nothing
    mlp = 16 if source.mlp is None else source.mlp
    if mlp < 1:
        raise MemsimError(f"{mlp} reads outstanding", where="mlp", mend="write a whole number of at least 1")
    return kernel.CLOSED_LOOP, mlp, 0.0, nothing
