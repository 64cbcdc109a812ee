"""A shared cache over segments: least recently used, write-back or write-through, with fills on their way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from memsim.engine.servers import DIRTY, READY, cache_state, cache_touch


class SegmentCache:
    """Which bytes of which segments the cache holds, which are dirty, and when each segment's fill arrives."""

    def __init__(self, segments: int, capacity: int, write_back: bool) -> None:
        self.capacity, self.write_back = capacity, write_back
        self._lru, self._lines, self._used = cache_state(segments)
        self._evicted = np.zeros(2 * segments + 3, dtype=np.int64)

    def touch(self, segment: int, size: int, write: bool) -> tuple[int, list[tuple[int, int]]]:
        """Read or write bytes of a segment: (missing bytes, dirty segments that leave with their bytes)."""
        dirties = write and self.write_back
        _, miss = cache_touch(self._lru, self._lines, self._used, self.capacity, segment, size, dirties, self._evicted)
        count = int(self._evicted[0])
        if not count:
            return miss, []
        pairs = self._evicted[1 : 1 + 2 * count].tolist()
        return miss, list(zip(pairs[::2], pairs[1::2], strict=True))

    def fill_ends(self, segment: int) -> int:
        """Tick at which the latest fill of a segment arrives."""
        return int(self._lines[READY, segment])

    def note_fill(self, segment: int, size: int, tick: int) -> None:
        """A fill of the segment arrives at ``tick`` (segments that the cache cannot keep are not noted)."""
        if size <= self.capacity:
            self._lines[READY, segment] = max(tick, self.fill_ends(segment))

    def take_dirty(self) -> Iterator[tuple[int, int]]:
        """Every dirty segment with its bytes; afterwards none is."""
        for segment in np.nonzero(self._lines[DIRTY])[0].tolist():
            yield segment, int(self._lines[DIRTY, segment])
            self._lines[DIRTY, segment] = 0
