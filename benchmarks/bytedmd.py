"""How fast ByteDMD traces and prices: ``python benchmarks/bytedmd.py [n …]``; naive n x n products, warm."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from memsim.locality.tracing import DIALECTS, price, trace

T = TypeVar("T")
SIZES = (16, 32, 64, 128)


def product(a: list[list[Any]], b: list[list[Any]]) -> list[list[Any]]:
    """``C = A B`` in the order ijk, the product of k = 0 first."""
    n = len(a)
    c: list[list[Any]] = [[None] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            s = a[i][0] * b[0][j]
            for k in range(1, n):
                s = s + a[i][k] * b[k][j]
            c[i][j] = s
    return c


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of processor time, and the result."""
    before = time.process_time()
    result = work()
    return time.process_time() - before, result


def main(sizes: list[int]) -> None:
    for dialect in DIALECTS:  # so that compiling is not measured
        price(trace(product, [[[1.0]]] * 2), dialect)
    print(f"{'n':>4} {'operations':>12} {'trace s':>8} " + " ".join(f"{name + ' s':>12}" for name in DIALECTS))
    for n in sizes:
        ones = [[1.0] * n for _ in range(n)]
        seconds, found = timed(lambda ones=ones: trace(product, [ones, ones]))  # type: ignore[misc]
        prices = [timed(lambda d=name, t=found: price(t, d))[0] for name in DIALECTS]  # type: ignore[misc]
        print(f"{n:4} {found.operations:12,} {seconds:8.3f} " + " ".join(f"{one:12.3f}" for one in prices))


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(SIZES))
