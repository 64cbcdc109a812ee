"""Trackers of named blocks: DMC and ARD (since the last write), DMD (depth in a stack), and arrays that feed them."""

from memsim.locality.trackers.arrays import ArrayLog, TrackedArray
from memsim.locality.trackers.clock import MemTracker
from memsim.locality.trackers.stack import LRUStackTracker

__all__ = ["ArrayLog", "LRUStackTracker", "MemTracker", "TrackedArray"]
