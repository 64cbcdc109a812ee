"""The CPU of this machine through numpy: the same protocol without a GPU, to try it. It is no GPU's time."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from memsim.errors import MemsimError
from memsim.measure.cases import Case
from memsim.validate.calls import Call

LARGEST_FLOPS = 4e9
"""Of a case: larger ones would take seconds each."""
LARGEST_BYTES = 1 << 28
CACHE_BYTES = 32 << 20
"""Of the last-level cache, where the system does not tell."""

Array = np.ndarray[Any, Any]
Buffers = dict[str, Array]


class NumpyDevice:
    """The CPU. Only what numpy computes in fp32, and only small cases."""

    backend = "cpu"
    has_graphs = False

    def __init__(self) -> None:
        self.name = f"CPU {cpu_name()}"
        self.cache_bytes = last_level_bytes()
        self.memory_bytes = 4 << 30

    def refuses(self, case: Case) -> str | None:
        """Why a case cannot run here, or None."""
        if case.call.dtype != "fp32":
            return f"numpy has no products in {case.call.dtype}"
        if _key(case.call) not in _CALLS:
            return f"{case.op} is not among numpy's functions"
        if case.call.flops > LARGEST_FLOPS or case.call.bytes > LARGEST_BYTES:
            return "it would take a CPU too long"
        return None

    def load(self, case: Case, copies: int) -> NumpyLoaded:
        """So many copies of the operands, filled with random numbers."""
        return NumpyLoaded(case.call, copies)

    def clock_mhz(self) -> float | None:
        """Nobody tells."""
        return None


class NumpyLoaded:
    """A case with its buffers."""

    def __init__(self, call: Call, copies: int) -> None:
        random = np.random.default_rng(0)
        shapes = shapes_of(call)
        self.copies: list[Buffers] = [
            {name: random.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
            for _ in range(copies)
        ]
        self.run = _CALLS[_key(call)]

    def batch(self, calls: int, first: int) -> float:
        """Seconds of so many calls, of which the first takes copy ``first``."""
        copies, run = self.copies, self.run
        begun = time.perf_counter()
        for i in range(first, first + calls):
            run(copies[i % len(copies)])
        return time.perf_counter() - begun

    def capture(self, calls: int) -> None:
        """A CPU has no graphs."""
        raise MemsimError("a CPU has no graphs", where="capture", mend="ask has_graphs before")

    def release(self) -> None:
        """Give the memory back."""
        self.copies = []


def shapes_of(call: Call) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor of a call, results included, by its name in the kernels of `memsim.library`.

    Weights have a row for each column of the result, as a linear layer keeps them.

    Parameters
    ----------
    call
        What is called.
    """
    batch = (call.batch,) if call.batch > 1 else ()
    sheet = (call.rows, call.cols)
    match call.kind:
        case "gemm":
            return {
                "A": (*batch, call.m, call.k),
                "B": (*batch, call.n, call.k),
                "C": (*batch, call.m, call.n),
            }
        case "linear":
            return {"X": (call.m, call.k), "W": (call.n, call.k), "bias": (call.n,), "Y": (call.m, call.n)}
        case "attn_prefill" | "attn_decode":
            new = call.seq if call.kind == "attn_prefill" else 1
            keys = (call.batch, call.kv_heads, call.seq, call.head_dim)
            queries = (call.batch, call.heads, new, call.head_dim)
            return {"Q": queries, "K": keys, "V": keys, "O": queries}
        case "layer_norm":
            return {"X": sheet, "gain": (call.cols,), "shift": (call.cols,), "Y": sheet}
        case "rms_norm":
            return {"X": sheet, "gain": (call.cols,), "Y": sheet}
        case "reduce":
            return {"X": sheet, "Y": (call.rows,)}
    second = {"X2": sheet} if "X2" in call.tensor_bytes else {}
    return {"X": sheet, **second, "Y": sheet}


# Calls ------------------------------------------------------------------------------------------------------------


def _key(call: Call) -> str:
    return call.function if call.kind == "elementwise" else call.kind


def _product(b: Buffers) -> None:
    np.matmul(b["A"], np.swapaxes(b["B"], -1, -2), out=b["C"])


def _linear(b: Buffers) -> None:
    np.matmul(b["X"], b["W"].T, out=b["Y"])
    np.add(b["Y"], b["bias"], out=b["Y"])


def _softmax(b: Buffers) -> None:
    x, y = b["X"], b["Y"]
    np.subtract(x, x.max(axis=-1, keepdims=True), out=y)
    np.exp(y, out=y)
    np.divide(y, y.sum(axis=-1, keepdims=True), out=y)


def _layer_norm(b: Buffers) -> None:
    x, y = b["X"], b["Y"]
    np.subtract(x, x.mean(axis=-1, keepdims=True), out=y)
    np.divide(y, np.sqrt((y * y).mean(axis=-1, keepdims=True) + 1e-5), out=y)
    y *= b["gain"]
    y += b["shift"]


def _rms_norm(b: Buffers) -> None:
    x, y = b["X"], b["Y"]
    np.divide(x, np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5), out=y)
    y *= b["gain"]


_CALLS: dict[str, Callable[[Buffers], object]] = {
    "gemm": _product,
    "linear": _linear,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "reduce": lambda b: np.sum(b["X"], axis=-1, out=b["Y"]),
    "copy": lambda b: np.copyto(b["Y"], b["X"]),
    "scale": lambda b: np.multiply(b["X"], np.float32(0.2), out=b["Y"]),
    "add": lambda b: np.add(b["X"], b["X2"], out=b["Y"]),
    "mul": lambda b: np.multiply(b["X"], b["X2"], out=b["Y"]),
    "relu": lambda b: np.maximum(b["X"], np.float32(0), out=b["Y"]),
    "exp": lambda b: np.exp(b["X"], out=b["Y"]),
    "tanh": lambda b: np.tanh(b["X"], out=b["Y"]),
}


# The machine --------------------------------------------------------------------------------------------------------


@cache
def cpu_name() -> str:
    """What the CPU calls itself."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine() or "of unknown name"


def last_level_bytes() -> int:
    """Bytes of the last-level cache, as Linux tells them; else `CACHE_BYTES`."""
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text(encoding="ascii").strip()
        unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 0)
        if unit and text[:-1].isdigit():
            sizes.append(int(text[:-1]) * unit)
    return min(max(sizes, default=CACHE_BYTES), 256 << 20)
