"""What kernels that are bound by memory share: sizes checked, threads of a core, formulas as vector instructions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from memsim.errors import GIVE_A_CHIP, MemsimError, check_kind
from memsim.hierarchy import Chip
from memsim.isa.builder import KernelBuilder
from memsim.isa.handles import RingHandle
from memsim.isa.ops import DTYPES, VECTOR_OPS
from memsim.library.knobs import knob
from memsim.lowering.values import REDUCE, Value
from memsim.lowering.vectors import Scratch, Step, emit, schedule

SHUFFLE, SYNC, SYNC_WARP, TO_SHARED, FROM_SHARED, STEP = 25, 21, 2, 19, 23, 4
"""Cycles of a warp's shuffle, of a barrier (21 + 2 for each warp: IISWC 2024, A100 PCIe), of a store to and a load from
shared memory, and of a dependent instruction (Abdelkhalik et al., arXiv 2208.11174). Assumed: so on other GPUs."""
ISSUE = 4
"""Instructions of warps that an SM issues a cycle: one from each of four schedulers."""
FLOAT_LANES, FLOAT_SHARE = 64, 0.58
"""Where an SM has 64 lanes for FP32 (V100, T4, A100), such an instruction takes two cycles of its scheduler's pipe, as
an integer one does everywhere; where it has 128, one. Share of these instructions in softmax by blocks: 25 of 43."""
FLOATS = ("fp32", "fp16", "bf16")
"""Types that these kernels are written for."""
WARP = 32
"""Threads that run in lockstep (NVIDIA; AMD's CDNA runs 64, in which as many bytes move)."""


_THREADS = {"t4": 1024, "l4": 1536, "l40s": 1536, "rtx_": 1536}
"""Threads that an SM holds at once, by how a chip's name begins: compute capabilities 7.5; 8.6, 8.9 and 12.0. CUDA C++
Programming Guide, table of technical specifications."""
_MOST_THREADS = 2048
"""The same of compute capabilities 7.0, 8.0, 9.0 and 10.0, and of a compute unit of CDNA 2 (32 waves of 64)."""


def resident_threads(chip: Chip) -> int:
    """Threads that a core holds at once."""
    return next((n for begin, n in _THREADS.items() if chip.name.startswith(begin)), _MOST_THREADS)


def check_sizes(where: str, chip: Chip, rows: int, cols: int, dtype: str) -> None:
    """Refuse what is no chip, no size and no type of these kernels.

    Parameters
    ----------
    where
        The builder, for the message.
    chip
        The chip.
    rows, cols
        Elements of a matrix along its two dimensions, at least 1 each.
    dtype
        One of `FLOATS`.

    Raises
    ------
    MemsimError
        At the first that is wrong.
    """
    check_kind(chip, Chip, where, GIVE_A_CHIP)
    for name, value in (("rows", rows), ("cols", cols)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise MemsimError(f"{name} is a count of at least 1, found {value!r}", where=where, mend=f"{name}=4096")
    check_type(where, dtype)


def check_type(where: str, dtype: str) -> None:
    """Refuse a type that these kernels are not written for."""
    if dtype not in FLOATS:
        raise MemsimError(f"no kernel for {dtype!r}", where=where, mend=f"choose one of {', '.join(FLOATS)}")


def size_of(dtype: str) -> int:
    """Bytes of an element."""
    return DTYPES[dtype].bytes


class Formula:
    """Vector instructions that compute a value from rings, with scratch tiles in registers.

    Parameters
    ----------
    value
        What is computed.
    known
        The values that it starts from, by the name of the ring in which each lies.
    sizes
        Elements of a tile along each axis.
    """

    def __init__(self, value: Value, known: Mapping[str, Value], sizes: Sequence[int]) -> None:
        self._known, self._sizes = dict(known), tuple(sizes)
        self._scratch = Scratch()
        self._steps: tuple[Step, ...] = schedule({"": value}, list(known.values()), self._shape, self._scratch)

    def _shape(self, value: Value) -> tuple[int, ...]:
        return tuple(size if axis in value.span else 1 for axis, size in enumerate(self._sizes))

    @property
    def scratch_bytes(self) -> int:
        """Bytes of the scratch tiles."""
        return sum(spec.bytes for spec in self._scratch.specs)

    def cycles(self, chip: Chip) -> int:
        """Cycles for which the instructions keep a core's vector unit busy."""
        total = 0
        for step in self._steps:
            op, sizes = step.value.op, self._shape(step.value)
            if op == REDUCE:
                total += chip.core.vector.cycles("reduce", math.prod(self._shape(step.value.values[0])))
            else:
                special = op in VECTOR_OPS and VECTOR_OPS[op].special
                total += chip.core.vector.cycles("special" if special else "simple", math.prod(sizes))
        return total

    def write(self, kernel: KernelBuilder, prefix: str, rings: Mapping[str, RingHandle], out: RingHandle) -> None:
        """Write the instructions into the open queue; scratch rings are named from ``prefix``."""
        scratch = {s.name: kernel.ring(prefix + s.name, "reg", s.dtype, s.shape) for s in self._scratch.specs}
        places = {id(value): rings[name] for name, value in self._known.items()}
        emit(self._steps, {"": out, **scratch}, places, [0] * len(self._sizes), len(self._sizes))


def issue_cycles(chip: Chip, elementwise: float, shared: float) -> float:
    """Cycles in which a core issues the instructions of warps on elements, and those of reductions.

    Parameters
    ----------
    chip
        The chip. Cores wider than 128 lanes issue for as many warps as they have lanes.
    elementwise
        Instructions on elements, of `FLOAT_SHARE` in FP32. They take the knob ``row_slots`` where FP32 has 64 lanes.
    shared
        Instructions of reductions, a slot each: what they wait for is their latency.
    """
    lanes = chip.core.vector.lanes
    slots = knob("row_slots") * (1 - FLOAT_SHARE + FLOAT_SHARE * FLOAT_LANES / lanes)
    return (elementwise * slots + shared) / max(ISSUE, lanes / WARP)


def warp_reduction(step: int = STEP) -> int:
    """Cycles until the threads of a warp have their sum: five shuffles, each with an operation of ``step`` cycles."""
    return 5 * (SHUFFLE + step)


def barrier(threads: int) -> int:
    """Cycles of a barrier of a block."""
    return SYNC + SYNC_WARP * (threads // WARP)


def block_reduction(threads: int) -> int:
    """Cycles until the threads of a block have their sum: each warp's, those of the warps in shared memory, back.

    All warps come to the first of three barriers; at the others they wait already for one.
    """
    return 2 * warp_reduction() + barrier(threads) + 2 * barrier(WARP) + 2 * (TO_SHARED + FROM_SHARED)


def round_trip(chip: Chip) -> float:
    """Cycles of a load that DRAM answers, when nothing else is on its way."""
    parts = [chip.core.dma.latency, chip.network.hop_latency, chip.network.hop_latency, chip.dram.latency]
    parts += [chip.cache.latency] if chip.cache is not None else []
    return sum(chip.ticks_of(part) for part in parts) * float(chip.tick / chip.clock_period)


def serial_loads(iterations: int, partial: bool) -> int:
    """Loads that a warp makes one after another in a loop of so many, which the compiler unrolls by four.

    Four loads of the unrolled loop are under way together, the rest one by one. Where only some threads of a warp have
    the last iteration (``partial``) and it fills an unrolled round, the others of the warp go through the rest.
    """
    rounds, rest = divmod(iterations, 4)
    return rounds + 3 if partial and rest == 0 else rounds + rest
