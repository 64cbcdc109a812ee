"""Run a tile program on numpy: the meaning of every instruction, with stated rounding and order of sums."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from memsim.errors import ProgramError
from memsim.isa._interpret_operands import Scope, consumers
from memsim.isa._interpret_rings import (
    Frame,
    LoopSteps,
    QueueRun,
    Rings,
    RingState,
    Step,
    check_rates,
    run_steps,
    run_to_end,
)
from memsim.isa._interpret_steps import compile_body
from memsim.isa._interpret_tiles import Array
from memsim.isa.model import PER_CORE_ROLES, Group, Instruction, Kernel, Program, Tensor
from memsim.isa.ops import round_to

Progress: TypeAlias = Callable[[int, int], None]
"""``(blocks done, blocks in all)``, called after each cluster."""
Observer: TypeAlias = Callable[[str, str, int, str, Instruction, int], None]
"""``(kernel, group, block in the kernel, queue, instruction, bytes)``, called after each executed instruction.

The bytes are those that a transfer takes from its source or stores, what a clip cut off left out; a multicast counts
once. They are 0 for every other instruction.
"""


def interpret(
    program: Program,
    inputs: Mapping[str, Array],
    *,
    cores: int | None = None,
    exact_order: bool = False,
    progress: Progress | None = None,
    observer: Observer | None = None,
) -> dict[str, Array]:
    """Run ``program`` and return every tensor as it is afterwards.

    Values do not depend on timing: clusters run one after another, and the queues of a cluster in any order that
    their rings allow. The program is taken to pass `verify`.

    Parameters
    ----------
    program
        What to run.
    inputs
        Initial tensors by name, never modified; those not given start as zeros. A tensor in a per-core role has a
        leading axis ``cores``. An array of another float type is rounded to the tensor's type: to nearest, ties to
        even; fp8 saturates at its finite extremes. Integers are converted if they fit.
    cores
        Cores of the chip, where the program does not fix them itself (``program.cores``).
    exact_order
        Sum the products of each `Mma`, and each sum `Reduce`, strictly in index order, every product and every sum
        rounded to fp32 (no fused multiply-add). Otherwise the order inside one tile is that of BLAS and numpy.
    progress
        Called as ``progress(blocks_done, blocks_in_all)`` after each cluster.
    observer
        Called as ``observer(kernel, group, block, queue, instruction, bytes)`` after each instruction.
    """
    used_cores = core_count(program, cores)
    tensors = initial_tensors(program, inputs, used_cores)
    total = sum(kernel.block_count for kernel in program.kernels)
    done = 0
    # one BLAS thread: tiles are small, and threads that wait for a busy core cost far more than they save
    with np.errstate(all="ignore"), threadpool_limits(1):
        for kernel in program.kernels:
            for blocks in _run_kernel(program, kernel, tensors, used_cores, exact_order, observer):
                done += blocks
                if progress is not None:
                    progress(done, total)
    return tensors


def core_count(program: Program, cores: int | None) -> int | None:
    """Cores that the program runs on, or None where nobody says and nothing depends on it."""
    if cores is not None and cores < 1:
        raise ProgramError(f"cannot run on {cores} cores", where=f"program {program.name}", mend="give at least 1")
    if program.cores is not None and cores is not None and cores < program.cores:
        raise ProgramError(
            f"the program is written for {program.cores} cores, and there are {cores}", where=f"program {program.name}"
        )
    count = program.cores or cores
    local = [tensor.name for tensor in program.tensors if tensor.role in PER_CORE_ROLES]
    if local and count is None:
        raise ProgramError(
            f"tensor {local[0]} is per core, and the number of cores is not known",
            where=f"program {program.name}",
            mend="state `cores` in the program, or pass cores=",
        )
    return count


# ---- tensors ----


def initial_tensors(program: Program, inputs: Mapping[str, Array], cores: int | None) -> dict[str, Array]:
    """Every tensor as a run starts with it: a copy of what is given, in the tensor's type, else zeros."""
    names = [tensor.name for tensor in program.tensors]
    for name in inputs:
        if name not in names:
            near = get_close_matches(name, names, 1)
            raise ProgramError(
                f"input {name} is not a tensor of the program",
                where=f"program {program.name}",
                mend=f"did you mean {near[0]}?" if near else f"tensors: {', '.join(names)}",
            )
    return {tensor.name: _initial(tensor, inputs.get(tensor.name), cores) for tensor in program.tensors}


def _initial(tensor: Tensor, given: Array | None, cores: int | None) -> Array:
    shape = (cores or 1, *tensor.shape) if tensor.role in PER_CORE_ROLES else tensor.shape
    if given is None:
        return np.zeros(shape, tensor.type.numpy)
    values = np.asarray(given)
    if values.shape != shape:
        leading = f" (one copy for each of {cores} cores)" if tensor.role in PER_CORE_ROLES else ""
        raise ProgramError(f"shape {values.shape} given, {shape} expected{leading}", where=f"input {tensor.name}")
    return np.array(_converted(values, tensor), order="C")


def _converted(values: Array, tensor: Tensor) -> Array:
    """Take the values in the tensor's type, where that type can hold what they mean."""
    target = tensor.type.numpy
    if values.dtype == target:
        return values
    is_integer = values.dtype.kind in "iub"
    if not (is_integer or _is_float(values.dtype)) or (tensor.type.is_float < (not is_integer)):
        raise ProgramError(
            f"{values.dtype} values given for a tensor of type {tensor.dtype}",
            where=f"input {tensor.name}",
            mend=f"convert the array to {target}",
        )
    if is_integer and not tensor.type.is_float:
        info = np.iinfo(target)
        if values.size and not (info.min <= values.min() and values.max() <= info.max):
            raise ProgramError(
                f"values from {values.min()} to {values.max()} do not fit type {tensor.dtype}",
                where=f"input {tensor.name}",
            )
    rounded: Array = round_to(values, tensor.dtype)
    return rounded


