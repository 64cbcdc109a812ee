"""A row of a table of measurements."""

from __future__ import annotations

from dataclasses import dataclass

from memsim.validate.calls import Call


@dataclass(frozen=True, slots=True)
class Row:
    """A call on a GPU, and what was measured of it."""

    line: int
    """Of the file."""
    op: str
    """As the file writes it; the next two as well."""
    gpu: str
    dtype: str
    chip: str
    """A preset, or a chip that was given."""
    call: Call
    protocol: str
    """How it was measured: see `memsim.validate.protocol`."""
    lat_ms: float | None = None
    """Time of a call in milliseconds, the median of sources."""
    lat_lo: float | None = None
    lat_hi: float | None = None
    """Least and most of the sources, milliseconds."""
    sources: int = 1
    power_w: float | None = None
    """Of the board while the call is repeated, watts."""
    energy_j: float | None = None
    """Of a call, joules."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A row that was passed over, as the user has asked, since something in it is not known."""

    line: int
    reason: str
