"""Collectives between chips as tile programs: checked, interpreted and simulated like any other.

Each chip is a core of `System.as_chip`; its part of a vector is a tensor of role ``sram``, its DRAM.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memsim.errors import MemsimError
from memsim.isa import DTYPES, Program, interpret
from memsim.lowering.collectives import exchange, halving, rings, trees
from memsim.lowering.collectives.blocks import Blocks
from memsim.lowering.collectives.costs import Terms, bus_factor, terms
from memsim.lowering.collectives.trees import TREES

__all__ = ["COLLECTIVES", "TREES", "Collective", "Terms", "bus_factor", "collective", "terms"]

COLLECTIVES: dict[str, tuple[str, ...]] = {
    "all_reduce": ("ring", "halving_doubling", "tree", "direct"),
    "reduce_scatter": ("ring",),
    "all_gather": ("ring",),
    "all_to_all": ("pairwise",),
    "broadcast": ("tree", "multicast"),
    "reduce": ("tree",),
}
"""The algorithms of each collective, the default first."""
_MOST_CHIPS = 256


@dataclass(frozen=True)
class Collective:
    """A collective as a program, with what it computes."""

    operation: str
    algorithm: str
    chips: int
    elements: int
    """Of the whole vector: what an all-reduce sums, an all-gather puts together."""
    dtype: str
    program: Program

    @property
    def bytes(self) -> int:
        """Bytes of the whole vector."""
        return self.elements * DTYPES[self.dtype].bytes

    @property
    def terms(self) -> Terms:
        """The textbook's cost."""
        return terms(self.operation, self.algorithm, self.chips)

    def bus_bandwidth(self, time_s: float) -> float:
        """Bytes a second that a link carries at least, if the collective takes so long: NCCL's figure of merit."""
        return float(bus_factor(self.operation, self.chips)) * self.bytes / time_s

    def inputs(self, seed: int = 0) -> np.ndarray[Any, Any]:
        """X of each chip, of small integers, so that sums are exact in any order."""
        rng = np.random.default_rng(seed)
        size = self.program.tensor("X").shape[0]
        values = rng.integers(-3, 4, (self.chips, size)).astype(
            self.dtype if self.dtype.startswith("int") else np.float32
        )
        if self.operation == "all_gather":  # what lies beyond the vector is no part of it
            values.reshape(-1)[self.elements :] = 0
        return values

    def expected(self, inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Y of each chip, by numpy; of chip 0 alone for a reduce."""
        n, size = self.chips, self.program.tensor("Y").shape[0]
        total = inputs.sum(axis=0)
        results: dict[str, np.ndarray[Any, Any]] = {
            "all_reduce": np.tile(total, (n, 1)),
            "reduce": total[None],
            "all_gather": np.tile(inputs.reshape(-1)[: self.elements], (n, 1)),
            "broadcast": np.tile(inputs[0], (n, 1)),
        }
        if self.operation == "reduce_scatter":
            return np.pad(total, (0, n * size - total.size)).reshape(n, size)
        if self.operation == "all_to_all":
            return inputs.reshape(n, n, -1).swapaxes(0, 1).reshape(n, -1)
        return results[self.operation]

    def is_right(self, seed: int = 0) -> bool:
        """Whether the program, run by `interpret`, gives what numpy gives."""
        inputs = self.inputs(seed)
        expected = self.expected(inputs)
        found = np.asarray(interpret(self.program, {"X": inputs})["Y"], dtype=np.float32)
        return bool(np.array_equal(found[: len(expected)], expected))


def collective(
    operation: str,
    chips: int,
    elements: int,
    *,
    algorithm: str | None = None,
    dtype: str = "fp32",
    chunk: int | None = None,
    tree: str | Sequence[int] = "binary",
    in_steps: bool = False,
) -> Collective:
    """A collective over the chips of a system.

    Parameters
    ----------
    operation, algorithm
        From `COLLECTIVES`; the first algorithm of an operation is its default.
    chips, elements, dtype
        How many chips, and the size and type of the whole vector.
    chunk
        Most elements of a tile; by default 512 KiB. What is larger is cut, and its pieces follow one another.
    tree
        For algorithm ``tree``: a name from `TREES`, or the parent of each chip (-1 for chip 0, the root).
    in_steps
        For ``halving_doubling`` and ``pairwise``: every step waits for the one before, as the textbook counts.
    """
    _check(operation, algorithm, chips, elements, chunk, in_steps)
    algorithm = algorithm or COLLECTIVES[operation][0]
    if dtype not in DTYPES:
        raise MemsimError(f"unknown dtype {dtype!r}", where=operation, mend=_near(dtype, DTYPES))
    program = _build(operation, algorithm, (chips, elements, dtype, chunk), tree, in_steps)
    return Collective(operation, algorithm, chips, elements, dtype, program)


def _build(
    operation: str, algorithm: str, cut: tuple[int, int, str, int | None], tree: str | Sequence[int], in_steps: bool
) -> Program:
    match algorithm:
        case "ring":
            return getattr(rings, operation)(Blocks.of(*cut))  # type: ignore[no-any-return]
        case "halving_doubling":
            return halving.in_steps(Blocks.of(*cut)) if in_steps else halving.pipelined(Blocks.of(*cut))
        case "direct":
            return exchange.all_reduce(Blocks.of(*cut))
        case "pairwise":
            return exchange.all_to_all(Blocks.even(*cut), in_steps=in_steps)
        case "multicast":
            return trees.multicast(Blocks.whole(*cut))
    return getattr(trees, operation)(Blocks.whole(*cut), _parents(tree, cut[0]))  # type: ignore[no-any-return]


def _check(operation: str, algorithm: str | None, chips: int, elements: int, chunk: int | None, in_steps: bool) -> None:
    if operation not in COLLECTIVES:
        raise MemsimError(f"unknown collective {operation!r}", where="collective", mend=_near(operation, COLLECTIVES))
    known = COLLECTIVES[operation]
    if algorithm is not None and algorithm not in known:
        raise MemsimError(f"no algorithm {algorithm!r}", where=operation, mend=_near(algorithm, known))
    if not 2 <= chips <= _MOST_CHIPS:
        raise MemsimError(f"{chips} chips", where=operation, mend=f"use 2 to {_MOST_CHIPS} chips")
    if elements < 1 or (chunk is not None and chunk < 1):
        raise MemsimError("nothing to move", where=operation, mend="give at least 1 element, and 1 for a chunk")
    if algorithm == "halving_doubling" and chips & (chips - 1):
        raise MemsimError(
            f"{chips} chips are not a power of two", where="halving_doubling", mend="use a power of two, or ring"
        )
    if operation == "all_to_all" and elements % chips:
        mend = f"use {-(-elements // chips) * chips}"
        raise MemsimError(f"{elements} elements are no multiple of {chips} chips", where=operation, mend=mend)
    if in_steps and (algorithm or known[0]) not in ("halving_doubling", "pairwise"):
        raise MemsimError("has no form in steps", where=algorithm or known[0], mend="leave in_steps out")


def _parents(tree: str | Sequence[int], chips: int) -> Sequence[int]:
    if isinstance(tree, str):
        if tree not in TREES:
            raise MemsimError(f"unknown tree {tree!r}", where="tree", mend=_near(tree, TREES))
        return TREES[tree](chips)
    if len(tree) != chips or tree[0] != -1:
        raise MemsimError(f"a tree of {len(tree)} parents for {chips} chips", where="tree", mend="chip 0 is the root")
    for x in range(1, chips):
        seen, at = {x}, tree[x]
        while at != 0:
            if at in seen or not 0 < at < chips:
                raise MemsimError(f"chip {x} does not hang on chip 0", where="tree", mend="give each chip a parent")
            seen.add(at)
            at = tree[at]
    return tree


def _near(name: str, known: Sequence[str] | dict[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else "use one of: " + ", ".join(known)
