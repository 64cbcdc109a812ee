"""How fast the line-level cache model is: ``python benchmarks/caches.py``; millions of accesses a second."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from memsim.caches import CacheSpec, empty_caches, run, stack_distances

ACCESSES = 1_000_000
REPEATS = 5


def rate(work: Callable[[], object]) -> float:
    """Accesses a second of processor time, the best of some runs after one that compiles."""
    work()
    times = []
    for _ in range(REPEATS):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return ACCESSES / min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    for name, capacity, span in (("hits", 64, 60), ("misses", 64, 10 << 10), ("large cache", 40 << 10, 80 << 10)):
        trace = rng.integers(0, span << 10, ACCESSES)
        for policy in ("lru", "plru", "random"):
            caches = empty_caches(CacheSpec(capacity << 10, policy=policy))
            print(f"{name:12} {policy:8} {rate(lambda c=caches, t=trace: run(c, t)) / 1e6:6.1f} M/s")  # type: ignore[misc]
    for lines in (1 << 10, 1 << 14, 1 << 20):
        trace = rng.integers(0, lines, ACCESSES)
        print(f"stack distances of {lines:8} lines {rate(lambda t=trace: stack_distances(t)) / 1e6:6.1f} M/s")  # type: ignore[misc]


if __name__ == "__main__":
    main()
