"""Does a compiled program compute what the graph means? Tile by tile on numpy, against the independent reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from memsim.isa.interpret import interpret
from memsim.isa.model import Program
from memsim.workloads import Node, inputs_of, output_names, random_inputs, reference
from memsim.workloads.graph import as_roots, walk

Array: TypeAlias = np.ndarray[Any, Any]

TOLERANCE: dict[str, float] = {
    "fp32": 2e-5,
    "fp16": 4e-3,
    "bf16": 3e-2,
    "fp8_e4m3": 0.25,
    "fp8_e5m2": 0.5,
    "int8": 0.0,
    "int32": 0.0,
}
"""Largest error allowed, relative to |expected| + rms(expected): a few roundings to the coarsest type in the graph.

Half a unit in the last place is 2^-24 in fp32, 2^-11 in fp16, 2^-8 in bf16, 2^-4 in fp8_e4m3, 2^-3 in fp8_e5m2."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How far the values of a program are from the reference."""

    max_abs_err: float
    max_rel_err: float
    """Largest error relative to |expected| + rms(expected) of its tensor."""
    ok: bool
    tolerance: float
    """Bound on `max_rel_err`."""
    output: str
    """The result that is furthest off."""

    def __str__(self) -> str:
        verdict = "values agree" if self.ok else "VALUES DIFFER"
        return (
            f"{verdict} with numpy: {self.output} off by {self.max_rel_err:.2g} (relative), "
            f"{self.max_abs_err:.2g} (absolute); tolerance {self.tolerance:.2g}"
        )


def tolerance_of(nodes: Node | Sequence[Node]) -> float:
    """The tolerance of the coarsest type in the graph; that of fp32 for integers that meet floats."""
    dtypes = {node.dtype for node in walk(as_roots(nodes))}
    return max(TOLERANCE[dtype] for dtype in dtypes)


def check(
    program: Program,
    nodes: Node | Sequence[Node],
    inputs: Mapping[str, Array] | None = None,
    seed: int = 0,
) -> CheckReport:
    """Run a program on numpy, tile by tile, and compare its results with the reference of its graph.

    Parameters
    ----------
    program
        What `compile` made of the graph.
    nodes
        The graph.
    inputs
        Values by name; by default random ones.
    seed
        Of the random inputs.
    """
    roots = as_roots(nodes)
    given = random_inputs(roots, seed) if inputs is None else inputs
    found = interpret(program, {name: given[name] for name in inputs_of(roots)}, cores=program.cores)
    expected = reference(roots, given)
    tolerance = tolerance_of(roots)
    errors = [(*_errors(found[name], value), name) for name, value in zip(output_names(roots), expected, strict=True)]
    relative, absolute, name = max(errors, key=lambda error: (np.isnan(error[0]), error[0]))
    return CheckReport(absolute, relative, relative <= tolerance, tolerance, name)


def _errors(found: Array, expected: Array) -> tuple[float, float]:
    """Largest relative and absolute error; values that are equal, infinite or not a number alike, have none."""
    a, b = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    finite = b[np.isfinite(b)]
    rms = float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(error == 0, 0.0, error / (np.abs(b) + rms))
    return float(relative.max()), float(error.max())
