"""Run a tile program on a WebGPU device: kernels are dispatches, all in one compute pass."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import GIVE_A_PROGRAM, MemsimError, ProgramError, check_kind
from memsim.isa.interpret import core_count, initial_tensors
from memsim.isa.model import Program
from memsim.isa.verify import verify
from memsim.webgpu.device import Adapter, find_adapter, open_device
from memsim.webgpu.generate import generate
from memsim.webgpu.layout import Layout
from memsim.webgpu.shader import Limits, Options, Shader

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """What a device computed, and how."""

    outputs: dict[str, Array]
    """Every tensor as it is afterwards."""
    adapter: Adapter
    shaders: tuple[Shader, ...]
    compile_s: float
    """Seconds to generate the shaders and to build pipelines."""
    device_s: float
    """Seconds from the first dispatch to the end of the last; see `timed_by`."""
    timed_by: str
    """``timestamps`` of the device, or the host's ``wall clock`` around submission and a read."""

    @property
    def dispatches(self) -> int:
        """Dispatches in the pass."""
        return len(self.shaders)


def run(
    program: Program,
    inputs: Mapping[str, Array],
    adapter: str | Adapter | None = None,
    *,
    cores: int | None = None,
    options: Options | None = None,
    repeats: int = 1,
) -> Run:
    """Run a program on a device.

    Parameters
    ----------
    program
        What to run; it is verified first.
    inputs
        Initial tensors by name, as `memsim.isa.interpret` takes them.
    adapter
        Where: an `Adapter`, a part of the name of one, or None for the first GPU, else the first adapter.
    cores
        Cores over which blocks are dealt, where the program does not fix them itself.
    options
        How to generate the shaders.
    repeats
        Times that the program runs, for measuring; the shortest is told. Outputs are those of the last.

    Raises
    ------
    ProgramError
        The program breaks a rule of the ISA, or cannot be written in WGSL; or a gather's index is out of its region.
    MemsimError
        There is no such adapter, or its driver refuses a shader.
    """
    check_kind(program, Program, "webgpu.run", GIVE_A_PROGRAM)
    if repeats < 1:
        raise MemsimError(f"{repeats} repeats", where="repeats", mend="run it at least once")
    where = adapter if isinstance(adapter, Adapter) else find_adapter(adapter)
    prepared = DeviceProgram.of(program, inputs, where, cores=cores, options=options)
    seconds = []
    for repeat in range(repeats):
        if repeat:
            prepared.reset()
        seconds.append(prepared.run())
    return Run(prepared.outputs(), where, prepared.shaders, prepared.compile_s, min(seconds), prepared.timed_by)


def shaders(
    program: Program,
    limits: Limits | None = None,
    *,
    cores: int | None = None,
    options: Options | None = None,
) -> list[Shader]:
    """The WGSL of a program, for a device of given limits; needs no device.

    Parameters
    ----------
    program
        What to write; it is verified first.
    limits
        Of the device; by default those that every WebGPU device keeps to.
    cores
        Cores over which blocks are dealt, where the program does not fix them itself.
    options
        How to generate.

    Raises
    ------
    ProgramError
        The program breaks a rule of the ISA, or cannot be written in WGSL.
    """
    check_kind(program, Program, "webgpu.shaders", GIVE_A_PROGRAM)
    verify(program)
    used_cores, kept = core_count(program, cores), limits or Limits()
    layout = Layout(program, used_cores, kept.storage_bytes)
    return generate(program, layout, kept, cores=used_cores, options=options)


