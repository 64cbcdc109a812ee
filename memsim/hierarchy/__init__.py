"""Chips as data: parts at places, with units, time, a network, and unit energies from a technology."""

from memsim.hierarchy.chip import Chip
from memsim.hierarchy.matrix import MatrixUnit
from memsim.hierarchy.parts import Cache, Core, Dma, Dram, Memory, Network, SharedMemory, VectorUnit
from memsim.hierarchy.technology import Technology, technologies
from memsim.hierarchy.units import Duration, Rate

__all__ = [
    "Cache",
    "Chip",
    "Core",
    "Dma",
    "Dram",
    "Duration",
    "MatrixUnit",
    "Memory",
    "Network",
    "Rate",
    "SharedMemory",
    "Technology",
    "VectorUnit",
    "technologies",
]
