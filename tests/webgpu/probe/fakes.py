"""A device that takes as long as a chip's own numbers say: what a probe finds on it must be that chip."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from functools import cache

import memsim as ms
from memsim.microbench import latency
from memsim.webgpu.probe import FULL, QUICKLY, probe
from memsim.webgpu.probe.findings import Device, Findings
from memsim.webgpu.probe.kernels import CHASE_STRIDE, Kernel

GPU = Device(
    "Test GPU 9000",
    "1.0",
    "Vulkan",
    "DiscreteGPU",
    ("timestamp-query", "shader-f16"),
    48 << 10,
    1 << 30,
    "timestamps",
    1e-9,
)
DISPATCH_S = 3.25e-6
SHARE_OF_DRAM = 0.9
"""Of the peak that streams reach."""


@cache
def preset_of(name: str) -> ms.Chip:
    return ms.Chip.preset(name)


@cache
def chaser(preset: str) -> latency._Machine:
    return latency._Machine(ms.Chip.preset(preset), CHASE_STRIDE)


@cache
def chased_ns(preset: str, footprint: int) -> float:
    """What ``memsim microbench latency`` says, of whole laps: quicker, and what a long chase comes to."""
    return chaser(preset).point(footprint, whole_laps=True).latency_ns


@dataclass
class FakeMachine:
    """``noise`` is the relative error of a sample; ``wrong`` names the kind of kernel that computes a wrong value."""

    preset: str
    noise: float = 0.0
    wrong: str = ""
    features: tuple[str, ...] = GPU.features
    workgroup_bytes: int = GPU.workgroup_bytes
    storage_bytes: int = GPU.storage_bytes
    timed_by: str = "timestamps"
    grain_s: float = 1e-9
    random: random.Random = field(default_factory=lambda: random.Random(1))
    loaded: int = 0

    def load(self, kernel: Kernel) -> FakeLoaded:
        self.loaded += 1
        return FakeLoaded(self, kernel)

    def submission(self) -> float:
        return 40e-6

    def rate(self, kernel: Kernel) -> float:
        """Work a second."""
        chip = preset_of(self.preset)
        clock, cores = float(chip.clock), chip.core_count
        active = min(kernel.groups, cores)
        match kernel.kind:
            case "chase":
                return 1e9 / chased_ns(self.preset, kernel.footprint)
            case "read" | "copy":
                inside = kernel.footprint <= chip.cache.capacity
                whole = (
                    per_second(chip, chip.cache.bandwidth)
                    if inside
                    else SHARE_OF_DRAM * per_second(chip, chip.dram.bandwidth)
                )
                return min(whole, active * per_second(chip, chip.network.link_bandwidth))
            case "workgroup":
                return active * per_second(chip, chip.core.sram.bandwidth)
            case "fma":
                return active * chip.core.vector.lanes * clock * (2 if kernel.dtype == "f16" else 1)
            case "fma_latency":
                return clock / float(chip.core.vector.latency.value)
            case "special":
                return active * chip.core.vector.special_lanes * clock
            case "matrix":
                return active * chip.core.vector.lanes * clock * 0.75 * (2 if kernel.dtype == "f16" else 1)
        raise AssertionError(kernel.kind)


def per_second(chip: ms.Chip, rate) -> float:
    return float(rate.value * (chip.clock if rate.per == "cycle" else 1))


@dataclass
class FakeLoaded:
    machine: FakeMachine
    kernel: Kernel
    trips: int = 0

    def sample(self, trips: int, dispatches: int = 1) -> float:
        assert trips % self.kernel.step == 0 and trips <= self.kernel.most
        first, self.trips = self.trips == 0, self.trips + trips
        if self.kernel.kind == "empty":
            seconds = dispatches * DISPATCH_S + 20e-6  # the pass itself
        else:
            seconds = trips * self.kernel.work / self.machine.rate(self.kernel)
        seconds += 0.2 if first else 0.0  # compiles
        return seconds * (1 + self.machine.noise * self.machine.random.uniform(-1, 1))

    def differs(self) -> str | None:
        return "it is 41, not 42" if self.kernel.kind == self.machine.wrong else None

    def release(self) -> None:
        self.machine.loaded -= 1


@cache
def found_on(preset: str, noise: float = 0.0, *, quick: bool = False) -> Findings:
    """What a probe finds on a device that is a preset; with buffers of 256 MiB at most."""
    plan = replace(QUICKLY if quick else FULL, largest=256 << 20)
    return probe(GPU, FakeMachine(preset, noise=noise), plan)
