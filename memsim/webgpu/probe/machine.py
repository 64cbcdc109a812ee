"""A device as the probe sees it: kernels are loaded, dispatched for so many trips, timed, and their values looked at.

`Machine` and `Loaded` are what the studies need: a test can give them another device, or none. `GpuMachine` is a real
one. Times are the device's own timestamps where it has them and they follow the host's clock; else the host's clock
around submission and a read of 4 bytes, which waits for the end, less what that takes with nothing to do.
"""

from __future__ import annotations

import statistics
import time
from typing import Any, Protocol

import numpy as np

from memsim.errors import MemsimError
from memsim.webgpu.device import Adapter, open_device
from memsim.webgpu.probe.arithmetic import empty, fma
from memsim.webgpu.probe.findings import Device
from memsim.webgpu.probe.kernels import RAMP, THREADS, WORD, Array, Done, Kernel
from memsim.webgpu.probe.timing import seconds_per_tick

WAKE_S = 0.3
"""Seconds of work before anything is timed: an idle GPU runs at a low clock."""
CALIBRATION_S = 20e-3
"""Of the longest dispatch that ticks are calibrated with."""
TRIES = 3
"""Dispatches of each length for that; the shortest by the host's clock counts."""
IDLE = 15
"""Empty submissions of which the median is taken off times by the host's clock."""
PIECE = 16 << 20
"""Bytes written to a buffer at a time."""
GROUPS_OF_RAMP = 1 << 15

FILL = f"""\
@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
  for (var i = group.x * {THREADS}u + lane; i < p[0]; i += p[1]) {{ result[i] = i * {RAMP}u; }}
}}
"""
"""Writes the ramp to what is bound as ``result``."""


class Loaded(Protocol):
    """A kernel on a device."""

    def sample(self, trips: int, dispatches: int = 1) -> float:
        """Seconds of so many dispatches in one pass, each of so many trips."""

    def differs(self) -> str | None:
        """What is wrong with the values so far, or None."""

    def release(self) -> None:
        """Give the memory back."""


class Machine(Protocol):
    """A device that runs microbenchmark kernels."""

    features: tuple[str, ...]
    workgroup_bytes: int
    storage_bytes: int
    timed_by: str
    """``timestamps`` or ``wall clock``."""
    grain_s: float
    """Seconds that the clock can tell apart."""

    def load(self, kernel: Kernel) -> Loaded:
        """Put a kernel and its buffers on the device."""

    def submission(self) -> float:
        """Seconds of the host to submit an empty dispatch by itself and to wait for it."""


