"""Print how far the engines' batches are from the burst-level model: the table of docs/models/memory.md."""

from __future__ import annotations

from collections.abc import Iterator

from memsim.dram.maps import MAPS
from memsim.microbench.batches import PATTERNS, batch_errors, median_and_worst

PARTS = (
    "ddr4_3200", "ddr5_4800", "gddr6_14000", "gddr7_28000", "hbm2_2000", "hbm3_5200", "hbm3e_8000", "lpddr4x_4266",
    "lpddr5_6400",
)  # fmt: skip


def main() -> None:
    """Two tables in Markdown: by pattern, with the usual map; and by map, over all patterns."""
    rows = {text: [row for part in PARTS for row in batch_errors(part, text=text)] for text in MAPS}
    print("| pattern | time | energy |\n| --- | ---: | ---: |")
    for pattern in PATTERNS:
        found = [row for row in rows["lines"] if row.pattern == pattern]
        print(f"| {pattern} | {_two(row.time_error for row in found)} | {_two(row.energy_error for row in found)} |")
    print("\n| map | time | energy |\n| --- | ---: | ---: |")
    for text, found in rows.items():
        print(f"| `{text}` | {_two(row.time_error for row in found)} | {_two(row.energy_error for row in found)} |")


def _two(errors: Iterator[float]) -> str:
    median, worst = median_and_worst(errors)
    return f"{median:.1%} ({worst:.1%})"


if __name__ == "__main__":
    main()
