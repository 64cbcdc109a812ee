"""Blocks that exchange tiles, cut into dispatches at the points where one waits for another.

Where tiles go from block to block outside of loops, or a whole loop of them at a time, each block can be a workgroup
of its own again: a dispatch runs what blocks do until they wait for each other, the next one goes on. Rings that live
through more than one dispatch are kept in a storage buffer. The order is that of the woven text; a step goes into the
earliest dispatch that comes after whatever other blocks have done to its rings before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from memsim.isa.model import Pop, ring_written
from memsim.webgpu.tokens import Cycle, Node, RingId, Step
from memsim.webgpu.weave import Woven

MOST_PHASES = 16
"""Dispatches that a kernel is cut into; more would cost more than they gain."""
Turns = Counter[tuple[RingId, int]]
"""Slots pushed (consumer -1) or popped, for each ring and consumer."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A dispatch: what each block does in it, and how far the rings have turned when it begins."""

    bodies: tuple[tuple[int, tuple[Node, ...]], ...]
    """``(member, its text)`` of each block that has something to do."""
    turned: Turns


@dataclass(frozen=True, slots=True)
class Piece:
    """A statement of one block."""

    member: int
    node: Node
    rings: frozenset[RingId]


def cut(woven: Woven) -> list[Phase] | None:
    """The dispatches of a unit of several blocks; None where a loop would have to be left in its middle."""
    pieces: list[Piece] = []
    for node in woven.body:
        parts = list(_pieces(node))
        if len(parts) > 1 and any(a.rings & b.rings for a in parts for b in parts if a is not b):
            return None
        pieces += parts
    levels = _levels(pieces)
    count = max(levels, default=0) + 1
    if count > MOST_PHASES:
        return None
    phases, turned = [], Turns()
    for level in range(count):
        here = [piece for piece, of in zip(pieces, levels, strict=True) if of == level]
        phases.append(_phase(here, Turns(turned)))
        for piece in here:
            counted = _turns(piece.node)
            if counted is None:
                return None
            turned.update(counted)
    return phases


def lasting(phases: Sequence[Phase]) -> set[RingId]:
    """Rings that live through more than one dispatch."""
    seen: set[RingId] = set()
    twice: set[RingId] = set()
    for phase in phases:
        now = {ring for _, body in phase.bodies for node in body for ring in _rings(node)}
        twice |= now & seen
        seen |= now
    return twice


def _phase(pieces: Sequence[Piece], turned: Turns) -> Phase:
    members = sorted({piece.member for piece in pieces})
    bodies = ((m, tuple(piece.node for piece in pieces if piece.member == m)) for m in members)
    return Phase(tuple(bodies), turned)


def _levels(pieces: Sequence[Piece]) -> list[int]:
    """The earliest dispatch of each piece."""
    last: dict[RingId, tuple[int, int]] = {}
    levels = []
    for piece in pieces:
        level = 0
        for ring in piece.rings:
            before, member = last.get(ring, (0, piece.member))
            level = max(level, before + (member != piece.member))
        for ring in piece.rings:
            last[ring] = (level, piece.member)
        levels.append(level)
    return levels


def _pieces(node: Node) -> Iterator[Piece]:
    """A statement as one for each block that has a part in it."""
    for member in sorted(_members(node)):
        own = _of_member(node, member)
        if own is not None:
            yield Piece(member, own, frozenset(_rings(own)))


def _members(node: Node) -> set[int]:
    return {node.member} if isinstance(node, Step) else set().union(*map(_members, node.body))


def _of_member(node: Node, member: int) -> Node | None:
    if isinstance(node, Step):
        return node if node.member == member else None
    body = tuple(own for inner in node.body if (own := _of_member(inner, member)) is not None)
    return replace(node, body=body) if body else None


def _rings(node: Node) -> Iterator[RingId]:
    if isinstance(node, Cycle):
        for inner in node.body:
            yield from _rings(inner)
    else:
        yield from (slot.ring for slot in node.reads)
        yield from node.writes


def _turns(node: Node) -> Turns | None:
    """How far a statement turns the rings; None where that depends on the block."""
    if isinstance(node, Step):
        if ring_written(node.instruction) is not None:
            return Turns()
        consumer = node.consumer if isinstance(node.instruction, Pop) else -1
        return Turns({(ring, consumer): 1 for ring in node.writes})
    total = Turns()
    for inner in node.body:
        counted = _turns(inner)
        if counted is None:
            return None
        total.update(counted)
    if not node.count.is_constant:
        return None if total else total
    return Turns({key: n * node.count.const for key, n in total.items()})
