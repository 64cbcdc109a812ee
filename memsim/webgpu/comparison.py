"""Does a device compute what the interpreter says? Both run the same program, and every tensor is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import GIVE_A_PROGRAM, MemsimError, check_kind
from memsim.isa.interpret import core_count, interpret
from memsim.isa.model import Program, Tensor
from memsim.webgpu.device import Adapter, find_adapter
from memsim.webgpu.exactness import JUMPED_SHARE, Doubt, doubts
from memsim.webgpu.execute import Run, run
from memsim.webgpu.inputs import inputs_for
from memsim.webgpu.layout import Layout
from memsim.webgpu.shader import Options

Array: TypeAlias = np.ndarray[Any, Any]
TINY = 2.0**-126
"""Smallest normal number of fp32: a device may take what is smaller for zero."""
WIDE_ROW = 8
"""Elements of a row from which on most of them cannot be off by chance."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a tensor from the device compares with the interpreter's."""

    tensor: str
    dtype: str
    elements: int
    outside: int
    """Elements outside the tolerance."""
    max_abs_err: float
    max_rel_err: float
    """Largest error relative to |expected| + rms(expected)."""
    at: tuple[int, ...]
    """Index of the element that is furthest off."""
    expected: float
    """What the interpreter has there."""
    found: float
    """What the device has there."""
    tolerance: float
    """Bound on the relative error; 0 where values must be equal."""
    allowed_outside: int
    """Elements that may lie outside: a comparison of inexact values can go either way.

    None where one of those outside is not finite or beyond all that is expected, or where most of a row is outside.
    """

    @property
    def ok(self) -> bool:
        """Whether it agrees."""
        return self.outside <= self.allowed_outside

    def __str__(self) -> str:
        if self.max_abs_err == 0 and self.outside == 0:
            return f"{self.tensor}: {self.elements:,} elements, equal"
        bound = f"tolerance {self.tolerance:.2g}" if self.tolerance else "must be equal"
        place = f"{self.tensor}[{', '.join(map(str, self.at))}]"
        return (
            f"{self.tensor}: {self.outside:,} of {self.elements:,} elements outside; furthest off is {place}: "
            f"{self.found:.9g} on the device, {self.expected:.9g} expected, "
            f"off by {self.max_rel_err:.2g} (relative), {self.max_abs_err:.2g} (absolute); {bound}"
            + (f", {self.allowed_outside:,} may be outside" if self.allowed_outside else "")
        )


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """A program on the interpreter and on a device."""

    program: str
    adapter: Adapter
    tensors: tuple[Agreement, ...]
    run: Run

    @property
    def ok(self) -> bool:
        """Whether every tensor agrees."""
        return all(tensor.ok for tensor in self.tensors)

    @property
    def worst(self) -> Agreement:
        """The tensor that is furthest off: one that disagrees, if there is one."""
        return max(self.tensors, key=lambda t: (not t.ok, t.max_rel_err, self.tensors.index(t)))

    def __str__(self) -> str:
        verdict = "the device agrees" if self.ok else "THE DEVICE DIFFERS"
        told = [tensor for tensor in self.tensors if not tensor.ok] or [self.worst]
        return "\n".join([f"{verdict} with the interpreter: {self.adapter}", *(f"  {tensor}" for tensor in told)])

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON; numbers that are not finite are text."""
        adapter, run = self.adapter, self.run
        return {
            "program": self.program,
            "ok": self.ok,
            "adapter": {
                "name": adapter.name,
                "driver": adapter.driver,
                "backend": adapter.backend,
                "kind": adapter.kind,
                "features": list(adapter.features),
                "workgroup_bytes": adapter.limits.workgroup_bytes,
                "storage_bytes": adapter.limits.storage_bytes,
            },
            "dispatches": run.dispatches,
            "compile_s": run.compile_s,
            "device_s": run.device_s,
            "timed_by": run.timed_by,
            "tensors": [_json(tensor) for tensor in self.tensors],
        }


def _json(tensor: Agreement) -> dict[str, Any]:
    def number(value: float) -> float | str:
        return value if np.isfinite(value) else str(value)

    return {
        "tensor": tensor.tensor,
        "dtype": tensor.dtype,
        "ok": tensor.ok,
        "elements": tensor.elements,
        "outside": tensor.outside,
        "allowed_outside": tensor.allowed_outside,
        "tolerance": tensor.tolerance,
        "max_abs_err": number(tensor.max_abs_err),
        "max_rel_err": number(tensor.max_rel_err),
        "at": list(tensor.at),
        "expected": number(tensor.expected),
        "found": number(tensor.found),
    }


def crosscheck(
    program: Program,
    inputs: Mapping[str, Array] | None = None,
    adapter: str | Adapter | None = None,
    *,
    expected: Mapping[str, Array] | None = None,
    cores: int | None = None,
    seed: int = 0,
    options: Options | None = None,
) -> CrossCheck:
    """Run a program on the interpreter and on a device, and compare every tensor.

    Parameters
    ----------
    program
        What to run.
    inputs
        Initial tensors; random ones if None (see `inputs_for`).
    adapter
        Where: an `Adapter`, a part of the name of one, or None for the first GPU, else the first adapter.
    expected
        Tensors to compare with; None takes those of ``interpret(program, inputs, exact_order=True)``.
    cores
        Cores over which blocks are dealt, where the program does not fix them itself.
    seed
        Of random inputs.
    options
        How to generate the shaders.

    Raises
    ------
    ProgramError
        The program breaks a rule, or cannot be written in WGSL.
    MemsimError
        There is no adapter, or its driver refuses a shader.
    """
    check_kind(program, Program, "crosscheck", GIVE_A_PROGRAM)
    where = adapter if isinstance(adapter, Adapter) else find_adapter(adapter)
    Layout(program, core_count(program, cores), where.limits.storage_bytes)  # refuses tensors that it cannot bind
    given = inputs_for(program, seed, cores=cores) if inputs is None else inputs
    done = run(program, given, where, cores=cores, options=options)
    wanted = interpret(program, given, cores=cores, exact_order=True) if expected is None else expected
    for tensor in program.tensors:
        shape, given_shape = done.outputs[tensor.name].shape, np.shape(wanted.get(tensor.name, ()))
        if tensor.name not in wanted or shape != given_shape:
            raise MemsimError(
                f"tensor {tensor.name} has shape {shape}, not {given_shape}",
                where="expected",
                mend="give every tensor of the program, as `interpret` does",
            )
    doubt = doubts(program, software=where.is_software)
    compared = [compare(t, done.outputs[t.name], wanted[t.name], doubt[t.name]) for t in program.tensors]
    return CrossCheck(program.name, where, tuple(compared), done)


def compare(tensor: Tensor, found: Array, expected: Array, doubt: Doubt) -> Agreement:
    """Compare a tensor element by element.

    Parameters
    ----------
    tensor
        Which it is.
    found, expected
        Its values on the device and on the interpreter.
    doubt
        What is not exact in it.
    """
    with np.errstate(all="ignore"):
        a, b = expected.astype(np.float64), found.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        finite = a[np.isfinite(a)]
        rms = float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
        absolute = np.where(same, 0.0, np.abs(a - b))
        absolute[np.isnan(absolute)] = np.inf
        relative = np.where(absolute > 0, absolute / (np.abs(a) + rms), 0.0)
        relative[np.isnan(relative)] = np.inf
    small = absolute <= TINY if doubt.inexact or tensor.dtype == "fp32" else same
    within = same | small | (relative <= doubt.tolerance)
    if doubt.jumps and not tensor.type.is_float:
        within |= absolute <= 1
    outside = int(np.count_nonzero(~within))
    allowed = _allowed(within, a, b) if doubt.jumps else 0
    at = np.unravel_index(int(np.argmax(relative)), a.shape) if a.size else ()
    index = tuple(int(i) for i in at)
    return Agreement(
        tensor=tensor.name,
        dtype=tensor.dtype,
        elements=a.size,
        outside=outside,
        max_abs_err=float(absolute.max(initial=0.0)),
        max_rel_err=float(relative.max(initial=0.0)),
        at=index,
        expected=float(a[index]) if a.size else 0.0,
        found=float(b[index]) if a.size else 0.0,
        tolerance=doubt.tolerance,
        allowed_outside=allowed,
    )


def _allowed(within: Array, expected: Array, found: Array) -> int:
    """How many elements a comparison of inexact values may have put outside, if what is outside looks like that.

    Such a step takes a value for another one that could have been: so it is finite, within the range of what is
    expected, and spread out, not a row that is missing.
    """
    wrong = found[~within]
    finite = expected[np.isfinite(expected)]
    if not finite.size or not np.isfinite(wrong).all():
        return 0
    margin = float(np.ptp(finite)) + float(np.abs(finite).max())
    if ((wrong < finite.min() - margin) | (wrong > finite.max() + margin)).any():
        return 0
    rows = within.reshape(-1, within.shape[-1]) if within.ndim else within.reshape(1, 1)
    if rows.shape[1] >= WIDE_ROW and (np.count_nonzero(~rows, axis=1) > rows.shape[1] // 2).any():
        return 0
    return max(1, int(JUMPED_SHARE * within.size)) if within.size >= WIDE_ROW else 1
