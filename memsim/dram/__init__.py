"""DRAM at the level of bursts: one channel with its banks, buses, queues and refresh.

`simulate` measures a part under a pattern of traffic; `run` takes any list of requests and tells when each was served;
`service` is the time that a batch of bursts takes of a channel.
"""

from __future__ import annotations

from memsim.dram.channel import Run, Source, run
from memsim.dram.maps import MAPS, AddressMap, address_map
from memsim.dram.measure import Measured, energy_of, service, simulate, summarise
from memsim.dram.stimulus import PATTERNS, Requests, traffic
from memsim.hierarchy.dram_parts import DramPart, dram_part, dram_parts

__all__ = [
    "MAPS",
    "PATTERNS",
    "AddressMap",
    "DramPart",
    "Measured",
    "Requests",
    "Run",
    "Source",
    "address_map",
    "dram_part",
    "dram_parts",
    "energy_of",
    "run",
    "service",
    "simulate",
    "summarise",
    "traffic",
]
