"""Tasks that scalar programs compete in, and the decision whether a program does its task.

Products of matrices are proved; other tasks are run on all of their instances. The tasks and the figures published
beside them are those of the Sutro Group (public rules and leaderboards, autumn 2026). What their rules leave open
is said in each description.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import comb
from types import MappingProxyType

import numpy as np

from memsim.compiled import compiled
from memsim.errors import ProgramError
from memsim.locality.scalar.execute import execute
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.scalar.symbolic import prove_product
from memsim.locality.shells import Array

CHUNK = 4096
"""Instances that are made and run at a time."""

SPARE_SAMPLES = 8
"""Samples of sparse parity beyond the number of bits: random ones determine the mask in 99.6 % of draws."""

SEED = 2026
"""Of the samples of sparse parity."""

Case = tuple[Array, Array]
"""Inputs ``(instances, inputs)`` and the outputs ``(instances, outputs)`` that they should give."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A task for scalar programs.

    Attributes
    ----------
    name
        Such as ``parity-32-5``.
    machine
        What the program runs on: ``matmul`` or ``int8``.
    inputs, outputs
        How many a program has.
    description
        Inputs and outputs in their order.
    cases
        Makes the instances, in chunks; ``None`` for a product of matrices, which is proved.
    instances
        How many there are; 0 for a product of matrices.
    exhaustive
        Whether these are all that there are, or some of them.
    published
        What the public leaderboard says, and what may differ; empty where it says nothing.
    """

    name: str
    machine: str
    inputs: int
    outputs: int
    description: str
    cases: Callable[[], Iterator[Case]] | None = None
    instances: int = 0
    exhaustive: bool = True
    published: str = ""


def verify(program: ScalarProgram, challenge: Challenge | str) -> tuple[bool | None, str]:
    """Whether a program does its task: for all inputs, or for all instances of the challenge.

    Returns
    -------
    correct, reason
        ``None`` where that was not decided; how it was decided, or the first output that is wrong.

    Raises
    ------
    ProgramError
        If there is no such challenge, the program has another number of inputs or outputs, its machine cannot run it,
        it reads what was never written, or it divides by zero.
    """
    task = _challenge(challenge) if isinstance(challenge, str) else challenge
    counts = len(program.inputs), len(program.outputs)
    if counts != (task.inputs, task.outputs):
        raise ProgramError(
            f"{task.name} has {task.inputs} inputs and {task.outputs} outputs, not {counts[0]} and {counts[1]}",
            where=program.end(),
            mend=task.description,
        )
    if task.cases is None:
        proof = prove_product(program)
        return proof.holds, proof.reason
    first = 0
    for inputs, wanted in task.cases():
        found = execute(program, inputs, task.machine)
        if (found != wanted).any():
            instance, output = (int(place) for place in np.argwhere(found != wanted)[0])
            return False, (
                f"output {output} of instance {first + instance} is {found[instance, output]}; "
                f"it should be {wanted[instance, output]}"
            )
        first += len(inputs)
    how = f"all {task.instances:,} instances" if task.exhaustive else f"{task.instances:,} instances of seed {SEED}"
    return True, f"right on {how}"


def _challenge(name: str) -> Challenge:
    if name not in CHALLENGES:
        raise ProgramError(f"there is no challenge {name!r}", mend=f"choose one of {', '.join(CHALLENGES)}")
    return CHALLENGES[name]


# Instances ----------------------------------------------------------------------------------------------------------


def _palindromes(n: int) -> Iterator[Case]:
    """All vectors of ``n`` bits, the first bit counting most; 1 for those that equal their reverse."""
    for first in range(0, 2**n, CHUNK):
        numbers = np.arange(first, min(first + CHUNK, 2**n))
        bits = (numbers[:, None] >> np.arange(n - 1, -1, -1) & 1).astype(np.int8)
        yield bits, (bits == bits[:, ::-1]).all(axis=1, keepdims=True).astype(np.int8)


def _parities(n: int, k: int) -> Iterator[Case]:
    """All masks of ``k`` of ``n`` bits, each with samples of its own that determine it."""
    rng = np.random.default_rng(SEED)
    masks = np.fromiter((sum(1 << i for i in chosen) for chosen in combinations(range(n), k)), np.int64, comb(n, k))
    places = np.arange(n)
    for first in range(0, len(masks), CHUNK):
        mask = masks[first : first + CHUNK]
        samples = rng.integers(0, 2**n, (len(mask), n + SPARE_SAMPLES))
        while len(poor := np.flatnonzero(_ranks(samples) < n)):
            samples[poor] = rng.integers(0, 2**n, (len(poor), n + SPARE_SAMPLES))
        bits, wanted = ((numbers[..., None] >> places & 1).astype(np.int8) for numbers in (samples, mask))
        labels = np.einsum("isb,ib->is", bits, wanted) & 1
        yield np.concatenate([bits.reshape(len(mask), -1), labels], axis=1), wanted


@compiled
def _ranks(samples: Array) -> Array:
    """The rank over GF(2) of each instance's samples, ``(instances, samples)`` int64 with a bit for each column."""
    found = np.zeros(len(samples), np.int64)
    basis = np.zeros(64, np.int64)
    for i in range(len(samples)):
        basis[:] = 0
        for row in samples[i]:
            for column in range(64):
                if row >> column & 1 == 0:
                    continue
                if basis[column] == 0:
                    basis[column] = row
                    found[i] += 1
                    break
                row ^= basis[column]
    return found


# The table ----------------------------------------------------------------------------------------------------------


def _product(n: int, published: str) -> Challenge:
    layout = f"the inputs are A and then B, {n} x {n}, row by row; the outputs are A B, row by row"
    return Challenge(f"matmul-{n}", "matmul", 2 * n * n, n * n, layout, published=published)


def _symmetry(n: int) -> Challenge:
    layout = f"the inputs are {n} bits, 0 or 1; the output is 1 if they equal their reverse, else 0"
    return Challenge(f"symmetry-{n}", "int8", n, 1, layout, partial(_palindromes, n), 2**n)


def _parity(n: int, k: int, published: str = "") -> Challenge:
    m = n + SPARE_SAMPLES
    layout = (
        f"the inputs are {m} samples of {n} bits, 0 or 1, sample by sample, and then {m} labels, each the parity of "
        f"its sample's bits in the mask; the outputs are the mask's {n} bits, of which {k} are 1"
    )
    return Challenge(
        f"parity-{n}-{k}", "int8", m * (n + 1), n, layout, partial(_parities, n, k), comb(n, k), False, published
    )


_TABLE = (
    _product(4, "naive 1,316, best 667"),
    _product(16, "naive 340,704, best 63,290"),
    _symmetry(6),
    _symmetry(16),
    _parity(8, 2),
    _parity(20, 3),
    _parity(
        32,
        5,
        "best 382,794 (the public rules do not say how many samples there are, nor their layout, so that this task "
        "may be another)",
    ),
)

CHALLENGES: Mapping[str, Challenge] = MappingProxyType({challenge.name: challenge for challenge in _TABLE})
"""All challenges by name. Sparse parity is run on every mask, with random samples that determine it."""

__all__ = ["CHALLENGES", "SPARE_SAMPLES", "Challenge", "verify"]
