"""First come, first served: the jitted functions that serve requests at units, ports, links and banks.

They are written once: the SimPy engine calls them one request at a time, the compiled engine calls the same ones. All
times are integer ticks. A request names its head's arrival and its service time; the answer is final when given.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from memsim.compiled import bare, bare_inlined, inlined

Array: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

PAGE_SEGMENTS = 4096
"""Segments after which every address map has repeated: layers with their own weights meet the same ports and banks."""
TURNS = 16
"""How often an address map goes round its ways, at least, before it repeats."""
FACTORS = (1, 1, 1, 1, 1, 7, 25, 23, 27, 33, 107, 367, 825)
"""Of pages of 1, 2, 4 … 4096 segments: the factor for which neighbours, and every second, third … sixteenth segment,
are spread the most evenly (the spectral test of Knuth, TAOCP 2, 3.3.4, by trial)."""


FREE_AT, BUSY, BYTES, SPARE, SERVER_WORDS = range(5)
"""Words of a server: the tick from which it is free, ticks for which it has been busy, and of a link bytes passed and
the part of its last tick that it has to spare (`serve_bytes`)."""


@inlined
def serve(words: Array, server: int, head: int, service: int) -> int:
    """Serve a request at the server whose words begin at ``server``; return the tick at which service starts."""
    start = max(head, words[server + FREE_AT])
    words[server + FREE_AT] = start + service
    words[server + BUSY] += service
    return int(start)


@inlined
def serve_bytes(words: Array, server: int, head: int, size: int, num: int, den: int) -> tuple[int, int]:
    """Serve ``size`` bytes at a link that moves ``num / den`` bytes a tick: (the tick at which service starts, ticks).

    It starts and ends with whole ticks, but who comes while it is busy finds what the one before has left of the last
    tick: ``words[server + SPARE]``, in parts of a tick of which there are ``num``. So no time is lost to rounding.
    """
    need, start = size * den, words[server + FREE_AT]
    if head < start:
        need -= words[server + SPARE]
    else:
        start = head
    service = (need + num - 1) // num
    words[server + FREE_AT] = start + service
    words[server + BUSY] += service
    words[server + SPARE] = service * num - need
    return int(start), int(service)


@inlined
def page_of(ways: int) -> int:
    """Segments after which the address map over so many ports, slices or channels repeats: a power of two."""
    return 1 << _page_bits(ways)


@bare_inlined
def _page_bits(ways: int) -> int:
    bits = 0
    while ways > 1 and 1 << bits < min(PAGE_SEGMENTS, TURNS * ways):
        bits += 1
    return bits


@inlined
def scatter(segment: int, ways: int) -> int:
    """Spread the segments of a page evenly over ``ways`` ports, slices or channels.

    An odd factor puts the segments of a page into another order, in which each way has an equal stretch.
    """
    bits = _page_bits(ways)
    page = 1 << bits
    return segment % page * FACTORS[bits] % page * ways >> bits


@bare_inlined
def port_of(segment: int, ports: int, banks: int) -> int:
    """The port behind which a segment lies, of a memory with so many banks behind all ports together."""
    return scatter(segment, banks) // (banks // ports)


# A memory's row of parameters: its banks, split evenly over its network ports, and what each bank can do.
FIRST, PORTS, PER_PORT, CHUNK, NUM, DEN, LATENCY = range(7)


@bare_inlined
def serve_bank(free_at: Array, busy: Array, spare: Array, bank: int, size: int, num: int, den: int, head: int) -> int:
    """The rule of `serve_bytes` for a bank; returns the tick at which service starts."""
    need, start = np.int64(size * den), free_at[bank]
    if head < start:
        need -= spare[bank]
    else:
        start = np.int64(head)
    service = (need + num - 1) // num
    free_at[bank] = start + service
    busy[bank] += service
    spare[bank] = service * num - need
    return start  # type: ignore[no-any-return]


@bare
def serve_banks(
    memory: Array, free_at: Array, busy: Array, spare: Array, port: int, segment: int, size: int, head: int
) -> tuple[int, int]:
    """Serve ``size`` bytes of a segment from the banks (DRAM channels, cache slices) behind a port of a memory.

    Chunks of ``memory[CHUNK]`` bytes go to successive banks from one that the segment's number decides, which also
    decides its port (`port_of`); each bank moves NUM / DEN bytes a tick, by the rule of `serve_bytes`. Returns
    (earliest start, latest finish) over the banks, without the latency.
    """
    banks, chunk, num, den = memory[PER_PORT], memory[CHUNK], memory[NUM], memory[DEN]
    chunks = (size + chunk - 1) // chunk
    rounds, extra = chunks // banks, chunks % banks  # the first `extra` banks get a chunk more than the others
    longer, shorter = (rounds + 1) * chunk, rounds * chunk
    last = (chunks - 1) % banks  # whose last chunk may be a part of one
    shortened = (rounds + (last < extra)) * chunk - (chunks * chunk - size)
    first_bank = memory[FIRST] + port * banks
    bank = first_bank + scatter(segment, memory[PORTS] * banks) % banks
    begin, finish = np.int64(2**62), np.int64(head)
    for i in range(min(chunks, banks)):
        part = shortened if i == last else longer if i < extra else shorter
        start = serve_bank(free_at, busy, spare, bank, part, num, den, head)
        begin = min(begin, np.int64(start))
        finish = max(finish, free_at[bank])
        bank += 1
        if bank == first_bank + banks:
            bank = first_bank
    return int(min(begin, finish)), int(finish)
