"""Draw docs/models/probe.png: what a probe would find on an H100 that is just as memsim's preset says."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from memsim.report.figures.probe import draw_probe  # noqa: E402
from memsim.report.figures.style import save  # noqa: E402
from tests.webgpu.probe.fakes import found_on  # noqa: E402

if __name__ == "__main__":
    print(save(draw_probe(found_on("h100_pcie", 0.02)), ROOT / "docs" / "models" / "probe.png"))
