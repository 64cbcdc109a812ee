"""One channel of a DRAM part under synthetic traffic: `memsim microbench dram`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from memsim.dram import Measured, dram_part, simulate
from memsim.dram.channel import Page, Scheduler
from memsim.errors import MemsimError
from memsim.hierarchy.problems import nearest

PAGES = ("open", "closed")
SCHEDULERS = ("frfcfs", "bank_queues")

LOADS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Reads outstanding at which a curve of latency over bandwidth is taken."""


@dataclass(frozen=True)
class DramStudy:
    """What to drive a channel with; the fields are those of `memsim.dram.simulate`."""

    part: str = "hbm2_2000"
    map: str = "mop4clxor"
    pattern: str = "seq"
    reads: int = 100
    mlp: int = 16
    rate: float | None = None
    n: int = 10_000
    page: str = "open"
    scheduler: str | None = None


def study(settings: DramStudy) -> Measured:
    """Measure once."""
    _check("page", settings.page, PAGES)
    if settings.scheduler is not None:
        _check("scheduler", settings.scheduler, SCHEDULERS)
    values = asdict(settings)
    values["page"] = cast(Page, settings.page)
    values["scheduler"] = cast("Scheduler | None", settings.scheduler)
    return simulate(values.pop("part"), values.pop("pattern"), **values)


def curve(settings: DramStudy) -> list[tuple[int, Measured]]:
    """The same traffic at one load after another: (reads outstanding, what was measured)."""
    few = min(settings.n, 5000)
    return [(mlp, study(replace(settings, mlp=mlp, rate=None, n=few))) for mlp in LOADS]


def summary(settings: DramStudy, measured: Measured) -> dict[str, Any]:
    """The numbers as plain JSON; those that users compare come first."""
    numbers = asdict(measured)
    first = ("bandwidth_gbs", "efficiency", "latency_ns", "latency_cycles", "row_hit_rate", "energy_pj_per_byte")
    return {**{key: numbers[key] for key in first}, **numbers, "settings": asdict(settings)}


def show(settings: DramStudy, measured: Measured) -> str:
    """The numbers as text."""
    part = dram_part(settings.part)
    peak = float(part.peak_bandwidth) / 1e9
    load = f"{settings.rate:g} requests a clock" if settings.rate else f"{settings.mlp} reads outstanding"
    split = "  ".join(f"{name} {pj / measured.bytes:.3g}" for name, pj in measured.energy_pj.items())
    p = measured.percentiles_ns
    lines = (
        f"{part.name}: {settings.pattern}, {settings.reads} % reads, {load}, map {settings.map}, {settings.page} page",
        f"bandwidth  {measured.bandwidth_gbs:9.4g} GB/s   {measured.efficiency:.1%} of {peak:.4g} GB/s",
        f"latency    {measured.latency_ns:9.4g} ns     {measured.latency_cycles:.4g} clocks; "
        f"50 % below {p['p50']:.4g}, 95 % {p['p95']:.4g}, 99 % {p['p99']:.4g} ns",
        f"row hits   {measured.row_hit_rate:9.1%}",
        f"energy     {measured.energy_pj_per_byte:9.4g} pJ/B   {split}",
        f"power      {measured.power_mw:9.4g} mW",
    )
    return "\n".join(lines)


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise MemsimError(f"no {what} {value!r}", where=f"--{what}", mend=nearest(value, known))
