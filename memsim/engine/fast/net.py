"""The routes of a hardware as the words that compiled code reads; found as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memsim.engine.fast import words as w
from memsim.engine.fast.routes import insert_route
from memsim.engine.hardware import Hardware, Route, memory_node, node_of
from memsim.engine.servers import Array
from memsim.engine.tally import Crossed

ROLES = ("dram", "shared")


class Net:
    """A growing array of words. A node is a core, or a port of a chip-wide memory."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware, self.cores = hardware, hardware.chip.core_count
        self.ports = max(hardware.ports_of(role) for role in ROLES)
        """Node of port p of role i: ``cores + i * ports + p``."""
        self.lengths: dict[tuple[float, Crossed], int] = {}
        """Wire lengths of the routes, in mm, with the links that they cross, and their numbers."""
        self.words: Array = np.zeros(1024, dtype=np.int64)
        self._used = w.NET_WORDS
        self._routes: list[int] = []
        self._make_table(256)

    def add(self, source: int, targets: list[int]) -> None:
        """Find the route from a node to some others."""
        route = self.hardware.route(self._name(source), tuple(map(self._name, targets)))
        record = [
            self._add_nodes([route], [0]),
            route.latency,
            self.lengths.setdefault((route.mm, route.crossed), len(self.lengths)),
            route.routers,
            self._append(route.servers),
            len(route.servers),
            source,
            self._append(targets),
            len(targets),
        ]
        place = self._append(record)
        self._routes.append(place)
        if 2 * len(self._routes) > self.words[w.NET_ROOM]:
            self._make_table(2 * int(self.words[w.NET_ROOM]))
            for known in self._routes:
                insert_route(self.words, known)
        else:
            insert_route(self.words, place)

    def _name(self, node: int) -> str:
        if node < self.cores:
            return node_of(node)
        role, port = divmod(node - self.cores, self.ports)
        return memory_node(self.hardware.chip, ROLES[role], port)

    def _add_nodes(self, stretches: Sequence[Route], walked: list[int]) -> int:
        """Records of some stretches, one after another, and of all that comes behind them; returns where."""
        first = self._append([0] * (w.NODE_WORDS * len(stretches)))
        for i, stretch in enumerate(stretches):
            order = walked[0]
            walked[0] += 1
            hops = self._append([word for h in stretch.hops for word in (h.server, h.num, h.den, h.latency)])
            forks = self._add_nodes(stretch.forks, walked) if stretch.forks else -1
            core = int(stretch.leaf.removeprefix("core")) if stretch.leaf.startswith("core") else -1
            place = first + i * w.NODE_WORDS
            record = [hops, len(stretch.hops), forks, len(stretch.forks), core, order]
            self.words[place : place + w.NODE_WORDS] = record
        return first

    def _append(self, words: Sequence[int]) -> int:
        first, self._used = self._used, self._used + len(words)
        if self._used > len(self.words):
            larger = np.zeros(2 * self._used, dtype=np.int64)
            larger[:first] = self.words[:first]
            self.words = larger
        self.words[first : self._used] = words
        return first

    def _make_table(self, room: int) -> None:
        """An empty hash table."""
        place = self._append([-1] * room)
        self.words[w.NET_TABLE], self.words[w.NET_ROOM] = place, room
