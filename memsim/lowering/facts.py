"""What plans need to know of a chip, as plain numbers in core cycles and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import ChipError
from memsim.hierarchy import Chip, Duration, MatrixUnit, Rate
from memsim.lowering.rings import Room

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_MOST_PATHS = 2**32
"""Bytes of the tables that say, for each memory port, which links lead to which core."""


@dataclass(frozen=True)
class Facts:
    """A chip through the eyes of a planner."""

    chip: Chip

    @cached_property
    def room(self) -> Room:
        """Bytes that a core has for rings."""
        return Room(self.chip.core.reg.capacity, self.chip.core.sram.capacity)

    @property
    def cores(self) -> int:
        """Number of cores."""
        return self.chip.core_count

    def matrix(self, dtype: str, kernel: str) -> MatrixUnit:
        """The matrix unit, if it multiplies this type."""
        unit = self.chip.core.matrix
        if unit is None:
            raise ChipError(
                f"{self.chip.name} has no matrix unit", where=f"kernel {kernel}", mend="add a [core.matrix] table"
            )
        if not unit.supports(dtype):
            raise ChipError(
                f"the matrix unit of {self.chip.name} does not multiply {dtype}, but {', '.join(unit.dtypes)}",
                where=f"kernel {kernel}",
                mend=f"choose another dtype, or add {dtype} to core.matrix",
            )
        return unit

    def cycles(self, duration: Duration) -> float:
        """A duration in core cycles."""
        return float(duration.value * (self.chip.clock if duration.unit == "s" else 1))

    def per_cycle(self, rate: Rate | None) -> float:
        """A rate in bytes a core cycle; infinite where there is no limit."""
        if rate is None:
            return float("inf")
        return float(rate.value / (self.chip.clock if rate.per == "s" else 1))

    @cached_property
    def sram_rate(self) -> float:
        """Of a core's SRAM port."""
        return self.per_cycle(self.chip.core.sram.bandwidth)

    @cached_property
    def dram_rate(self) -> float:
        """Of all DRAM channels, after their derate."""
        return self.per_cycle(self.chip.dram.bandwidth) * float(self.chip.dram.efficiency)

    @cached_property
    def memory_rate(self) -> float:
        """Of what answers loads: the cache if there is one, else the DRAM."""
        return self.per_cycle(self.chip.cache.bandwidth) if self.chip.cache else self.dram_rate

    @cached_property
    def load_latency(self) -> float:
        """Cycles from the issue of a load from DRAM to its first byte, without contention: port 0 to core 0."""
        chip = self.chip
        node = chip.memory_nodes("dram")[0]
        graph, path = chip.graph, chip.route(node, "core0")
        route = sum(self.cycles(graph.edges[a, b]["latency"]) for a, b in pairwise(path))
        cache = self.cycles(chip.cache.latency) if chip.cache else 0.0
        return self.cycles(chip.core.dma.latency) + 2 * route + cache + self.cycles(chip.dram.latency)

    @cached_property
    def _edges(self) -> tuple[dict[tuple[str, str], int], Array]:
        edges: list[tuple[str, str, Rate]] = list(self.chip.graph.edges(data="bandwidth"))
        rates = np.array([self.per_cycle(rate) for _, _, rate in edges])
        return {(a, b): i for i, (a, b, _) in enumerate(edges)}, rates

    def spread_cycles(self, destinations: np.ndarray[Any, np.dtype[np.int64]]) -> Array:
        """Cycles that each link is busy when every row of cores is sent one byte as a multicast.

        The bytes come from all memory ports in equal parts.
        """
        ways = self._paths
        _, rates = self._edges
        load = sum(paths[destinations].any(axis=1).sum(axis=0) for paths in ways)
        return np.asarray(load / len(ways) / rates)

    @cached_property
    def _paths(self) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
        """For each memory port, whether the route to a core (row) takes a link (column)."""
        nodes = self.chip.memory_nodes("dram")
        if self.cores**2 * len(nodes) > _MOST_PATHS:  # there are more links than cores
            raise ChipError(
                f"{self.cores:,} cores behind {len(nodes)} memory ports are too many for the compiler",
                where=f"chip {self.chip.name}",
                mend="write the tile program by hand, or make core.grid smaller",
            )
        numbers, rates = self._edges
        result: list[np.ndarray[Any, np.dtype[np.bool_]]] = []
        for node in nodes:
            taken = np.zeros((self.cores, len(rates)), bool)
            for core in range(self.cores):
                route = self.chip.route(node, f"core{core}")
                taken[core, [numbers[edge] for edge in pairwise(route)]] = True
            result.append(taken)
        return result

    @cached_property
    def spreads(self) -> dict[tuple[int, int, int], tuple[Array, Array]]:
        """What `spread_cycles` gave for the clusters that were looked at."""
        return {}
