"""Synthetic traffic: sequences of burst addresses and directions, with the random numbers of ``std::mt19937_64``."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memsim.dram.mersenne import random_words
from memsim.errors import MemsimError
from memsim.hierarchy.dram_parts import DramPart
from memsim.hierarchy.problems import nearest

PATTERNS = ("seq", "rand", "rowconf", "stride<bytes>", "streams<count>")
"""In order; anywhere; the next row of the same bank; every so many bytes; as many sequences in turn."""

SEED = 12345


@dataclass(frozen=True)
class Requests:
    """Bursts in the order in which they are offered."""

    bursts: npt.NDArray[np.int64]
    """Addresses over the bytes of a burst."""
    writes: npt.NDArray[np.int64]
    """1 for a write."""

    def __len__(self) -> int:
        """How many."""
        return len(self.bursts)


def traffic(part: DramPart, pattern: str, count: int, reads: int = 100) -> Requests:
    """The first ``count`` requests of a pattern (see `PATTERNS`), of which ``reads`` percent read.

    The base of each stream is drawn first. Then each request draws its address, where it is random, and its
    direction, unless all read.
    """
    kind, size = _parse(pattern)
    if not 0 <= reads <= 100:
        raise MemsimError(f"{reads} % of reads", where="reads", mend="write a number from 0 to 100")
    total = part.capacity // part.burst_bytes
    streams = size if kind == "streams" else 1
    draws = (kind == "rand") + (reads < 100)
    words = random_words(streams + draws * count, SEED)
    bases = (words[:streams] % np.uint64(total)).astype(np.int64)
    table = words[streams:].reshape(count, draws) if draws else words[:0]
    index = np.arange(count, dtype=np.int64)
    if kind == "rand":
        bursts = (table[:, 0] % np.uint64(total)).astype(np.int64)
    elif kind == "streams":
        bursts = (bases[index % streams] + index // streams) % total
    else:
        bursts = _walk(kind, size, index, part)
    writes = (table[:, -1] % np.uint64(100) >= np.uint64(reads)) if reads < 100 else np.zeros(count, dtype=bool)
    return Requests(bursts, writes.astype(np.int64))


def _walk(kind: str, size: int, index: npt.NDArray[np.int64], part: DramPart) -> npt.NDArray[np.int64]:
    """Addresses at a constant distance; a stride that comes round goes on one burst further."""
    if kind == "seq":
        return index % (part.capacity // part.burst_bytes)
    if kind == "rowconf":
        return index * (part.capacity // part.rows) % part.capacity // part.burst_bytes
    at = index * size
    return (at % part.capacity + at // part.capacity * part.burst_bytes) % part.capacity // part.burst_bytes


def _parse(pattern: str) -> tuple[str, int]:
    match = re.fullmatch(r"(seq|rand|rowconf)|(stride|streams)([1-9]\d{0,11})", pattern)
    if match is None:
        known = ["seq", "rand", "rowconf", "stride256", "streams4"]
        raise MemsimError(
            f"no pattern {pattern!r}",
            where="pattern",
            mend=f"{nearest(pattern, known)} the patterns are {', '.join(PATTERNS)}",
        )
    return (match[1], 0) if match[1] else (match[2], int(match[3]))
