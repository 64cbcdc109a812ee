"""Measure what visits to rows take of DRAM parts, all listed and those of presets: makes engine/dram_tables.json."""

from __future__ import annotations

import json
from pathlib import Path

from memsim.engine.calibration import entry, listed

TABLES = Path(__file__).parent.parent / "memsim" / "engine" / "dram_tables.json"


def main() -> None:
    """Measure all parts; takes a few seconds each."""
    tables = {}
    for name, (part, text) in listed().items():
        tables[name] = entry(part, text)
        print(name, tables[name]["burst"], tables[name]["turn"], flush=True)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(table)}" for name, table in tables.items())
    TABLES.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
