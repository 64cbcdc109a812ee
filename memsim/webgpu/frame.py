"""What stands around the statements of a shader: bindings, workgroup memory, coordinates, counters and registers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from memsim.isa.interpret import usable_cores
from memsim.isa.model import Gather, Kernel, Load, Store, walk
from memsim.webgpu.cut import Phase, Turns
from memsim.webgpu.emit import Emitter
from memsim.webgpu.hazards import Pending
from memsim.webgpu.layout import Layout
from memsim.webgpu.numbers import needed
from memsim.webgpu.places import Place, scratch_words, steps_of
from memsim.webgpu.scope import Scope, TensorPlace
from memsim.webgpu.shader import Shader
from memsim.webgpu.tokens import Node, RingId
from memsim.webgpu.units import Unit
from memsim.webgpu.weave import Woven


@dataclass(frozen=True, slots=True)
class Frame:
    """The surroundings of a unit's text.

    Parameters
    ----------
    kernel
        The kernel that the unit belongs to.
    woven
        Its text.
    layout
        Where the program's tensors lie.
    places
        Where each ring lives.
    threads
        Threads of a workgroup.
    cores
        Cores over which blocks are dealt, where tensors are per core.
    """

    kernel: Kernel
    woven: Woven
    layout: Layout
    places: Mapping[RingId, Place]
    threads: int
    cores: int | None

    @property
    def unit(self) -> Unit:
        """The blocks."""
        return self.woven.unit

    @property
    def units(self) -> int:
        """How many units run the text."""
        return self.unit.count if self.unit.chosen is None else len(self.unit.chosen)

    @property
    def words(self) -> int:
        """Words of scratch that a unit needs."""
        return scratch_words(dict(self.places))

    @property
    def tensors(self) -> dict[str, TensorPlace]:
        """The tensors that the text names, with the variables of their first words."""
        names = tensor_names(self.unit)
        return {name: self.layout.place(name, f"base{n}") for n, name in enumerate(names)}

    @property
    def buffers(self) -> tuple[str, ...]:
        """Storage buffers, from binding 1 on."""
        return (*sorted({tensor.buffer for tensor in self.tensors.values()}), "problems", "scratch")

    # ---- shaders ----

    def whole(self, groups: int) -> Shader:
        """One dispatch of ``groups`` workgroups, each of which runs some units in turn."""
        emitter = Emitter(self._scope())
        write = emitter.lines if groups >= self.units else emitter.loop_body
        body = [*self._counters(self.places, Turns()), *write(self.woven.body, Pending())]
        return self._shader(body, self.units, groups, groups * self.words, "group.x")

    def phased(self, phases: Sequence[Phase]) -> list[Shader]:
        """A dispatch for each phase, in which each block of each unit is a workgroup."""
        return [self._phase(phase) for phase in phases]

    def _phase(self, phase: Phase) -> Shader:
        members = len(self.unit.members)
        scope, body = self._scope(), [f"let member = turn % {members}u;"]
        for member, nodes in phase.bodies:
            body.append(f"if (member == {member}u) {{")
            body += self._counters(_touched(nodes), phase.turned)
            body += Emitter(scope).lines(nodes, Pending())
            body.append("}")
        turns = self.units * members
        return self._shader(body, turns, turns, self.units * self.words, f"turn / {members}u")

    def _scope(self) -> Scope:
        return Scope(self.woven, self.places, self.tensors, self.threads)

    def _shader(self, body: list[str], turns: int, groups: int, scratch: int, share: str) -> Shader:
        names = tensor_names(self.unit)
        parameters = (0, *(self.layout.offset(name) for name in names), *(self.unit.chosen or ()))
        text = self._text(body, turns, groups, share)
        used = sum(place.bytes for place in self.places.values() if place.memory == "workgroup")
        where = {place.name: place.memory for place in self.places.values()}
        return Shader(self.kernel.name, text, groups, self.threads, scratch, self.buffers, parameters, used, where)

    # ---- text ----

    def _text(self, body: Sequence[str], turns: int, groups: int, share: str) -> str:
        lines = ["enable f16;"] * any(place.half for place in self.places.values())
        lines += self._bindings()
        for place in self.places.values():
            if place.memory == "workgroup":
                lines.append(f"var<workgroup> {place.name}: array<{place.stored}, {place.words}>;")
        lines += [
            f"@compute @workgroup_size({self.threads}) fn main(@builtin(workgroup_id) group: vec3<u32>,"
            " @builtin(local_invocation_index) lid: u32) {",
            "let never = params[0];",
            *(f"let {tensor.base} = params[{n}];" for n, tensor in enumerate(self.tensors.values(), start=1)),
            *_thread_places(body),
            "{ let turn = group.x;"
            if groups >= turns
            else f"for (var turn = group.x; turn < {turns}u; turn += {groups}u) {{",
            f"let share = {share};",
        ]
        if self.words:
            lines.append(f"let scratch_base = share * {self.words}u;")
        lines += [*self._unit(share), *_coordinates(self.unit), *self._cores(), *body, "}", "}"]
        text = "\n".join([*lines, needed("\n".join(lines))])
        return f"{text}\n"

    def _bindings(self) -> Iterator[str]:
        yield "@group(0) @binding(0) var<storage, read> params: array<u32>;"
        for number, name in enumerate(self.buffers, start=1):
            kind = "atomic<u32>" if name == "problems" or self.layout.is_atomic(name) else "u32"
            yield f"@group(0) @binding({number}) var<storage, read_write> {name}: array<{kind}>;"

    def _unit(self, share: str) -> Iterator[str]:
        """Number of the unit that runs in this turn."""
        position = "turn" if share == "group.x" else share
        if self.unit.chosen is None:
            yield f"let unit = i32({position});"
        else:
            yield f"let unit = i32(params[{1 + len(self.tensors)}u + {position}]);"

    def _cores(self) -> Iterator[str]:
        if any(tensor.per_core for tensor in self.tensors.values()):
            for member in self.unit.members:
                block = f"{self.unit.first_block} + unit * {len(self.unit.members)} + {member.number}"
                yield f"let core{member.number} = u32(({block}) % {usable_cores(self.kernel, self.cores)});"

    def _counters(self, rings: Iterable[RingId], turned: Turns) -> Iterator[str]:
        """Slots at which rings stand, and the registers of those that live there."""
        for key in rings:
            place = self.places[key]
            if place.slots > 1:
                yield f"var {place.name}_w = {turned[key, -1] % place.slots}u;"
                for consumer in range(len(self.woven.rings.consumers[key])):
                    yield f"var {place.name}_r{consumer} = {turned[key, consumer] % place.slots}u;"
            if place.memory == "register" and place.grid is not None:
                rows, columns = place.grid.block
                yield from (f"var {place.name}_{n}: {place.kind};" for n in range(rows * columns))


def tensor_names(unit: Unit) -> list[str]:
    """Tensors that the blocks of a unit read or write, in order of first appearance."""
    names: dict[str, None] = {}
    for group in {member.group.name: member.group for member in unit.members}.values():
        for queue in group.queues:
            for instruction, _ in walk(queue.body):
                if isinstance(instruction, (Load, Gather)):
                    names[instruction.src.tensor] = None
                elif isinstance(instruction, Store):
                    names[instruction.dst.tensor] = None
    return list(names)


def _touched(nodes: Sequence[Node]) -> list[RingId]:
    found: dict[RingId, None] = {}
    for step, _ in steps_of(nodes):
        found |= dict.fromkeys([*(slot.ring for slot in step.reads), *step.writes])
    return list(found)


def _thread_places(body: Sequence[str]) -> list[str]:
    """The thread's row and column in each grid that the text names."""
    widths = sorted({int(width) for line in body for width in re.findall(r"\bt[xy](\d+)\b", line)})
    return [f"let ty{n} = lid / {n}u; let tx{n} = lid % {n}u;" for n in widths]


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
