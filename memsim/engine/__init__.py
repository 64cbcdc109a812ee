"""Executing a program on a chip: the SimPy model, its resources, the ledger and the result."""

from memsim.engine.ledger import Ledger
from memsim.engine.result import Result
from memsim.engine.simulate import simulate
from memsim.engine.tracing import TraceWindow

__all__ = ["Ledger", "Result", "TraceWindow", "simulate"]
