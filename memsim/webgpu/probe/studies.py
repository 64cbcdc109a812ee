"""The probe: which kernels are run at which sizes, and what is made of their times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from memsim.errors import MemsimError
from memsim.webgpu.probe import arithmetic, kernels
from memsim.webgpu.probe.findings import Chase, Device, Findings, Stream
from memsim.webgpu.probe.kernels import Kernel
from memsim.webgpu.probe.ladder import levels_of
from memsim.webgpu.probe.machine import Loaded, Machine
from memsim.webgpu.probe.timing import QUICK, THOROUGH, Effort, Measured, measure

Report: TypeAlias = Callable[[str], None]
"""Told what is about to be measured."""

LEAST_OF = 3
"""Passes of which the shortest counts, where two are compared: what else the machine does only makes them longer."""
KIB, MIB = 1 << 10, 1 << 20
DTYPES = {"f32": None, "f16": "shader-f16", "i32": None}
"""Types of WGSL that arithmetic is measured in, and the feature that each needs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    smallest: int = 4 * KIB
    """Bytes of the smallest buffer that is chased through."""
    largest: int = 512 * MIB
    """Bytes of the largest buffer of all, unless the driver binds less."""
    a_doubling: int = 4
    """Footprints of the ladder to a factor of two."""
    refinements: int = 3
    """Halvings, for each level, of the distance between the footprints where it ends."""
    warm_loads: int = 1 << 22
    """Loads of a chase before the first that counts, at most: a lap and a quarter of 214 MiB."""
    groups: int = 4096
    """Workgroups of a device that is full: a power of two."""
    effort: Effort = THOROUGH


FULL = Plan()
QUICKLY = Plan(a_doubling=2, refinements=1, effort=QUICK)


def probe(device: Device, machine: Machine, plan: Plan = FULL, report: Report = lambda what: None) -> Findings:
    """Measure everything on a device.

    Parameters
    ----------
    device
        What the device is.
    machine
        The device itself.
    plan
        How much.
    report
        Called before each part.

    Raises
    ------
    MemsimError
        The device is a software adapter, whose times mean nothing; a kernel computes a wrong value; or its time cannot
        be resolved.
    """
    if device.is_software:
        raise software_error(device.name)
    study = Study(machine, plan)
    report("latency over footprint")
    chases = study.ladder()
    report("bandwidth over working set and occupancy")
    streams, occupancy = study.streams(), study.occupancy(chases)
    report("arithmetic")
    groups = _powers(1, plan.groups)
    dispatch_us, submit_us = study.dispatches()
    return Findings(
        device=device,
        quick=plan.effort == QUICK,
        chases=chases,
        streams=streams,
        occupancy=occupancy,
        workgroup_gbs=study.rate(kernels.workgroup(plan.groups, study.workgroup_size())).times(1e-9),
        fma_g={t: study.rate(arithmetic.fma(t, plan.groups)).times(1e-9) for t in study.dtypes()},
        fma_groups=tuple((n, study.rate(arithmetic.fma("f32", n)).times(1e-9)) for n in groups),
        fma_latency_ns=study.seconds(arithmetic.fma_latency()).times(1e9),
        special_g=study.rate(arithmetic.special(plan.groups)).times(1e-9),
        matrix_g={t: study.rate(arithmetic.matrix(t, plan.groups)).times(1e-9) for t in study.dtypes()},
        dispatch_us=dispatch_us,
        submit_us=submit_us,
    )


def software_error(name: str) -> MemsimError:
    """A software adapter is no GPU."""
    return MemsimError(
        "is a software adapter: it runs on the CPU, and its times say nothing of a GPU",
        where=name,
        mend="choose a GPU with --adapter; on this one only values can be checked",
    )


