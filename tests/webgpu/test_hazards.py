"""Barriers stand between accesses of different threads: checked on the steps as they run, each loop run twice."""

import pytest

from memsim.webgpu import Limits
from memsim.webgpu.emit import Emitter
from memsim.webgpu.frame import Frame
from memsim.webgpu.hazards import Pending
from memsim.webgpu.layout import Layout
from memsim.webgpu.multicast import localised
from memsim.webgpu.places import choose_threads, place_rings
from memsim.webgpu.scope import ANY, Access, Code
from memsim.webgpu.units import units_of
from memsim.webgpu.weave import weave_unit
from tests.strategies import least_cores
from tests.webgpu.samples import SIZES, compiled, drawn

BARRIER = "barrier"


class Marked(Emitter):
    """Writes a number for each step, and keeps its accesses."""

    def __init__(self, scope):
        super().__init__(scope)
        self.told = []

    def code(self, step):
        made = super().code(step)
        self.told.append(made.accesses)
        return Code([f"step {len(self.told) - 1}"], made.accesses)

    def advance(self, step):
        return iter(())


def steps_and_barriers(lines, at=0):
    """What runs, in order: accesses of steps and barriers, each loop twice; and where the block ended."""
    out = []
    while at < len(lines):
        line = lines[at]
        if line.startswith("for ("):
            inside, at = steps_and_barriers(lines, at + 1)
            out += inside * 2
        elif line == "}":
            return out, at
        else:
            out.append(line)
        at += 1
    return out, at


def frames(program):
    layout = Layout(program, program.cores or least_cores(program), 128 << 20)
    for kernel in program.kernels:
        for unit in units_of(localised(kernel, program)):
            for woven in weave_unit(unit, kernel.name):
                threads = choose_threads(woven, 256)
                places = place_rings(woven, threads, Limits())
                yield Frame(kernel, woven, layout, places, threads, program.cores or least_cores(program))


def unguarded(program):
    """Accesses that meet without a barrier between them, over the whole program."""
    bad, barriers = [], 0
    for frame in frames(program):
        emitter = Marked(frame._scope())
        emitter.scope.barrier = BARRIER
        lines = emitter.loop_body(frame.woven.body, Pending())
        order, _ = steps_and_barriers(lines)
        since = []
        for line in order * 2:  # a workgroup may run unit after unit
            if line == BARRIER:
                since, barriers = [], barriers + 1
                continue
            now = [a for a in emitter.told[int(line.split()[1])] if a.ring not in emitter.registers]
            bad += [(old, new) for old in since for new in now if meet(old, new)]
            since += now
    return bad, barriers


def meet(old, new):
    """Whether two threads may touch one element, and one of them writes it."""
    same_thread = old.tag == new.tag != ANY
    return old.ring == new.ring and (old.writes or new.writes) and not same_thread


@pytest.mark.parametrize("name", SIZES)
def test_workloads_have_their_barriers(name):
    bad, barriers = unguarded(compiled(name)[0])
    assert bad == []
    assert barriers > 0 or name == "elementwise"  # there each element stays with its thread


def test_random_programs_have_theirs():
    seen = 0
    for seed in range(120):
        program = drawn(seed, max_executions=500)
        if program is not None:
            bad, barriers = unguarded(program)
            assert bad == [], seed
            seen += barriers > 0
    assert seen > 60


def test_the_check_finds_what_is_missing():
    ring = (0, "a")
    assert meet(Access(ring, True, "linear"), Access(ring, False))
    assert meet(Access(ring, False), Access(ring, True, "linear"))
    assert not meet(Access(ring, True, "linear"), Access(ring, False, "linear"))
    assert not meet(Access(ring, False), Access(ring, False))
    assert steps_and_barriers(["a", "for (x) {", "b", "}", "c"])[0] == ["a", "b", "b", "c"]
