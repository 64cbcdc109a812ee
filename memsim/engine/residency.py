"""Which blocks are on the chip: clusters are dealt to cores in order, and start when all of their cores have room."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from memsim.engine.plan import GroupPlan, KernelPlan


class Residency:
    """Room on each core for the blocks of one kernel."""

    def __init__(self, plan: KernelPlan) -> None:
        self.plan = plan
        self.clusters = _clusters(plan)
        self._room = dict.fromkeys(range(plan.cores), plan.kernel.occupancy)
        self._waiting: dict[int, deque[int]] = {core: deque() for core in self._room}
        for number, cluster in enumerate(self.clusters):
            for core in sorted({self.core_of(block) for block in cluster}):
                self._waiting[core].append(number)

    def core_of(self, block: int) -> int:
        """The core that a block runs on."""
        return block % self.plan.cores

    def group_of(self, block: int) -> GroupPlan:
        """The group that a block belongs to."""
        return next(g for g in reversed(self.plan.groups) if g.first_block <= block)

    def leave(self, block: int) -> None:
        """A block has ended."""
        self._room[self.core_of(block)] += 1

    def enter(self, cores: Iterable[int]) -> list[list[int]]:
        """Clusters that can start now, given that there may be new room on ``cores``; their room is taken."""
        started = []
        look_at = deque(cores)
        while look_at:
            core = look_at.popleft()
            if self._waiting[core] and self._fits(self._waiting[core][0]):
                cluster = self.clusters[self._waiting[core][0]]
                for other, blocks in Counter(map(self.core_of, cluster)).items():
                    self._waiting[other].popleft()
                    self._room[other] -= blocks
                    look_at.append(other)  # the next cluster there may have waited for this one
                started.append(cluster)
        return started

    def _fits(self, number: int) -> bool:
        needs = Counter(map(self.core_of, self.clusters[number]))
        return all(self._waiting[c][0] == number and self._room[c] >= n for c, n in needs.items())


def _clusters(plan: KernelPlan) -> list[list[int]]:
    if plan.kernel.cooperative:
        return [list(range(plan.kernel.block_count))]
    clusters = []
    for group in plan.groups:
        size = group.group.cluster_size
        for first in range(group.first_block, group.first_block + group.group.block_count, size):
            clusters.append(list(range(first, first + size)))
    return clusters
