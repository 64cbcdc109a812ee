"""What a simulation answers: time, joules, what bounds it, and where both went, as tidy tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from memsim.engine.bounds import time_bounds
from memsim.engine.columns import exact_totals
from memsim.engine.hardware import Hardware
from memsim.engine.ledger import FINAL_WRITE_BACK, Ledger
from memsim.engine.plan import Plan
from memsim.engine.power_cap import PowerCap
from memsim.engine.sheets import ROWS
from memsim.engine.tally import Run
from memsim.hierarchy import Chip

if TYPE_CHECKING:
    import pandas as pd

LABELS = {
    "matrix": "matrix units",
    "vector": "vector units",
    "dma": "dma engines",
    "sram": "sram ports",
    "reg": "register ports",
    "link": "network links",
    "cache": "cache slices",
    "partitions": "ways between cache partitions",
    "dram": "dram channels",
    "shared": "shared memory banks",
}

COLUMNS = {
    "parts": ["part", "kind", "busy_s", "utilisation"],
    "links": ["src", "dst", "mm", "bytes", "busy_s", "utilisation"],
    "bounds": ["bound", "time_s", "of_time"],
    "stalls": ["queue", "reason", "time_s", "share"],
    "kernels": ["kernel", "start_s", "end_s"],
    "trace": ["kernel", "block", "core", "queue", "op", "detail", "start_s", "end_s", "start_tick", "end_tick", "bytes",
              "lane"],
    "executions": ["kernel", "group", "queue", "path", "op", "count", "bytes"],
}  # fmt: skip
"""Columns of each table."""


class Result:
    """The answer of `simulate`: seconds, joules and bytes, unless a name says otherwise."""

    power_cap: PowerCap | None = None
    """What the chip's limit of power did, if it was kept to (`memsim.engine.power.simulate_capped`)."""

    def __init__(self, plan: Plan, run: Run, hardware: Hardware, *, workload: str, engine: str) -> None:
        self.plan, self.run, self.hardware = plan, run, hardware
        self.chip: Chip = plan.chip
        self.workload, self.engine = workload, engine
        self.ticks = run.ticks
        self.tick_s: Fraction = plan.chip.tick
        self.energy = Ledger(plan, run, self.time_s)

    # Headline numbers ----------------------------------------------------------------------------------------

    @property
    def time_s(self) -> float:
        """Simulated time in seconds."""
        return float(self.ticks * self.tick_s)

    @property
    def cycles(self) -> float:
        """Simulated time in core clock cycles."""
        return float(self.ticks * self.tick_s / self.chip.clock_period)

    @property
    def energy_j(self) -> float:
        """Total energy in joules, static energy included."""
        return self.energy.total_j

    @property
    def power_w(self) -> float:
        """Mean power in watts."""
        return self.energy_j / self.time_s if self.ticks else 0.0

    @cached_property
    def macs(self) -> dict[str, int]:
        """Multiply-adds that the matrix units executed, by operand type (padding of edge tiles included)."""
        amounts = self.energy.amounts("part", "access")
        return {dtype: amount for (part, dtype), amount in amounts.items() if part == "matrix"}

    @property
    def executed_flops(self) -> int:
        """Operations executed: 2 a multiply-add, 1 an elementwise or reduction step (none for fill, iota and cast)."""
        amounts = self.energy.amounts("part", "operation").items()
        vector = sum(n for (part, name), n in amounts if part == "vector" and name not in ("fill", "iota", "cast"))
        return 2 * sum(self.macs.values()) + vector

    @property
    def flops(self) -> int:
        """Operations that the algorithm needs, as its program states them; else those executed."""
        stated = self.plan.program.useful_flops
        return self.executed_flops if stated is None else stated

    @property
    def peak_flops_per_s(self) -> float:
        """Peak rate that MFU is taken against: the matrix units' for the commonest type, else the vector units'.

        At the clock that the chip would run at were there no limit of power.
        """
        core, clock = self.chip.core, float(1 / self.chip.clock_period)
        if self.power_cap is not None:
            clock = self.power_cap.free_clock_hz
        if self.macs and core.matrix is not None:
            dtype = max(self.macs, key=lambda d: self.macs[d])
            return 2.0 * float(core.matrix.peak_macs_per_cycle(dtype)) * clock * self.chip.core_count
        return float(core.vector.lanes) * clock * self.chip.core_count

    @property
    def mfu(self) -> float:
        """Model FLOPs utilisation: useful operations over what the peak rate could do in this time."""
        return self.flops / (self.peak_flops_per_s * self.time_s) if self.ticks else 0.0

    @property
    def dram_bytes(self) -> int:
        """Bytes that passed the DRAM's pins during the run (not the final write-back)."""
        amounts = self.energy.amounts("part", "operation").items()
        return sum(n for (part, name), n in amounts if part == "dram" and name != FINAL_WRITE_BACK) // 8

    @property
    def mbu(self) -> float:
        """Memory bandwidth utilisation: DRAM bytes over what its peak bandwidth could move in this time."""
        peak = self.chip.rate_per_tick(self.chip.dram.bandwidth)
        return float(self.dram_bytes / (peak * self.ticks)) if self.ticks else 0.0

    @cached_property
    def bytes_by_level(self) -> dict[str, int]:
        """Bytes read and written at each level, final write-back included (``network``: sent, however far)."""
        totals: dict[str, int] = defaultdict(int)
        for (level, part), amount in self.energy.amounts("level", "part").items():
            if level not in ("compute", "dma") and part not in ("routers", ROWS):
                totals[level] += amount
        return {level: bits // 8 for level, bits in sorted(totals.items())}

    @cached_property
    def bottleneck(self) -> str:
        """The kind of part whose busiest member is busy longest; latency, where none is busy half the time."""
        if not self.busiest or not self.ticks:
            return "nothing to do"
        kind, share = max(self.busiest.items(), key=lambda item: item[1])
        if share < 0.5:
            return f"latency (the busiest, {LABELS.get(kind, kind)}, only {share:.0%} of the time)"
        return f"{LABELS.get(kind, kind)}, busy {share:.0%} of the time"

    @cached_property
    def busiest(self) -> dict[str, float]:
        """Utilisation of the busiest part of each kind."""
        shares: dict[str, float] = {}
        for _, kind, _, share in self._parts():
            shares[kind] = max(share, shares.get(kind, 0.0))
        return dict(sorted(shares.items()))

    # Tables --------------------------------------------------------------------------------------------------

    def _frame(self, table: str) -> pd.DataFrame:
        import pandas as pd

        rows, columns = self._rows(table), COLUMNS[table]
        frame = pd.DataFrame(rows, columns=columns)
        if not rows:  # pandas cannot tell what an empty column would hold
            texts = ("kernel", "group", "queue", "part", "kind", "src", "dst", "bound", "reason", "op", "path")
            frame = frame.astype({c: str if c in texts else float for c in columns})
        return frame

    def _rows(self, table: str) -> list[Any]:
        makers: dict[str, Callable[[], list[Any]]] = {
            "parts": self._parts, "links": self._links, "bounds": self._bounds, "stalls": self._stalls,
            "kernels": self._kernels, "trace": self._trace, "executions": self._executions,
        }  # fmt: skip
        return makers[table]()

    def records(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table below, by its name, as plain dictionaries: what is printed needs no more."""
        return [dict(zip(COLUMNS[table], row, strict=True)) for row in self._rows(table)]

    @cached_property
    def parts(self) -> pd.DataFrame:
        """Each unit, port, link and memory bank: part, kind, busy_s, utilisation (0 to 1)."""
        return self._frame("parts")

    def _parts(self) -> list[Any]:
        rows = [
            (name, kind, self._seconds(busy), busy / max(1, self.ticks))
            for (name, kind), busy in zip(self.hardware.names, self.run.server_busy, strict=True)
        ]
        for kind in self.hardware.memories:
            banks = enumerate(self.run.bank_busy[kind])
            rows += [(f"{kind}{i}", kind, self._seconds(busy), busy / max(1, self.ticks)) for i, busy in banks]
        return rows

    def _seconds(self, ticks: int) -> float:
        """Ticks (of any size) in seconds, rounded once."""
        return ticks * self.tick_s.numerator / self.tick_s.denominator

    @cached_property
    def links(self) -> pd.DataFrame:
        """Each direction of each link: src, dst, mm, bytes, busy_s, utilisation."""
        return self._frame("links")

    def _links(self) -> list[Any]:
        rows = []
        for (src, dst), hop in self.hardware.hops.items():
            busy, size = self.run.server_busy[hop.server], self.run.link_bytes[hop.server]
            mm = self.hardware.length[src, dst]
            rows.append((src, dst, mm, size, self._seconds(busy), busy / max(1, self.ticks)))
        return rows

    @cached_property
    def bounds(self) -> pd.DataFrame:
        """Analytic lower bounds: bound, time_s, of_time (share of the simulated time); the tightest first."""
        return self._frame("bounds")

    def _bounds(self) -> list[Any]:
        ordered = sorted(self._least_ticks.items(), key=lambda item: (-item[1], item[0]))
        return [(name, float(t * self.tick_s), float(t / max(1, self.ticks))) for name, t in ordered]

    @cached_property
    def _least_ticks(self) -> dict[str, Fraction]:
        return time_bounds(self.plan, self.run, self.hardware)

    @cached_property
    def stalls(self) -> pd.DataFrame:
        """Where queues spent their time: queue, reason, time_s (summed over blocks), share of the queue's time."""
        return self._frame("stalls")

    def _stalls(self) -> list[Any]:
        totals: dict[str, int] = defaultdict(int)
        for (queue, _), ticks in self.run.stalls.items():
            totals[queue] += ticks
        return [
            (queue, reason, self._seconds(ticks), ticks / totals[queue])
            for (queue, reason), ticks in sorted(self.run.stalls.items(), key=lambda item: (item[0][0], -item[1]))
            if ticks
        ]

    @cached_property
    def kernels(self) -> pd.DataFrame:
        """Each kernel: kernel, start_s, end_s (from its launch to the end of its last transfer)."""
        return self._frame("kernels")

    def _kernels(self) -> list[Any]:
        names = [kernel.kernel.name for kernel in self.plan.kernels]
        return [(names[run.kernel], self._seconds(run.begin), self._seconds(run.end)) for run in self.run.kernels]

    @cached_property
    def trace(self) -> pd.DataFrame | None:
        """Each executed instruction, if the run was traced, else None.

        In the order of (end, start, kernel, block, queue, sequence in the queue).
        """
        return None if self.run.trace is None else self._frame("trace")

    def _trace(self) -> list[Any]:
        names = [k.kernel.name for k in self.plan.kernels]
        return [
            (names[kernel], block, core, queue, step.operation, step.tensor, self._seconds(a), self._seconds(b), a, b,
             size, step.unit)
            for kernel, block, core, queue, step, a, b, size, _ in sorted(self.run.trace or (), key=_by_end)
        ]  # fmt: skip

    @cached_property
    def executions(self) -> pd.DataFrame:
        """Counted executions of each instruction: kernel, group, queue, path, op, count, bytes (of transfers)."""
        return self._frame("executions")

    def _executions(self) -> list[Any]:
        totals: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
        rows: list[Any] = []
        for run in self.run.kernels:
            kernel, tally = self.plan.kernels[run.kernel], run.tally
            arrays = id(tally.executions), id(tally.moved)
            if arrays not in totals:
                totals[arrays] = exact_totals(tally.executions), exact_totals(tally.moved)
            counts, moved = totals[arrays]
            first = self.plan.kernels[kernel.twin]
            for compiled, group in zip(first.groups, kernel.kernel.groups, strict=True):
                rows += [
                    (kernel.kernel.name, group.name, group.queues[s.path[0]].name, s.path, s.operation,
                     counts[s.number], moved[s.number])
                    for s in compiled.steps
                ]  # fmt: skip
        return rows

    # Showing -------------------------------------------------------------------------------------------------

    @property
    def plot(self) -> Any:
        """Figures: ``energy``, ``roofline``, ``timeline``, ``floorplan``, each taking the path of a file to write."""
        return import_module("memsim.report").ResultPlots(self)

    def __str__(self) -> str:
        return str(import_module("memsim.report").render(self))

    def __repr__(self) -> str:
        return f"<Result {self.workload} on {self.chip.name}: {self.time_s:.4g} s, {self.energy_j:.4g} J>"


def _by_end(row: Any) -> tuple[int, ...]:
    kernel, block, _, _, step, begin, end, _, sequence = row
    return end, begin, kernel, block, step.path[0], sequence
