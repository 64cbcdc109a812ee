"""What a microbenchmark kernel is, and those of memory: a pointer chase, streams, and workgroup memory.

Each computes something that is known beforehand, so that a time always belongs to a right answer: the chase ends at a
known element, a stream adds up to a known sum. What a kernel reads comes from buffers, and what it computes is written
to one: a compiler can leave nothing out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import numpy as np

from memsim.errors import MemsimError

Array: TypeAlias = np.ndarray[Any, Any]

WORD = 4
"""Bytes of a word; buffers are counted in words."""
VECTOR = 16
"""Bytes of a load of a stream: a ``vec4<u32>``."""
THREADS = 256
"""Invocations of a workgroup: what every WebGPU device allows."""
CHASE_STRIDE = 64
"""Bytes from one element of a chase's buffer to the next."""
UNROLLED = 8
"""Loads of a chase in a trip of its loop."""
IN_FLIGHT = 4
"""Loads of a stream in a trip, none of which waits for another."""
MOST_TRIPS = 65_535
"""Of a loop: Mesa's software drivers leave one after so many, without a word (seen on llvmpipe 22.3.6)."""
RAMP = 0x9E3779B1
"""Word i of a filled buffer is i times this, modulo 2**32: an odd number, so all words differ."""
MODULUS = 1 << 32
GOLDEN = 0.381966
"""Each pass of a stream is turned by this share of the buffer (to an odd number of workgroups), so that a core meets
what other cores read last time, and its own cache is of no use."""

HEAD = """\
@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, {access}> data: array<{element}>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
"""
"""Of kernels with data. ``p[0]`` is the number of trips, the rest are a kernel's own parameters."""
HEAD_ALONE = """\
@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
"""
"""Of kernels without data."""


class Reads(Protocol):
    """Reads words of a buffer of the device."""

    def __call__(self, buffer: str, first: int, words: int) -> Array:
        """``words`` words from word ``first`` on of ``data`` or ``result``, as uint32."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a kernel has been made to do since it was loaded."""

    last: int
    """Trips of the last dispatch."""
    trips: int
    """Trips of all dispatches."""
    dispatches: int


@dataclass(frozen=True, slots=True)
class Kernel:
    """A microbenchmark: WGSL, its dispatch, its buffers, and the values that prove that it ran."""

    kind: str
    """``chase``, ``read``, ``copy``, ``workgroup``, ``fma``, ``fma_latency``, ``special``, ``matrix``, ``empty``."""
    label: str
    """For people: what it is, and at which size."""
    text: str
    groups: int
    work: float
    """Of a trip of all workgroups: loads, bytes, or operations."""
    differs: Callable[[Reads, Done], str | None]
    """What is wrong with the values, or None."""
    parameters: tuple[int, ...] = ()
    """Words of ``p`` from ``p[1]`` on."""
    data_words: int = 0
    data: Callable[[], Array] | None = None
    """Contents of ``data``; None fills it with the ramp."""
    result_words: int = 1
    step: int = 1
    """Trips are a multiple of this."""
    most: int = MOST_TRIPS
    """Trips of a dispatch at most: `MOST_TRIPS`, or fewer for the values to stay exact."""
    warm: int = 0
    """Trips that bring caches into the state that lasts."""
    needs: str | None = None
    """A feature of the adapter."""
    footprint: int = 0
    """Bytes that it works on."""
    dtype: str = ""