class Study:
    """Runs kernels on a machine, and looks at their values each time.

    Parameters
    ----------
    machine
        The device.
    plan
        How much is measured.
    """

    def __init__(self, machine: Machine, plan: Plan) -> None:
        self.machine, self.plan = machine, plan
        self.largest = 1 << (min(plan.largest, machine.storage_bytes).bit_length() - 1)

    @contextmanager
    def _loaded(self, kernel: Kernel) -> Iterator[Loaded]:
        loaded = self.machine.load(kernel)
        try:
            yield loaded
            wrong = loaded.differs()
            if wrong is not None:
                raise MemsimError(
                    f"the device computes a wrong value: {wrong}",
                    where=kernel.label,
                    mend="a time of a wrong answer is worth nothing; update the driver, or choose another adapter",
                )
        finally:
            loaded.release()

    def seconds(self, kernel: Kernel) -> Measured:
        """Seconds of one unit of the kernel's work."""
        with self._loaded(kernel) as loaded:
            found = measure(
                loaded.sample, self.machine.grain_s, step=kernel.step, most=kernel.most, warm=kernel.warm,
                effort=self.plan.effort, what=kernel.label,
            )  # fmt: skip
        return found.times(1 / kernel.work)

    def rate(self, kernel: Kernel) -> Measured:
        """Work of the kernel in a second."""
        return self.seconds(kernel).rate(1)

    def dtypes(self) -> list[str]:
        """Types of WGSL that the device has."""
        return [dtype for dtype, feature in DTYPES.items() if feature is None or feature in self.machine.features]

    def workgroup_size(self) -> int:
        """Bytes of workgroup memory that the kernel uses: what every device has."""
        return min(16 * KIB, 1 << (self.machine.workgroup_bytes.bit_length() - 1))

    # Memory -----------------------------------------------------------------------------------------------------------

    def chase(self, footprint: int) -> Chase:
        """The chase through one buffer."""
        kernel = kernels.chase(footprint, most_warm=self.plan.warm_loads)
        return Chase(footprint, self.seconds(kernel).times(1e9))

    def ladder(self) -> tuple[Chase, ...]:
        """Chases over growing buffers, and, where a level ends, over more between them."""
        chases = [self.chase(size) for size in footprints(self.plan.smallest, self.largest, self.plan.a_doubling)]
        for _ in range(self.plan.refinements):
            known = {chase.footprint for chase in chases}
            new = {between(*level.ends) for level in levels_of(chases) if level.ends} - known
            chases += [self.chase(size) for size in sorted(new)]
        return tuple(sorted(chases, key=lambda chase: chase.footprint))

    def stream(self, footprint: int, groups: int, kind: str = "read") -> Stream:
        """One stream."""
        return Stream(kind, footprint, groups, self.rate(kernels.stream(footprint, groups, kind)).times(1e-9))

    def streams(self) -> tuple[Stream, ...]:
        """Reads by a full device over working sets in powers of two; and a copy of the largest."""
        sizes = _powers(16 * KIB, self.largest)
        reads = [self.stream(size, self.plan.groups) for size in sizes]
        return (*reads, self.stream(self.largest, self.plan.groups, "copy"))

    def occupancy(self, chases: Sequence[Chase]) -> tuple[Stream, ...]:
        """Reads with growing numbers of workgroups: of a set that a cache holds, and of the largest."""
        sets = [set_in_cache(chases), self.largest]
        return tuple(
            self.stream(size, groups)
            for size in dict.fromkeys(sets)
            if size is not None
            for groups in _powers(1, self.plan.groups)
        )

    # Dispatches -------------------------------------------------------------------------------------------------------

    def dispatches(self) -> tuple[Measured, float]:
        """Microseconds of a dispatch that waits for the one before, and of a submission by itself.

        The first is the difference of two passes, of which one has twice as many dispatches: what a pass takes by
        itself is in both.
        """
        with self._loaded(arithmetic.empty()) as loaded:

            def least(count: int) -> float:
                return min(loaded.sample(1, count) for _ in range(LEAST_OF))

            def difference(count: int) -> float:
                return max(0.0, least(2 * count) - least(count))

            each = measure(
                difference, self.machine.grain_s, step=8, most=1 << 14, effort=self.plan.effort, what="empty dispatches"
            )
        return each.times(1e6), 1e6 * self.machine.submission()


def set_in_cache(chases: Sequence[Chase]) -> int | None:
    """A working set for the cache that all cores share: the largest power of two up to half of the second level.

    Of the first, where only one ends.
    """
    full = [level.capacity for level in levels_of(chases) if level.capacity]
    return 1 << ((full[min(1, len(full) - 1)] // 2).bit_length() - 1) if full else None


def footprints(smallest: int, largest: int, a_doubling: int) -> list[int]:
    """A geometric row of sizes in whole elements of the chase."""
    steps = range(math.floor(a_doubling * math.log2(largest / smallest)) + 1)
    return [whole(smallest * 2 ** (step / a_doubling)) for step in steps]


def between(low: int, high: int) -> int:
    """The geometric mean of two footprints, in whole elements."""
    return whole(math.sqrt(low * high))


def whole(size: float) -> int:
    """The nearest footprint in whole elements of the chase."""
    return max(2, round(size / kernels.CHASE_STRIDE)) * kernels.CHASE_STRIDE


def _powers(first: int, last: int) -> list[int]:
    return [first << i for i in range((last // first).bit_length())]
