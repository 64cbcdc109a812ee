"""WGSL compute shaders from a tile program: one for each text of blocks, one dispatch each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from memsim.errors import ProgramError
from memsim.isa.interpret import usable_cores
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Iota,
    Kernel,
    Load,
    Mma,
    Pop,
    Program,
    Push,
    Reduce,
    Send,
    Store,
    Vector,
    walk,
)
from memsim.webgpu.compute import emit_fill, emit_iota, emit_mma, emit_reduce, emit_vector
from memsim.webgpu.coordinates import variable
from memsim.webgpu.hazards import Pending, in_memory
from memsim.webgpu.layout import Layout
from memsim.webgpu.moves import emit_forward, emit_gather, emit_load, emit_store
from memsim.webgpu.multicast import localised
from memsim.webgpu.numbers import needed
from memsim.webgpu.places import Place, choose_threads, place_rings, scratch_words
from memsim.webgpu.scope import Code, Scope, TensorPlace
from memsim.webgpu.tokens import Cycle, Node, RingId, Step
from memsim.webgpu.units import Unit, units_of
from memsim.webgpu.weave import Woven, weave_unit

MOST_GROUPS = 65_535
"""Workgroups of a dispatch; where there are more blocks, each loops over some."""
SCRATCH_BYTES = 64 << 20
"""Scratch memory for rings that do not fit workgroup memory; it bounds the workgroups of a dispatch."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What of a device's limits the generator keeps to."""

    workgroup_bytes: int = 16_384
    invocations: int = 256
    storage_bytes: int = 128 << 20
    """Largest storage buffer that a shader may bind."""
    storage_buffers: int = 8


@dataclass(frozen=True, slots=True)
class Options:
    """How to generate.

    Parameters
    ----------
    registers
        Whether tiles may live in registers. Without, products are still blocked in registers.
    """

    registers: bool = True


