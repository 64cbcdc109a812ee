"""WGSL compute shaders from a tile program: one for each text of blocks, one dispatch each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from memsim.errors import ProgramError
from memsim.isa.model import Kernel, Program
from memsim.webgpu.cut import cut, lasting
from memsim.webgpu.frame import Frame
from memsim.webgpu.layout import Layout
from memsim.webgpu.multicast import localised
from memsim.webgpu.places import choose_threads, place_rings
from memsim.webgpu.shader import Limits, Options, Shader
from memsim.webgpu.tokens import Cycle, Node
from memsim.webgpu.units import units_of
from memsim.webgpu.weave import Woven, weave_unit

MOST_GROUPS = 65_535
"""Workgroups of a dispatch; where there are more blocks, each loops over some."""
SCRATCH_BYTES = 64 << 20
"""Scratch memory for rings that do not fit workgroup memory; it bounds the workgroups of a dispatch."""


def generate(
    program: Program, layout: Layout, limits: Limits, *, cores: int | None = None, options: Options | None = None
) -> list[Shader]:
    """The shaders of a program, in the order in which they are to be dispatched.

    Parameters
    ----------
    program
        A program that passes `verify`.
    layout
        Where its tensors lie.
    limits
        What the device can do.
    cores
        Cores over which blocks are dealt, where tensors are per core.
    options
        How to generate.

    Raises
    ------
    ProgramError
        WGSL, or the device, cannot run it; with the reason.
    """
    shaders: list[Shader] = []
    for kernel in program.kernels:
        for unit in units_of(localised(kernel, program)):
            for woven in weave_unit(unit, f"program {program.name}, kernel {kernel.name}"):
                shaders += _shaders(kernel, woven, layout, limits, cores, options or Options())
    return shaders


def _shaders(
    kernel: Kernel, woven: Woven, layout: Layout, limits: Limits, cores: int | None, options: Options
) -> Iterator[Shader]:
    _check_trips(kernel, woven.body, woven, limits.trips)
    threads = choose_threads(woven, limits.invocations)
    room = min(SCRATCH_BYTES, limits.storage_bytes)
    phases = cut(woven) if options.cut and len(woven.unit.members) > 1 else None
    if phases is not None:
        places = place_rings(woven, threads, limits, registers=options.registers, lasting=lasting(phases))
        frame = Frame(kernel, woven, layout, places, threads, cores)
        if 4 * frame.words * frame.units <= room and frame.units * len(woven.unit.members) <= MOST_GROUPS:
            _check_buffers(frame, limits)
            yield from frame.phased(phases)
            return
    places = place_rings(woven, threads, limits, registers=options.registers)
    frame = Frame(kernel, woven, layout, places, threads, cores)
    _check_buffers(frame, limits)
    _check_scratch(frame, room)
    groups = min(frame.units, MOST_GROUPS, room // (4 * frame.words) if frame.words else MOST_GROUPS)
    yield frame.whole(max(groups, 1))


def _check_trips(kernel: Kernel, body: Sequence[Node], woven: Woven, most: int) -> None:
    for node in body:
        if isinstance(node, Cycle):
            if woven.rings.domain.highest(node.count) > most:
                raise ProgramError(
                    f"a loop of {node.count} trips is more than the {most:,} that the device can count",
                    where=f"kernel {kernel.name}",
                    mend="run a smaller problem, or nest two loops",
                )
            _check_trips(kernel, node.body, woven, most)


def _check_scratch(frame: Frame, room: int) -> None:
    if 4 * frame.words > room:
        blocks = len(frame.unit.members)
        raise ProgramError(
            f"the rings of {f'{blocks} blocks' if blocks > 1 else 'a block'} take {4 * frame.words:,} bytes of a "
            f"storage buffer, more than {room:,}",
            where=f"kernel {frame.kernel.name}",
            mend="use smaller or shallower rings",
        )


def _check_buffers(frame: Frame, limits: Limits) -> None:
    count = len(frame.buffers) + 1
    if count > limits.storage_buffers:
        raise ProgramError(
            f"the kernel needs {count} storage buffers, and the device has {limits.storage_buffers}",
            where=f"kernel {frame.kernel.name}",
            mend="use smaller tensors, so that more of them share a buffer, or another device",
        )
