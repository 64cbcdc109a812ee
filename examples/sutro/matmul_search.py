"""Search for a cheap matrix product under Model 1 ("simplified Dally"), from the naive one, and prove what is found.

    python examples/sutro/matmul_search.py 16 --seconds 540 --jobs 2 --seed 1 --out matmul_16.ir --figure matmul_16.png

Ctrl-C ends the search; the best program so far is proved and written all the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from memsim.locality.optimise.bound import allocation_bound
from memsim.locality.optimise.reallocate import cost_by_kind
from memsim.locality.optimise.search import Found, search_product
from memsim.locality.optimise.values import lives_of
from memsim.locality.scalar import dally1
from memsim.locality.scalar.program import ScalarProgram, write
from memsim.locality.scalar.symbolic import prove_product
from memsim.locality.scalar.text import parse
from memsim.report.figures.style import CYCLE, FAINT, colour_of, new_figure, save, styled

PUBLISHED = {4: (1_316, 667), 16: (340_704, 63_290)}
"""Naive and best on the Sutro Group's public leaderboards, autumn 2026."""


def naive(n: int) -> ScalarProgram:
    """``C = A B`` in the order ijk: A from address 1, then B, C and one temporary; the product of k = 0 writes C."""
    a, b, c, tmp = 1, n * n + 1, 2 * n * n + 1, 3 * n * n + 1
    steps: list[tuple[object, ...]] = []
    for i in range(n):
        for j in range(n):
            steps.append(("mul", c + i * n + j, a + i * n, b + j))
            for k in range(1, n):
                steps.append(("mul", tmp, a + i * n + k, b + k * n + j))
                steps.append(("add", c + i * n + j, c + i * n + j, tmp))
    return parse(write(range(1, c), steps, range(c, c + n * n)))


def search(n: int, seconds: float, seed: int, jobs: int) -> list[Found]:
    """Everything that the search found, in the order of time; what there is when it is interrupted."""
    history: list[Found] = []
    console = Console(stderr=True)
    with console.status("simple tilings") as status:
        try:
            for found in search_product(naive(n), n, seconds=seconds, seed=seed, jobs=jobs):
                if not history or found.stage != history[-1].stage:
                    console.print(f"{found.seconds:6.1f} s  {found.cost:>8,}  {found.stage}", highlight=False)
                status.update(f"{found.stage}: {found.cost:,} after {found.seconds:.0f} of {seconds:.0f} s")
                history.append(found)
        except KeyboardInterrupt:
            console.print("interrupted: this is the best so far")
    return history


def report(n: int, history: list[Found], program: ScalarProgram) -> None:
    """What each stage reached, the proof, where the cost sits, and the leaderboard's numbers."""
    start = dally1.score(naive(n)).cost
    print(f"naive {start:,}")
    for stage in dict.fromkeys(found.stage for found in history):
        last = [found for found in history if found.stage == stage][-1]
        print(f"{stage} {last.cost:,} after {last.seconds:.1f} s")
    score = dally1.score(program)
    proof = prove_product(program)
    print(f"{score}; {len(program):,} instructions; correct: {proof.holds} ({proof.reason})")
    print(f"no addresses make this order cheaper than {allocation_bound(lives_of(history[-1].schedule)):,}")
    groups = ["A"] * n**2 + ["B"] * n**2
    for kind, cost in sorted(cost_by_kind(program, groups).items(), key=lambda entry: -entry[1]):
        print(f"  {kind:14} {cost:>8,}  {cost / score.cost:.0%}")
    if n in PUBLISHED:
        first, best = PUBLISHED[n]
        print(f"published: naive {first:,}, best {best:,}; this is {score.cost / best - 1:+.2%} of the best")


@styled
def draw(n: int, history: list[Found], program: ScalarProgram, path: Path) -> None:
    """Cost over time, and where the cost of the last program sits."""
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    costs = [found.cost for found in history]
    low = min([*costs, *PUBLISHED.get(n, ())])
    shown = [found for found in history if found.cost < 1.09 * low]  # new addresses alone lie far above
    for stage, colour in zip(dict.fromkeys(found.stage for found in shown), CYCLE, strict=False):
        reached = [found for found in shown if found.stage == stage]
        left.plot([f.seconds for f in reached], [f.cost for f in reached], "o-", ms=3, color=colour, label=stage)
    if n in PUBLISHED:
        left.axhline(PUBLISHED[n][1], color=FAINT, ls="--", lw=1, label=f"published best, {PUBLISHED[n][1]:,}")
    left.set(title=f"{n} x {n} product", xlabel="seconds", ylabel="cost, Model 1", ylim=(0.99 * low, 1.09 * low))
    left.legend()
    kinds = sorted(cost_by_kind(program, ["A"] * n**2 + ["B"] * n**2).items(), key=lambda entry: entry[1])
    colours = colour_of(name for name, _ in kinds)
    right.barh([name for name, _ in kinds], [cost for _, cost in kinds], color=[colours[name] for name, _ in kinds])
    right.set(title="What is read", xlabel="cost")
    print(f"figure: {save(figure, path)}")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, nargs="?", default=4, help="rows of the matrices")
    parser.add_argument("--seconds", type=float, default=20, help="how long to search")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, help="where to write the program")
    parser.add_argument("--figure", type=Path, help="where to draw cost over time")
    given = parser.parse_args(arguments)
    if not 2 <= given.n <= 32 or given.jobs < 1 or given.seconds <= 0:
        parser.error("n is from 2 to 32, jobs at least 1, seconds above 0")
    history = search(given.n, given.seconds, given.seed, given.jobs)
    if not history:
        sys.exit("interrupted before anything was found")
    program = history[-1].program()
    if given.out:
        given.out.write_text(str(program), encoding="utf-8")
    report(given.n, history, program)
    if given.figure:
        draw(given.n, history, program, given.figure)


if __name__ == "__main__":
    main(sys.argv[1:])
