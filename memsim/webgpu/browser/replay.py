"""A program run step after step on the interpreter: some results are the inputs of the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import ProgramError, WorkloadError
from memsim.isa.interpret import interpret
from memsim.isa.model import PER_CORE_ROLES, Program, Tensor
from memsim.workloads.training import NEXT

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Replay:
    """What steps on the interpreter gave."""

    history: Array
    """[steps]: the watched value of each step, fp32."""
    tensors: dict[str, Array]
    """Every tensor after the last step, with what it feeds already in place."""


def fed_back(program: Program, feed: Mapping[str, str] | None = None) -> dict[str, str]:
    """Which results become which inputs of the next step, checked.

    Parameters
    ----------
    program
        A step.
    feed
        Results and the inputs that they become; None pairs every ``w_next`` with ``w``.

    Raises
    ------
    ProgramError
        A tensor is unknown, or the two of a pair differ in shape, type or role.
    """
    names = {tensor.name for tensor in program.tensors}
    if feed is None:
        return {name: name.removesuffix(NEXT) for name in sorted(names) if name.removesuffix(NEXT) in names - {name}}
    for source, target in feed.items():
        a, b = tensor_of(program, source, "feed"), tensor_of(program, target, "feed")
        if (a.shape, a.dtype, a.role) != (b.shape, b.dtype, b.role):
            raise ProgramError(
                f"{source} is {a.role} {a.dtype} {list(a.shape)}, and {target} {b.role} {b.dtype} {list(b.shape)}",
                where=f"feed of program {program.name}",
                mend="pair tensors of one shape, type and role",
            )
    return dict(feed)


def tensor_of(program: Program, name: str, where: str) -> Tensor:
    """The tensor of that name; a `ProgramError` names those there are."""
    for tensor in program.tensors:
        if tensor.name == name:
            return tensor
    raise ProgramError(
        f"there is no tensor {name!r}",
        where=f"{where} of program {program.name}",
        mend="choose from " + ", ".join(tensor.name for tensor in program.tensors),
    )


def streamed(program: Program, streams: Mapping[str, Array] | None) -> dict[str, Array]:
    """Values dealt one a step, checked: for each tensor an array [count, *shape], in the tensor's type."""
    found: dict[str, Array] = {}
    for name, values in (streams or {}).items():
        tensor = tensor_of(program, name, "streams")
        array = np.asarray(values)
        if tensor.role in PER_CORE_ROLES or array.shape[1:] != tensor.shape or not len(array):
            raise ProgramError(
                f"an array {list(array.shape)} for {name}, which is {tensor.role} {list(tensor.shape)}",
                where=f"streams of program {program.name}",
                mend="give an array [count, *shape] for a tensor that all cores share: step n takes n % count",
            )
        found[name] = np.ascontiguousarray(array.astype(tensor.type.numpy))
    return found


def replay(
    program: Program,
    inputs: Mapping[str, Array],
    *,
    steps: int,
    feed: Mapping[str, str] | None = None,
    streams: Mapping[str, Array] | None = None,
    watch: str = "loss",
    cores: int | None = None,
) -> Replay:
    """Run a program step after step on the interpreter, in the order of sums that devices keep to.

    Parameters
    ----------
    program
        A step.
    inputs
        Tensors before the first step, by name.
    steps
        How many, at least 1.
    feed
        Results and the inputs that they become; None pairs every ``w_next`` with ``w``.
    streams
        Inputs that change from step to step: arrays [count, *shape]; step n takes entry ``n % count``.
    watch
        A tensor of one element, recorded after each step.
    cores
        Cores over which blocks are dealt, where the program does not fix them itself.

    Raises
    ------
    ProgramError
        The program breaks a rule, or tensors do not fit.
    WorkloadError
        There are no steps.
    """
    check_steps(steps)
    pairs, dealt = fed_back(program, feed), streamed(program, streams)
    tensor_of(program, watch, "watch")
    values: dict[str, Array] = dict(inputs)
    history = np.zeros(steps, np.float32)
    for step in range(steps):
        now = {name: array[step % len(array)] for name, array in dealt.items()}
        values = interpret(program, {**values, **now}, cores=cores, exact_order=True)
        history[step] = np.float32(values[watch].reshape(-1)[0])
        values |= {target: values[source] for source, target in pairs.items()}
    return Replay(history, values)


def check_steps(steps: int) -> None:
    """Refuse a count of steps below 1."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise WorkloadError(f"{steps!r} steps", where="steps", mend="give a whole number from 1 on")
