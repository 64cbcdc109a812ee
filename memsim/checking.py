"""`check` tells whether a compiled program computes what numpy computes from the same graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.isa import Program
    from memsim.workloads import Node

TOLERANCES = {
    "fp32": 1e-4,  # sums of up to some 10^5 products in fp32, in another order than the reference's
    "fp16": 4 * 2.0**-10,  # four roundings apart, in the type's epsilon
    "bf16": 4 * 2.0**-7,
    "fp8_e4m3": 2 * 2.0**-3,  # two: intermediates of fp8 programs are wider
    "fp8_e5m2": 2 * 2.0**-2,
    "int8": 0.0,
    "int32": 0.0,
}
"""Largest relative error that passes, by the narrowest type in the graph that rounds."""


@dataclass(frozen=True)
class Check:
    """Outcome of comparing a program's values with the reference."""

    max_rel_err: float
    """Largest error of any element of any output: ``|got - want| / max(|want|, rms(want))``."""
    tolerance: float
    """Largest error that passes."""
    elements: int
    """Elements that were compared."""
    worst: str
    """The output and place of the largest error, such as ``C[3, 17]``."""

    @property
    def passed(self) -> bool:
        """Whether every element is within the tolerance (NaN never is)."""
        return self.max_rel_err <= self.tolerance

    def __str__(self) -> str:
        verdict = "numbers right" if self.passed else "numbers WRONG"
        return (
            f"{verdict}: {self.elements:,} values against numpy, max relative error {self.max_rel_err:.2g} "
            f"at {self.worst} (tolerance {self.tolerance:.2g})"
        )


def check(
    graph: Node | Sequence[Node],
    program: Program,
    *,
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    cores: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Check:
    """Run ``program`` on numpy, tile by tile, and compare its outputs with the graph's own evaluation.

    Parameters
    ----------
    graph
        The node or nodes that the program was compiled from.
    program
        The tile program; its tensors have the names of the graph's inputs and outputs.
    inputs
        An array for each input; random ones if not given.
    seed
        Of the random inputs.
    tolerance
        Largest relative error that passes; by default that of the narrowest type in the graph (`TOLERANCES`).
    cores
        Cores to run on, for a program that keeps tensors in the cores and does not say itself how many.
    progress
        Called with (blocks done, blocks in all).
    """
    from memsim.isa import interpret
    from memsim.workloads import output_names, random_inputs, reference

    roots = [graph] if not isinstance(graph, Sequence) else list(graph)
    given = random_inputs(roots, seed) if inputs is None else inputs
    wanted = dict(zip(output_names(roots), reference(roots, given), strict=True))
    missing = [name for name in wanted if all(tensor.name != name for tensor in program.tensors)]
    if missing:
        raise MemsimError(
            f"the program has no tensor {missing[0]!r}",
            where=f"check of {program.name}",
            mend="give the graph that it was compiled from",
        )
    got = interpret(program, given, cores=cores, progress=progress)
    errors = [_largest_error(name, got[name], want) for name, want in wanted.items()]
    error, worst = max(errors, key=lambda e: (e[0] != e[0], e[0]))  # NaN is the worst of all
    limit = _tolerance(roots) if tolerance is None else tolerance
    return Check(error, limit, sum(want.size for want in wanted.values()), worst)


def _largest_error(name: str, got: Any, want: Any) -> tuple[float, str]:
    """The largest relative error of an output, and where it is."""
    import numpy as np

    exact = np.asarray(want, dtype=np.float64)
    difference = np.abs(np.asarray(got, dtype=np.float64).reshape(exact.shape) - exact)
    floor = np.sqrt(np.mean(exact**2)) or 1.0
    error = difference / np.maximum(np.abs(exact), floor)
    place = np.unravel_index(int(np.argmax(error)), error.shape)  # argmax takes a NaN for the largest
    return float(error[place]), f"{name}[{', '.join(str(int(i)) for i in place)}]"


def _tolerance(roots: Sequence[Node]) -> float:
    from memsim.workloads import walk

    return max(TOLERANCES[node.dtype] for node in walk(roots))
