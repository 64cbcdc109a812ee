"""How fast spatial programs run with contention: ``python benchmarks/spatial.py``.

Instructions and word moves (a word over a link, through a scratchpad or a port) a second of processor time, without
the compilation: of the whole of `simulate`, and of the engine alone.
"""

from __future__ import annotations

import time

import numpy as np

from memsim.locality.spatial import PUBLISHED, SpatialProgram, fast, simulate
from memsim.locality.spatial.accesses import accesses_of, tile_numbers
from memsim.locality.spatial.order import order_of

CASES = (
    ("1 core, its own words", 1, 1, 500_000, 0.0),
    ("16 x 16 cores, 30 % read another tile", 16, 16, 500_000, 0.3),
    ("16 x 16 cores, all read another tile", 16, 16, 500_000, 1.0),
    ("250 x 125 cores, 5 % read another tile", 250, 125, 1_000_000, 0.05),
)


def additions(columns: int, rows: int, count: int, remote: float) -> SpatialProgram:
    """Additions of random words on random cores; a share of the first operands lies in a random tile."""
    generator = np.random.default_rng(1)

    def tiles() -> np.ndarray:
        return np.stack((generator.integers(columns, size=count), generator.integers(rows, size=count)), axis=1)

    cores = tiles()
    positions = np.full((count, 4, 2), -1)
    for k in range(3):
        inside = np.stack((generator.integers(128, size=count), generator.integers(32, size=count)), axis=1)
        far = (generator.random(count) < remote)[:, None] if k == 1 else np.zeros((count, 1), bool)
        positions[:, k] = np.where(far, tiles(), cores) * 128 + inside
    words = np.unique(positions[:, :3].reshape(-1, 2), axis=0)
    ops, immediates = np.zeros(count, np.int8), np.zeros(count, np.int64)
    return SpatialProgram.from_columns(ops, cores, positions, immediates, words, words[:1])


def main() -> None:
    simulate(additions(2, 2, 100, 0.5), PUBLISHED)
    print(f"{'':40} {'instructions/s':>16} {'of the engine':>14} {'word moves/s':>13} {'waits':>9}")
    for name, columns, rows, count, remote in CASES:
        program = additions(columns, rows, count, remote)
        start = time.process_time()
        result = simulate(program, PUBLISHED)
        whole = time.process_time() - start
        accesses = accesses_of(program, PUBLISHED)
        order = order_of(tile_numbers(program, PUBLISHED), program.operands, len(program.cells))
        start = time.process_time()
        fast.run(accesses, order, PUBLISHED)
        engine = time.process_time() - start
        moves = result.serial_cycles / engine
        print(
            f"{name:40} {count / whole:16,.0f} {count / engine:14,.0f} {moves:13,.0f} {result.stalls[:, 1:].sum():9,}"
        )


if __name__ == "__main__":
    main()
