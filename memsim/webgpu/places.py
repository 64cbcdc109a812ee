"""Where the rings of a unit live on the device: registers, workgroup memory, or a storage buffer.

A ring whose elements are touched by one thread only, the same for each access, needs no memory at all: it is kept in
registers, one for each element of the thread's block. That is so for accumulators, and for tiles that only pass through
elementwise instructions. Other rings go to workgroup memory, the most used first, until the device's limit is
reached (which is checked here, because drivers may not check it), and the rest to a scratch buffer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from memsim.isa.model import (
    Copy,
    Gather,
    Load,
    Mma,
    Pop,
    Push,
    Reduce,
    Ring,
    Send,
    Store,
    Vector,
    ring_written,
)
from memsim.webgpu.numbers import kind_of
from memsim.webgpu.shader import Limits
from memsim.webgpu.threads import MOST_REGISTERS, Grid, thread_grid
from memsim.webgpu.tokens import Cycle, Node, RingId, Step
from memsim.webgpu.weave import Woven

ALL_REGISTERS = 160
"""Elements of all tiles together that a thread may hold in registers."""
FEW_REGISTERS = 16
"""Elements of a tile that a thread holds, above which instructions on it are written out only `FEW_STEPS` times."""
FEW_STEPS = 4
WORD_BYTES = 4
LOOP_WEIGHT = 16
"""A loop counts as so many trips, when it is decided which rings are used most."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ring lives.

    Element e of slot s is word ``offset + s * size + e`` of its memory; in ``register`` there is one slot, and element
    numbers are those of the thread's block.
    """

    ring: Ring
    name: str
    memory: str
    """``register``, ``workgroup`` or ``scratch``."""
    slots: int
    offset: int = 0
    grid: Grid | None = None
    half: bool = False
    """Whether elements are stored as ``f16``, which is exact for rings of that type."""

    @property
    def stored(self) -> str:
        """WGSL type of an element as it is stored."""
        return "f16" if self.half else self.kind

    @property
    def bytes(self) -> int:
        """Bytes of all slots."""
        return self.words * WORD_BYTES // (2 if self.half else 1)

    @property
    def kind(self) -> str:
        """WGSL type of an element."""
        return kind_of(self.ring.dtype)

    @property
    def size(self) -> int:
        """Elements of a slot."""
        return math.prod(self.ring.shape)

    @property
    def words(self) -> int:
        """Words of all slots."""
        return self.slots * self.size


def steps_of(body: Sequence[Node], weight: int = 1) -> Iterator[tuple[Step, int]]:
    """Each step of a woven text, with how often it is reckoned to run."""
    for node in body:
        if isinstance(node, Cycle):
            yield from steps_of(node.body, weight * LOOP_WEIGHT)
        else:
            yield node, weight


def choose_threads(woven: Woven, most: int) -> int:
    """Threads of a workgroup: enough for its largest tile, and for its largest product to fit registers."""
    largest = max((math.prod(ring.shape) for ring in woven.rings.ring.values()), default=1)
    products = [
        math.prod(woven.rings.ring[step.writes[0]].shape)
        for step, _ in steps_of(woven.body)
        if isinstance(step.instruction, Mma)
    ]
    wanted = max(min(largest, 64), largest // FEW_REGISTERS, math.ceil(max(products, default=1) / MOST_REGISTERS))
    threads = 16
    while threads < wanted and threads < min(256, most):
        threads *= 2
    return threads


def place_rings(
    woven: Woven,
    threads: int,
    limits: Limits,
    *,
    registers: bool = True,
    lasting: Collection[RingId] = (),
) -> dict[RingId, Place]:
    """Decide where each ring lives.

    Parameters
    ----------
    woven
        The text that uses them.
    threads
        Threads of a workgroup.
    limits
        Of the device.
    registers
        Whether tiles may live in registers.
    lasting
        Rings that must outlive a dispatch, and so live in the scratch buffer.
    """
    uses: dict[RingId, int] = dict.fromkeys(woven.rings.ring, 0)
    shared: set[RingId] = set()
    written_out: Counter[RingId] = Counter()
    for step, weight in steps_of(woven.body):
        for key in _touched(step):
            uses[key] += weight
            written_out[key] += not isinstance(step.instruction, Mma)
        shared |= set(_across_threads(step, woven))
    places: dict[RingId, Place] = {}
    left, room, scratch = ALL_REGISTERS, limits.workgroup_bytes, 0
    for key in sorted(uses, key=lambda key: (-uses[key], key)):
        ring, slots = woven.rings.ring[key], woven.rings.peak[key]
        name = f"r{key[0]}_{ring.name}" if len(woven.unit.members) > 1 else f"r_{ring.name}"
        grid = thread_grid(ring.shape, threads)
        block = math.prod(grid.block)
        half = limits.f16 and ring.dtype == "fp16"
        size = slots * math.prod(ring.shape)
        size_bytes = -(-size * (2 if half else WORD_BYTES) // 16) * 16  # arrays may be aligned
        own = registers and slots == 1 and key not in shared and key not in lasting
        own = own and (block <= FEW_REGISTERS or written_out[key] <= FEW_STEPS)
        if own and block <= min(MOST_REGISTERS, left):
            left -= block
            places[key] = Place(ring, name, "register", 1, grid=grid)
        elif size_bytes <= room and key not in lasting:
            room -= size_bytes
            places[key] = Place(ring, name, "workgroup", slots, half=half)
        else:
            places[key] = Place(ring, name, "scratch", slots, scratch)
            scratch += size
    return places


def scratch_words(places: dict[RingId, Place]) -> int:
    """Words of scratch that a workgroup needs."""
    return sum(place.words for place in places.values() if place.memory == "scratch")


def _touched(step: Step) -> Iterator[RingId]:
    yield from (slot.ring for slot in step.reads)
    if not isinstance(step.instruction, (Push, Pop)):
        yield from step.writes


def _across_threads(step: Step, woven: Woven) -> Iterator[RingId]:
    """Rings of which a thread, in this step, touches elements that are not its own."""
    instruction, reads = step.instruction, [slot.ring for slot in step.reads]
    match instruction:
        case Mma() | Reduce() | Gather():
            yield from reads
        case Vector():
            shape = woven.rings.ring[step.writes[0]].shape
            yield from (key for key in reads if woven.rings.ring[key].shape != shape)
        case Copy() | Send():
            shapes = {woven.rings.ring[key].shape for key in step.writes}
            turned = isinstance(instruction, Copy) and instruction.transpose
            yield from (key for key in reads if turned or {woven.rings.ring[key].shape} != shapes)
        case Load() | Store():
            return
    if ring_written(instruction) is None and len(step.writes) > 1:
        shapes = {woven.rings.ring[key].shape for key in step.writes}
        yield from step.writes if len(shapes) > 1 else ()
