"""What a kernel of a matrix product is: its tile, how deep it runs ahead, and how tiles are dealt to the cores."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """C[m, n] = A[m, k] by the transpose of B[n, k], ``batch`` times."""

    m: int
    n: int
    k: int
    dtype: str
    out: str
    """Type of C."""
    sum: str
    """Type of the sums."""
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Tiling:
    """A kernel of the catalogue."""

    m: int
    """Rows of a tile of C."""
    n: int
    """Columns of a tile of C."""
    k: int
    """Depth of a step."""
    stages: int
    """Steps that operands run ahead."""
    residents: int = 1
    """Blocks that a core holds at once."""
    high: int = 1
    """Blocks of a cluster one below the other, which share what they load of B."""
    wide: int = 1
    """Blocks of a cluster side by side, which share what they load of A."""
    accumulators: int = 1
    """2 where one tile is stored while the next is multiplied."""
    persistent: bool = False
    """Whether blocks stay and take tile after tile, operands of the next running ahead."""
    turned: bool = False
    """Whether columns of C are the rows of the matrix unit, as where C is low."""

    @property
    def cluster(self) -> int:
        """Blocks of a cluster."""
        return self.high * self.wide

    def __str__(self) -> str:
        return f"{self.m} x {self.n} x {self.k}, {self.stages} stages"


@dataclass(frozen=True, slots=True)
class Plan:
    """A kernel, and how it covers a product."""

    tiling: Tiling
    splits: int = 1
    """Parts of k, summed by a second kernel."""
    group: int = 8
    """Rows of tiles that are taken together, column by column."""

    def tiles(self, problem: Problem) -> tuple[int, int]:
        """Rows and columns of tiles of one matrix; whole clusters."""
        high, wide = self.tiling.high, self.tiling.wide
        return -(-problem.m // (self.tiling.m * high)) * high, -(-problem.n // (self.tiling.n * wide)) * wide

    def steps(self, problem: Problem) -> int:
        """Steps along k of a tile, or of a part of it."""
        return -(-self._steps(problem) // self.splits)

    def _steps(self, problem: Problem) -> int:
        return -(-problem.k // self.tiling.k)

    def pieces(self, problem: Problem) -> int:
        """Tiles of all matrices, times the parts along k."""
        return math.prod(self.tiles(problem)) * problem.batch * self.splits

    def __str__(self) -> str:
        words = [str(self.tiling)]
        if self.tiling.residents > 1:
            words.append(f"{self.tiling.residents} blocks a core")
        if self.tiling.cluster > 1:
            words.append(f"clusters of {self.tiling.high} x {self.tiling.wide}")
        if self.tiling.persistent:
            words.append("persistent")
        if self.splits > 1:
            words.append(f"{self.splits} splits")
        return ", ".join(words)
