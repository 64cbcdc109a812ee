"""A core and its units as data. Every number has a unit in its text; every default is stated here."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, model_validator

from memsim.hierarchy.fields import Bytes, Count, EventEnergy, Grid, OpEnergy, Pitch, Point, Time
from memsim.hierarchy.matrix import MatrixUnit
from memsim.hierarchy.memories import L1Cache, Memory
from memsim.hierarchy.part import GIVEN_BY_OTHERS, NO_TIME, Part
from memsim.hierarchy.problems import nearest, problem, shown
from memsim.hierarchy.units import Duration

VECTOR_CLASSES = ("simple", "special", "reduce")
"""Classes of elementwise work: plain arithmetic, special functions (exp, log, sqrt …), reductions."""


def _vector_class(value: object) -> str:
    if value not in VECTOR_CLASSES:
        raise problem(f"unknown class of operation {shown(value)}", nearest(str(value), VECTOR_CLASSES))
    return str(value)


VectorClass: TypeAlias = Annotated[str, PlainValidator(_vector_class)]


class VectorUnit(Part):
    """A core's elementwise unit, as wide as it has lanes, whatever the element type."""

    lanes: Count = 64
    """Elements a cycle for plain arithmetic."""
    special_lanes: Count = 16
    """Elements a cycle for special functions."""
    reduce_lanes: Count = GIVEN_BY_OTHERS
    """Elements a cycle of a reduction; unless given, as ``lanes``."""
    latency: Time = NO_TIME
    """From the end of an instruction to its result."""
    reduce_latency: Time = NO_TIME
    """The same of a reduction, which threads share: shuffles and barriers. Unless given, as ``latency``."""
    energy: dict[VectorClass, OpEnergy] | None = None
    """pJ per element; classes that are left out have the technology's."""

    @model_validator(mode="after")
    def _reduce_as_simple(self) -> VectorUnit:
        self.fill_in("reduce_lanes", self.lanes)
        self.fill_in("reduce_latency", self.latency)
        return self

    def cycles(self, op_class: str, elements: int) -> int:
        """Cycles for ``elements`` elements of an operation class."""
        lanes = {"simple": self.lanes, "special": self.special_lanes, "reduce": self.reduce_lanes}
        return -(-elements // lanes[op_class])


class Dma(Part):
    """A core's transfer engine, with the limits that it sets to each queue of a program."""

    issue: Time = Duration(Fraction(1), "cycle")
    """How long one transfer occupies the engine."""
    latency: Time = NO_TIME
    """From the start of a transfer's issue until its head sets out; at least ``issue``."""
    max_transfers: Count = 16
    """Transfers that one queue may have in flight."""
    max_bytes: Bytes = 1 << 20
    """Bytes that one queue may have in flight."""
    energy_per_transfer: EventEnergy = 0.0


class Core(Part):
    """One core; a chip repeats it ``count`` times over a grid of sites, row by row from the origin."""

    grid: Grid
    """[columns, rows] of sites."""
    count: Count = GIVEN_BY_OTHERS
    """Cores; unless given, one at each site."""
    pitch: Pitch
    """[x, y] from one core to the next, in mm."""
    origin: Point = (0.0, 0.0)
    """Lower left corner of the first core, in mm."""
    reg: Memory = Memory(capacity=1 << 18)
    sram: Memory
    l1: L1Cache | None = None
    matrix: MatrixUnit | None = None
    vector: VectorUnit = VectorUnit()
    dma: Dma = Dma()

    @model_validator(mode="after")
    def _fits(self) -> Core:
        self.fill_in("count", self.sites)
        if self.count > self.sites:
            raise problem(f"{self.count} cores do not fit on {self.sites} sites", "make the grid larger", key="count")
        return self

    @property
    def sites(self) -> int:
        """Sites of the grid, of which the first ``count`` hold cores."""
        return self.grid[0] * self.grid[1]
