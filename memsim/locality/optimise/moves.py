"""Small changes of a schedule that keep its meaning: moved instructions, copies made and dropped, sums regrouped.

A schedule under change is a handful of arrays (`Draft`). Instructions keep their numbers while they move, so that a
change touches a few entries. Every change is applied, and then checked as a whole: `is_valid` says whether each value
is written before it is read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.values import Schedule
from memsim.locality.scalar.instructions import Op
from memsim.locality.shells import Array

ADD, MUL, COPY = int(Op.ADD), int(Op.MUL), int(Op.COPY)


class Draft(NamedTuple):
    """A schedule that is being changed; values are numbered as in `Schedule`, with room for more.

    Attributes
    ----------
    ops, sources, immediates
        Of each value, by its number; ``sources`` is ``(room, 3)``, and nothing for inputs.
    root
        The value that each is a copy of, itself if it is none.
    order
        The values that instructions write, in the order of time.
    outputs
        The values that are the outputs.
    sizes
        The number of inputs, of instructions in ``order``, and of numbers given out.
    """

    ops: Array
    sources: Array
    immediates: Array
    root: Array
    order: Array
    outputs: Array
    sizes: Array


def draft_of(schedule: Schedule, room: int) -> Draft:
    """A draft with room for so many more instructions."""
    count, inputs = len(schedule), schedule.inputs
    most = inputs + count + room
    ops, immediates = np.zeros(most, np.int8), np.zeros(most, np.int64)
    sources, root = np.full((most, 3), -1, np.int32), np.arange(most, dtype=np.int32)
    ops[inputs : inputs + count], immediates[inputs : inputs + count] = schedule.ops, schedule.immediates
    sources[inputs : inputs + count] = schedule.sources
    for v in np.flatnonzero(schedule.ops == COPY) + inputs:
        root[v] = root[sources[v, 0]]
    order = np.zeros(count + room, np.int32)
    order[:count] = np.arange(inputs, inputs + count)
    sizes = np.array([inputs, count, inputs + count], np.int64)
    return Draft(ops, sources, immediates, root, order, schedule.outputs.astype(np.int32), sizes)


def schedule_of(draft: Draft) -> Schedule:
    """The schedule that a draft has become."""
    inputs, count = int(draft.sizes[0]), int(draft.sizes[1])
    order = draft.order[:count]
    renamed = np.full(len(draft.ops) + 1, -1, np.int32)  # the last entry is for sources that are not there
    renamed[:inputs] = np.arange(inputs)
    renamed[order] = np.arange(inputs, inputs + count)
    return Schedule(
        inputs, draft.ops[order], renamed[draft.sources[order]], renamed[draft.outputs], draft.immediates[order]
    )


@compiled
def is_valid(draft: Draft, place: Array) -> bool:
    """Whether each value is written before it is read; ``place`` becomes when each is written."""
    place[:] = 2**30
    inputs, count, _ = draft.sizes
    place[:inputs] = -1
    for t in range(count):
        place[draft.order[t]] = t
    for t in range(count):
        v = draft.order[t]
        for j in range(3):
            s = draft.sources[v, j]
            if s >= 0 and place[s] >= t:
                return False
    return True


@compiled
def move_run(draft: Draft, reach: int) -> bool:
    """Take a short run of instructions to another time, at most ``reach`` away."""
    count = draft.sizes[1]
    length = 1 + int(np.random.random() ** 3 * min(reach, 24, count - 1))
    at = np.random.randint(0, count - length + 1)
    shift = 1 + int(np.random.random() ** 2 * reach)
    shift = shift if np.random.random() < 0.5 else -shift
    to = min(max(at + shift, 0), count - length)
    if to == at:
        return False
    order, run = draft.order, draft.order[at : at + length].copy()
    if to > at:
        for t in range(at, to):
            order[t] = order[t + length]
    else:
        for t in range(at - 1, to - 1, -1):
            order[t + length] = order[t]
    order[to : to + length] = run
    return True


@compiled
def add_copy(draft: Draft, reach: int) -> bool:
    """Copy a value just before one of its reads, and read the copy there and in some of the reads that follow."""
    count, used = draft.sizes[1:]
    if used == len(draft.ops) or count == len(draft.order):
        return False
    at = np.random.randint(0, count)
    v = draft.order[at]
    j = np.random.randint(0, 2)
    s = draft.sources[v, j]
    if s < 0 or draft.ops[v] == COPY:
        return False
    most = 1 + int(np.random.random() ** 2 * 16)
    changed, t = 0, at
    while t < count and changed < most:
        reader = draft.order[t]
        for i in range(3):
            if draft.sources[reader, i] == s:
                draft.sources[reader, i] = used
                changed += 1
        t += 1
    early = max(0, at - int(np.random.random() ** 4 * reach))
    for t in range(count, early, -1):
        draft.order[t] = draft.order[t - 1]
    draft.order[early] = used
    draft.ops[used], draft.sources[used, 0], draft.sources[used, 1] = COPY, s, -1
    draft.root[used] = draft.root[s]
    draft.sizes[1], draft.sizes[2] = count + 1, used + 1
    return True


@compiled
def drop_copy(draft: Draft) -> bool:
    """Read what was copied in place of a copy."""
    at = _any_copy(draft, 64)
    return False if at < 0 else _drop(draft, at)


@compiled
def _drop(draft: Draft, at: int) -> bool:
    v, count = draft.order[at], draft.sizes[1]
    for o in draft.outputs:
        if o == v:
            return False
    _delete(draft, at)
    for t in range(at, count - 1):
        for j in range(3):
            if draft.sources[draft.order[t], j] == v:
                draft.sources[draft.order[t], j] = draft.sources[v, 0]
    return True


@compiled
def _delete(draft: Draft, at: int) -> None:
    """Take an instruction out, and give its number back by way of the last one."""
    order, count = draft.order, draft.sizes[1]
    for t in range(at, count - 1):
        order[t] = order[t + 1]
    draft.sizes[1] = count - 1


@compiled
def move_read(draft: Draft, reach: int) -> bool:
    """Let one read take another copy of the same value, one that is used nearby."""
    count = draft.sizes[1]
    at = np.random.randint(0, count)
    v = draft.order[at]
    j = np.random.randint(0, 2)
    s = draft.sources[v, j]
    if s < 0:
        return False
    root, other = draft.root[s], -1
    skip = np.random.randint(0, 3)
    for t in range(at - 1, max(-1, at - reach), -1):
        w = draft.order[t]
        if draft.root[w] == root and w != s and draft.ops[w] == COPY:
            other = w
            if skip == 0:
                break
            skip -= 1
    if other < 0 or skip > 0:
        other = draft.sources[s, 0] if draft.ops[s] == COPY and s >= draft.sizes[0] else root
    if other in (s, v):
        return False
    draft.sources[v, j] = other
    if s >= draft.sizes[0] and draft.ops[s] == COPY:
        drop_unread(draft, s)
    return True


@compiled
def _any_copy(draft: Draft, tries: int) -> int:
    """The time of a copy near a random one; -1 if there is none."""
    count = draft.sizes[1]
    begin = np.random.randint(0, count)
    for shift in range(min(count, tries)):
        t = (begin + shift) % count
        if draft.ops[draft.order[t]] == COPY:
            return int(t)
    return -1


@compiled
def exchange_copy(draft: Draft) -> bool:
    """Let a copy and what it copies change their roles for all that follows: the near one was there before."""
    at = _any_copy(draft, 64)
    if at < 0:
        return False
    count, c = draft.sizes[1], draft.order[at]
    s = draft.sources[c, 0]
    for o in draft.outputs:
        if o in (s, c):
            return False
    changed = False
    for t in range(at + 1, count):
        v = draft.order[t]
        for j in range(3):
            if draft.sources[v, j] == s:
                draft.sources[v, j], changed = c, True
            elif draft.sources[v, j] == c:
                draft.sources[v, j] = s
    return changed


@compiled
def move_home(draft: Draft) -> bool:
    """Copy a copy on to where later reads of the same value find it, instead of where it came from."""
    at = _any_copy(draft, 64)
    count, used = draft.sizes[1], draft.sizes[2]
    if at < 0 or used == len(draft.ops) or count == len(draft.order):
        return False
    c = draft.order[at]
    s, changed = draft.sources[c, 0], False
    for t in range(at + 1, count):
        v = draft.order[t]
        for j in range(3):
            if draft.sources[v, j] == s:
                draft.sources[v, j], changed = used, True
    if not changed:
        return False
    for t in range(count, at + 1, -1):
        draft.order[t] = draft.order[t - 1]
    draft.order[at + 1] = used
    draft.ops[used], draft.sources[used, 0], draft.sources[used, 1] = COPY, c, -1
    draft.root[used] = draft.root[c]
    draft.sizes[1], draft.sizes[2] = count + 1, used + 1
    return True


@compiled
def merge_copies(draft: Draft) -> bool:
    """Keep a copy until the next one of the same value would be made, and leave that out."""
    at = _any_copy(draft, 64)
    if at < 0:
        return False
    count, c = draft.sizes[1], draft.order[at]
    for o in draft.outputs:
        if draft.root[o] == draft.root[c]:
            return False
    for t in range(at + 1, count):
        v = draft.order[t]
        if draft.ops[v] == COPY and draft.root[v] == draft.root[c] and draft.sources[v, 0] != c:
            for later in range(t + 1, count):
                reader = draft.order[later]
                for j in range(3):
                    if draft.sources[reader, j] == v:
                        draft.sources[reader, j] = c
            _delete(draft, t)
            return True
    return False


@compiled
def drop_unread(draft: Draft, v: int) -> None:
    """Take a copy out that nothing reads any more."""
    count, at = draft.sizes[1], -1
    for o in draft.outputs:
        if o == v:
            return
    for t in range(count):
        reader = draft.order[t]
        if reader == v:
            at = t
        for j in range(3):
            if draft.sources[reader, j] == v:
                return
    _delete(draft, at)


@compiled
def regroup(draft: Draft, reach: int) -> bool:
    """Exchange terms of two sums of which one feeds the other: ``(a + b) + y`` becomes ``(a + y) + b``."""
    count = draft.sizes[1]
    at = np.random.randint(0, count)
    u = draft.order[at]
    if draft.ops[u] != ADD:
        return False
    i, j = np.random.randint(0, 2), np.random.randint(0, 2)
    w = draft.sources[u, i]
    if w < draft.sizes[0] or draft.ops[w] != ADD or _reads(draft, w) != 1:
        return False
    draft.sources[w, j], draft.sources[u, 1 - i] = draft.sources[u, 1 - i], draft.sources[w, j]
    y, begin = draft.sources[w, j], -1
    for t in range(at - 1, -1, -1):  # the inner sum moves behind the term that it got, if that comes later
        x = draft.order[t]
        if x == w:
            if begin >= 0:
                for z in range(t, begin):
                    draft.order[z] = draft.order[z + 1]
                draft.order[begin] = w
            return True
        if x == y and begin < 0:
            begin = t
    return True


@compiled
def _reads(draft: Draft, v: int) -> int:
    """How often a value is read, as an output included."""
    count = 0
    for o in draft.outputs:
        count += o == v
    for t in range(draft.sizes[1]):
        reader = draft.order[t]
        for j in range(3):
            count += draft.sources[reader, j] == v
    return count