class GpuMachine:
    """A WebGPU adapter.

    Parameters
    ----------
    adapter
        Which; its device is opened with all that it can do.

    Raises
    ------
    MemsimError
        The driver gives no device, or refuses a shader.
    """

    def __init__(self, adapter: Adapter) -> None:
        self.adapter, self.device = adapter, open_device(adapter)
        self.features = adapter.features
        self.workgroup_bytes, self.storage_bytes = adapter.limits.workgroup_bytes, adapter.limits.storage_bytes
        self.pipelines: dict[str, Any] = {}
        self.tick_s: float | None = None
        self.idle_s = 0.0
        if not adapter.is_software:
            self._wake()
        idle = self.load(empty())
        walls = [idle.sample(1) for _ in range(IDLE + 2)][2:]
        self.idle_s = statistics.median(walls)
        low, _, high = statistics.quantiles(walls, n=4)
        self.timed_by, self.grain_s = "wall clock", high - low
        if "timestamp-query" in adapter.features:
            self._calibrate()
        idle.release()

    def _wake(self) -> None:
        loaded, trips, began = self.load(fma("f32", 1024)), 1, time.perf_counter()
        while time.perf_counter() - began < WAKE_S:
            wall = loaded.timed(trips)[1]
            trips = min(2 * trips, loaded.kernel.most) if wall < CALIBRATION_S else trips
        loaded.release()

    def _calibrate(self) -> None:
        """Take the device's ticks for the clock, if they follow the host's."""
        loaded = self.load(fma("f32", 16))
        loaded.sample(1)
        trips, wall = 1, 0.0
        while wall < CALIBRATION_S and trips < loaded.kernel.most // 4:
            trips *= 4
            wall = loaded.sample(trips)
        counts = [max(1, trips * part // 8) for part in (1, 2, 3, 4, 5, 6, 7, 8)]
        pairs = [min((loaded.timed(count) for _ in range(TRIES)), key=lambda pair: pair[1]) for count in counts]
        loaded.release()
        ticks, walls = zip(*pairs, strict=True)
        self.tick_s = seconds_per_tick(ticks, walls)
        if self.tick_s is not None:
            differences = {abs(a - b) for a in ticks for b in ticks if a != b}
            self.timed_by, self.grain_s = (
                "timestamps",
                self.tick_s * float(np.gcd.reduce([int(d) for d in differences])),
            )

    def load(self, kernel: Kernel) -> GpuLoaded:
        """Put a kernel and its buffers on the device."""
        if kernel.needs and kernel.needs not in self.features:
            raise MemsimError(
                f"the adapter has no {kernel.needs}", where=kernel.label, mend="ask `features` before loading it"
            )
        return GpuLoaded(self, kernel)

    def submission(self) -> float:
        """Seconds of the host to submit an empty dispatch by itself and to wait for it."""
        return self.idle_s

    def pipeline(self, text: str, label: str) -> Any:
        """The pipeline of a WGSL text, made once."""
        if text not in self.pipelines:
            try:
                module = self.device.create_shader_module(code=text)
                self.pipelines[text] = self.device.create_compute_pipeline(
                    layout="auto", compute={"module": module, "entry_point": "main"}
                )
            except Exception as error:
                raise MemsimError(
                    f"the driver refuses the shader: {str(error).strip()[:2000]}",
                    where=f"{label} on {self.adapter.name}",
                    mend="choose another adapter, and report this",
                ) from error
        return self.pipelines[text]


class GpuLoaded:
    """A kernel on a WebGPU device: see `Loaded`."""

    def __init__(self, machine: GpuMachine, kernel: Kernel) -> None:
        import wgpu

        self.machine, self.kernel, self.wgpu = machine, kernel, wgpu
        self.device, self.queue = machine.device, machine.device.queue
        self.pipeline = machine.pipeline(kernel.text, kernel.label)
        self.buffers = {
            "p": self._buffer(4 * (1 + len(kernel.parameters))),
            "result": self._buffer(WORD * kernel.result_words),
        }
        if kernel.data_words:
            self.buffers["data"] = self._buffer(WORD * kernel.data_words)
            self._fill()
        self.bindings = self._bind(self.pipeline, self.buffers)
        self.queries = self.device.create_query_set(type=wgpu.QueryType.timestamp, count=2) if self._has_ticks else None
        self.ticks = self._buffer(16, wgpu.BufferUsage.QUERY_RESOLVE) if self._has_ticks else None
        self.done = Done(0, 0, 0)

    @property
    def _has_ticks(self) -> bool:
        return "timestamp-query" in self.machine.features

    def _buffer(self, size: int, also: int = 0) -> Any:
        usage = self.wgpu.BufferUsage
        return self.device.create_buffer(
            size=max(16, size), usage=(also or usage.STORAGE) | usage.COPY_SRC | usage.COPY_DST
        )

    def _bind(self, pipeline: Any, buffers: dict[str, Any]) -> Any:
        numbers = {"p": 0, "data": 1, "result": 2}
        entries = [{"binding": numbers[name], "resource": {"buffer": buffer}} for name, buffer in buffers.items()]
        return self.device.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)

    def _fill(self) -> None:
        """The data that the kernel gives, or the ramp, which the device writes itself."""
        kernel = self.kernel
        if kernel.data is not None:
            words = kernel.data()
            for first in range(0, len(words), PIECE // WORD):
                self.queue.write_buffer(self.buffers["data"], WORD * first, words[first : first + PIECE // WORD])
            return
        groups = min(GROUPS_OF_RAMP, -(-kernel.data_words // THREADS))
        sizes = np.array([kernel.data_words, groups * THREADS, 0, 0], np.uint32)
        given = self._buffer(16)
        self.queue.write_buffer(given, 0, sizes)
        pipeline = self.machine.pipeline(FILL, "filling a buffer")
        bindings = self._bind(pipeline, {"p": given, "result": self.buffers["data"]})
        encoder = self.device.create_command_encoder()
        computing = encoder.begin_compute_pass()
        self._dispatch(computing, pipeline, bindings, groups, 1)
        self.queue.submit([encoder.finish()])
        self.queue.read_buffer(self.buffers["data"], 0, 4)

    def _dispatch(self, computing: Any, pipeline: Any, bindings: Any, groups: int, dispatches: int) -> None:
        computing.set_pipeline(pipeline)
        computing.set_bind_group(0, bindings)
        for _ in range(dispatches):
            computing.dispatch_workgroups(groups)
        computing.end()

    def sample(self, trips: int, dispatches: int = 1) -> float:
        """Seconds of so many dispatches in one pass, each of so many trips."""
        ticks, wall = self.timed(trips, dispatches)
        if self.machine.tick_s is not None:
            return ticks * self.machine.tick_s
        return max(0.0, wall - self.machine.idle_s)

    def timed(self, trips: int, dispatches: int = 1) -> tuple[int, float]:
        """Ticks of the device (0 where it has none) and seconds of the host."""
        self.queue.write_buffer(self.buffers["p"], 0, np.array([trips, *self.kernel.parameters], np.uint32))
        self.queue.read_buffer(self.buffers["result"], 0, 4)  # what was before has ended
        options: dict[str, Any] = {}
        if self.queries is not None:
            writes = {"beginning_of_pass_write_index": 0, "end_of_pass_write_index": 1}
            options["timestamp_writes"] = {"query_set": self.queries, **writes}
        encoder = self.device.create_command_encoder()
        self._dispatch(
            encoder.begin_compute_pass(**options), self.pipeline, self.bindings, self.kernel.groups, dispatches
        )
        if self.queries is not None:
            encoder.resolve_query_set(self.queries, 0, 2, self.ticks, 0)
        began = time.perf_counter()
        self.queue.submit([encoder.finish()])
        self.queue.read_buffer(self.buffers["result"], 0, 4)  # waits for the end
        wall = time.perf_counter() - began
        self.done = Done(trips, self.done.trips + trips * dispatches, self.done.dispatches + dispatches)
        if self.ticks is None:
            return 0, wall
        first, last = np.frombuffer(self.queue.read_buffer(self.ticks), np.uint64)
        return max(0, int(last) - int(first)), wall

    def read(self, buffer: str, first: int, words: int) -> Array:
        """Words of ``data`` or ``result`` as they are now."""
        found: Array = np.frombuffer(
            self.queue.read_buffer(self.buffers[buffer], WORD * first, WORD * words), np.uint32
        )
        return found

    def differs(self) -> str | None:
        """What is wrong with the values so far, or None."""
        return self.kernel.differs(self.read, self.done)

    def release(self) -> None:
        """Give the memory back."""
        for buffer in self.buffers.values():
            buffer.destroy()


def device_of(machine: GpuMachine) -> Device:
    """What a machine is, for its findings."""
    adapter = machine.adapter
    return Device(
        adapter.name, adapter.driver, adapter.backend, adapter.kind, adapter.features, machine.workgroup_bytes,
        machine.storage_bytes, machine.timed_by, machine.grain_s,
    )  # fmt: skip
