"""Floating-point sums in strictly sequential order, compiled by numba without fused or reordered arithmetic."""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.isa._interpret_tiles import Array


@compiled
def accumulate_product(a: Array, b: Array, out: Array) -> None:
    """Add ``a @ b`` to ``out`` in fp32: for each element k ascends, and each product is rounded before it is added.

    The loop over columns is the innermost one: it vectorises, and does not change the order of any sum.
    """
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            factor = np.float32(a[i, k])
            for j in range(b.shape[1]):
                out[i, j] += factor * b[k, j]