@dataclass(frozen=True, slots=True)
class Shader:
    """A compute shader and its dispatch."""

    kernel: str
    text: str
    groups: int
    """Workgroups to dispatch."""
    threads: int
    scratch_words: int
    """Words of scratch that the dispatch needs."""
    buffers: tuple[str, ...]
    """Storage buffers in the order of their bindings, from binding 1 on; binding 0 are the parameters."""
    parameters: tuple[int, ...]
    workgroup_bytes: int
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each ring lives: ``register``, ``workgroup`` or ``scratch``."""

    def uses(self, buffer: str) -> bool:
        """Whether the text names a buffer after it has declared it; what is not named is not bound."""
        return self.text.count(f"{buffer}[") > 0


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
                shaders.append(_shader(program, kernel, woven, layout, limits, cores, options or Options()))
    return shaders


def _shader(
    program: Program,
    kernel: Kernel,
    woven: Woven,
    layout: Layout,
    limits: Limits,
    cores: int | None,
    options: Options,
) -> Shader:
    unit = woven.unit
    threads = choose_threads(woven, limits.invocations)
    places = place_rings(woven, threads, limits.workgroup_bytes, registers=options.registers)
    units = unit.chosen if unit.chosen is not None else range(unit.count)
    words = scratch_words(places)
    groups = max(1, min(len(units), MOST_GROUPS, SCRATCH_BYTES // (4 * words) if words else MOST_GROUPS))
    if 4 * words > min(SCRATCH_BYTES, limits.storage_bytes):
        raise ProgramError(
            f"the rings of {len(unit.members)} blocks take {4 * words:,} bytes of a storage buffer, "
            f"more than {min(SCRATCH_BYTES, limits.storage_bytes):,}",
            where=f"kernel {kernel.name}",
            mend="use smaller or shallower rings",
        )
    names = _tensor_names(unit)
    tensors = {name: layout.place(name, f"base{n}") for n, name in enumerate(names)}
    buffers = (*sorted({t.buffer for t in tensors.values()}), "problems", "scratch")
    if len(buffers) + 1 > limits.storage_buffers:
        raise ProgramError(
            f"the kernel needs {len(buffers) + 1} storage buffers, and the device has {limits.storage_buffers}",
            where=f"kernel {kernel.name}",
            mend="use smaller tensors, so that more of them share a buffer, or another device",
        )
    parameters = (0, *(layout.offset(name) for name in names), *(unit.chosen or ()))
    scope = Scope(woven, places, tensors, threads)
    body = [*_head(woven, places, scope, kernel, cores), *_body(woven, scope, places)]
    text = _text(body, buffers, layout, places, tensors, threads, len(units), groups, words, 1 + len(names), unit)
    used = sum(4 * p.words for p in places.values() if p.memory == "workgroup")
    where = {p.name: p.memory for p in places.values()}
    return Shader(kernel.name, text, groups, threads, words * groups, buffers, parameters, used, where)


def _tensor_names(unit: Unit) -> list[str]:
    names: dict[str, None] = {}
    for group in {member.group.name: member.group for member in unit.members}.values():
        for queue in group.queues:
            for instruction, _ in walk(queue.body):
                if isinstance(instruction, (Load, Gather)):
                    names[instruction.src.tensor] = None
                elif isinstance(instruction, Store):
                    names[instruction.dst.tensor] = None
    return list(names)


# ---- the whole text ----


def _text(
    body: Sequence[str],
    buffers: Sequence[str],
    layout: Layout,
    places: Mapping[RingId, Place],
    tensors: Mapping[str, TensorPlace],
    threads: int,
    units: int,
    groups: int,
    words: int,
    table: int,
    unit: Unit,
) -> str:
    lines = ["@group(0) @binding(0) var<storage, read> params: array<u32>;"]
    for number, name in enumerate(buffers, start=1):
        kind = "atomic<u32>" if name == "problems" or layout.is_atomic(name) else "u32"
        lines.append(f"@group(0) @binding({number}) var<storage, read_write> {name}: array<{kind}>;")
    for place in places.values():
        if place.memory == "workgroup":
            lines.append(f"var<workgroup> {place.name}: array<{place.kind}, {place.words}>;")
    lines += [
        f"@compute @workgroup_size({threads}) fn main(@builtin(workgroup_id) group: vec3<u32>,"
        " @builtin(local_invocation_index) lid: u32) {",
        "let never = params[0];",
        *(f"let {tensor.base} = params[{n}];" for n, tensor in enumerate(tensors.values(), start=1)),
    ]
    if words:
        lines.append(f"let scratch_base = group.x * {words}u;")
    lines += _thread_places(body)
    lines.append(f"for (var turn = group.x; turn < {units}u; turn += {groups}u) {{")
    lines.append(f"let unit = i32(params[{table}u + turn]);" if unit.chosen is not None else "let unit = i32(turn);")
    lines += [*body, "}", "}"]
    whole = "\n".join(lines)
    return f"{needed(whole)}\n{whole}\n"


def _thread_places(body: Sequence[str]) -> list[str]:
    """The thread's row and column in each grid that the text names."""
    widths = sorted({int(width) for line in body for width in re.findall(r"\bt[xy](\d+)\b", line)})
    return [f"let ty{n} = lid / {n}u; let tx{n} = lid % {n}u;" for n in widths]


def _head(
    woven: Woven, places: Mapping[RingId, Place], scope: Scope, kernel: Kernel, cores: int | None
) -> Iterator[str]:
    """Coordinates, cores, ring counters and registers of a unit."""
    yield from _coordinates(woven.unit)
    if any(tensor.per_core for tensor in scope.tensors.values()):
        for member in woven.unit.members:
            block = f"{woven.unit.first_block} + unit * {len(woven.unit.members)} + {member.number}"
            yield f"let core{member.number} = u32(({block}) % {usable_cores(kernel, cores)});"
    for key, place in places.items():
        if place.slots > 1:
            yield f"var {place.name}_w = 0u;"
            for consumer in range(len(woven.rings.consumers[key])):
                yield f"var {place.name}_r{consumer} = 0u;"
        if place.memory == "register" and place.grid is not None:
            rows, columns = place.grid.block
            yield from (f"var {place.name}_{n}: {place.kind};" for n in range(rows * columns))


