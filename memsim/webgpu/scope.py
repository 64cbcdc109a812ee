"""What the generator of an instruction knows: where rings and tensors are, and how their elements are named in WGSL."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from memsim.isa.expr import Expr, Range
from memsim.isa.model import Region, Tensor
from memsim.webgpu.coordinates import coordinate
from memsim.webgpu.places import Place
from memsim.webgpu.threads import Element, blocked, linear, thread_grid
from memsim.webgpu.tokens import RingId, Slot
from memsim.webgpu.weave import Woven

ANY = "any"
"""Tag of an access to elements that other threads may have touched."""


@dataclass(frozen=True, slots=True)
class Access:
    """A step reads or writes a ring; accesses of one ``tag`` take each element by the same thread."""

    ring: RingId
    writes: bool
    tag: str = ANY


@dataclass(frozen=True, slots=True)
class Code:
    """The WGSL of a step, and what must be known to put barriers around it."""

    lines: list[str]
    accesses: list[Access]


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor lives: words of a storage buffer, packed as in the host's memory."""

    tensor: Tensor
    buffer: str
    """Name of the WGSL array."""
    atomic: bool
    """Whether threads may write elements that share a word, so that the array is one of atomics."""
    base: str
    """Name of the WGSL variable with the index of its first word."""
    per_core: bool

    @property
    def per_word(self) -> int:
        """Elements in a word."""
        return 32 // self.tensor.type.bits


@dataclass(frozen=True, slots=True)
class Box:
    """A region at run time: lines that compute its origin, and how its elements are found."""

    lines: list[str]
    index: Callable[[Sequence[str]], str]
    """Number of an element in the tensor, from its index in each dimension of the region that is not 1."""
    inside: Callable[[Sequence[str]], str]
    """Condition for it to lie inside the tensor; empty where it always does."""


