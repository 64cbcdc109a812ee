"""What it takes to score programs with loops: ``python benchmarks/loops.py``.

First programs of sizes that nobody unrolls; then sizes that can be unrolled, with the time of the same score by way of
the text: reading it, checking it and counting. Times are the best of some runs, after one that compiles.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from memsim.locality.loops import (
    LoopProgram,
    check_initialised,
    naive_matmul,
    nearest_neighbour,
    parse,
    score,
    tiled_matmul,
    unroll,
)
from memsim.locality.scalar import dally1, dally2
from memsim.locality.scalar.text import parse as parse_scalar

LARGE = {
    "nearest neighbour 600/600/9": lambda tape: nearest_neighbour(600, 600, 9),
    "naive product 512": lambda tape: naive_matmul(512, tape),
    "tiled product 512/32": lambda tape: tiled_matmul(512, 32, tape),
    "naive product 8192": lambda tape: naive_matmul(8192, tape),
    "tiled product 8192/8": lambda tape: tiled_matmul(8192, 8, tape),
    "tiled product 8192/32": lambda tape: tiled_matmul(8192, 32, tape),
    "tiled product 8192/128": lambda tape: tiled_matmul(8192, 128, tape),
}

UNROLLED = {
    "naive product 32": lambda tape: naive_matmul(32, tape),
    "naive product 64": lambda tape: naive_matmul(64, tape),
    "naive product 128": lambda tape: naive_matmul(128, tape),
    "tiled product 64/8": lambda tape: tiled_matmul(64, 8, tape),
    "nearest neighbour 60/60/9": lambda tape: nearest_neighbour(60, 60, 9),
}


def best(work: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest run after one that compiles."""
    work()
    times = []
    for _ in range(repeats):
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return min(times)


def fresh(program: LoopProgram) -> LoopProgram:
    """The program anew, so that nothing is remembered from earlier runs."""
    return LoopProgram(program.regions, program.body, program.notes)


def large() -> None:
    print(f"{'loop form':28} {'instructions':>18} {'proof ms':>9}  {'model':6} {'cost':>29} {'score ms':>9}")
    for name, make in LARGE.items():
        for model, tape in (("dally1", False), ("dally2", True)):
            if model == "dally1" and name.startswith("nearest"):
                continue  # it needs the tape
            program = make(tape)
            found = score(program, model)
            proof = best(lambda p=program: check_initialised(fresh(p)))  # type: ignore[misc]
            whole = best(lambda p=program, m=model: score(fresh(p), m))  # type: ignore[misc]
            print(
                f"{name:28} {program.instructions:18,} {1e3 * proof:9.2f}  {model:6} "
                f"{found.cost:24,} {'fJ' if tape else '':4} {1e3 * whole:9.2f}"
            )


def unrolled() -> None:
    print(f"\n{'both forms':28} {'instructions':>18}  {'model':6} {'loops ms':>9} {'text ms':>9} {'ratio':>7}")
    for name, make in UNROLLED.items():
        for model, tape, price in (("dally1", False, dally1.score), ("dally2", True, dally2.score)):
            if model == "dally1" and name.startswith("nearest"):
                continue
            program = make(tape)
            loops, text = str(program), str(unroll(program))
            assert score(program, model).cost == price(parse_scalar(text)).cost
            ours = best(lambda t=loops, m=model: score(parse(t), m))  # type: ignore[misc]
            theirs = best(lambda t=text, p=price: p(parse_scalar(t)), 3)  # type: ignore[misc]
            times = f"{1e3 * ours:9.2f} {1e3 * theirs:9.2f} {theirs / ours:7.1f}"
            print(f"{name:28} {program.instructions:18,}  {model:6} {times}")


def main() -> None:
    large()
    unrolled()


if __name__ == "__main__":
    main()
