"""Kinds of links between chips, each with its bandwidth, latency, energy and source: data in ``links.toml``."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from functools import cache
from importlib import resources

from memsim.hierarchy.fields import Bandwidth, BitEnergy, Count, Time
from memsim.hierarchy.part import NO_TIME, Part
from memsim.hierarchy.problems import nearest, problem, shown
from memsim.hierarchy.units import Rate


class LinkKind(Part):
    """A kind of link: one link, one direction."""

    bandwidth: Bandwidth
    """Of the wires, after line code."""
    packet: tuple[Count, Count] | None = None
    """(payload, overhead) bytes: what a packet carries, and what its header and the answer to a packet that came the
    other way take of the same wires. None: no overhead."""
    latency: Time = NO_TIME
    """From chip to chip."""
    energy: BitEnergy = 0.0
    """pJ a bit of payload, of both ends."""
    source: str = ""

    @property
    def payload_bandwidth(self) -> Rate:
        """What is left of the bandwidth for data."""
        payload, overhead = self.packet or (1, 0)
        return Rate(self.bandwidth.value * Fraction(payload, payload + overhead), self.bandwidth.per)


@cache
def link_kinds() -> dict[str, LinkKind]:
    """All named kinds of links."""
    text = (resources.files("memsim.hierarchy") / "links.toml").read_text(encoding="utf-8")
    return {name: LinkKind(**values) for name, values in tomllib.loads(text).items()}


def read_kind(value: object) -> str:
    """The name of a kind of link, for a validator."""
    if not isinstance(value, str) or value not in link_kinds():
        raise problem(f"unknown kind of link {shown(value)}", nearest(str(value), link_kinds()))
    return value
