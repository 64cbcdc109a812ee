"""The steps of a woven text as WGSL, with barriers where threads meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from memsim.isa.model import Copy, Fill, Gather, Iota, Load, Mma, Pop, Push, Reduce, Send, Store, Vector
from memsim.webgpu.compute import emit_fill, emit_iota, emit_mma, emit_reduce, emit_vector
from memsim.webgpu.coordinates import variable
from memsim.webgpu.hazards import Pending, in_memory
from memsim.webgpu.moves import emit_forward, emit_gather, emit_load, emit_store
from memsim.webgpu.scope import Code, Scope
from memsim.webgpu.tokens import Cycle, Node, Step


class Emitter:
    """Writes the statements of a unit.

    Parameters
    ----------
    scope
        What they know.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.registers = {key for key, place in scope.places.items() if place.memory == "register"}
        self.codes: dict[int, Code] = {}

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
                out.append(self.scope.barrier)
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