def ramp_sum(first: int, words: int) -> int:
    """Sum of so many words of the ramp from ``first`` on, modulo 2**32."""
    return RAMP * (words * first + words * (words - 1) // 2) % MODULUS


# The chase ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _order(elements: int, seed: int) -> Array:
    """A random cycle through all elements, from element 0 on."""
    order = np.random.default_rng(seed).permutation(np.arange(1, elements, dtype=np.uint32))
    return np.concatenate([np.zeros(1, np.uint32), order])


def chase(footprint: int, *, seed: int = 0, most_warm: int = 1 << 22) -> Kernel:
    """One thread follows a random cycle through a buffer, each load waiting for the one before.

    Parameters
    ----------
    footprint
        Bytes of the buffer; an element lies every `CHASE_STRIDE`.
    seed
        Of the order.
    most_warm
        Loads of the warm-up at most; a lap and a quarter, where that is less.
    """
    elements = footprint // CHASE_STRIDE
    if elements < 2:
        raise MemsimError(f"a buffer of {footprint} B has no two elements", where="chase", mend="give at least 128 B")
    between = CHASE_STRIDE // WORD

    def data() -> Array:
        words, order = np.zeros(elements * between, np.uint32), _order(elements, seed)
        words[order * between] = np.roll(order, -1) * between
        return words

    def differs(read: Reads, done: Done) -> str | None:
        expected = int(_order(elements, seed)[UNROLLED * done.trips % elements]) * between
        found = int(read("result", 0, 1)[0])
        return None if found == expected else f"the chase ends at word {found}, not {expected}"

    # 32 invocations of which one works: with one alone, some compilers move the loads to a scalar unit
    body = "at = data[at]; " * UNROLLED
    text = HEAD.format(access="read", element="u32") + (
        "@compute @workgroup_size(32)\n"
        "fn main(@builtin(local_invocation_index) lane: u32) {\n"
        "  let trips = p[0];\n  var at = result[lane];\n  if (lane != 0u) { return; }\n"
        f"  for (var i = 0u; i < trips; i++) {{ {body}}}\n"
        "  result[0] = at;\n}\n"
    )
    return Kernel(
        "chase", f"chase through {footprint} B", text, 1, UNROLLED, differs,
        data_words=elements * between, data=data, result_words=32,
        warm=min(elements * 5 // 4, most_warm) // UNROLLED + 1, footprint=footprint,
    )  # fmt: skip


# Streams --------------------------------------------------------------------------------------------------------------


def _power_of_two(number: int, what: str) -> int:
    if number < 1 or number & (number - 1):
        raise MemsimError(f"{number} {what} are no power of two", where="stream", mend="give a power of two")
    return number


def stream(footprint: int, groups: int, kind: str = "read") -> Kernel:
    """All invocations read a buffer, pass after pass, 16 bytes at a time; or copy its lower half to the upper.

    A copy adds the number of the pass, so that the last can be told from those before; there an invocation has the same
    elements in each pass, or passes would overtake one another.

    Parameters
    ----------
    footprint
        Bytes of the buffer: a power of two.
    groups
        Workgroups of `THREADS` invocations: a power of two.
    kind
        ``read``, or ``copy``, whose bytes count twice.
    """
    copies = kind == "copy"
    vectors = _power_of_two(footprint // VECTOR, "vectors") // (2 if copies else 1)
    threads = _power_of_two(groups, "workgroups") * THREADS
    if copies and threads > vectors:
        raise MemsimError(
            f"{threads} invocations copy {vectors} vectors: some twice", where="stream", mend="give fewer workgroups"
        )
    turn = 0 if copies else (int(max(1, vectors // THREADS) * GOLDEN) | 1) * THREADS
    differs = _copied(vectors, threads) if copies else _added(vectors, threads)
    return Kernel(
        kind, f"{kind} of {footprint} B by {groups} workgroups", _stream_text(copies), groups,
        VECTOR * IN_FLIGHT * threads * (2 if copies else 1), differs,
        parameters=(threads, vectors - 1, turn, vectors.bit_length() - 1), data_words=footprint // WORD,
        result_words=threads, step=max(1, vectors // (IN_FLIGHT * threads)), footprint=footprint,
    )  # fmt: skip


def _stream_text(copies: bool) -> str:
    """``p``: trips, invocations, vectors less one, turn of a pass, log2 of the vectors."""
    sums = range(0 if copies else IN_FLIGHT)
    lines = []
    for i in range(IN_FLIGHT):
        lines.append(f"    let e{i} = first + {i}u * p[1];\n")
        lines.append(f"    let i{i} = (e{i} + id + (e{i} >> p[4]) * p[3]) & p[2];\n")
        copied = f"    data[i{i} + p[2] + 1u] = data[i{i}] + (e{i} >> p[4]);\n"
        lines.append(copied if copies else f"    sum{i} += data[i{i}];\n")
    total = f"  let total = {' + '.join(f'sum{i}' for i in sums)};\n" if sums else ""
    told = "total.x + total.y + total.z + total.w" if sums else "p[0]"
    return HEAD.format(access="read_write" if copies else "read", element="vec4<u32>") + (
        f"@compute @workgroup_size({THREADS})\n"
        "fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {\n"
        f"  let trips = p[0];\n  let id = group.x * {THREADS}u + lane;\n  var first = 0u;\n"
        f"{''.join(f'  var sum{i} = vec4<u32>();' + chr(10) for i in sums)}  for (var k = 0u; k < trips; k++) {{\n"
        f"{''.join(lines)}    first += {IN_FLIGHT}u * p[1];\n  }}\n{total}  result[id] = {told};\n}}\n"
    )


def _added(vectors: int, threads: int) -> Callable[[Reads, Done], str | None]:
    """Every pass reads every word once: the sum of all results is known."""

    def differs(read: Reads, done: Done) -> str | None:
        passes, rest = divmod(IN_FLIGHT * done.last * threads, vectors)
        assert rest == 0
        expected = passes * ramp_sum(0, 4 * vectors) % MODULUS
        found = int(read("result", 0, threads).sum(dtype=np.uint64)) % MODULUS
        return None if found == expected else f"the sum is {found}, not {expected}"

    return differs


def _copied(vectors: int, threads: int) -> Callable[[Reads, Done], str | None]:
    """The upper half has the words of the lower plus the number of the last pass: looked at in a few places."""

    def differs(read: Reads, done: Done) -> str | None:
        half, seen = 4 * vectors, min(4 * vectors, 1024)
        last = (IN_FLIGHT * done.last * threads // vectors - 1) % (MODULUS // vectors)
        for first in sorted({0, (half - seen) // 2, half - seen}):
            found = read("data", half + first, seen)
            expected = ((np.arange(first, first + seen, dtype=np.uint64) * RAMP + last) % MODULUS).astype(np.uint32)
            if not np.array_equal(found, expected):
                return f"word {half + first + int(np.argmax(found != expected))} is not a copy"
        return None

    return differs


# Workgroup memory -----------------------------------------------------------------------------------------------------


def workgroup(groups: int, size: int) -> Kernel:
    """All invocations read their workgroup's memory, 16 bytes at a time, neighbours side by side.

    Parameters
    ----------
    groups
        Workgroups.
    size
        Bytes of the memory that a workgroup uses: a power of two, at least 4 KiB.
    """
    vectors = _power_of_two(size // VECTOR, "vectors")
    # a trip goes an odd number of vectors on, so a whole turn meets each once
    text = HEAD_ALONE + (
        f"var<workgroup> tile: array<vec4<u32>, {vectors}>;\n"
        f"@compute @workgroup_size({THREADS})\n"
        "fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {\n"
        f"  let trips = p[0];\n  for (var i = lane; i < {vectors}u; i += {THREADS}u) {{\n"
        f"    tile[i] = (vec4<u32>(4u * i) + vec4<u32>(0u, 1u, 2u, 3u)) * {RAMP}u;\n  }}\n"
        "  workgroupBarrier();\n"
        + "".join(f"  var sum{i} = vec4<u32>();\n" for i in range(IN_FLIGHT))
        + "  var at = lane;\n  for (var k = 0u; k < trips; k++) {\n"
        + "".join(f"    sum{i} += tile[(at + {i * 33}u) & {vectors - 1}u];\n" for i in range(IN_FLIGHT))
        + f"    at += {IN_FLIGHT * 33 + 1}u;\n  }}\n"
        f"  let total = {' + '.join(f'sum{i}' for i in range(IN_FLIGHT))};\n"
        f"  result[group.x * {THREADS}u + lane] = total.x + total.y + total.z + total.w;\n}}\n"
    )

    def differs(read: Reads, done: Done) -> str | None:
        expected = IN_FLIGHT * done.last // vectors * ramp_sum(0, 4 * vectors) % MODULUS
        found = read("result", 0, groups * THREADS)
        wrong = np.flatnonzero(found != expected)
        return f"invocation {wrong[0]} adds up to {found[wrong[0]]}, not {expected}" if wrong.size else None

    return Kernel(
        "workgroup", f"{size} B of workgroup memory in {groups} workgroups", text, groups,
        VECTOR * IN_FLIGHT * THREADS * groups, differs, result_words=groups * THREADS, step=vectors, footprint=size,
    )  # fmt: skip
