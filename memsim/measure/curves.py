"""Latency over footprint, and power over intensity, on a CUDA GPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from memsim.errors import MemsimError
from memsim.measure.cuda import CudaDevice
from memsim.measure.energy import SETTLE_S
from memsim.measure.protocol import Effort

KIB, MIB = 1 << 10, 1 << 20
STRIDE = 128
"""Bytes from one element of a chase to the next: a line."""
WORD = 8
LATENCY_COLUMNS = ("source", "gpu", "sm_mhz", "buffer_kB", "latency_ns", "latency_cycles")
"""Those of reference tables of the kind (te42kyfo/gpu-benches)."""
POWER_COLUMNS = ("gpu", "flop_per_byte", "gb_per_s", "gflop_per_s_fp32", "sm_mhz", "power_w", "temp_c", "window_s")
SOURCE = "memsim measure"
CHASE_LOADS = 1 << 16
"""Loads of the shorter of two chases; the longer has three times as many, and the difference is told."""
TRIES = 5
STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Multiply-adds an element of the power curve."""
ELEMENTS = 1 << 28
"""Of its tensors: 1 GiB each."""
BYTES_PER_ELEMENT = 8

Kernels = Any
Report = Callable[[str], None]


def kernels() -> Kernels:
    """The kernels that are written in Triton.

    Raises
    ------
    MemsimError
        Triton is not installed.
    """
    try:
        return import_module("memsim.measure.triton_kernels")
    except ImportError as error:
        raise MemsimError(
            f"needs Triton, which is not here: {error}", where="--suite latency", mend="pip install triton"
        ) from error


def footprints(cache_bytes: int, *, quick: bool = False) -> tuple[int, ...]:
    """Bytes of the buffers of the latency curve: from 4 KiB to eight times the cache, four to a doubling.

    Parameters
    ----------
    cache_bytes
        Of the last-level cache.
    quick
        One to a doubling.
    """
    steps = 1 if quick else 4
    last = math.log2(8 * cache_bytes / (4 * KIB))
    sizes = (4 * KIB * 2 ** (i / steps) for i in range(int(last * steps) + 1))
    return tuple(dict.fromkeys(int(size) // STRIDE * STRIDE for size in sizes))


def cycle(elements: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """A random cycle through all elements: element i holds the index of the next, in words of `WORD` bytes.

    Parameters
    ----------
    elements
        How many, `STRIDE` bytes apart.
    seed
        Of the order.
    """
    between = STRIDE // WORD
    order = np.random.default_rng(seed).permutation(elements).astype(np.int64)
    words = np.zeros(elements * between, np.int64)
    words[order * between] = np.roll(order, -1) * between
    return words


def latency(
    device: CudaDevice, sizes: tuple[int, ...], run: Kernels, report: Report = lambda what: None
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Latency of a load in each buffer: time of long less time of short chases, over the loads between.

    Parameters
    ----------
    device
        Where.
    sizes
        Bytes of the buffers.
    run
        `kernels()`.
    report
        Told what is about to be measured.
    """
    torch = device.torch
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for size in sizes:
        report(f"latency in {size // KIB} KiB")
        words = cycle(size // STRIDE)
        data = torch.from_numpy(words).to(device.place)
        result = torch.zeros(1, dtype=torch.int64, device=device.place)

        def seconds(loads: int, data: Any = data, result: Any = result) -> float:
            begin.record()
            run.chase(data, result, loads)
            end.record()
            end.synchronize()
            return float(begin.elapsed_time(end)) / 1e3

        seconds(max(CHASE_LOADS, size // STRIDE))  # compiles, and fills the caches
        clock = device.clock_mhz()
        short = min(seconds(CHASE_LOADS) for _ in range(TRIES))
        long = min(seconds(3 * CHASE_LOADS) for _ in range(TRIES))
        ns = (long - short) / (2 * CHASE_LOADS) * 1e9
        yield {
            "source": SOURCE, "gpu": device.name, "sm_mhz": clock, "buffer_kB": size / KIB, "latency_ns": ns,
            "latency_cycles": None if clock is None else ns * clock / 1e3,
        }  # fmt: skip


def power(
    device: CudaDevice,
    run: Kernels,
    effort: Effort,
    steps: tuple[int, ...] = STEPS,
    elements: int = ELEMENTS,
    clock: Callable[[], float] = time.monotonic,
    report: Report = lambda what: None,
) -> Iterator[dict[str, Any]]:
    """Power while a tensor is read and written with so many multiply-adds an element.

    Parameters
    ----------
    device
        Where.
    run
        `kernels()`.
    effort
        How long the windows are.
    steps
        Multiply-adds an element: one point each.
    elements
        Of the tensor.
    clock
        Of the host.
    report
        Told what is about to be measured.
    """
    torch = device.torch
    x = torch.randn(elements, device=device.place, dtype=torch.float32)
    y = torch.empty_like(x)
    for count in steps:
        report(f"power at {count + 1} multiply-adds an element")

        def repeat(window: float, count: int = count) -> tuple[int, float]:
            begun, done = clock(), 0
            while clock() - begun < window:
                for _ in range(16):
                    run.multiply(x, y, count)
                torch.cuda.synchronize()
                done += 16
            return done, clock() - begun

        repeat(min(SETTLE_S, effort.window_s))
        joules = device.nvml.energy_j()
        done, window = repeat(effort.window_s)
        drawn = device.nvml.energy_j() - joules
        work = done * elements
        yield {
            "gpu": device.name, "flop_per_byte": 2 * (count + 1) / BYTES_PER_ELEMENT,
            "gb_per_s": BYTES_PER_ELEMENT * work / window / 1e9,
            "gflop_per_s_fp32": 2 * (count + 1) * work / window / 1e9,
            "sm_mhz": device.clock_mhz(), "power_w": drawn / window, "temp_c": device.nvml.temperature_c(),
            "window_s": window,
        }  # fmt: skip
