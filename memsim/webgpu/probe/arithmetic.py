"""Microbenchmark kernels of arithmetic: chains of multiply-adds, exponentials, products of tiles; and an empty one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from memsim.webgpu.probe.kernels import HEAD_ALONE, MODULUS, MOST_TRIPS, THREADS, Array, Done, Kernel, Reads

CHAINS = 8
"""Chains of an invocation that do not wait for one another."""
UNROLLED = 16
"""Steps of each chain in a trip."""
LONG = 64
"""Steps of the one chain, in a trip."""
FACTOR, TERM = 1664525, 1013904223
"""Of the chain in i32, x <- FACTOR x + TERM modulo 2**32: the generator of Numerical Recipes."""
EXACT = 1 << 24
"""Integers up to this are exact in f32."""
FIXED_POINT = 0.6411857445
"""The solution of x = 2**-x, to which the chain of exponentials goes from anywhere between 0 and 1."""
TILE, DEPTH, SIDE = 64, 16, 16
"""A workgroup multiplies tiles of TILE x DEPTH and DEPTH x TILE; SIDE x SIDE invocations have 4 x 4 sums each."""
A_WGSL = "k * 7u + {0} * 3u + k * {0} + {0} * {0} / 5u"
B_WGSL = "k * 5u + {0} + (k + 1u) * ({0} * {0} / 7u)"
"""The element at k of a row or column, before it is made -1, 0 or 1: `tiles` has the same."""
PERIOD = 8
"""Trips after which the sums begin again, so that they are exact in f16 too."""

_ENTRY = "fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {\n"
_ID = f"group.x * {THREADS}u + lane"


def _uniform(expected: Callable[[int], int], count: int) -> Callable[[Reads, Done], str | None]:
    """Every result is what ``expected`` says for the trips of the last dispatch, as the bits of a word."""

    def differs(read: Reads, done: Done) -> str | None:
        found, wanted = read("result", 0, count), expected(done.last)
        wrong = np.flatnonzero(found != wanted)
        return f"invocation {wrong[0]} has {found[wrong[0]]:#x}, not {wanted:#x}" if wrong.size else None

    return differs


def _bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


def _sum_f32(trips: int) -> int:
    """Each chain counts: chain c ends at c + steps."""
    return _bits(sum(range(CHAINS)) + CHAINS * UNROLLED * trips)


def _sum_i32(trips: int) -> int:
    """The closed form of the chain: F^n x + T (F^n - 1) / (F - 1), for the sum of all chains."""
    steps = UNROLLED * trips
    power = pow(FACTOR, steps, MODULUS * (FACTOR - 1))
    return (sum(range(CHAINS)) * power + CHAINS * TERM * ((power - 1) // (FACTOR - 1))) % MODULUS


def _sum_f16(trips: int) -> int:
    """Every chain, x <- x/2 + 1, is at 2 after a trip, in both of its halves."""
    return _bits(2 * 2 * CHAINS)


def fma(dtype: str, groups: int) -> Kernel:
    """Chains of multiply-adds in ``f32``, ``f16`` (two side by side) or ``i32``.

    Parameters
    ----------
    dtype
        Type of WGSL.
    groups
        Workgroups of 256 invocations.
    """
    kind = {"f32": "f32", "f16": "vec2<f16>", "i32": "i32"}[dtype]
    constants = {"f32": (_bits(1), _bits(1)), "f16": (_bits(0.5), _bits(1)), "i32": (FACTOR, TERM)}[dtype]
    load = {"f32": "bitcast<f32>({})", "f16": "vec2<f16>(f16(bitcast<f32>({})))", "i32": "bitcast<i32>({})"}[dtype]
    step = "x{0} = x{0} * a + b; " if dtype == "i32" else "x{0} = fma(x{0}, a, b); "
    steps = ("    " + "".join(step.format(c) for c in range(CHAINS)) + "\n") * UNROLLED
    chains = "".join(f"  var x{c} = {kind}({c});\n" for c in range(CHAINS))
    total = " + ".join(f"x{c}" for c in range(CHAINS))
    told = {"f32": "bitcast<u32>(s)", "f16": "bitcast<u32>(f32(s.x) + f32(s.y))", "i32": "bitcast<u32>(s)"}[dtype]
    text = (
        ("enable f16;\n" if dtype == "f16" else "")
        + HEAD_ALONE
        + f"@compute @workgroup_size({THREADS})\n{_ENTRY}  let trips = p[0];\n"
        + f"  let a = {load.format('p[1]')};\n  let b = {load.format('p[2]')};\n{chains}"
        + f"  for (var k = 0u; k < trips; k++) {{\n{steps}  }}\n  let s = {total};\n  result[{_ID}] = {told};\n}}\n"
    )
    expected = {"f32": _sum_f32, "f16": _sum_f16, "i32": _sum_i32}[dtype]
    return Kernel(
        "fma", f"multiply-adds in {dtype} by {groups} workgroups", text, groups,
        CHAINS * UNROLLED * THREADS * groups * (2 if dtype == "f16" else 1), _uniform(expected, groups * THREADS),
        parameters=constants, result_words=groups * THREADS,
        most=min(MOST_TRIPS, EXACT // (2 * CHAINS * UNROLLED)),
        needs="shader-f16" if dtype == "f16" else None, dtype=dtype,
    )  # fmt: skip


def fma_latency() -> Kernel:
    """One chain of multiply-adds in f32 on one invocation: each waits for the one before."""
    text = HEAD_ALONE + (
        f"@compute @workgroup_size(32)\n{_ENTRY}  let trips = p[0];\n"
        "  let a = bitcast<f32>(p[1]);\n  let b = bitcast<f32>(p[2]);\n  var x = f32(result[lane]);\n"
        "  if (lane != 0u) { return; }\n"
        f"  for (var k = 0u; k < trips; k++) {{\n    {'x = fma(x, a, b); ' * LONG}\n  }}\n"
        "  result[1] = bitcast<u32>(x);\n}\n"
    )

    def differs(read: Reads, done: Done) -> str | None:
        found, wanted = int(read("result", 1, 1)[0]), _bits(LONG * done.last)
        return None if found == wanted else f"the chain ends at {found:#x}, not {wanted:#x}"

    return Kernel(
        "fma_latency", "multiply-adds that wait for one another", text, 1, LONG, differs,
        parameters=(_bits(1), _bits(1)), result_words=32, most=min(MOST_TRIPS, EXACT // (2 * LONG)), dtype="f32",
    )  # fmt: skip


def special(groups: int) -> Kernel:
    """Chains of exponentials, x <- 2**-x, which go to a fixed point."""
    steps = ("    " + "".join(f"x{c} = exp2(-x{c}); " for c in range(CHAINS)) + "\n") * UNROLLED
    chains = "".join(f"  var x{c} = f32({c}) * 0.125;\n" for c in range(CHAINS))
    text = HEAD_ALONE + (
        f"@compute @workgroup_size({THREADS})\n{_ENTRY}  let trips = p[0];\n{chains}"
        f"  for (var k = 0u; k < trips; k++) {{\n{steps}  }}\n"
        f"  result[{_ID}] = bitcast<u32>({' + '.join(f'x{c}' for c in range(CHAINS))});\n}}\n"
    )

    def differs(read: Reads, done: Done) -> str | None:
        found = read("result", 0, groups * THREADS).view(np.float32) / CHAINS
        worst = found[int(np.argmax(abs(found - FIXED_POINT)))]
        near = bool(abs(worst - FIXED_POINT) < 1e-4)  # WGSL allows exp2 a few units in the last place
        return None if near else f"a chain ends at {worst}, not {FIXED_POINT}"

    return Kernel(
        "special", f"exponentials by {groups} workgroups", text, groups, CHAINS * UNROLLED * THREADS * groups, differs,
        result_words=groups * THREADS, step=2, dtype="f32",
    )  # fmt: skip


def matrix(dtype: str, groups: int) -> Kernel:
    """Products of tiles that lie in workgroup memory, with sums in registers: 4 x 4 of each invocation.

    Parameters
    ----------
    dtype
        Type of operands and sums in WGSL: ``f32``, ``f16`` or ``i32``.
    groups
        Workgroups of 256 invocations, which multiply 64 x 16 by 16 x 64 in each trip.
    """
    vector = f"vec4<{dtype}>"
    fused = "s{0} += vec4<{2}>(a.{1}) * b;" if dtype == "i32" else "s{0} = fma(vec4<{2}>(a.{1}), b, s{0});"
    products = " ".join(fused.format(i, axis, dtype) for i, axis in enumerate("xyzw"))
    again = " ".join(f"s{i} = {vector}();" for i in range(4))
    weights = "vec4<f32>(1, 2, 3, 4)"
    value = f"{dtype}(i32(({{0}}) % 3u) - 1)"  # -1, 0 or 1: sums are small integers
    a = ", ".join(value.format(A_WGSL.format(f"(4u * q + {i}u)")) for i in range(4))
    b = ", ".join(value.format(B_WGSL.format(f"(4u * q + {i}u)")) for i in range(4))
    told = " + ".join(f"{i + 1} * dot({weights}, vec4<f32>(s{i}))" for i in range(4))
    text = (
        ("enable f16;\n" if dtype == "f16" else "")
        + HEAD_ALONE
        + f"var<workgroup> at: array<{vector}, {DEPTH * SIDE}>;\nvar<workgroup> bt: array<{vector}, {DEPTH * SIDE}>;\n"
        + f"@compute @workgroup_size({THREADS})\n{_ENTRY}  let trips = p[0];\n"
        + f"  {{ let k = lane / {SIDE}u; let q = lane % {SIDE}u;\n"
        + f"    at[lane] = {vector}({a});\n    bt[lane] = {vector}({b}); }}\n  workgroupBarrier();\n"
        + f"  let y = lane / {SIDE}u; let x = lane % {SIDE}u;\n"
        + "".join(f"  var s{i} = {vector}();\n" for i in range(4))
        + "  for (var t = 0u; t < trips; t++) {\n"
        + f"    if (t % {PERIOD}u == 0u) {{ {again} }}\n"
        + f"    for (var j = 0u; j < {DEPTH}u; j++) {{\n      let k = ((j + t) & {DEPTH - 1}u) * {SIDE}u;\n"
        + f"      let a = at[k + y]; let b = bt[k + x];\n      {products}\n    }}\n  }}\n"
        + f"  result[{_ID}] = bitcast<u32>(i32({told}));\n}}\n"
    )
    return Kernel(
        "matrix", f"products of tiles in {dtype} by {groups} workgroups", text, groups, TILE * TILE * DEPTH * groups,
        _multiplied(groups), result_words=groups * THREADS, needs="shader-f16" if dtype == "f16" else None,
        dtype=dtype,
    )  # fmt: skip


def tiles() -> tuple[Array, Array]:
    """The tiles a [TILE, DEPTH] and b [DEPTH, TILE] that `matrix` multiplies."""
    k, i = np.arange(DEPTH), np.arange(TILE)
    a = (k * 7 + (i * 3)[:, None] + k * i[:, None] + (i * i // 5)[:, None]) % 3 - 1
    b = (k[:, None] * 5 + i + (k[:, None] + 1) * (i * i // 7)) % 3 - 1
    return a, b


def _multiplied(groups: int) -> Callable[[Reads, Done], str | None]:
    """Every invocation tells a weighted sum of its 4 x 4 sums."""

    def differs(read: Reads, done: Done) -> str | None:
        a, b = tiles()
        counted = (done.last - 1) % PERIOD + 1 if done.last else 0
        blocks = (counted * (a @ b)).reshape(SIDE, 4, SIDE, 4)
        weights = np.arange(1, 5)
        expected = np.einsum("yixj,i,j->yx", blocks, weights, weights).ravel()
        found = read("result", 0, groups * THREADS).view(np.int32).reshape(groups, THREADS)
        wrong = np.argwhere(found != expected)
        if not wrong.size:
            return None
        group, lane = wrong[0]
        return f"invocation {lane} of workgroup {group} has {found[group, lane]}, not {expected[lane]}"

    return differs


def empty() -> Kernel:
    """Adds 1 to a counter: dispatches that must come one after another, and do nothing else."""
    text = HEAD_ALONE + "@compute @workgroup_size(1)\nfn main() { result[0] += p[0]; }\n"

    def differs(read: Reads, done: Done) -> str | None:
        found = int(read("result", 0, 1)[0])
        return None if found == done.trips % MODULUS else f"{found} of {done.trips} dispatches counted"

    return Kernel("empty", "empty dispatches", text, 1, 1, differs)
