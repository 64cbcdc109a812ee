"""What a cache is: its size, how its lines are found, which of them leaves, and what a write does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.hierarchy.memories import Cache, L1Cache

POLICIES = ("lru", "plru", "random")
"""Least recently used; the same by a tree of bits; any line of the set. The number of each is its place here."""
MOST_SECTORS = 62
"""Sectors of a line: their bits fit one word."""
MOST_PLRU_WAYS = 32
"""Ways of a tree whose bits fit one word."""


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """One cache. Sizes are in bytes.

    The number of sets is ``capacity / (line x ways)`` over the slices, rounded down to a whole number in each: it need
    be no power of two. A line's slice is a hash of its address; its set, its address modulo the sets of a slice, or a
    hash of it too.
    """

    capacity: int
    line: int = 128
    sector: int = 32
    """What a miss fetches: a part of a line."""
    ways: int = 16
    policy: str = "lru"
    write_back: bool = True
    """Keep written sectors until their line leaves; else hand each write on."""
    write_allocate: bool = True
    """Let a write that misses take a line; else it passes by."""
    slices: int = 1
    hashed_sets: bool = False
    mshrs: int = 1 << 16
    """Lines (miss status holding registers) that may be on their way at a time."""
    seed: int = 1
    """Of policy ``random``."""

    def __post_init__(self) -> None:
        for name in ("capacity", "line", "sector", "ways", "slices", "mshrs"):
            if getattr(self, name) < 1:
                raise _wrong(f"{name} is {getattr(self, name)}", "give at least 1")
        if self.policy not in POLICIES:
            raise _wrong(f"no replacement policy {self.policy!r}", f"choose one of {', '.join(POLICIES)}")
        if self.line % self.sector or self.line // self.sector > MOST_SECTORS:
            cause = f"a line of {self.line} B is not cut into at most {MOST_SECTORS} sectors of {self.sector} B"
            raise _wrong(cause, "choose a sector that divides the line")
        if self.policy == "plru" and self.ways > MOST_PLRU_WAYS:
            raise _wrong(f"a tree of {self.ways} ways", f"give at most {MOST_PLRU_WAYS} ways, or policy lru")
        if self.sets < 1:
            smallest = self.line * self.ways * self.slices
            raise _wrong(f"{self.capacity} B hold no whole set", f"give at least {smallest} B, or fewer ways or slices")

    @property
    def sets(self) -> int:
        """Sets of one slice."""
        return self.capacity // (self.line * self.ways * self.slices)

    @property
    def lines(self) -> int:
        """Lines of the whole cache."""
        return self.sets * self.slices * self.ways

    @classmethod
    def of_l1(cls, cache: L1Cache) -> CacheSpec:
        """A core's own cache for plain loads: it writes through and does not allocate on writes, as GPUs' do."""
        return cls(
            cache.capacity, cache.line, cache.sector, min(cache.ways, cache.capacity // cache.line), cache.policy,
            write_back=False, write_allocate=False, mshrs=cache.mshrs,
        )  # fmt: skip

    @classmethod
    def of_cache(cls, cache: Cache) -> CacheSpec:
        """One partition of a chip's cache."""
        slices = max(1, cache.slices // cache.partitions)
        ways = max(1, min(cache.ways, cache.capacity // cache.partitions // (slices * cache.line)))
        return cls(
            cache.capacity // cache.partitions, cache.line, cache.sector, ways, cache.policy,
            write_back=cache.write_back, slices=slices, mshrs=cache.mshrs,
        )  # fmt: skip


def _wrong(cause: str, mend: str) -> MemsimError:
    return MemsimError(cause, where="CacheSpec", mend=mend)
