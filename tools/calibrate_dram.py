"""Measure what visits to rows take of DRAM parts, all listed and those of presets: makes engine/dram_tables.json."""

from __future__ import annotations

import json
from pathlib import Path

from memsim.engine.calibration import entry
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import dram_part, dram_parts

TABLES = Path(__file__).parent.parent / "memsim" / "engine" / "dram_tables.json"


def main() -> None:
    """Measure all parts; takes a few seconds each."""
    tables = {}
    of_presets = {str(part) for chip in Chip.presets() if (part := Chip.preset(chip).dram.part)}
    for name in sorted({*dram_parts(), *of_presets}):
        tables[name] = entry(dram_part(name))
        print(name, tables[name]["burst"], tables[name]["turn"], flush=True)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(table)}" for name, table in tables.items())
    TABLES.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
