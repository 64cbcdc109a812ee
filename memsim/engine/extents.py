"""What a transfer touches: its bytes, and its segments by the network port of the memory behind which they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np

from memsim.engine.hardware import Hardware
from memsim.engine.layout import Pieces, inside, total_bytes
from memsim.engine.memory import PIECE_WORDS
from memsim.engine.plan import Access, Step
from memsim.engine.servers import PAGE_SEGMENTS, Array, port_of
from memsim.isa.model import Load

REMEMBERED = 1 << 14
"""Extents that are kept: blocks of a kernel load the same tiles again and again."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of an extent behind one port: pieces as words (segment, bytes, runs), and their bytes together.

    A load counts the ports of the core's own partition only.
    """

    port: int
    words: Array
    size: int


@dataclass(frozen=True, slots=True)
class Extent:
    """What one transfer moves."""

    size: int
    parts: tuple[Part, ...] = ()
    """By port; none for a transfer inside a core or between cores, and where clipping leaves nothing."""


class Extents:
    """Finds the extents of one kernel's transfers."""

    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware
        self._known: dict[tuple[int, tuple[int, ...]], Extent] = {}

    def of(self, step: Step, counters: list[int], sequence: int) -> Extent:
        """The extent of one execution of a transfer, the ``sequence``-th instruction of its queue."""
        access = step.access
        if access is None:
            return Extent(step.tile_bytes)
        starts = tuple([f(counters) for f in access.starts])
        if access.rows is not None:
            return self._gathered(access, starts, sequence)
        found = self._known.get((step.number, starts))
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[step.number, starts] = self._found(step, access, starts)
        return found

    def _found(self, step: Step, access: Access, starts: Sequence[int]) -> Extent:
        if access.layout is not None:
            pieces = access.layout.pieces(starts, access.sizes, access.steps)
            return self._by_port(access.role, pieces, isinstance(step.instruction, Load))
        size = access.element_bytes
        for start, n, stride, extent in zip(starts, access.sizes, access.steps, access.extents, strict=True):
            size *= inside(start, n, stride, extent)[1]
        return Extent(size)

    def _gathered(self, access: Access, starts: Sequence[int], sequence: int) -> Extent:
        """Rows of a gather: spread evenly (uniform) or adjacent; a new phase for each execution."""
        assert access.rows is not None
        count, distribution = access.rows
        if access.layout is None:
            return Extent(count * access.sizes[1] * access.element_bytes)
        rows = access.sizes[0]
        total: dict[int, tuple[int, int]] = {}
        for i in range(count):
            if distribution == "sequential":
                row = (sequence * count + i) % rows
            else:
                row = (i * rows // count + sequence * 2654435761) % rows
            for segment, size, runs in access.layout.pieces((starts[0] + row, starts[1]), (1, access.sizes[1]), (1, 1)):
                before = total.get(segment, (0, 0))
                total[segment] = before[0] + size, before[1] + runs
        return self._by_port(access.role, [(segment, *amounts) for segment, amounts in sorted(total.items())], True)

    def _by_port(self, role: str, pieces: Pieces, load: bool) -> Extent:
        ports, banks = self.hardware.ports_of(role), self.hardware.banks_of(role)
        near = self.hardware.near_ports(role) if load else ports
        groups: dict[int, Pieces] = {}
        for piece in pieces:
            groups.setdefault(_port(piece[0] % PAGE_SEGMENTS, ports, banks) % near, []).append(piece)
        parts = tuple(Part(port, _words(group), total_bytes(group)) for port, group in sorted(groups.items()))
        return Extent(sum(part.size for part in parts), parts)


@cache
def _port(place: int, ports: int, banks: int) -> int:
    """The port of a segment at a place in its page; remembered, for there are few."""
    return port_of(place, ports, banks)


def _words(pieces: Pieces) -> Array:
    return np.fromiter(chain.from_iterable(pieces), np.int64, PIECE_WORDS * len(pieces))