class DeviceProgram:
    """A program on a device: its buffers and pipelines, ready to run as often as one likes.

    `DeviceProgram.of` makes one; `run` then runs it, and `outputs` gives the tensors.
    """

    def __init__(
        self,
        program: Program,
        start: Mapping[str, Array],
        adapter: Adapter,
        cores: int | None,
        options: Options | None,
    ) -> None:
        import wgpu

        began = time.perf_counter()
        self.program, self.adapter, self.cores = program, adapter, cores
        self.layout = Layout(program, cores, adapter.limits.storage_bytes)
        self.start = self.layout.packed(start)
        made = generate(program, self.layout, adapter.limits, cores=cores, options=options)
        self.shaders = tuple(made)
        self.usage = wgpu.BufferUsage
        self.device = open_device(adapter)
        self.pipelines: dict[str, Any] = {}
        scratch = max((shader.scratch_words for shader in made), default=0)
        sizes = {**self.layout.words, "problems": 1, "scratch": scratch}
        self.buffers = {name: self._buffer(words) for name, words in sizes.items()}
        self.commands = [(self._pipeline(shader), self._bindings(shader), shader.groups) for shader in made]
        self.timestamps = "timestamp-query" in adapter.features
        self.timed_by = "timestamps" if self.timestamps else "wall clock"
        self.tick_s = 1e-9  # on most drivers; see `clock`
        self.reset()
        self.compile_s = time.perf_counter() - began

    @classmethod
    def of(
        cls,
        program: Program,
        inputs: Mapping[str, Array],
        adapter: Adapter,
        *,
        cores: int | None = None,
        options: Options | None = None,
    ) -> DeviceProgram:
        """A program that is verified here, on a device; raises what `run` raises."""
        verify(program)
        used_cores = core_count(program, cores)
        return cls(program, initial_tensors(program, inputs, used_cores), adapter, used_cores, options)

    def _buffer(self, words: int) -> Any:
        usage = self.usage.STORAGE | self.usage.COPY_SRC | self.usage.COPY_DST
        return self.device.create_buffer(size=max(4 * words, 16), usage=usage)

    def _pipeline(self, shader: Shader) -> Any:
        if shader.text not in self.pipelines:
            try:
                module = self.device.create_shader_module(code=shader.text)
                self.pipelines[shader.text] = self.device.create_compute_pipeline(
                    layout="auto", compute={"module": module, "entry_point": "main"}
                )
            except Exception as error:
                raise MemsimError(
                    f"the driver refuses the shader: {str(error).strip()[:2000]}",
                    where=f"kernel {shader.kernel} on {self.adapter.name}",
                    mend="choose another adapter, and report this with the program",
                ) from error
        return self.pipelines[shader.text]

    def _bindings(self, shader: Shader) -> Any:
        parameters = np.array([*shader.parameters, 0, 0, 0], np.uint32)
        given = self.device.create_buffer_with_data(data=parameters, usage=self.usage.STORAGE)
        bound = [given, *(self.buffers[name] for name in shader.buffers)]
        # "auto" layouts leave out what a shader never names
        entries = [
            {"binding": number, "resource": {"buffer": buffer}}
            for number, buffer in enumerate(bound)
            if number == 0 or shader.uses(shader.buffers[number - 1])
        ]
        layout = self._pipeline(shader).get_bind_group_layout(0)
        return self.device.create_bind_group(layout=layout, entries=entries)

    def clock(self, tick_s: float | None) -> None:
        """Take a tick of the device for so many seconds, as measured; ``None`` has the host's clock instead."""
        self.tick_s = tick_s or 0.0
        self.timestamps = self.timestamps and tick_s is not None
        self.timed_by = "timestamps" if self.timestamps else "wall clock"

    def reset(self) -> None:
        """Give every tensor its initial values."""
        for name, data in self.start.items():
            self.device.queue.write_buffer(self.buffers[name], 0, data)
        self.device.queue.write_buffer(self.buffers["problems"], 0, np.zeros(1, np.uint32))

    def run(self) -> float:
        """Dispatch all shaders in one pass, and wait; the seconds that they took."""
        import wgpu

        encoder = self.device.create_command_encoder()
        options: dict[str, Any] = {}
        if self.timestamps:
            queries = self.device.create_query_set(type=wgpu.QueryType.timestamp, count=2)
            options["timestamp_writes"] = {
                "query_set": queries,
                "beginning_of_pass_write_index": 0,
                "end_of_pass_write_index": 1,
            }
        self._dispatch(encoder.begin_compute_pass(**options))
        if self.timestamps:
            resolved = self.device.create_buffer(size=16, usage=self.usage.QUERY_RESOLVE | self.usage.COPY_SRC)
            encoder.resolve_query_set(queries, 0, 2, resolved, 0)
        wall = self._submit(encoder)
        if not self.timestamps:
            return wall
        first, last = np.frombuffer(self.device.queue.read_buffer(resolved), np.uint64)
        return self._seconds(int(last) - int(first), wall)

    def wall(self) -> float:
        """Dispatch all shaders in one pass, and wait; the seconds by the host's clock."""
        encoder = self.device.create_command_encoder()
        self._dispatch(encoder.begin_compute_pass())
        return self._submit(encoder)

    def _dispatch(self, computing: Any) -> None:
        for pipeline, bindings, groups in self.commands:
            computing.set_pipeline(pipeline)
            computing.set_bind_group(0, bindings)
            computing.dispatch_workgroups(groups)
        computing.end()

    def _submit(self, encoder: Any) -> float:
        began = time.perf_counter()
        self.device.queue.submit([encoder.finish()])
        self.device.queue.read_buffer(self.buffers["problems"])  # waits for the end
        return time.perf_counter() - began

    def _seconds(self, ticks: int, wall: float) -> float:
        """Where ticks contradict the wall clock, the wall clock is told."""
        seconds = ticks * self.tick_s
        if 0 < seconds <= wall * 1.05:
            return seconds
        self.timed_by = "wall clock"
        return wall

    def outputs(self) -> dict[str, Array]:
        """Every tensor as it is now."""
        read = {name: self.device.queue.read_buffer(buffer) for name, buffer in self.buffers.items()}
        if int(np.frombuffer(read["problems"], np.uint32)[0]):
            raise ProgramError(
                "a gather's index is outside its region of rows",
                where=f"program {self.program.name} on {self.adapter.name}",
                mend="correct the indices, or enlarge the region; `interpret` names the entry",
            )
        words = {name: np.frombuffer(read[name], np.uint32) for name in self.layout.words}
        return self.layout.unpacked(words, self.cores)
