"""Two kernels that PyTorch has not: a pointer chase, and multiply-adds of a chosen number an element.

Triton comes with PyTorch for CUDA. This module is imported only where it is there.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl


@triton.jit
def _chase(data: Any, result: Any, loads: Any) -> None:
    at = tl.load(result)
    for _ in range(loads):
        at = tl.load(data + at)
    tl.store(result, at)


@triton.jit
def _multiply(x: Any, y: Any, length: Any, steps: tl.constexpr, width: tl.constexpr) -> None:
    place = tl.program_id(0) * width + tl.arange(0, width)
    inside = place < length
    value = tl.load(x + place, mask=inside, other=0.0)
    factor = tl.minimum(tl.maximum(value * 0.5 + 0.25, -1.0), 1.0)
    for _ in range(steps):
        value = value * factor + 0.125
    tl.store(y + place, value, mask=inside)


def chase(data: Any, result: Any, loads: int) -> None:
    """One thread's worth of loads, each from where the one before says; it ends in ``result``.

    Parameters
    ----------
    data
        Int64: element i holds the index of the next.
    result
        Int64, one element: where it begins, and where it has ended.
    loads
        How many.
    """
    _chase[(1,)](data, result, loads, num_warps=1)


def multiply(x: Any, y: Any, steps: int, width: int = 1024) -> None:
    """So many multiply-adds on each element of a tensor, and one more: 2 operations each, 8 bytes an element.

    Parameters
    ----------
    x, y
        Fp32, of the same length.
    steps
        Multiply-adds an element, besides one to begin with.
    width
        Elements of a block.
    """
    length = x.numel()
    _multiply[(triton.cdiv(length, width),)](x, y, length, steps, width, num_warps=4)
