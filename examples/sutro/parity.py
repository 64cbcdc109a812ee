"""Sparse parity, learned: from labelled samples to the mask of the bits whose parity the labels are.

The program gets ``m`` samples of ``n`` bits and their labels, and gives the ``n`` bits of the mask. It has no branches
and no loops: Gaussian elimination over GF(2), in which every choice (is this row the pivot? has that row the bit?) is
the answer of a `cmp`, 0 or 1, by which a row is multiplied before it is added. Eight bits are packed into a word. A
word's address follows from how often it is read.

There are eight samples more than bits, so that random samples determine the mask in 99.6 % of all draws; the program is
checked on such draws only. Of samples that do not determine it, the outputs have no meaning. Nothing here uses how few
bits the mask has.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from memsim.locality.challenges import CHALLENGES, SPARE_SAMPLES, verify
from memsim.locality.scalar import dally1
from memsim.locality.scalar.place import place_by_reads
from memsim.locality.scalar.text import parse

Step = tuple[object, ...]


class Layout:
    """Where the bits of a row lie: the columns, then the label, at the end of as few words as hold them."""

    def __init__(self, n: int) -> None:
        self.n, self.words = n, (n + 8) // 8
        self.first = 8 * self.words - (n + 1)

    def place(self, column: int) -> tuple[int, int]:
        """The word of a column, and the number that has its bit alone; column ``n`` is the label."""
        word, bit = divmod(self.first + column, 8)
        return word, 1 << (7 - bit)

    def after(self, column: int) -> range:
        """The words that have columns to the right of one."""
        return range(self.place(column + 1)[0], self.words)


def pack(layout: Layout, m: int) -> Iterator[Step]:
    """Rows of words from bits: twice what is there plus the next bit."""
    for row in range(m):
        for column in range(layout.n + 1):
            word, bit = layout.place(column)
            source = ("label", row) if column == layout.n else ("sample", row, column)
            if column == 0 or bit == 128:
                yield "copy", "t", source
            else:
                yield "add", "t", "t", "t"
                yield "add", "t", "t", source
            if bit == 1:
                yield "copy", ("row", row, word), "t"


def find_pivot(layout: Layout, column: int, rows: range) -> Iterator[Step]:
    """To the first row, add each other row for as long as it lacks the column's bit."""
    here = layout.place(column)[0]
    words = range(here, layout.words)
    for word in words:
        yield "copy", ("pivot", word), ("row", rows[0], word)
    for row in rows[1:]:
        yield "and", "has", ("pivot", here), "bit"
        yield "cmp", "has", "has", "bit", "ne"
        for word in words:
            yield "mul", "t", ("row", row, word), "has"
            yield "xor", ("pivot", word), ("pivot", word), "t"
    for word in words:
        yield "copy", ("upper", column, word), ("pivot", word)


def eliminate(layout: Layout, column: int, rows: range) -> Iterator[Step]:
    """Add the pivot to each row that has the column's bit."""
    here = layout.place(column)[0]
    for row in rows:
        yield "and", "has", ("row", row, here), "bit"
        yield "cmp", "has", "has", "bit", "eq"
        for word in layout.after(column):
            yield "mul", "t", ("pivot", word), "has"
            yield "xor", ("row", row, word), ("row", row, word), "t"


def solve(layout: Layout) -> Iterator[Step]:
    """The mask from its last bit to its first; the bit of a row's label is in ``known`` from the beginning."""
    for word in range(layout.words):
        yield "set", ("known", word), int(word == layout.words - 1)
    for shift in (16, 4, 2):
        yield "set", ("shift", shift), shift
    yield "set", "one", 1
    for column in reversed(range(layout.n)):
        for number, word in enumerate(layout.after(column)):
            yield "and", "u" if number else "t", ("upper", column, word), ("known", word)
            if number:
                yield "xor", "t", "t", "u"
        for shift in (16, 4, 2):
            yield "div", "u", "t", ("shift", shift)
            yield "xor", "t", "t", "u"
        yield "and", ("mask", column), "t", "one"
        word, bit = layout.place(column)
        if column:
            yield "set", "bit", bit
            yield "mul", "u", ("mask", column), "bit"
            yield "or", ("known", word), ("known", word), "u"


def parity(n: int, m: int) -> str:
    """The text of the program for ``m`` samples of ``n`` bits."""
    layout = Layout(n)
    steps = list(pack(layout, m))
    for column in range(n):
        steps.append(("set", "bit", layout.place(column)[1]))
        steps += find_pivot(layout, column, range(column, m))
        if column < n - 1:
            steps += eliminate(layout, column, range(column + 1, m))
    steps += solve(layout)
    samples = [("sample", row, column) for row in range(m) for column in range(n)]
    labels = [("label", row) for row in range(m)]
    return place_by_reads([*samples, *labels], steps, [("mask", column) for column in range(n)])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("sizes", nargs="*", default=["8-2", "20-3", "32-5"], help="bits-of which are in the mask")
    options.add_argument("--out", type=Path, help="a folder for the texts of the programs")
    chosen = options.parse_args()
    for size in chosen.sizes:
        challenge = CHALLENGES[f"parity-{size}"]
        n = int(size.split("-")[0])
        program = parse(parity(n, n + SPARE_SAMPLES))
        score = dally1.score(program)
        correct, reason = verify(program, challenge)
        results[size] = score.cost, correct
        print(f"{challenge.name:12} {len(program):7,} operations, cost {score.cost:9,}, correct: {correct}, {reason}")
        if challenge.published:
            print(f"{'':12} published: {challenge.published}")
        if chosen.out:
            chosen.out.mkdir(parents=True, exist_ok=True)
            (chosen.out / f"parity-{size}.ir").write_bytes(program.text)


results: dict[str, tuple[int | float, bool | None]] = {}

if __name__ == "__main__":
    main()
