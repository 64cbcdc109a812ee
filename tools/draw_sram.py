"""Draw docs/models/sram.png: SRAM energy over capacity, beside CACTI 7 and published reads."""

import csv
from pathlib import Path

from memsim.report.figures.sram_energy import Points, draw_sram_energy

ROOT = Path(__file__).parent.parent


def cacti(cell: str, node_nm: int, colour: str) -> Points:
    """One sweep of CACTI 7."""
    with (ROOT / "tests" / "hierarchy" / "data" / "cacti_sram.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["cell"] == cell and int(row["node_nm"]) == node_nm]
    return Points([float(r["kib"]) for r in rows], [float(r["read_fj_bit"]) / 1000 for r in rows], colour)


if __name__ == "__main__":
    points = {
        "Horowitz, 45 nm": Points([8, 32, 1024], [10 / 64, 20 / 64, 100 / 64], "n45"),
        "TPUv4i, 7 nm": Points([8, 32, 1024], [7.5 / 64, 8.5 / 64, 14 / 64], "n7"),
        "CACTI 7, 45 nm hp": cacti("itrs-hp", 45, "n45"),
        "CACTI 7, 22 nm hp": cacti("itrs-hp", 22, "n16"),
        "CACTI 7, 22 nm lop": cacti("itrs-lop", 22, "n16"),
    }
    draw_sram_energy(points, nodes=("n45", "n16", "n7")).savefig(ROOT / "docs" / "models" / "sram.png")
