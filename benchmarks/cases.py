"""What is measured: data for `run.py`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Case:
    """One run: a workload or tile program, a chip, and how it is simulated."""

    name: str
    source: str
    """A workload of memsim or a tile program of `programs`."""
    sizes: dict[str, Any]
    chip: str = "toy"
    changes: dict[str, Any] = field(default_factory=dict)
    """Keys of the chip that differ from the preset."""
    engine: str = "fast"
    fold: bool = True
    warm: bool = True
    """Whether a small run comes first, so that machine code is loaded."""


def cube(size: int) -> dict[str, Any]:
    return {"m": size, "n": size, "k": size, "dtype": "bf16"}


@dataclass(frozen=True)
class Pair:
    """The same program for both engines: in a size for each where one is too slow for the other's."""

    case: Case
    simpy_sizes: dict[str, Any]
    quick_sizes: dict[str, Any]
    """What the fast engine gets with ``--quick``."""

    def of(self, engine: str, *, quick: bool) -> Case:
        """The case for an engine, unfolded."""
        sizes = self.simpy_sizes if engine == "simpy" else self.quick_sizes if quick else self.case.sizes
        return replace(self.case, engine=engine, fold=False, sizes=sizes)


def trips(count: int) -> dict[str, Any]:
    return {"cores": 16, "trips": count}


PER_TRIP = 5 * 16
"""Instructions of all cores for one trip of `programs`."""

NO_CONTENTION = Case("no contention: 16 cores of toy on tensors of their own", "uncontended", trips(250_000))
CONTENTION = Case("contention: 16 cores of toy read one DRAM", "streaming", trips(50_000))
MATMUL_4096 = Case("matmul 4096³ bf16 on h100_sxm", "matmul", cube(4096), "h100_sxm")
MATMUL_8192 = Case("matmul 8192³ bf16 on h100_sxm", "matmul", cube(8192), "h100_sxm")

RATES = [
    Pair(NO_CONTENTION, trips(1_500), trips(25_000)),
    Pair(CONTENTION, trips(500), trips(5_000)),
    Pair(MATMUL_4096, cube(4096), cube(2048)),
    Pair(MATMUL_8192, cube(4096), cube(4096)),
]

HEADLINES = [
    MATMUL_8192,
    Case(
        "Llama-3-70B, one token at 4096, on h100_sxm with 160 GB",
        "llama_decode",
        {"model": "70b", "batch": 1, "context": 4096},
        "h100_sxm",
        {"dram.capacity": "160 GB"},
    ),
    Case("a loop of 10¹² trips, 16 cores, no contention", "uncontended", trips(10**12)),
    Case("a loop of 10¹² trips, 16 cores read one DRAM", "streaming", trips(10**12)),
]

GROWTH = [
    (Case("no contention, N = 10⁵ trips", "uncontended", trips(10**5)), ("trips",)),
    (Case("contention, N = 10⁵ trips", "streaming", trips(10**5)), ("trips",)),
    (Case("matmul 512 x 512 x N on toy, N = 65536", "matmul", {"m": 512, "n": 512, "k": 65536}), ("k",)),
]
"""Cases, and the sizes that are doubled and doubled again."""
FACTORS = (1, 2, 4)

LONG = {
    "quick": replace(NO_CONTENTION, name="10⁶ instructions, unfolded", sizes=trips(10**6 // PER_TRIP), fold=False),
    "usual": replace(NO_CONTENTION, name="10⁷ instructions, unfolded", sizes=trips(10**7 // PER_TRIP), fold=False),
    "full": replace(NO_CONTENTION, name="10⁹ instructions, unfolded", sizes=trips(10**9 // PER_TRIP), fold=False),
}
"""Runs whose memory is measured."""

SMALL = Case("matmul 64³ on toy", "matmul", cube(64))

COMMANDS = ["--help", "run --help", "run matmul --set m=64 --set n=64 --set k=64", "run matmul"]
"""Command lines whose start-up is timed; the last checks its numbers, as a user's first run does."""


def grown(case: Case, keys: tuple[str, ...], factor: int) -> Case:
    return replace(case, sizes={k: v * factor if k in keys else v for k, v in case.sizes.items()})
