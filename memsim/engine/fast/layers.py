"""Folding across kernels: the layers of a model are simulated until one leaves the chip as the one before it did.

Two kernels are *twins* if they are the same up to the names of tensors (`KernelPlan.twin`). Tensors are called by when
they were used last: (kernels ago, position in that kernel). A kernel's *signature* is its twin, and for each of its
tensors what it was called before. If from some kernel on the signatures repeat those of a period before, and the state
of the chip (free times, and the cache's lines in order of age) is the same up to a shift in time and these names, then
so is all that follows, for as long as the signatures repeat.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from memsim.engine.dram import KEY_BITS
from memsim.engine.memory import Memory, lines_by_age, move_lines, moved_rows, owners_of
from memsim.engine.plan import KernelPlan, Plan
from memsim.engine.servers import FREE_AT, SPARE, Array
from memsim.engine.tally import ByKind, Tally

REGION = (1 << KEY_BITS) - 1
MOST_KEPT_BYTES = 64 << 20
"""Bytes of states that are kept for comparison."""
NEVER = -(1 << 40)
"""In the place of how many kernels ago a tensor was used: none does."""
Name: TypeAlias = tuple[int, int]
"""A tensor: the kernel that used it last, and its position there."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """From here on, ``times`` times the last ``period`` kernels follow, as they were."""

    period: int
    times: int


class Layers:
    """Watches the boundaries between kernels."""

    def __init__(self, plan: Plan, tensors: Sequence[str]) -> None:
        self.kernels = plan.kernels
        self.bases = np.array([plan.layouts[name].base for name in tensors], dtype=np.int64)
        self._names = list(tensors)
        self._number = {name: i for i, name in enumerate(tensors)}
        self._last_use = np.full(max(1, len(tensors)), -1, dtype=np.int64)
        for kernel, text in enumerate(plan.kernels):
            self._last_use[[self._number[name] for name in text.tensors if name in self._number]] = kernel
        self._first_use = _first_uses(plan.kernels)
        self._signatures = _signatures(plan.kernels)
        self._previous = _previous_of_same(self._signatures)
        self._used: dict[str, Name] = {}
        self._counted: dict[int, dict[Name, ByKind]] = {}
        """What each kernel's tensors were counted for, by what they are called after it."""
        self._states: OrderedDict[int, bytes] = OrderedDict()

    def use(self, kernel: int) -> None:
        """A kernel has run, or has been skipped."""
        for position, name in enumerate(self.kernels[kernel].tensors):
            self._used[name] = kernel, position

    def note(self, kernel: int, tally: Tally) -> None:
        """A kernel has run with these counts."""
        self.use(kernel)
        self._counted[kernel] = {self.called(name, kernel): counts for name, counts in tally.by_tensor.items()}

    def called(self, tensor: str, kernel: int) -> Name:
        """What a tensor is called after a kernel: (kernels ago, position).

        One that has been in the cache from the beginning may be yet to be used, in so many kernels: it is called
        (minus that, position). One that no kernel uses is called by its number, with a sign that no other name has.
        """
        used = self._used.get(tensor, self._first_use.get(tensor))
        return (NEVER, self._number[tensor]) if used is None else (kernel - used[0], used[1])

    def tensor(self, called: Name, kernel: int) -> str:
        """The tensor that is called so after a kernel."""
        if called[0] == NEVER:
            return self._names[called[1]]
        return self.kernels[kernel - called[0]].tensors[called[1]]

    def retold(self, tally: Tally, like: int, number: int) -> Tally:
        """The tally of a kernel as it is for a later one that is like it: the same arrays, other tensors."""
        self._counted[number] = self._counted[like]
        by_tensor = {self.tensor(at, number): counts for at, counts in self._counted[like].items()}
        return replace(tally, by_tensor=by_tensor) if by_tensor else tally

    def boundary(self, kernel: int, memory: Memory, servers: Array, clock: int) -> Repeat | None:
        """What repeats from this kernel on, before it has begun; notes the state for later boundaries."""
        period = kernel - self._previous[kernel]
        ahead = self._repeating(kernel, period)
        if self._previous[kernel] < 0 and kernel not in self._previous[kernel + 1 :]:
            return None  # neither does a period end here, nor may one begin
        state = self._state(kernel, memory, servers, clock)
        before = self._states.get(kernel - period)
        self._keep(kernel, state)
        if ahead < period or state != before:
            return None
        return Repeat(period, ahead // period)

    def _repeating(self, kernel: int, period: int) -> int:
        """Kernels from this one on whose signatures are those of a period before."""
        if self._previous[kernel] < 0:
            return 0
        last = kernel
        while last < len(self.kernels) and self._signatures[last] == self._signatures[last - period]:
            last += 1
        return last - kernel

    def _keep(self, kernel: int, state: bytes) -> None:
        self._states[kernel] = state
        while len(self._states) > 1 and sum(map(len, self._states.values())) > MOST_KEPT_BYTES:
            self._states.popitem(last=False)

    def _state(self, kernel: int, memory: Memory, servers: Array, clock: int) -> bytes:
        """The chip at a boundary, up to a shift in time and the names of tensors."""
        lines = lines_by_age(memory)
        owners = np.searchsorted(self.bases, lines[:, 0], side="right") - 1
        names = np.zeros((len(self.bases) or 1, 2), dtype=np.int64)
        for number in np.unique(owners).tolist():
            names[number] = self.called(self._names[number], kernel)
        self._close_rows(memory, kernel, owners)
        open_rows = memory.open_rows[memory.open_rows > 0]
        for number in np.unique((open_rows >> KEY_BITS) - 1).tolist():
            names[number] = self.called(self._names[number], kernel)
        parts = (
            memory.open_rows > 0,
            open_rows & REGION,
            names[(open_rows >> KEY_BITS) - 1],
            np.maximum(0, servers[:, FREE_AT] - clock),
            np.where(servers[:, FREE_AT] > clock, servers[:, SPARE], 0),
            np.maximum(0, memory.free_at - clock),
            np.where(memory.free_at > clock, memory.spare, 0),
            memory.directions,
            names[owners],
            lines[:, 0] - (self.bases[owners] if len(lines) else 0),
            lines[:, [1, 2, 4]],
            np.maximum(0, lines[:, 3] - clock),
        )
        return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)

    def _close_rows(self, memory: Memory, kernel: int, cached: Array) -> None:
        """Close the rows of tensors that nobody asks for any more, nor has the cache: no other finds them open."""
        used = self._last_use >= kernel
        used[cached] = True
        owners = (memory.open_rows >> KEY_BITS) - 1
        memory.open_rows[(owners >= 0) & ~used[owners]] = 0

    def rename(self, memory: Memory, kernel: int, skipped: int) -> None:
        """Give the cache's lines to the tensors that are called, ``skipped`` kernels later, what theirs are now."""
        moves = np.zeros(len(memory.bases), dtype=np.int64)
        heirs = np.zeros(len(memory.bases), dtype=np.int64)
        open_rows = memory.open_rows[memory.open_rows > 0]
        owners = np.concatenate([owners_of(memory, lines_by_age(memory)[:, 0]), (open_rows >> KEY_BITS) - 1])
        for number in np.unique(owners).tolist():
            heir = self.tensor(self.called(self._names[number], kernel), kernel + skipped)
            moves[number] = self.bases[self._number[heir]] - self.bases[number]
            heirs[number] = self._number[heir] - number << KEY_BITS
        move_lines(memory, moves)
        memory.open_rows[:] = moved_rows(memory.open_rows, heirs)


def _signatures(kernels: Sequence[KernelPlan]) -> list[int]:
    """A number for each kernel; equal ones for kernels with the same signature."""
    numbers: dict[object, int] = {}
    used: dict[str, Name] = {}
    found = []
    for i, kernel in enumerate(kernels):
        before = tuple((i - used[t][0], used[t][1]) if t in used else None for t in kernel.tensors)
        found.append(numbers.setdefault((kernel.twin, before), len(numbers)))
        for position, tensor in enumerate(kernel.tensors):
            used[tensor] = i, position
    return found


def _first_uses(kernels: Sequence[KernelPlan]) -> dict[str, Name]:
    """The kernel that uses each tensor first, and its position there."""
    found: dict[str, Name] = {}
    for i, kernel in enumerate(kernels):
        for position, tensor in enumerate(kernel.tensors):
            found.setdefault(tensor, (i, position))
    return found


def _previous_of_same(signatures: list[int]) -> list[int]:
    """For each kernel the last one before it with the same signature, or -1."""
    last: dict[int, int] = {}
    found = []
    for i, signature in enumerate(signatures):
        found.append(last.get(signature, -1))
        last[signature] = i
    return found
