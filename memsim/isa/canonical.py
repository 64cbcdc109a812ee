"""Kernels up to the names that they give: what the layers of a model have in common.

Layers run the same text on tensors of their own, so what holds for one kernel holds for its likes: whoever proves,
counts or simulates kernels does so once for each `key`. The names of the kernel, of its groups and of its tensors, and
the places where they were written, take no part in the key; everything else does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import TypeAlias

from memsim.isa.model import (
    Copy,
    Gather,
    Group,
    Kernel,
    Load,
    Loop,
    Program,
    Queue,
    Region,
    Send,
    Statement,
    Store,
    Target,
    Tensor,
)

KERNEL = "kernel"
"""Name of every canonical kernel."""
MOST_KEPT = 1024
"""Canonical texts that are remembered at a time."""


class Form:
    """A canonical kernel that compares by value, with a hash that is computed once."""

    __slots__ = ("_hash", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._hash = hash(kernel)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Form) and self._hash == other._hash and self.kernel == other.kernel

    def __reduce__(self) -> tuple[type[Form], tuple[Kernel]]:
        return Form, (self.kernel,)  # a string's hash is another in each process


Storage: TypeAlias = tuple[str, str, tuple[int, ...]]
"""Role, element type and shape of a tensor."""
Key: TypeAlias = tuple[Form, tuple[Storage | None, ...]]
"""What two kernels have in common that are the same up to names; quick to hash and to compare."""


def canonical(program: Program, kernel: Kernel) -> tuple[Kernel, tuple[str, ...]]:
    """The text of a kernel under canonical names, and the tensors that it names.

    Parameters
    ----------
    program
        The program that the kernel belongs to.
    kernel
        The kernel.

    Returns
    -------
    Kernel
        Named ``kernel``, its groups ``g0``, ``g1`` …, its tensors ``t0``, ``t1`` … in order of first appearance,
        without places. Kernels that are the same up to names give the same object, as long as it is remembered.
    tuple of str
        What ``t0``, ``t1`` … are called in the program.
    """
    known = _find(kernel)
    return known.form.kernel, known.tensors


def key(program: Program, kernel: Kernel) -> Key:
    """What is equal for two kernels, of one program or of two, exactly where they are the same up to names.

    A tensor that the program does not have counts as ``None``.

    Parameters
    ----------
    program
        The program that the kernel belongs to.
    kernel
        The kernel.
    """
    known = _find(kernel)
    return known.form, tuple(_storage(program.tensors_by_name.get(name)) for name in known.tensors)


def renamed(kernel: Kernel, name: str, tensors: Sequence[str]) -> Kernel:
    """A canonical kernel under names of its own: the inverse of `canonical`.

    Parameters
    ----------
    kernel
        The kernel as `canonical` gives it.
    name
        Name of the result, and of its group if it has only one.
    tensors
        The names for ``t0``, ``t1`` ….
    """
    names = {f"t{number}": tensor for number, tensor in enumerate(tensors)}
    groups = {group.name: name if len(kernel.groups) == 1 else group.name for group in kernel.groups}
    result = _Names(names.__getitem__, groups).kernel(kernel, name)
    _keep(result, _Canonical(_find(kernel).form, tuple(tensors)))
    return result


@dataclass(frozen=True, slots=True)
class _Canonical:
    form: Form
    tensors: tuple[str, ...]


_forms: dict[Form, Form] = {}


def _find(kernel: Kernel) -> _Canonical:
    """What is kept with the kernel, worked out on the first call."""
    found: _Canonical | None = getattr(kernel, "derived", None)
    if found is None:
        numbers: dict[str, str] = {}
        groups = {group.name: f"g{number}" for number, group in enumerate(kernel.groups)}
        names = _Names(lambda name: numbers.setdefault(name, f"t{len(numbers)}"), groups)
        form = Form(names.kernel(kernel, KERNEL))
        if len(_forms) >= MOST_KEPT:
            _forms.clear()
        found = _Canonical(_forms.setdefault(form, form), tuple(numbers))
        _keep(kernel, found)
    return found


def _keep(kernel: Kernel, found: _Canonical) -> None:
    object.__setattr__(kernel, "derived", found)


def _storage(tensor: Tensor | None) -> Storage | None:
    return None if tensor is None else (tensor.role, tensor.dtype, tensor.shape)


# ---- a text under other names ----


@dataclass(frozen=True, slots=True)
class _Names:
    """Copies texts without places, under other names; what has neither names nor places is shared."""

    tensor: Callable[[str], str]
    groups: Mapping[str, str]

    def kernel(self, kernel: Kernel, name: str) -> Kernel:
        groups = tuple(map(self._group, kernel.groups))
        return Kernel(name, groups, kernel.occupancy, kernel.cooperative)

    def _group(self, group: Group) -> Group:
        queues = tuple(map(self._queue, group.queues))
        return Group(self._group_name(group.name), group.grid, group.rings, queues, group.cluster)

    def _group_name(self, name: str) -> str:
        return self.groups.get(name, f"? {name}")  # an unknown group meets no known one's canonical name

    def _queue(self, queue: Queue) -> Queue:
        body = self._body(queue.body)
        return queue if body is queue.body and queue.place is None else Queue(queue.name, body)

    def _body(self, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        copied = tuple(map(self._statement, body))
        return body if all(map(is_, copied, body)) else copied

    def _statement(self, statement: Statement) -> Statement:
        match statement:
            case Loop(var, count, inner):
                body = self._body(inner)
                return statement if body is inner and statement.place is None else Loop(var, count, body)
            case Load(dst, src, transpose, pad):
                return Load(self._target(dst), self._region(src), transpose, pad)
            case Store(region, tile, transpose):
                return Store(self._region(region), tile, transpose)
            case Gather(dst, src, index, distribution):
                return Gather(self._target(dst), self._region(src), index, distribution)
            case Copy(dst, tile, transpose) if dst.group is not None:
                return Copy(self._target(dst), tile, transpose)
            case Send(dst, tile) if dst.group is not None:
                return Send(self._target(dst), tile)
        return statement if statement.place is None else replace(statement, place=None)

    def _target(self, target: Target) -> Target:
        if target.group is None:
            return target
        return Target(target.ring, target.blocks, self._group_name(target.group))

    def _region(self, region: Region) -> Region:
        return Region(self.tensor(region.tensor), region.starts, region.sizes, region.steps, region.clip)