def _coordinates(unit: Unit) -> Iterator[str]:
    if not unit.single:
        yield from _unravelled([(f"c_{name}", size) for name, size in unit.variables], "unit")
        return
    group = unit.members[0].group
    if group.cluster_size == 1:
        yield from _unravelled([(f"c_{name}", size) for name, size in group.grid], "unit")
        return
    yield f"let cluster = unit / {group.cluster_size};"
    yield f"let place = unit % {group.cluster_size};"
    pairs = list(zip(group.grid, group.cluster, strict=True))
    yield from _unravelled([(f"o_{name}", n // c) for (name, n), c in pairs], "cluster")
    yield from _unravelled([(f"p_{name}", c) for (name, _), c in pairs], "place")
    yield from (f"let c_{name} = o_{name} * {c} + p_{name};" for (name, _), c in pairs)


def _unravelled(axes: Sequence[tuple[str, int]], text: str) -> Iterator[str]:
    """Digits of a number, row-major."""
    stride = 1
    lines = []
    for name, size in reversed(axes):
        whole = text if stride == 1 else f"({text} / {stride})"
        lines.append(f"let {name} = {whole} % {size};")
        stride *= size
    yield from reversed(lines)


# ---- the steps ----


def _body(woven: Woven, scope: Scope, places: Mapping[RingId, Place]) -> list[str]:
    emitter = _Emitter(scope, {key for key, place in places.items() if place.memory == "register"})
    return emitter.loop_body(woven.body, Pending())


class _Emitter:
    def __init__(self, scope: Scope, registers: set[RingId]) -> None:
        self.scope, self.registers = scope, registers
        self.codes: dict[int, Code] = {}
        memories = {place.memory for place in scope.places.values()}
        barriers = {"workgroup": "workgroupBarrier();", "scratch": "storageBarrier();"}
        self.barrier = " ".join(text for memory, text in barriers.items() if memory in memories)

    def loop_body(self, body: Sequence[Node], pending: Pending) -> list[str]:
        """The text of a body that runs again and again; at its start, what is pending at its end may be, too."""
        while True:
            start = set(pending.accesses)
            now = Pending(start)
            lines = self.lines(body, now)
            if now.accesses <= start:
                pending.accesses = now.accesses | start
                return lines
            pending.accesses = start | now.accesses

    def lines(self, body: Sequence[Node], pending: Pending) -> list[str]:
        """The text of some statements."""
        out: list[str] = []
        for node in body:
            if isinstance(node, Cycle):
                count, name = self.scope.number(node.count), variable(node.variable)
                out.append(f"for (var {name} = 0; {name} < {count}; {name}++) {{")
                out += self.loop_body(node.body, pending)
                out.append("}")
                continue
            code = self.code(node)
            if pending.before(in_memory(code.accesses, self.registers)):
                out.append(self.barrier)
            out += code.lines
            out += self.advance(node)
        return out

    def code(self, step: Step) -> Code:
        """The text of a step, made once."""
        if id(step) not in self.codes:
            self.codes[id(step)] = emit(step, self.scope)
        return self.codes[id(step)]

    def advance(self, step: Step) -> Iterator[str]:
        """Count a pushed or a popped slot."""
        instruction = step.instruction
        for key in step.writes:
            place = self.scope.places[key]
            if place.slots > 1 and not isinstance(instruction, (Mma, Vector, Reduce, Fill, Iota)):
                name = f"{place.name}_r{step.consumer}" if isinstance(instruction, Pop) else f"{place.name}_w"
                yield f"{name} = ({name} + 1u) % {place.slots}u;"


def emit(step: Step, scope: Scope) -> Code:
    """The WGSL of a step."""
    match step.instruction:
        case Push() | Pop():
            return Code([], [])
        case Load() as i:
            return emit_load(step, i, scope)
        case Store() as i:
            return emit_store(step, i, scope)
        case Gather() as i:
            return emit_gather(step, i, scope)
        case Copy() | Send() as i:
            return emit_forward(step, i, scope)
        case Mma() as i:
            return emit_mma(step, i, scope)
        case Vector() as i:
            return emit_vector(step, i, scope)
        case Reduce() as i:
            return emit_reduce(step, i, scope)
        case Fill() as i:
            return emit_fill(step, i, scope)
        case Iota() as i:
            return emit_iota(step, i, scope)