class Scope:
    """The surroundings of the steps of a unit.

    Parameters
    ----------
    woven
        The text.
    places
        Where each ring lives.
    tensors
        Where each tensor lives.
    threads
        Threads of a workgroup.
    """

    def __init__(
        self, woven: Woven, places: Mapping[RingId, Place], tensors: Mapping[str, TensorPlace], threads: int
    ) -> None:
        self.woven, self.places, self.tensors, self.threads = woven, places, tensors, threads
        self.ranges: Mapping[str, Range] = woven.rings.domain.ranges
        memories = {place.memory for place in places.values()}
        barriers = {"workgroup": "workgroupBarrier();", "scratch": "storageBarrier();"}
        self.barrier = " ".join(text for memory, text in barriers.items() if memory in memories)
        """Makes what threads wrote to rings visible to the others."""

    def number(self, e: Expr) -> str:
        """A coordinate as an ``i32`` expression."""
        domain = self.woven.rings.domain
        return coordinate(domain.simplified(e), self.ranges)

    # ---- rings ----

    def slot_index(self, slot: Slot) -> str:
        """Number of the slot that an operand lies in; empty where the ring has only one."""
        place = self.places[slot.ring]
        if place.slots == 1:
            return ""
        if slot.is_open:
            return f"{place.name}_w"
        if slot.ahead == 0:
            return f"{place.name}_r{slot.consumer}"
        return f"(({place.name}_r{slot.consumer} + {slot.ahead}u) % {place.slots}u)"

    def back(self, ring: RingId) -> Slot:
        """The slot that a write goes to."""
        return Slot(ring, True)

    def word(self, slot: Slot, flat: str) -> str:
        """The index of an element in the ring's memory."""
        place, index = self.places[slot.ring], self.slot_index(slot)
        text = f"{index} * {place.size}u + {flat}" if index else flat
        if place.memory == "scratch":
            return f"scratch_base + {place.offset}u + {text}" if place.offset else f"scratch_base + {text}"
        return text

    def read(self, slot: Slot, element: Element) -> str:
        """The value of an element, as ``f32`` or ``i32``."""
        place = self.places[slot.ring]
        if place.memory == "register":
            return f"{place.name}_{element.register}"
        return self.read_at(slot, element.flat)

    def read_at(self, slot: Slot, flat: str) -> str:
        """The value of the element of that number, of a ring that is in memory."""
        place = self.places[slot.ring]
        if place.memory == "scratch":
            return f"bitcast<{place.kind}>(scratch[{self.word(slot, flat)}])"
        text = f"{place.name}[{self.word(slot, flat)}]"
        return f"f32({text})" if place.half else text

    def write(self, ring: RingId, element: Element, value: str) -> str:
        """A statement that writes an element of the back slot."""
        place, slot = self.places[ring], self.back(ring)
        if place.memory == "register":
            return f"{place.name}_{element.register} = {value};"
        if place.memory == "scratch":
            return f"scratch[{self.word(slot, element.flat)}] = bitcast<u32>({value});"
        value = f"f16({value})" if place.half else value
        return f"{place.name}[{self.word(slot, element.flat)}] = {value};"

    def in_registers(self, rings: Sequence[RingId]) -> bool:
        """Whether one of the rings lives in registers."""
        return any(self.places[ring].memory == "register" for ring in rings)

    def each(
        self, shape: Sequence[int], own: Sequence[RingId], body: Callable[[Element], Sequence[str]]
    ) -> tuple[list[str], str]:
        """Lines that run ``body`` for each element of a tile, and the tag of accesses to the ``own`` element.

        ``own`` are the rings of that shape whose element of the same number the body touches.
        """
        if self.in_registers(own):
            grid = thread_grid(tuple(shape), self.threads)
            return list(blocked(grid, self.threads, body)), f"{grid}"
        return list(linear(math.prod(shape), self.threads, body)), "linear"

    # ---- tensors ----

    def tensor_word(self, place: TensorPlace, index: str) -> str:
        """The word of the tensor's element of that number."""
        per = place.per_word
        return f"{place.base} + {index}" if per == 1 else f"{place.base} + ({index}) / {per}u"

    def load_value(self, place: TensorPlace, index: str, inside: str = "") -> str:
        """The value of a tensor's element, decoded; some value where the condition ``inside`` does not hold."""
        word = f"{place.buffer}[{self._word_if(place, index, inside)}]"
        if place.atomic:
            word = f"atomicLoad(&{word})"
        bits = place.tensor.type.bits
        if bits < 32:
            word = f"(({word} >> (({index}) % {place.per_word}u * {bits}u)) & {2**bits - 1}u)"
        return f"decode_{place.tensor.dtype}({word})"

    def _word_if(self, place: TensorPlace, index: str, inside: str) -> str:
        """The word of an element, or word 0 of its buffer, which takes what is dropped: cheaper than a branch."""
        word = self.tensor_word(place, index)
        return f"select(0u, {word}, {inside})" if inside else word

    def store_value(self, place: TensorPlace, index: str, value: str, inside: str = "") -> list[str]:
        """Statements that write a tensor's element, where the condition ``inside`` holds."""
        encoded, word = f"encode_{place.tensor.dtype}({value})", f"{place.buffer}[word]"
        bits = place.tensor.type.bits
        where = f"let word = {self._word_if(place, index, inside)};"
        if bits == 32:
            return [where, f"{word} = {encoded};"]
        return [
            where,
            f"let at = ({index}) % {place.per_word}u * {bits}u;",
            f"atomicAnd(&{word}, ~({2**bits - 1}u << at));",
            f"atomicOr(&{word}, {encoded} << at);",
        ]

    def box(self, region: Region, member: int) -> Box:
        """A region of a tensor as the block ``member`` sees it."""
        place = self.tensors[region.tensor]
        shape = place.tensor.shape
        strides = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
        lines = [f"let s{d} = {self.number(start)};" for d, start in enumerate(region.starts)]
        origin = " + ".join(f"s{d} * {strides[d]}" if strides[d] != 1 else f"s{d}" for d in range(len(shape)))
        core = f" + core{member} * {place.tensor.bytes // place.tensor.type.bytes}u" if place.per_core else ""
        lines.append(f"let origin = u32({origin or '0'}){core};")
        wide = [d for d, size in enumerate(region.sizes) if size != 1]

        def index(at: Sequence[str]) -> str:
            parts = ["origin"]
            for d, text in zip(wide, at, strict=True):
                stride = region.steps[d] * strides[d]
                parts.append(text if stride == 1 else f"{text} * {stride}u")
            return " + ".join(parts)

        def inside(at: Sequence[str]) -> str:
            if not region.clip:
                return ""
            return self._inside(region, shape, dict(zip(wide, at, strict=True)))

        return Box(lines, index, inside)

    def _inside(self, region: Region, shape: Sequence[int], at: Mapping[int, str]) -> str:
        tests = []
        for d, (start, size, step, limit) in enumerate(
            zip(region.starts, region.sizes, region.steps, shape, strict=True)
        ):
            if start.bounds(self.ranges)[1] + (size - 1) * step < limit:
                continue
            text = f"u32(s{d})" if size == 1 else f"u32(s{d}) + {at[d]} * {step}u"
            tests.append(f"{text} < {limit}u")
        return " && ".join(tests)
