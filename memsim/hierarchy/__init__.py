"""Chips as data: parts at places, with units, time, a network, and unit energies from a technology."""

from memsim.hierarchy.chip import Chip
from memsim.hierarchy.dvfs import Dvfs
from memsim.hierarchy.links import LinkKind, link_kinds
from memsim.hierarchy.matrix import MatrixUnit
from memsim.hierarchy.memories import Cache, Dram, L1Cache, Memory, SharedMemory
from memsim.hierarchy.network import Link, Network
from memsim.hierarchy.parts import Core, Dma, VectorUnit
from memsim.hierarchy.systems import System
from memsim.hierarchy.technology import Technology, technologies
from memsim.hierarchy.units import Duration, Rate

__all__ = [
    "Cache",
    "Chip",
    "Core",
    "Dma",
    "Dram",
    "Duration",
    "Dvfs",
    "L1Cache",
    "Link",
    "LinkKind",
    "MatrixUnit",
    "Memory",
    "Network",
    "Rate",
    "SharedMemory",
    "System",
    "Technology",
    "VectorUnit",
    "link_kinds",
    "technologies",
]
