"""What the ISA needs to know of a chip; any object with these attributes will do."""

from __future__ import annotations

from typing import Protocol


class Machine(Protocol):
    """A chip as `verify` sees it."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    @property
    def core_count(self) -> int:
        """Cores that blocks are dealt to."""
        ...

    def capacity_bytes(self, role: str) -> int | None:
        """Bytes of the memory in ``role`` (of one core's, in a per-core role); ``None`` if it has no such memory."""
        ...
