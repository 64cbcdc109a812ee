"""Draw docs/models/probe.png: what a probe would find on an H100 that is just as memsim's preset says."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from memsim.report.figures.probe import draw_probe  # noqa: E402
from memsim.report.figures.style import save  # noqa: E402
from tests.webgpu.probe.fakes import found_on  # noqa: E402

if __name__ == "__main__":
    found = found_on("h100_pcie", 0.02)
    device = replace(found.device, name="Made-up device after the preset h100_pcie, with 2 % noise")
    print(save(draw_probe(replace(found, device=device)), ROOT / "docs" / "models" / "probe.png"))
