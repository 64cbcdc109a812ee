"""The small kernels of a decoder layer that only serving frameworks have, fused as theirs are (vLLM, csrc/).

A block takes a row, or a piece of one at a time, straight into registers: what is read is read once.
"""

from __future__ import annotations

from memsim.hierarchy import Chip
from memsim.isa import DTYPES, ProgramBuilder
from memsim.library.kernel import Kernel
from memsim.library.pointwise import elementwise
from memsim.lowering.values import LOG2_E

_PIECE = 4096
"""Elements that a block of up to 1024 threads takes at once of a row, four or more a thread."""
_RESIDENT = 2
"""Blocks of 1024 threads that a streaming multiprocessor holds."""


def add_norm(chip: Chip, rows: int, cols: int, dtype: str = "bf16", eps: float = 1e-5) -> Kernel:
    """Add a branch to the residual stream and normalise the sum by its root mean square.

    Tensors: ``X`` the branch, ``R`` the stream, ``gain`` [1, cols]; results ``S`` the new stream, ``Y`` normalised.
    """
    p = ProgramBuilder("add_norm", useful_flops=5 * rows * cols)
    X, R, S, Y = (p.tensor(name, dtype, (rows, cols)) for name in ("X", "R", "S", "Y"))
    G = p.tensor("gain", dtype, (1, cols))
    with p.kernel("add_norm", {"y": rows}, occupancy=_fit(chip, cols, 14)) as k:
        (y,) = k.coordinates
        x, r, s, out = (k.ring(name, "reg", dtype, (1, cols)) for name in "xrso")
        g = k.ring("g", "reg", dtype, (1, cols))
        square = k.ring("square", "reg", "fp32", (1, cols))
        mean = k.ring("mean", "reg", "fp32", (1, 1))
        with k.queue("load"):
            x.load(X[y, 0])
            r.load(R[y, 0])
            g.load(G[0, 0])
        with k.queue("compute"):
            s.set("add", x, r)
            square.set("mul", s, s)
            s.push()
            mean.reduce("sum", square, axis=1)
            mean.set("mul", mean, 1.0 / cols)
            mean.set("add", mean, eps)
            mean.set("rsqrt", mean)
            square.set("mul", s, mean)
            out.set("mul", square, g)
            out.push()
            for ring in (x, r, g, s):
                ring.pop()
        with k.queue("store"):
            S[y, 0].store(s)
            s.pop()
            Y[y, 0].store(out)
            out.pop()
    return Kernel(p.build(), chip, "a row a block, in registers")


def rope(chip: Chip, rows: int, heads: int, dim: int, dtype: str = "bf16") -> Kernel:
    """Turn each head of each row by its position.

    Tensors: ``X`` and ``Y`` [rows, heads, 2, dim / 2], whose halves x, y become x cos - y sin and y cos + x sin; tables
    ``cos`` and ``sin`` [rows, dim / 2]. A block takes a row.
    """
    half = dim // 2
    p = ProgramBuilder("rope", useful_flops=3 * rows * heads * dim)
    X, Y = (p.tensor(name, dtype, (rows, heads, 2, half)) for name in ("X", "Y"))
    C, S = (p.tensor(name, dtype, (rows, half)) for name in ("cos", "sin"))
    with p.kernel("rope", {"y": rows}, occupancy=_fit(chip, heads * dim, 8)) as k:
        (y,) = k.coordinates
        first, second, low, high = (
            k.ring(name, "reg", dtype, (heads, half)) for name in ("first", "second", "low", "high")
        )
        cos, sin = (k.ring(name, "reg", dtype, (1, half)) for name in ("cos", "sin"))
        a, b = (k.ring(name, "reg", "fp32", (heads, half)) for name in "ab")
        with k.queue("load"):
            cos.load(C[y, 0])
            sin.load(S[y, 0])
            first.load(X[y, 0:heads, 0, 0:half])
            second.load(X[y, 0:heads, 1, 0:half])
        with k.queue("compute"):
            a.set("mul", first, cos)
            b.set("mul", second, sin)
            low.set("sub", a, b)
            low.push()
            a.set("mul", second, cos)
            b.set("mul", first, sin)
            high.set("add", a, b)
            high.push()
            for ring in (first, second, cos, sin):
                ring.pop()
        with k.queue("store"):
            Y[y, 0:heads, 0, 0:half].store(low)
            low.pop()
            Y[y, 0:heads, 1, 0:half].store(high)
            high.pop()
    return Kernel(p.build(), chip, "a token a block")


