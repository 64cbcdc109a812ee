"""A matrix product on the spatial computer in three ways, which differ in what gets in each other's way.

Cores copy the blocks of A and B that they need, word by word, and add up their block of the product. ``corner``: A
and B lie in the tile at the corner. ``straight``: they are spread over all tiles, and the cores of a row want the same
block at the same time. ``skewed``: each begins with another block (Cannon's order). To the serial scorer the last
two are the same, and the first has longer ways.

    python examples/sutro/spatial_matmul.py [PNG] [--size N]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from memsim.locality import spatial
from memsim.report.figures import style

CELLS = spatial.nearest_cells().tolist()
SIDE = spatial.PUBLISHED.side
WAYS = ("corner", "straight", "skewed")
COLOURS = {"corner": style.ORANGE, "straight": style.VERMILLION, "skewed": style.BLUE}
COPY_A, COPY_B, SUM, A, B = range(5)

Cell = tuple[int, int]
Results = dict[tuple[str, int], spatial.SpatialResult]


class Layout:
    """Where the words of an n x n product on p x p tiles lie."""

    def __init__(self, size: int, p: int, way: str) -> None:
        self.size, self.p, self.block, self.way = size, p, size // p, way

    def word(self, tile: Cell, number: int) -> Cell:
        """The word of a tile that is so far from its core; 0 is the nearest, the temporary one."""
        u, v = CELLS[number]
        return tile[0] * SIDE + u, tile[1] * SIDE + v

    def own(self, tile: Cell, area: int, row: int, column: int) -> Cell:
        """A word of a core's own block."""
        return self.word(tile, 1 + (area * self.block + row) * self.block + column)

    def given(self, area: int, row: int, column: int) -> Cell:
        """A word of A or B."""
        b = self.block
        if self.way == "corner":
            return self.word((0, 0), 1 + 3 * b**2 + ((area - A) * self.size + row) * self.size + column)
        return self.own((column // b, row // b), area, row % b, column % b)

    def matrix(self, area: int) -> list[Cell]:
        """The cells of A or B, row by row."""
        return [self.given(area, *divmod(k, self.size)) for k in range(self.size**2)]

    def result(self) -> list[Cell]:
        """The cells of the product, row by row."""
        b = self.block
        places = [divmod(k, self.size) for k in range(self.size**2)]
        return [self.own((column // b, row // b), SUM, row % b, column % b) for row, column in places]


def product(size: int, p: int, way: str) -> spatial.SpatialProgram:
    """``C = A B``; A and B are in place, and so is C when it ends."""
    layout = Layout(size, p, way)
    every = [(i, j) for j in range(p) for i in range(p)]
    steps = (
        step
        for turn in range(p)
        for i, j in every
        for step in one_turn(layout, (i, j), (turn + (i + j if way == "skewed" else 0)) % p, turn)
    )
    return spatial.SpatialProgram.of(steps, layout.matrix(A) + layout.matrix(B), layout.result())


def one_turn(layout: Layout, tile: Cell, k: int, turn: int) -> Iterator[tuple[Any, ...]]:
    """Core (i, j) adds the product of block k of row j of A and of column i of B."""
    b, (i, j) = layout.block, tile
    words = [(r, c) for r in range(b) for c in range(b)]
    for r, c in words:
        yield tile, "copy", layout.own(tile, COPY_A, r, c), layout.given(A, j * b + r, k * b + c)
    for r, c in words:
        yield tile, "copy", layout.own(tile, COPY_B, r, c), layout.given(B, k * b + r, i * b + c)
    temporary = layout.word(tile, 0)
    for r, c in words:
        total = layout.own(tile, SUM, r, c)
        for m in range(b):
            first = turn == m == 0
            factors = layout.own(tile, COPY_A, r, m), layout.own(tile, COPY_B, m, c)
            yield tile, "mul", total if first else temporary, *factors
            if not first:
                yield tile, "add", total, total, temporary


# The figure -----------------------------------------------------------------------------------------------------------


@style.styled
def figure_of(results: Results, size: int) -> Figure:
    """Words on links with A and B in a corner and spread out, speed-up over tiles, and where the time went."""
    shown = min(8, max(p for _, p in results))
    figure = style.new_figure(10.5, 8.6)
    (corner, spread), (speed_up, time) = figure.subplots(2, 2)
    links(corner, results["corner", shown], shown, "A and B in the tile at the corner")
    links(spread, results["straight", shown], shown, "A and B spread out")
    speed(speed_up, results)
    shares(time, {way: results[way, shown] for way in WAYS}, shown)
    figure.suptitle(f"Product of two {size} x {size} matrices on the spatial computer", x=0.01, ha="left")
    return figure


def links(axes: Axes, result: spatial.SpatialResult, p: int, title: str) -> None:
    """Each link as a line, by the words that pass it."""
    segments, words = [], []
    for way, (dx, dy) in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1))):
        for j in range(p):
            for i in range(p):
                if 0 <= i + dx < p and 0 <= j + dy < p:
                    x, y = i + 0.12 * dy + 0.2 * dx, j - 0.12 * dx + 0.2 * dy
                    segments.append([(x, y), (x + 0.6 * dx, y + 0.6 * dy)])
                    words.append(int(result.links[way, j, i]))
    lines = LineCollection(segments, array=np.array(words), cmap="viridis_r", linewidths=4)
    axes.add_collection(lines)
    axes.scatter(*np.divmod(np.arange(p * p), p), s=26, color=style.GREY, marker="s", zorder=3)
    axes.set(xlim=(-0.6, p - 0.4), ylim=(-0.6, p - 0.4), aspect="equal", title=f"{title}, {p * p} tiles")
    axes.set(xlabel="column of tiles", ylabel="row of tiles")
    axes.figure.colorbar(lines, ax=axes, label="words on a link", shrink=0.85)


def speed(axes: Axes, results: Results) -> None:
    """Time on one tile over the makespan on more, and over what the serial scorer says."""
    sizes = sorted({p for _, p in results})
    tiles = [p * p for p in sizes]
    one = results["straight", 1].makespan
    limit = [one / max(results["skewed", p].bounds.values()) for p in sizes]
    axes.plot(tiles, limit, color=style.GREY, linestyle="--", label="bound, spread out")
    for way in WAYS[::-1]:
        axes.plot(tiles, [one / results[way, p].makespan for p in sizes], color=COLOURS[way], marker="o", label=way)
    serial = [one / results["skewed", p].serial_cycles for p in sizes]
    axes.plot(tiles, serial, color=style.INK, marker="s", linestyle=":", label="serial scorer, spread out")
    axes.set(xscale="log", yscale="log", xlabel="tiles", ylabel="times as fast as one tile", title="Speed-up")
    axes.set_xticks(tiles, [str(n) for n in tiles])
    axes.minorticks_off()
    axes.grid(visible=True)
    axes.set_ylim(bottom=0.02)
    axes.legend(loc="lower left")


def shares(axes: Axes, results: dict[str, spatial.SpatialResult], p: int) -> None:
    """Cycles of the mean core, by what it did."""
    names = ("working", "waiting for links", "waiting for scratchpads", "done")
    bottom = np.zeros(len(results))
    for name, colour in zip(names, (style.GREEN, style.PURPLE, style.YELLOW, style.PALE), strict=True):
        heights = np.array([r.shares[name] * r.makespan for r in results.values()])
        axes.bar(list(results), heights, 0.55, bottom=bottom, color=colour, label=name)
        bottom += heights
    axes.set(
        ylabel="cycles of the mean core", title=f"Where the time went, {p * p} tiles", ylim=(0, 1.1 * bottom.max())
    )
    axes.legend(loc="upper right")


def main() -> Results:
    """Run all three on 1 to 256 tiles; print a table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("png", nargs="?", default="out/spatial_matmul.png")
    parser.add_argument("--size", type=int, default=16, help="rows of the matrices: 16 or 32")
    options = parser.parse_args()
    found: Results = {}
    title = f"{options.size} x {options.size} product"
    print(f"{title:<19}energy, nJ   serial  makespan     bound   waits: links scratchpads")
    for p in (1, 2, 4, 8, 16):
        for way in WAYS:
            result = found[way, p] = spatial.simulate(product(options.size, p, way))
            waits = [f"{result.shares[f'waiting for {cause}']:12.1%}" for cause in ("links", "scratchpads")]
            print(
                f"{p * p:4} tiles, {way:<9} {result.energy_fj / 1e6:9.3f} {result.serial_cycles:9,}"
                f" {result.makespan:9,} {max(result.bounds.values()):9,}{''.join(waits)}"
            )
    Path(options.png).parent.mkdir(parents=True, exist_ok=True)
    print("wrote", style.save(figure_of(found, options.size), options.png))
    return found


if __name__ == "__main__":
    results = main()
