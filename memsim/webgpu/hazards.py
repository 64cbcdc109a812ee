"""Barriers: where a thread may touch an element that another has touched since the last one.

An access is safe after others of the same tag to the same ring, since then each element stays with one thread. Any
other read after a write, write after a read or write after a write needs a barrier between. A loop is looked at
until nothing new can be pending at its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memsim.webgpu.scope import ANY, Access
from memsim.webgpu.tokens import RingId


class Pending:
    """Accesses since the last barrier."""

    def __init__(self, accesses: Iterable[Access] = ()) -> None:
        self.accesses = set(accesses)

    def before(self, coming: Sequence[Access]) -> bool:
        """Take note of the accesses of the next step; whether a barrier must come before it."""
        needed = any(_conflict(old, new) for old in self.accesses for new in coming)
        if needed:
            self.accesses.clear()
        self.accesses.update(coming)
        return needed


def _conflict(old: Access, new: Access) -> bool:
    if old.ring != new.ring or not (old.writes or new.writes):
        return False
    return old.tag == ANY or new.tag == ANY or old.tag != new.tag


def in_memory(accesses: Iterable[Access], registers: set[RingId]) -> list[Access]:
    """Those accesses that go to memory, which threads share."""
    return [access for access in accesses if access.ring not in registers]