def softmax(chip: Chip, rows: int, cols: int, dtype: str = "bf16") -> Kernel:
    """``Y`` = softmax of each row of ``X``, which a block keeps in shared memory and so reads once.

    ``cunn_SoftMaxForwardSmem`` (PyTorch 2.1, aten/src/ATen/native/cuda/SoftMax.cu), which eager attention in 16 bits
    runs on rows of more than 1024 scores; bound by DRAM. `memsim.library.rows` has those of fp32.
    """
    p = ProgramBuilder("softmax", useful_flops=5 * rows * cols)
    X, Y = (p.tensor(name, dtype, (rows, cols)) for name in ("X", "Y"))
    with p.kernel("softmax", {"y": rows}, occupancy=_RESIDENT) as k:
        (y,) = k.coordinates
        x = k.ring("x", "sram", dtype, (1, cols))
        e, out = k.ring("e", "reg", "fp32", (1, cols)), k.ring("out", "reg", dtype, (1, cols))
        most, total = (k.ring(name, "reg", "fp32", (1, 1)) for name in ("most", "total"))
        with k.queue("load"):
            x.load(X[y, 0])
        with k.queue("compute"):
            most.reduce("max", x, axis=1)
            e.set("sub", x, most)
            x.pop()
            e.set("mul", e, LOG2_E)
            e.set("exp2", e)
            total.reduce("sum", e, axis=1)
            total.set("recip", total)
            out.set("mul", e, total)
            out.push()
        with k.queue("store"):
            Y[y, 0].store(out)
            out.pop()
    return Kernel(p.build(), chip, "a row a block, in shared memory")


def greatest(chip: Chip, rows: int, cols: int, dtype: str = "fp32") -> Kernel:
    """``Y`` [rows, 1] = the greatest of each row of ``X``: greedy sampling reads all logits once."""
    p = ProgramBuilder("greatest", useful_flops=rows * cols)
    X = p.tensor("X", dtype, (rows, cols))
    Y = p.tensor("Y", dtype, (rows, 1))
    rounds = -(-cols // _PIECE)
    with p.kernel("greatest", {"y": rows}, occupancy=_fit(chip, _PIECE, 4 * DTYPES[dtype].bytes)) as k:
        (y,) = k.coordinates
        x = k.ring("x", "reg", dtype, (1, _PIECE), depth=4)
        part, best = (k.ring(name, "reg", dtype, (1, 1)) for name in ("part", "best"))
        with k.queue("load"), k.loop("i", rounds) as i:
            x.load(X[y, i * _PIECE], clip=True, pad=-1e30)
        with k.queue("compute"):
            best.fill(-1e30)
            with k.loop("i", rounds):
                part.reduce("max", x, axis=1)
                x.pop()
                best.set("max", best, part)
            best.push()
        with k.queue("store"):
            Y[y, 0].store(best)
            best.pop()
    return Kernel(p.build(), chip, f"a row a block, {_PIECE} at a time")


SAMPLER_BYTES = {
    "copied to fp32": 2 + 4,
    "divided by the temperature": 4 + 4,
    "sorted: four passes of 8 bits over keys of 4 and places of 8 bytes, each read and written": 4 * 2 * 12,
    "sorted back by row, in one pass": 2 * 12,
    "places written, and taken apart": 8 + 12 + 12,
    "softmax of what is sorted": 4 + 4,
    "summed up": 4 + 4,
    "compared": 4 + 1,
    "masked": 4 + 1 + 4,
    "scattered to their places": 4 + 8 + 4,
    "softmax": 4 + 4,
    "noise": 4,
    "divided by the noise": 4 + 4 + 4,
    "the greatest": 4,
}
"""Bytes that PyTorch's kernels move for each logit of bf16 when they sample from the likeliest tokens (vLLM,
v1/sample/ops/topk_topp_sampler.py; PyTorch, aten/src/ATen/native/cuda/Sort.cpp: a sort of all rows, then by row)."""


def sample(chip: Chip, rows: int, cols: int, dtype: str = "fp32") -> Kernel:
    """What sampling from the likeliest tokens of each row moves, as a stream of `SAMPLER_BYTES` a logit.

    A sort is no tile program, so this is priced and its values are not: ``Y`` = ``X``, half of the bytes each.
    """
    bytes_each = sum(SAMPLER_BYTES.values())
    stream = elementwise(chip, "copy", rows * round(bytes_each / (2 * DTYPES[dtype].bytes)), cols, dtype)
    return Kernel(stream.program, chip, f"{bytes_each} bytes a logit")


def _fit(chip: Chip, elements: int, bytes_each: int) -> int:
    """Resident blocks, each with ``elements`` times ``bytes_each`` of registers."""
    return max(1, min(_RESIDENT, (chip.core.reg.capacity or 0) // (elements * bytes_each)))
