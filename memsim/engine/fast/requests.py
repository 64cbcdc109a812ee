"""The arbiter of the compiled engine: collects the requests of a tick and gives their order."""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.servers import Array

FEW = 16
"""Requests that are sorted by insertion."""


@compiled
def ask(
    m: Array, kind: int, who: int, queue: int, sequence: int, part: int, server: int, service: int, latency: int
) -> None:
    """Ask for hardware in this tick, for an instruction of a queue."""
    r = m[w.REQUEST_BASE] + m[w.REQUESTS] * w.REQUEST_WORDS
    m[r + w.U_ORDER], m[r + w.U_SEQUENCE], m[r + w.U_PART] = m[queue + w.Q_ORDER], sequence, part
    m[r + w.U_KIND], m[r + w.U_WHO] = kind, who
    m[r + w.U_SERVER], m[r + w.U_SERVICE], m[r + w.U_LATENCY] = server, service, latency
    m[w.REQUESTS] += 1


@inlined
def _before(m: Array, a: int, b: int) -> bool:
    for word in range(w.U_PART + 1):
        if m[a + word] != m[b + word]:
            return bool(m[a + word] < m[b + word])
    return False


@compiled
def sort_requests(m: Array) -> None:
    """Fill the words from ORDER_BASE on with the requests, oldest key first: a merge sort, by insertion if few."""
    count, order, first_request = m[w.REQUESTS], m[w.ORDER_BASE], m[w.REQUEST_BASE]
    for first in range(0, count, FEW):
        for i in range(first, min(first + FEW, count)):
            at, request = order + i, first_request + i * w.REQUEST_WORDS
            while at > order + first and _before(m, request, m[at - 1]):
                m[at] = m[at - 1]
                at -= 1
            m[at] = request
    run = FEW
    while run < count:
        for first in range(0, count - run, 2 * run):
            _merge(m, order + first, order + first + run, order + min(first + 2 * run, count))
        run *= 2


@compiled
def _merge(m: Array, first: int, middle: int, last: int) -> None:
    if not _before(m, m[middle], m[middle - 1]):
        return
    left = m[first:middle].copy()
    i, j = 0, middle
    for at in range(first, last):
        if i == len(left):
            return
        if j < last and _before(m, m[j], left[i]):
            m[at] = m[j]
            j += 1
        else:
            m[at] = left[i]
            i += 1
