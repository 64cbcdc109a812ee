"""What a run of a spatial program tells, in Python, as JSON and on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from memsim.locality.shells import Array
from memsim.locality.spatial.machine import Machine
from memsim.locality.spatial.score import plain

CAUSES = ("values", "links", "scratchpads", "ports")
"""What a core waits for: values of other cores, the wires or buffers of links, its turn at a scratchpad or a port."""

DIRECTIONS = ("east", "west", "north", "south")
"""Of the link that leaves a tile."""


@dataclass(frozen=True, eq=False)
class SpatialResult:
    """A run of a program on a machine.

    Attributes
    ----------
    machine
        What it ran on.
    engine
        ``fast`` or ``simpy``.
    energy_fj
        Of all accesses; that of the serial scorer.
    serial_cycles
        What the serial scorer says: every access after the one before.
    critical_path
        Cycles of the longest chain of instructions that wait for each other, without contention.
    accesses
        Their number.
    tiles
        The tile of each core that executes something, ascending, ``(c,)``.
    starts, ends
        Cycle in which each instruction begins, and that after its last: ``(m,)`` int64.
    stalls
        Cycles in which each core waited, by `CAUSES`: ``(c, 4)`` int64.
    busy
        Cycles in which each core's words moved, ``(c,)`` int64.
    links
        Words through each link by direction, row and column of the tile that it leaves: ``(4, rows, columns)`` int64.
    scratchpads
        Accesses that each scratchpad served, ``(rows, columns)`` int64.
    ports
        Words through each port of the tape, ``(columns,)`` int64.
    """

    machine: Machine
    engine: str
    energy_fj: int | float
    serial_cycles: int
    critical_path: int
    accesses: int
    tiles: Array
    starts: Array
    ends: Array
    stalls: Array
    busy: Array
    links: Array
    scratchpads: Array
    ports: Array

    @cached_property
    def makespan(self) -> int:
        """Cycles from the first access to the end of the last."""
        return int(self.ends.max(initial=0))

    @property
    def time_ns(self) -> int | float:
        """The makespan in ns."""
        return plain(self.makespan * self.machine.cycle_ns)

    @property
    def speedup(self) -> float:
        """Serial time over makespan."""
        return self.serial_cycles / self.makespan

    @cached_property
    def bounds(self) -> dict[str, int]:
        """Cycles that no run can beat, by reason: waiting alone, and one word a cycle at the most loaded resources."""
        return {
            "critical path": self.critical_path,
            "busiest link": int(self.links.max(initial=0)),
            "busiest scratchpad": int(self.scratchpads.max(initial=0)),
            "busiest port": int(self.ports.max(initial=0)),
        }

    @property
    def idle(self) -> Array:
        """Cycles after each core's last instruction, ``(c,)`` int64: ``busy + stalls + idle`` is the makespan."""
        return np.asarray(self.makespan - self.busy - self.stalls.sum(axis=1), np.int64)

    @cached_property
    def shares(self) -> dict[str, float]:
        """How all cores together spent the makespan: working, waiting by cause, and done."""
        total = len(self.tiles) * self.makespan
        waits = {f"waiting for {cause}": int(n) for cause, n in zip(CAUSES, self.stalls.sum(axis=0), strict=True)}
        spent = {"working": int(self.busy.sum()), **waits, "done": int(self.idle.sum())}
        return {name: cycles / total for name, cycles in spent.items()}

    @cached_property
    def utilisation(self) -> dict[str, tuple[float, float]]:
        """Busy share of the makespan, by kind of resource: of the busiest one, and the mean of those that are used."""
        every = {"links": self.links, "scratchpads": self.scratchpads, "ports": self.ports, "cores": self.busy}
        found = {}
        for name, counts in every.items():
            used = counts[counts > 0]
            mean = float(used.mean()) if len(used) else 0.0
            found[name] = float(counts.max(initial=0)) / self.makespan, mean / self.makespan
        return found

    def to_json(self) -> dict[str, Any]:
        """Totals, shares, bounds and the most loaded places as plain JSON; per-instruction times are left out."""
        return {
            "model": "dally3",
            "dialect": "contention",
            "version": "v4",
            "engine": self.engine,
            "machine": self.machine.name,
            "cores": len(self.tiles),
            "instructions": len(self.starts),
            "accesses": self.accesses,
            "energy_fj": self.energy_fj,
            "cycles": self.makespan,
            "time_ns": self.time_ns,
            "serial_cycles": self.serial_cycles,
            "speedup": self.speedup,
            "bounds": self.bounds,
            "shares": self.shares,
            "stalls": dict(zip(CAUSES, self.stalls.sum(axis=0).tolist(), strict=True)),
            "utilisation": {name: {"busiest": top, "mean": mean} for name, (top, mean) in self.utilisation.items()},
            "busiest_link": self._busiest_link(),
        }

    def _busiest_link(self) -> dict[str, Any] | None:
        """Where the most words pass; None where none does."""
        if not self.links.any():
            return None
        way, j, i = (int(n) for n in np.unravel_index(int(np.argmax(self.links)), self.links.shape))
        return {"tile": [i, j], "direction": DIRECTIONS[way], "words": int(self.links[way, j, i])}

    def __str__(self) -> str:
        machine = self.machine
        lines = [
            f"{len(self.starts):,} instructions on {len(self.tiles):,} cores of {machine.name}"
            f" · contention · {self.engine}",
            "─" * 80,
            f"time    {self.makespan:,} cycles, {float(self.time_ns):,.6g} ns".ljust(44)
            + f"serial  {self.serial_cycles:,} cycles, {self.speedup:.3g}x".ljust(36),
            f"energy  {_energy(self.energy_fj)}, with contention or without",
            "",
            "Bounds",
        ]
        for name, cycles in sorted(self.bounds.items(), key=lambda item: -item[1]):
            if cycles:
                lines.append(f"  {name:<20} ≥ {cycles:>12,} cycles {self.makespan / cycles:9.3g}x this bound")
        lines += ["", "Where the cores' time went"]
        for name, share in self.shares.items():
            if share:
                lines.append(f"  {name:<24} {'█' * round(30 * share):<30} {share:6.1%}")
        lines += ["", f"{'Busy':<14}{'busiest':>9}{'mean of those used':>22}"]
        for name, (top, mean) in self.utilisation.items():
            if top:
                lines.append(f"  {name:<12}{top:9.1%}{mean:22.1%}")
        link = self._busiest_link()
        if link:
            i, j = link["tile"]
            lines += ["", f"Most words on a link: {link['words']:,}, from tile {i},{j} to the {link['direction']}"]
        return "\n".join(line.rstrip() for line in lines)


def _energy(femtojoules: int | float) -> str:
    """Energy with a prefix that suits it."""
    for unit, size in (("mJ", 1e12), ("uJ", 1e9), ("nJ", 1e6), ("pJ", 1e3)):
        if femtojoules >= size:
            return f"{femtojoules / size:.4g} {unit}"
    return f"{femtojoules:,} fJ"
