"""How fast the DRAM model is: bursts a second of one core, for patterns and loads. ``python benchmarks/dram.py``."""

from __future__ import annotations

import time

from memsim.dram import simulate

PARTS = (
    ("hbm2_2000", "mop4clxor"),
    ("ddr4_3200", "mop4clxor"),
    ("hbm3_6400", "mop4clxor"),
    ("ddr4_d3", "d3_ddr4_bglow"),
)
PATTERNS = ("seq", "rand", "rowconf")
LOADS = (1, 16, 64)
BURSTS = 100_000


def speed(part: str, address: str, pattern: str, mlp: int) -> float:
    """Millions of bursts a second of CPU time, traffic included."""
    simulate(part, pattern, map=address, mlp=mlp, n=100)  # compiled before the clock starts
    started = time.process_time()
    simulate(part, pattern, map=address, mlp=mlp, n=BURSTS)
    return 1.1 * BURSTS / (time.process_time() - started) / 1e6


def main() -> None:
    print(f"| part | {' | '.join(f'{p} {mlp}' for p in PATTERNS for mlp in LOADS)} |")
    print(f"| --- |{' ---: |' * len(PATTERNS) * len(LOADS)}")
    for part, address in PARTS:
        row = (f"{speed(part, address, pattern, mlp):.1f}" for pattern in PATTERNS for mlp in LOADS)
        print(f"| {part} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
