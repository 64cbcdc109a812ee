"""Cross-checks on one adapter, in a process of its own: ``python -m tests.webgpu.on_adapter NAME WORKLOADS SEEDS``.

Prints a line of JSON for each program: which it is, whether the device agrees, and what differs. Drivers are read once
a process, and a driver that goes wrong takes its process with it, so each adapter gets one, with bounded memory.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from memsim.webgpu import crosscheck, find_adapter
from memsim.webgpu.software import SOFTWARE, environment
from tests.webgpu.samples import SIZES, compiled, drawn
from tests.webgpu.test_random_programs import SMALL

NAMES = tuple(SOFTWARE) if sys.platform == "linux" else ("",)
"""Adapters that must be there: on Linux those that Debian has, elsewhere the machine's own."""
FEW = ("matmul", "softmax", "flash_attention", "mlp", "llama_decode")
MEMORY = 8 << 30
"""Bytes of address space for a process: SwiftShader's compiler can run away."""
ROOT = Path(__file__).parent.parent.parent


def checked(name: str, workloads: tuple[str, ...], seeds: range, seconds: float) -> list[dict[str, Any]]:
    """What the process found; its own words where it fails."""
    variables = environment(name) if name else {}
    command = [
        sys.executable,
        "-m",
        "tests.webgpu.on_adapter",
        name,
        ",".join(workloads),
        f"{seeds.start}:{seeds.stop}",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"{name}: exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(name: str, workloads: str, seeds: str) -> None:
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from tests.strategies import inputs_for, least_cores

    adapter = find_adapter(name or None)
    for workload in workloads.split(","):
        program, inputs = compiled(workload)
        tell(workload, crosscheck(program, inputs, adapter))
    for seed in range(*map(int, seeds.split(":"))):
        drawing = drawn(seed, **SMALL)
        if drawing is not None:
            cores = drawing.cores or least_cores(drawing)
            tell(f"seed {seed}", crosscheck(drawing, inputs_for(drawing, seed), adapter, cores=cores))


def tell(what: str, found: Any) -> None:
    adapter = {"name": found.adapter.name, "backend": found.adapter.backend}
    print(json.dumps({"program": what, "ok": found.ok, "adapter": adapter, "text": str(found)}), flush=True)


if __name__ == "__main__":
    assert set(sys.argv[2].split(",")) <= set(SIZES)
    main(*sys.argv[1:])
