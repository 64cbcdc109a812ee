"""Every microbenchmark kernel at a small size, for its values alone: what a probe does on a software adapter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from memsim.webgpu.probe import arithmetic, kernels
from memsim.webgpu.probe.kernels import Kernel
from memsim.webgpu.probe.machine import Machine

KIB = 1 << 10


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a kernel has computed what it should."""

    kernel: str
    differs: str | None
    """What is wrong, or None."""

    @property
    def ok(self) -> bool:
        """Whether it is right."""
        return self.differs is None


def small_kernels() -> Iterator[Kernel]:
    """Each kind of kernel, in each type, at sizes that a CPU computes at once."""
    yield kernels.chase(64 * KIB)
    yield kernels.chase(100 * 64)
    for footprint, groups in ((16 * KIB, 16), (256 * KIB, 4), (1024 * KIB, 16)):
        yield kernels.stream(footprint, groups)
    yield kernels.stream(256 * KIB, 8, "copy")
    yield kernels.workgroup(4, 16 * KIB)
    for dtype in ("f32", "f16", "i32"):
        yield arithmetic.fma(dtype, 4)
        yield arithmetic.matrix(dtype, 4)
    yield arithmetic.fma_latency()
    yield arithmetic.special(4)
    yield arithmetic.empty()


def check_values(machine: Machine) -> tuple[Check, ...]:
    """Run each kernel twice and look at its values; kernels that need a feature which the device lacks are left out."""
    return tuple(_check(machine, kernel) for kernel in small_kernels() if not _lacks(machine, kernel))


def left_out(machine: Machine) -> tuple[str, ...]:
    """Kernels that `check_values` leaves out."""
    return tuple(kernel.label for kernel in small_kernels() if _lacks(machine, kernel))


def _lacks(machine: Machine, kernel: Kernel) -> bool:
    return kernel.needs is not None and kernel.needs not in machine.features


def _check(machine: Machine, kernel: Kernel) -> Check:
    loaded = machine.load(kernel)
    try:
        wrong = None
        for trips, dispatches in ((kernel.step, 1), (3 * kernel.step, 2)):
            loaded.sample(trips, dispatches)
            wrong = wrong or loaded.differs()
        return Check(kernel.label, wrong)
    finally:
        loaded.release()
