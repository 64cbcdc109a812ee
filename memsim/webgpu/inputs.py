"""Random initial tensors for a program of which nothing else is known."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from memsim.isa.model import PER_CORE_ROLES, Gather, Group, Load, Program, walk
from memsim.isa.ops import round_to

Array: TypeAlias = np.ndarray[Any, Any]
INTEGERS = 8
"""Integers are from -8 to 8, so that sums of products stay far inside int32."""


def inputs_for(program: Program, seed: int = 0, *, cores: int | None = None) -> dict[str, Array]:
    """Random values for every tensor: floats from N(0, 1), small integers, and indices that gathers can use.

    Parameters
    ----------
    program
        Whose tensors.
    seed
        The same seed gives the same values.
    cores
        Copies of a tensor in a per-core role, where the program does not fix them itself.
    """
    rng = np.random.default_rng(seed)
    rows = _index_rows(program)
    values: dict[str, Array] = {}
    for tensor in program.tensors:
        copies = (program.cores or cores or 1,) if tensor.role in PER_CORE_ROLES else ()
        shape = (*copies, *tensor.shape)
        if tensor.name in rows:
            drawn: Array = rng.integers(0, rows[tensor.name], shape)
        elif tensor.type.is_float:
            drawn = rng.standard_normal(shape, np.float32)
        else:
            drawn = rng.integers(-INTEGERS, INTEGERS + 1, shape)
        values[tensor.name] = round_to(drawn, tensor.dtype)
    return values


def _index_rows(program: Program) -> dict[str, int]:
    """Rows of the smallest region that the entries of each index tensor select from."""
    rows: dict[str, int] = {}
    for kernel in program.kernels:
        for group in kernel.groups:
            for tensor, count in _indices(group):
                rows[tensor] = min(count, rows.get(tensor, count))
    return rows


def _indices(group: Group) -> list[tuple[str, int]]:
    instructions = [i for queue in group.queues for i, _ in walk(queue.body)]
    loads = [i for i in instructions if isinstance(i, Load)]
    return [
        (load.src.tensor, gather.src.sizes[-2])
        for gather in instructions
        if isinstance(gather, Gather)
        for load in loads
        if load.dst.ring == gather.index.ring
    ]
