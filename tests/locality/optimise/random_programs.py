"""Random straight-line programs that read only what was written, as texts."""

from __future__ import annotations

import numpy as np

from memsim.locality.scalar.program import ScalarProgram, write
from memsim.locality.scalar.text import parse

V0 = ("add", "sub", "mul", "copy")
V3 = (*V0, "and", "or", "xor", "not", "abs", "set", "cmp", "select")
SOURCES = {"copy": 1, "not": 1, "abs": 1, "set": 0, "select": 3}


def random_program(seed: int, inputs: int, count: int, names: tuple[str, ...] = V0, spread: int = 30) -> ScalarProgram:
    """``count`` instructions; results go to addresses up to ``spread``, and may never be read or be read often."""
    rng = np.random.default_rng(seed)
    known = [int(a) for a in rng.permutation(spread)[:inputs] + 1]
    given, steps = list(known), []
    for _ in range(count):
        name = str(rng.choice(names))
        sources = [int(rng.choice(known)) for _ in range(SOURCES.get(name, 2))]
        target = int(rng.integers(1, spread + 1))
        extra = {"set": [int(rng.integers(-128, 256))], "cmp": [str(rng.choice(["lt", "eq", "ge"]))]}.get(name, [])
        steps.append((name, target, *sources, *extra))
        known = [*known, target]
    outputs = [int(rng.choice(known)) for _ in range(int(rng.integers(1, 4)))]
    return parse(write(given, steps, outputs))
