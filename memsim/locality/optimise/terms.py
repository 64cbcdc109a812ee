"""A larger change of a schedule: a product leaves its sum at one time and joins it again at another."""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.moves import ADD, COPY, MUL, Draft, drop_unread
from memsim.locality.shells import Array


@compiled
def move_term(draft: Draft, reach: int) -> bool:
    """Take a product out of its sum, and add it to another part of the same sum, at that time.

    It then reads the copies of its operands that are there at that time, made within ``20 reach`` instructions.
    """
    inputs, count, _ = draft.sizes
    u = draft.order[np.random.randint(0, count)]
    if draft.ops[u] != ADD:
        return False
    side = np.random.randint(0, 2)
    p, w = draft.sources[u, side], draft.sources[u, 1 - side]
    reads, reader = _readers(draft)
    if p < inputs or p == w or draft.ops[p] != MUL or reads[p] != 1:
        return False
    x, final = _part_of_sum(draft, u, p, w, reads, reader)
    if x < 0:
        return False
    _rename(draft, u, w, reader[u] if u != final else -1)
    last = x == final or (u == final and x == w)
    _rename(draft, x, u, -1 if last else reader[x])
    draft.sources[u, 0], draft.sources[u, 1] = x, p
    _bring(draft, p, u, x, -1 if last else reader[x])
    _near_operands(draft, p, 20 * reach)
    return True


@compiled
def _readers(draft: Draft) -> tuple[Array, Array]:
    """How often each value is read, outputs included, and its last reader; -1 for an output."""
    reads, reader = np.zeros(len(draft.ops), np.int64), np.full(len(draft.ops), -1, np.int64)
    for t in range(draft.sizes[1]):
        v = draft.order[t]
        for j in range(3):
            s = draft.sources[v, j]
            if s >= 0:
                reads[s] += 1
                reader[s] = v
    for o in draft.outputs:
        reads[o] += 1
    return reads, reader


@compiled
def _part_of_sum(draft: Draft, u: int, p: int, w: int, reads: Array, reader: Array) -> tuple[int, int]:
    """Another part of the sum that ``u`` belongs to, at random, and the whole sum; -1 where there is none."""
    final = u
    while reader[final] >= 0 and reads[final] == 1 and draft.ops[reader[final]] == ADD:
        final = reader[final]
    if reads[final] != 1 or reader[final] >= 0:
        return -1, -1
    belongs = np.zeros(len(draft.ops), np.bool_)
    belongs[final] = True
    found, seen = -1, 0
    for t in range(draft.sizes[1] - 1, -1, -1):
        v = draft.order[t]
        if v != final and (reads[v] != 1 or reader[v] < 0 or draft.ops[reader[v]] != ADD or not belongs[reader[v]]):
            continue
        belongs[v] = True
        if v not in (u, p, w) and draft.ops[v] in (ADD, MUL):
            seen += 1
            if np.random.randint(0, seen) == 0:
                found = v
    return found, final


@compiled
def _rename(draft: Draft, old: int, new: int, reader: int) -> None:
    """Let a reader, or the outputs where it is -1, read another value."""
    if reader < 0:
        for i in range(len(draft.outputs)):
            if draft.outputs[i] == old:
                draft.outputs[i] = new
        return
    for j in range(3):
        if draft.sources[reader, j] == old:
            draft.sources[reader, j] = new


@compiled
def _bring(draft: Draft, p: int, u: int, x: int, reader: int) -> None:
    """Put a product and its addition right behind ``x``, or right before the reader."""
    order, count, kept = draft.order, draft.sizes[1], 0
    early = reader < 0 or np.random.random() < 0.5
    was = order[:count].copy()
    for t in range(count):
        v = was[t]
        if v in (p, u):
            continue
        if v == reader and not early:
            order[kept], order[kept + 1] = p, u
            kept += 2
        order[kept] = v
        kept += 1
        if v == x and early:
            order[kept], order[kept + 1] = p, u
            kept += 2


@compiled
def _near_operands(draft: Draft, p: int, reach: int) -> None:
    """Let a product read the latest copies of its operands."""
    at = 0
    while draft.order[at] != p:
        at += 1
    for j in range(2):
        s = draft.sources[p, j]
        root = draft.root[s]
        near = root
        for t in range(at - 1, max(-1, at - reach), -1):
            v = draft.order[t]
            if draft.ops[v] == COPY and draft.root[v] == root:
                near = v
                break
        draft.sources[p, j] = near
        if near != s and draft.ops[s] == COPY and s >= draft.sizes[0]:
            drop_unread(draft, s)
            at = min(at, draft.sizes[1] - 1)
            while draft.order[at] != p:
                at -= 1
