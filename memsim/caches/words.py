"""Where everything lies in the one array of words that holds caches: compiled code is fastest with one."""

from __future__ import annotations

from memsim.caches.spec import POLICIES

# fmt: off
# Words of a cache: where its sets begin and what it is; then what changes: a count of uses (the age of lines), the
# state of its random numbers, its ring of MSHRs; then its counters, see `memsim.caches.state.Counts`.
(FIRST, SETS, WAYS, SLICES, LINE, SECTOR, POLICY, WRITE_BACK, ALLOCATE, HASHED, MSHRS, FIRST_MSHR,
 CLOCK, RANDOM, OLDEST, OUTSTANDING,
 ACCESSES, READ, WRITTEN, HITS, LINE_MISSES, SECTOR_MISSES, WRITE_MISSES, SECTORS_FETCHED, FETCHED, EVICTIONS,
 WRITE_BACKS, HANDED_ON, BYPASSED, MERGED, STALLS, STALL_TICKS, CACHE_WORDS) = range(33)
# fmt: on
TAG, VALID, DIRTY, AGE, READY, LINE_WORDS = range(6)
"""Words of a way: line number or -1, bit masks of sectors, the use that was its last, tick of arrival. A set is a word
with the bits of its tree (policy ``plru``), then its ways."""
NORMAL, STREAM, BYPASS = 0, 1, 2
"""What an access may say of reuse, see `memsim.caches.state.HINTS`."""
LRU, PLRU = POLICIES.index("lru"), POLICIES.index("plru")
