"""Symmetry of a vector of bits (Rumelhart, Hinton and Williams, 1986): 1 if it equals its reverse, else 0.

Each pair of bits is compared, and the answers are joined by `and`. Every input is read once, so the inputs lie as near
as they can; answers take the addresses of inputs that were read already.
"""

import argparse
from pathlib import Path

from memsim.locality.challenges import CHALLENGES, verify
from memsim.locality.scalar import dally1
from memsim.locality.scalar.place import place_by_reads
from memsim.locality.scalar.text import parse


def symmetry(n: int) -> str:
    """The text of the program for an even number of bits."""
    steps: list[tuple[object, ...]] = [("cmp", "all", ("bit", 0), ("bit", n - 1), "eq")]
    for i in range(1, n // 2):
        steps.append(("cmp", "same", ("bit", i), ("bit", n - 1 - i), "eq"))
        steps.append(("and", "all", "all", "same"))
    return place_by_reads([("bit", i) for i in range(n)], steps, ["all"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sizes", nargs="*", type=int, default=[6, 16], help="bits")
    options.add_argument("--out", type=Path, help="a folder for the texts of the programs")
    chosen = options.parse_args()
    for n in chosen.sizes:
        program = parse(symmetry(n))
        score = dally1.score(program, "int8")
        correct, reason = verify(program, CHALLENGES[f"symmetry-{n}"])
        results[n] = score.cost, correct
        print(f"symmetry-{n:<3} {len(program):7,} operations, cost {score.cost:9,}, correct: {correct}, {reason}")
        if chosen.out:
            chosen.out.mkdir(parents=True, exist_ok=True)
            (chosen.out / f"symmetry-{n}.ir").write_bytes(program.text)


results: dict[int, tuple[int | float, bool | None]] = {}

if __name__ == "__main__":
    main()
