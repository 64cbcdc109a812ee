"""How fast the flit network runs: ``python benchmarks/noc.py``.

Flit-hops (flits through a router) a second of processor time.
"""

from __future__ import annotations

import time

from memsim import noc
from memsim.noc import words as w
from memsim.noc.simulation import _Run

CASES = (
    ("8x8 mesh, 1 flit, load 0.3", noc.mesh(8), 1, 0.3),
    ("8x8 mesh, 5 flits, load 0.3", noc.mesh(8), 5, 0.3),
    ("8x8 torus, 5 flits, load 0.4", noc.torus(8), 5, 0.4),
    ("16x16 mesh, 5 flits, load 0.15", noc.mesh(16), 5, 0.15),
    ("fat tree of 64, 5 flits, load 0.4", noc.fattree(4, 3), 5, 0.4),
)


def flit_hops(run: _Run) -> int:
    """Flits that have left routers so far."""
    base = run.count(w.PORT_BASE)
    ports = run.words[base : base + run.count(w.PORTS) * w.PORT_WORDS].reshape(-1, w.PORT_WORDS)
    return int(ports[:, w.P_FLITS].sum())


def rate(network: noc.Network, flits: int, load: float, cycles: int = 10_000) -> float:
    """Flit-hops a second, after a warm-up that also loads the compiled code."""
    run = _Run(network, noc.Router(), noc.pattern("uniform", network), flits, load, 1)
    run.advance(1000)
    before, start = flit_hops(run), time.process_time()
    run.advance(cycles)
    return (flit_hops(run) - before) / (time.process_time() - start)


def main() -> None:
    for name, network, flits, load in CASES:
        print(f"{name:36} {rate(network, flits, load) / 1e6:5.1f} million flit-hops/s")


if __name__ == "__main__":
    main()