def _is_float(dtype: np.dtype[Any]) -> bool:
    """Whether numpy can take the type for real numbers; the types of ml_dtypes have kind V."""
    return dtype.kind == "f" or (dtype.kind == "V" and np.can_cast(dtype, np.float64))


# ---- kernels ----


@dataclass(frozen=True, slots=True)
class _Placed:
    """A block on its core."""

    group: Group
    index: int
    """Index in the group."""
    number: int
    """Index in the kernel."""
    core: int

    @property
    def key(self) -> tuple[str, int]:
        return self.group.name, self.index


def _run_kernel(
    program: Program,
    kernel: Kernel,
    tensors: Mapping[str, Array],
    cores: int | None,
    exact_order: bool,
    observer: Observer | None,
) -> Iterator[int]:
    """Run the clusters of a kernel one after another; yields the number of blocks in each."""
    compiled = {
        (group.name, queue.name): _observed(
            compile_body(queue.body, scope := Scope(program, kernel, group, queue, exact_order)), scope, observer
        )
        for group in kernel.groups
        for queue in group.queues
    }
    poppers = {group.name: consumers(group) for group in kernel.groups}
    for cluster in _clusters(kernel, cores):
        _run_cluster(cluster, kernel, compiled, poppers, _views(program, tensors, cluster))
        yield len(cluster)


def _clusters(kernel: Kernel, cores: int | None) -> Iterator[list[_Placed]]:
    """Blocks of the kernel, placed on their cores, in the lists that run together."""
    count = usable_cores(kernel, cores)
    numbers = itertools.count()
    placed = [
        _Placed(group, index, number := next(numbers), number % count)
        for group in kernel.groups
        for index in range(group.block_count)
    ]
    if kernel.cooperative:
        yield placed
        return
    first = 0
    while first < len(placed):
        size = placed[first].group.cluster_size
        yield placed[first : first + size]
        first += size


def usable_cores(kernel: Kernel, cores: int | None) -> int:
    """Cores over which blocks are dealt: a multiple of the cluster size; all of them in a cooperative kernel."""
    if cores is None:
        return 1
    if kernel.cooperative:
        if kernel.block_count > cores * kernel.occupancy:
            raise ProgramError(
                f"cooperative kernel of {kernel.block_count} blocks on {cores} cores of occupancy {kernel.occupancy}: "
                "its blocks cannot all be resident",
                where=f"kernel {kernel.name}",
                mend="use fewer blocks (loop in each), more cores, or a higher occupancy",
            )
        return cores
    size = math.lcm(*(group.cluster_size for group in kernel.groups))
    if size > cores:
        raise ProgramError(f"cluster of {size} blocks on {cores} cores", where=f"kernel {kernel.name}")
    return cores // size * size


def _views(program: Program, tensors: Mapping[str, Array], cluster: list[_Placed]) -> dict[int, dict[str, Array]]:
    """For each core of the cluster, each tensor as that core sees it."""
    local = {tensor.name for tensor in program.tensors if tensor.role in PER_CORE_ROLES}
    return {
        core: {name: values[core] if name in local else values for name, values in tensors.items()}
        for core in {block.core for block in cluster}
    }


def _run_cluster(
    cluster: list[_Placed],
    kernel: Kernel,
    compiled: Mapping[tuple[str, str], tuple[Step | LoopSteps, ...]],
    poppers: Mapping[str, Mapping[str, tuple[str, ...]]],
    views: Mapping[int, Mapping[str, Array]],
) -> None:
    woken: deque[QueueRun] = deque()
    rings: dict[tuple[str, int], Rings] = {
        b.key: {r.name: RingState(r, poppers[b.group.name][r.name], woken) for r in b.group.rings} for b in cluster
    }
    queues = []
    for block in cluster:
        for queue in block.group.queues:
            env = block.group.coordinates(block.index)
            frame = Frame(block.number, env, rings[block.key], views[block.core], rings)
            steps = run_steps(compiled[block.group.name, queue.name], frame)
            queues.append(QueueRun(queue.name, block.number, steps))
    where = f"kernel {kernel.name}"
    run_to_end(queues, woken, where)
    for block in cluster:
        check_rates(rings[block.key], block.number, f"{where}, group {block.group.name}")


def _observed(
    body: tuple[Step | LoopSteps, ...], scope: Scope, observer: Observer | None
) -> tuple[Step | LoopSteps, ...]:
    """Make each step tell the observer what it did; without an observer the steps stay as they are."""
    if observer is None:
        return body
    return tuple(
        replace(item, body=_observed(item.body, scope, observer))
        if isinstance(item, LoopSteps)
        else _observed_step(item, scope, observer)
        for item in body
    )


def _observed_step(step: Step, scope: Scope, observer: Observer) -> Step:
    kernel, group, queue = scope.kernel.name, scope.group.name, scope.queue.name

    def action(frame: Frame) -> None:
        frame.moved_bytes = 0
        step.action(frame)
        observer(kernel, group, frame.block, queue, step.instruction, frame.moved_bytes)

    return replace(step, action=action)
