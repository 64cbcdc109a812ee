"""How the threads of a workgroup share the elements of a tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

MOST_REGISTERS = 64
"""Elements of one tile that a thread may hold in registers."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A tile of ``rows x columns`` over ``down x across`` threads.

    A thread has every ``down``-th row and every ``across``-th column: neighbouring threads have neighbouring columns,
    and each has a small matrix of elements, its register block.
    """

    rows: int
    columns: int
    down: int
    across: int

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a thread's block."""
        return self.rows // self.down, self.columns // self.across

    @property
    def names(self) -> tuple[str, str]:
        """WGSL names of the thread's place in the grid."""
        return f"ty{self.across}", f"tx{self.across}"


def matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """A tile as a matrix: its last dimension are the columns."""
    return (math.prod(shape[:-1]), shape[-1]) if shape else (1, 1)


@cache
def thread_grid(shape: tuple[int, ...], threads: int) -> Grid:
    """The grid of at most ``threads`` threads in which each reads the fewest operands for its share of a product."""
    rows, columns = matrix_shape(shape)
    choices = [
        Grid(rows, columns, down, across)
        for down in _divisors(rows)
        if down <= threads
        for across in _divisors(columns)
        if down * across <= threads
    ]
    return min(choices, key=lambda g: (math.prod(g.block), sum(g.block), -g.across))


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, min(n, 1024) + 1) if n % d == 0]


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a tile as a thread sees it: WGSL text of its number, and its register where tiles have those."""

    flat: str
    register: int | None = None
    matrix: tuple[str, str, int] | None = None
    """Row, column, and the number of columns, where they are known apart."""

    def along(self, shape: Sequence[int]) -> list[str]:
        """Its index in each dimension of ``shape``."""
        if self.matrix is not None and len(shape) == 2 and shape[1] == self.matrix[2]:
            return [self.matrix[0], self.matrix[1]]
        out, stride = [], math.prod(shape)
        for position, size in enumerate(shape):
            stride //= size
            text = self.flat if stride == 1 else f"({self.flat} / {stride}u)"
            out.append("0u" if size == 1 else text if position == 0 else f"({text} % {size}u)")
        return out


def linear(total: int, threads: int, body: Callable[[Element], Sequence[str]]) -> Iterator[str]:
    """Thread t takes elements t, t + threads and so on."""
    if total > threads:
        yield f"for (var i = lid; i < {total}u; i += {threads}u) {{"
    elif total < threads:
        yield f"if (lid < {total}u) {{ let i = lid;"
    else:
        yield "{ let i = lid;"
    yield from body(Element("i"))
    yield "}"


def blocked(grid: Grid, threads: int, body: Callable[[Element], Sequence[str]]) -> Iterator[str]:
    """Each thread takes the elements of its register block, written out."""
    yield f"if (lid < {grid.down * grid.across}u) {{" if grid.down * grid.across < threads else "{"
    for number, (row, column) in enumerate(block_places(grid)):
        flat = f"({row} * {grid.columns}u + {column})" if grid.rows > 1 else column
        yield "{"
        yield from body(Element(flat, number, (row, column, grid.columns)))
        yield "}"
    yield "}"


def block_places(grid: Grid) -> list[tuple[str, str]]:
    """Row and column of each element of a thread's block, as text."""
    y, x = grid.names
    rows, columns = grid.block
    return [(_plus(y, r * grid.down), _plus(x, c * grid.across)) for r in range(rows) for c in range(columns)]


def _plus(name: str, offset: int) -> str:
    return f"({name} + {offset}u)" if offset else name
