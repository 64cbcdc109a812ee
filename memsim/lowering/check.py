"""Does a compiled program compute what the graph means? Tile by tile on numpy, against the independent reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import GIVE_A_PROGRAM, ProgramError, WorkloadError, check_kind
from memsim.isa.interpret import interpret
from memsim.isa.model import Program
from memsim.workloads import Node, inputs_of, output_names, random_inputs, reference
from memsim.workloads.graph import as_roots, walk

Array: TypeAlias = np.ndarray[Any, Any]

TOLERANCE: dict[str, float] = {
    "fp32": 2e-5,
    "fp16": 2**-9,
    "bf16": 2**-7,
    "fp8_e4m3": 2**-3,
    "fp8_e5m2": 2**-2,
    "int8": 0.0,
    "int32": 0.0,
}
"""Error allowed for each operation, relative to |expected| + rms(expected), by the coarsest type in the graph.

One unit in the last place (two of them in fp16, where normal numbers end early): a result that lies between two
numbers may be rounded either way. In fp32 it is the order of sums that counts, a few hundred units."""

MOST_OPERATIONS = 4  # errors of more operations after one another average out
ROUNDINGS = {"attention": 4, "decode_attention": 4, "softmax": 2, "log_softmax": 2, "exp": 2}
"""Operations that count for more than one: an exponential makes of an absolute error a relative one."""
ANGLE = 2.0**-23  # error of a rotary angle in fp32, relative to its size: up to the last position, in radians


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
    """Largest error that roundings explain, relative to |expected| + rms(expected)."""
    depth: dict[int, int] = {}
    angle = 0.0
    each = 0.0
    for node in walk(as_roots(nodes)):
        own = 0 if node.op in ("input", "transpose", "append") else ROUNDINGS.get(node.op, 1)
        depth[id(node)] = own + max((depth[id(arg)] for arg in node.nodes), default=0)
        each = max(each, TOLERANCE[node.dtype])
        if node.op == "rope":
            last = node.attributes["offset"] + node.attributes["step"] * (node.shape[-2] - 1)
            angle = max(angle, ANGLE * (last + 1))
    return each * min(max(depth.values()), MOST_OPERATIONS) + angle


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
    check_kind(program, Program, "check", GIVE_A_PROGRAM)
    roots = as_roots(nodes)
    _check_results(program, roots)
    given = random_inputs(roots, seed) if inputs is None else inputs
    if missing := [name for name in inputs_of(roots) if name not in given]:
        raise WorkloadError(f"no value for input {missing[0]}", where="check", mend="give an array for each input")
    found = interpret(program, {name: given[name] for name in inputs_of(roots)}, cores=program.cores)
    expected = reference(roots, given)
    tolerance = tolerance_of(roots)
    errors = [(*_errors(found[name], value), name) for name, value in zip(output_names(roots), expected, strict=True)]
    relative, absolute, name = max(errors, key=lambda error: (np.isnan(error[0]), error[0]))
    return CheckReport(absolute, relative, relative <= tolerance, tolerance, name)


def _check_results(program: Program, roots: Sequence[Node]) -> None:
    """The program writes tensors of the names and shapes that the graph's results have."""
    shapes = {tensor.name: tensor.shape for tensor in program.tensors}
    mend = "check a program against the graph that it was compiled from"
    for name, root in zip(output_names(roots), roots, strict=True):
        where = f"program {program.name}"
        if name not in shapes:
            raise ProgramError(f"there is no tensor {name}, which the graph computes", where=where, mend=mend)
        if shapes[name] != root.shape:
            raise ProgramError(
                f"tensor {name} has shape {shapes[name]}, in the graph it is {root.shape}", where=where, mend=mend
            )


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
