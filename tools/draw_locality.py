"""Draw docs/models/diagnostics.png and docs/models/sensitivity.png: matrix products, plain and in tiles."""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from memsim.locality.accesses import scalar_accesses
from memsim.locality.constants import variations
from memsim.locality.diagnosis import diagnose
from memsim.locality.scalar.text import parse
from memsim.locality.sensitivity import rankings
from memsim.report.figures.locality import draw_diagnosis
from memsim.report.figures.sensitivity import draw_sensitivity
from memsim.report.figures.style import save

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.locality.products import naive, tiled  # noqa: E402


def store(figure: Figure, name: str) -> None:
    """Save a figure for the documentation in few colours, which makes it half as large."""
    path = save(figure, ROOT / "docs" / "models" / name)
    with Image.open(path) as image:
        image.convert("RGB").quantize(64).save(path, optimize=True)


def main() -> None:
    plain, cut = parse(naive(16)), parse(tiled(16, 4))
    compared = [diagnose(scalar_accesses(p, name=n)) for n, p in (("naive 16³", plain), ("tiles of 4²", cut))]
    store(draw_diagnosis(compared), "diagnostics.png")
    programs = {"naive 32³": naive(32)} | {f"tiles of {t}²": tiled(32, t) for t in (2, 4, 8, 16)}
    found = rankings({name: parse(text) for name, text in programs.items()}, variations())
    store(draw_sensitivity(found), "sensitivity.png")
    print(found.table().pivot(index="variation", columns="program", values="energy_fj").map("{:.4g}".format))
    for flip in found.flips:
        print(flip)


if __name__ == "__main__":
    main()
