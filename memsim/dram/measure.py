"""What a user asks of a channel: bandwidth, latency, row hits and energy under a pattern of traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memsim.dram.channel import Page, Run, Scheduler, Source, run
from memsim.dram.stimulus import Requests, traffic
from memsim.errors import MemsimError
from memsim.hierarchy.dram_parts import DramPart, dram_part

MOST_REQUESTS = 10**8
"""Requests of a measurement: their addresses are held in memory."""


@dataclass(frozen=True)
class Measured:
    """One channel under traffic, after its warm-up."""

    part: str
    bandwidth_gbs: float
    efficiency: float
    """Of the peak of its data pins."""
    latency_ns: float
    """Mean of reads, from their entry into the queue to their last data; 0 where nothing was read."""
    latency_cycles: float
    """The same in clocks."""
    row_hit_rate: float
    """Share of requests that found their row open."""
    energy_pj: dict[str, float]
    """By activates, reads, writes, refreshes and background."""
    energy_pj_per_byte: float
    power_mw: float
    counts: dict[str, int]
    """Commands, by name."""
    bytes: int
    time_ns: float
    percentiles_ns: dict[str, float]
    """Latency below which 50, 95 and 99 % of the reads are."""


def simulate(
    part: DramPart | str,
    pattern: str = "seq",
    *,
    map: str = "mop4clxor",
    reads: int = 100,
    mlp: int = 16,
    rate: float | None = None,
    n: int = 10_000,
    page: Page = "open",
    scheduler: Scheduler | None = None,
) -> Measured:
    """Drive one channel of a part with ``n`` requests of a pattern, after a tenth as many to warm up.

    Parameters
    ----------
    part
        A part or its name, see `memsim.hierarchy.dram_parts`.
    pattern
        ``seq``, ``rand``, ``rowconf``, ``stride<bytes>`` or ``streams<count>``.
    map
        An address map, by name or as text, see `memsim.dram.maps`.
    reads
        Percent of reads.
    mlp
        Reads outstanding, of a closed loop; writes are posted.
    rate
        Requests a clock instead.
    page
        ``closed``: the last access that a row is wanted for closes it.
    scheduler
        Unless given, ``bank_queues`` for the map ``d3_ddr4_bglow``, whose configuration has it, else ``frfcfs``.
    """
    described = dram_part(part) if isinstance(part, str) else part
    if not 1 <= n <= MOST_REQUESTS:
        raise MemsimError(f"{n} requests", where="n", mend=f"measure at least one, at most {MOST_REQUESTS}")
    warm = n // 10
    slack = min(mlp, 4096) + 4 * described.queue + 512  # the source goes on while the last that count are served
    requests = traffic(described, pattern, warm + n + slack, reads)
    chosen: Scheduler = scheduler or ("bank_queues" if map == "d3_ddr4_bglow" else "frfcfs")
    done = run(
        described, requests, Source(mlp=mlp, rate=rate), address=map, warm=warm, measured=n, page=page, scheduler=chosen
    )
    return summarise(done)


def summarise(done: Run) -> Measured:
    """Bandwidth, latency and energy of a run."""
    part, tick_ns = done.part, float(done.tick_ns)
    time_ns, moved = (done.end - done.start) * tick_ns, done.served * part.burst_bytes
    inside = (done.done >= done.start) & (done.done < done.end)
    read = inside & ~done.writes
    latency = (done.done - done.accepted)[read] * tick_ns
    energy = energy_of(done)
    total = sum(energy.values())
    gbs = moved / time_ns if time_ns else 0.0
    mean = float(latency.mean()) if len(latency) else 0.0
    return Measured(
        part=part.name,
        bandwidth_gbs=gbs,
        efficiency=gbs * 1e9 / float(part.peak_bandwidth),
        latency_ns=mean,
        latency_cycles=mean * 1000 / float(part.tck_ps),
        row_hit_rate=float(done.hit[inside].mean()) if inside.any() else 0.0,
        energy_pj=energy,
        energy_pj_per_byte=total / moved if moved else 0.0,
        power_mw=total / time_ns if time_ns else 0.0,
        counts=done.counts,
        bytes=moved,
        time_ns=time_ns,
        percentiles_ns={f"p{q}": float(np.percentile(latency, q)) if len(latency) else 0.0 for q in (50, 95, 99)},
    )


def energy_of(done: Run) -> dict[str, float]:
    """PJ of a run: each command's energy times its count, and background power times time with rows open or not."""
    e, counts, tick_ns = done.part.energy, done.counts, float(done.tick_ns)
    idle_ticks = (done.end - done.start) * done.ranks - done.open_ticks
    background = (e.open_mw * done.open_ticks + e.closed_mw * idle_ticks) / done.ranks
    return {
        "activate": e.act_pj * counts["activate"],
        "read": e.read_pj * counts["read"],
        "write": e.write_pj * counts["write"],
        "refresh": e.refresh_pj * counts["refresh"],
        "background": background * tick_ns,
    }


def service(
    part: DramPart | str,
    requests: Requests,
    *,
    map: str = "mop4clxor",
    page: Page = "open",
    queue: int | None = None,
    refresh: bool = True,
) -> tuple[float, float]:
    """(nanoseconds until a batch of bursts on an idle channel is served, its energy in pJ without background).

    All bursts are offered at once, in order, as fast as the queues take them. Writes count until their last data.
    """
    described = dram_part(part) if isinstance(part, str) else part
    given = Source(arrivals=np.zeros(len(requests), dtype=np.int64))
    done = run(described, requests, given, address=map, page=page, queue=queue, refresh=refresh, measured=len(requests))
    ended = int(done.done.max()) if len(requests) else 0
    energy = energy_of(done)
    return ended * float(done.tick_ns), sum(pj for name, pj in energy.items() if name != "background")
