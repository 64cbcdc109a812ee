"""Orders of a matrix product ``C = A B``: the iteration space in blocks, each run as chains of products.

A *step* is a row ``(i0, i1, j0, j1, k0, k1, flags)``: the sums over ``k0 <= k < k1`` for a tile of C. For each
element of the tile there is one *chain*: its products are added up in a near sum, which is added to what C holds once
for the whole chain. Flags add up: `COLUMNS_OUTSIDE` runs rows inside columns, `ROWS_BACK`, `COLUMNS_BACK` and `K_BACK`
run them from the last to the first, and `SUM_FIRST` begins a chain with what C holds instead of ending it so.
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled
from memsim.locality.optimise.values import Schedule
from memsim.locality.scalar.instructions import Op
from memsim.locality.shells import Array

COLUMNS_OUTSIDE, ROWS_BACK, COLUMNS_BACK, K_BACK, SUM_FIRST = 1, 2, 4, 8, 16


def product_schedule(n: int, steps: Array) -> Schedule:
    """The schedule of ``C = A B`` for ``n`` by ``n`` matrices, without copies.

    Inputs are A and then B, outputs C, all row by row.
    """
    ops, sources, outputs = _product(n, steps)
    return Schedule(2 * n * n, ops, sources, outputs)


@compiled
def _product(n: int, steps: Array) -> tuple[Array, Array, Array]:
    most = 2 * n * n * n
    ops, sources = np.empty(most, np.int8), np.full((most, 3), -1, np.int32)
    held = np.full(n * n, -1, np.int32)
    at, inputs = 0, 2 * n * n
    for s in range(len(steps)):
        i0, i1, j0, j1, k0, k1, flags = steps[s]
        outer, inner = i1 - i0, j1 - j0
        if flags & COLUMNS_OUTSIDE:
            outer, inner = inner, outer
        for x in range(outer):
            for y in range(inner):
                p, q = (y, x) if flags & COLUMNS_OUTSIDE else (x, y)
                i = i1 - 1 - p if flags & ROWS_BACK else i0 + p
                j = j1 - 1 - q if flags & COLUMNS_BACK else j0 + q
                total = held[i * n + j]
                pending = -1
                if flags & SUM_FIRST == 0:
                    total, pending = -1, total
                for z in range(k1 - k0):
                    k = k1 - 1 - z if flags & K_BACK else k0 + z
                    ops[at], sources[at, 0], sources[at, 1] = Op.MUL, i * n + k, n * n + k * n + j
                    part = inputs + at
                    at += 1
                    if total >= 0:
                        ops[at], sources[at, 0], sources[at, 1] = Op.ADD, total, part
                        part = inputs + at
                        at += 1
                    total = part
                if pending >= 0:
                    ops[at], sources[at, 0], sources[at, 1] = Op.ADD, pending, total
                    total = inputs + at
                    at += 1
                held[i * n + j] = total
    return ops[:at], sources[:at], held
