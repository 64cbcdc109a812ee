"""Programs that break one rule of `verify`, and what they are checked against."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from memsim.errors import ProgramError
from memsim.isa.expr import Expr
from memsim.isa.model import Group, Kernel, Load, Pop, Program, Queue, Region, Ring, Target, Tensor
from memsim.isa.verify import verify


@dataclass(frozen=True)
class Chip:
    """A machine of the size that a test needs."""

    name: str = "toy"
    core_count: int = 8
    sram: int = 2**20
    reg: int = 2**20
    dram: int = 2**40

    def capacity_bytes(self, role):
        return {"sram": self.sram, "reg": self.reg, "dram": self.dram}.get(role)


def refused(program, kind=ProgramError, chip=None):
    """The error of a program that has to be refused."""
    with pytest.raises(kind) as caught:
        verify(program, chip)
    return caught.value


Y = (("y", 1),)
T = Tensor("T", "dram", "fp32", (8,))
R = Ring("r", "sram", "fp32", (8,))
AT = Region("T", (Expr(0),), (8,))
BODY = (Load(Target("r"), AT), Pop("r"))


def program(*body, rings=(R,), tensors=(T,), grid=Y, cluster=(), queues=None, cores=None, **kernel):
    """A program of one kernel and group, from the model's classes: the text form catches some errors by itself."""
    queues = (Queue("q", body or BODY),) if queues is None else queues
    return Program("p", tensors, (Kernel("main", (Group("main", grid, rings, queues, cluster),), **kernel),), cores)
