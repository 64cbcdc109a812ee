"""How fast scalar programs are read, priced, proved and run: ``python benchmarks/scalar.py``.

Times are those of the processor, so that other work on the machine matters less; with two processes, of the clock.

Beside it stand the figures that the Sutro Group reports of its own tools (autumn 2026): a Python scorer, and a Rust
evaluator on a fast desktop.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from memsim.locality.scalar import dally1
from memsim.locality.scalar.execute import execute
from memsim.locality.scalar.program import write
from memsim.locality.scalar.symbolic import prove_product
from memsim.locality.scalar.text import parse

SIZE = 128
"""Of the matrices whose product is priced and proved."""

OPERATIONS, INSTANCES, ADDRESSES, INPUTS = 58_000, 1_024, 400, 64
"""Of the programs that are run: their size is that of a published program for sparse parity."""

PROGRAMS = 64
"""Programs that differ, of which each is read, checked, priced and run once."""

NAMES = ("add", "sub", "mul", "and", "or", "xor", "not", "copy", "cmp", "select")


def naive_product(n: int) -> str:
    """``C = A B`` in the order ijk, one temporary."""
    a, b, c, tmp = 1, n * n + 1, 2 * n * n + 1, 3 * n * n + 1
    lines: list[tuple[object, ...]] = []
    for i in range(n):
        for j in range(n):
            lines.append(("mul", c + i * n + j, a + i * n, b + j))
            for k in range(1, n):
                lines.append(("mul", tmp, a + i * n + k, b + k * n + j))
                lines.append(("add", c + i * n + j, c + i * n + j, tmp))
    return write(range(1, c), lines, range(c, c + n * n))


def random_program(seed: int) -> bytes:
    """A program of 8-bit instructions; near addresses are used more often than far ones."""
    rng = random.Random(seed)
    near = [int(ADDRESSES ** rng.random()) for _ in range(4 * OPERATIONS)]
    lines: list[tuple[object, ...]] = [("set", d, d % 256) for d in range(INPUTS + 1, ADDRESSES + 1)]
    while len(lines) < OPERATIONS:
        name = rng.choice(NAMES)
        d, x, y, z = (near.pop() for _ in range(4))
        tails: dict[str, tuple[object, ...]] = {"not": (x,), "copy": (x,), "select": (x, y, z)}
        lines.append((name, d, *tails.get(name, (x, y, *(("lt",) if name == "cmp" else ())))))
    return write(range(1, INPUTS + 1), lines, range(1, 33)).encode()


def evaluate(text: bytes) -> int:
    """Read, check, price and run a program; all that there is to do for a new candidate."""
    program = parse(text)
    cost = dally1.score(program, "int8").cost
    inputs = np.random.default_rng(0).integers(-128, 128, (INSTANCES, INPUTS), np.int8)
    return int(cost) + int(execute(program, inputs, "int8").sum(dtype=np.int64))


def evaluate_all(texts: list[bytes]) -> int:
    return sum(map(evaluate, texts))


def seconds(work: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.process_time) -> float:
    """Of processor time (or another clock's), the least of some runs after one that compiles."""
    work()
    times = []
    for _ in range(repeats):
        before = clock()
        work()
        times.append(clock() - before)
    return min(times)


def products() -> None:
    """Price and prove the product of two large matrices."""
    text = naive_product(SIZE).encode()
    program = parse(text)
    print(f"{'naive product, ' + str(SIZE):44} {len(program):12,} operations")
    print(f"{'  read and price it':44} {seconds(lambda: dally1.score(parse(text))):12.2f} s    (their scorer: 25 s)")
    print(f"{'  prove it, once it is read':44} {seconds(lambda: prove_product(program)):12.2f} s")


def candidates() -> None:
    """Evaluate programs of which no two are alike, on one core and on two."""
    texts = [random_program(seed) for seed in range(PROGRAMS)]
    program = parse(texts[0])
    print(f"{PROGRAMS} distinct programs of {OPERATIONS:,} operations, each on {INSTANCES:,} instances")
    inputs = np.random.default_rng(0).integers(-128, 128, (INSTANCES, INPUTS), np.int8)
    for name, work in {
        "read one": lambda: parse(texts[0]),
        "check and price it": lambda: dally1.score(program, "int8"),
        "run it": lambda: execute(program, inputs, "int8"),
    }.items():
        print(f"{'  ' + name:44} {1e3 * seconds(work):12.2f} ms")
    rate = PROGRAMS / seconds(lambda: evaluate_all(texts))
    print(f"{'  all of it, one process':44} {rate:12.0f} programs/s")
    with ProcessPoolExecutor(2) as pool:
        halves = [texts[::2], texts[1::2]]
        rate = PROGRAMS / seconds(lambda: list(pool.map(evaluate_all, halves)), clock=time.perf_counter)
    print(f"{'  all of it, two processes':44} {rate:12.0f} programs/s    (their evaluator: about 155)")


def main() -> None:
    products()
    candidates()


if __name__ == "__main__":
    main()
