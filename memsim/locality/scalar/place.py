"""Addresses for the words of a program that is written with names: the most read words lie nearest.

A greedy rule, good but not the best there is: words take addresses in the order of how often they are read, each the
nearest address at which no other word lives at the same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from memsim.locality.scalar.instructions import BY_NAME
from memsim.locality.scalar.program import write

Name = Hashable
"""Of a word: such as ``"t"`` or ``("row", 3)``."""

Step = Sequence[Hashable]
"""``(name, operand, …)`` in full form, such as ``("add", "d", "a", "b")``."""


def place_by_reads(inputs: Sequence[Name], steps: Sequence[Step], outputs: Sequence[Name]) -> str:
    """The text of a program whose words have addresses by how often they are read.

    Parameters
    ----------
    inputs, outputs
        Names of words, in order.
    steps
        Instructions in full form, with names for addresses.

    Notes
    -----
    A word lives from its first write (an input: from the beginning) to its last use (an output: to the end). Words
    that do not live at the same time may share an address. A write that nobody reads keeps its word alive too.
    """
    lives, reads = _lives(inputs, steps, outputs)
    order = sorted(lives, key=lambda name: (-reads[name], lives[name][1] - lives[name][0], lives[name]))
    taken: list[list[tuple[int, int]]] = []
    addresses: dict[Name, int] = {}
    for name in order:
        address = next((i for i, spans in enumerate(taken) if _free(spans, *lives[name])), len(taken))
        if address == len(taken):
            taken.append([])
        taken[address].append(lives[name])
        addresses[name] = address + 1
    lines = (_addressed(step, addresses) for step in steps)
    return write((addresses[name] for name in inputs), lines, (addresses[name] for name in outputs))


def _free(spans: list[tuple[int, int]], begin: int, end: int) -> bool:
    return all(end <= other or last <= begin for other, last in spans)


def _lives(
    inputs: Sequence[Name], steps: Sequence[Step], outputs: Sequence[Name]
) -> tuple[dict[Name, tuple[int, int]], Counter[Name]]:
    """When each word lives, and how often it is read. Step ``i`` reads at ``2i + 1`` and writes at ``2i + 2``."""
    first: dict[Name, int] = dict.fromkeys(inputs, 0)
    last: dict[Name, int] = dict.fromkeys(inputs, 1)
    reads: Counter[Name] = Counter()
    for i, (name, *operands) in enumerate(steps):
        kind = BY_NAME[str(name)]
        written, sources = operands[0], operands[1 : 1 + kind.sources]
        reads.update(sources)
        for word in sources:
            last[word] = 2 * i + 2
        first.setdefault(written, 2 * i + 2)
        last[written] = 2 * i + 3
    reads.update(outputs)
    end = 2 * len(steps) + 4
    last.update(dict.fromkeys(outputs, end))
    return {name: (first[name], last[name]) for name in first}, reads


def _addressed(step: Step, addresses: dict[Name, int]) -> list[object]:
    """An instruction with addresses for its words; what follows them (a number, a predicate) stays."""
    words = 2 + BY_NAME[str(step[0])].sources
    return [step[0], *(addresses[word] for word in step[1:words]), *step[words:]]


__all__ = ["place_by_reads"]
