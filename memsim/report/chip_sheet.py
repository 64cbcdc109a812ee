"""A chip on one screen: what its parts are, and a drawing of it in characters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from memsim.hierarchy.area import OTHER, areas_mm2, die_mm2
from memsim.report.units import si

if TYPE_CHECKING:
    from memsim.hierarchy import Chip, MatrixUnit
    from memsim.hierarchy.units import Rate

CORE, CACHE, SHARED, DRAM, FREE = "□", "C", "S", "D", "·"
"""What stands for a core, a port of the cache, of the scratchpad, of the DRAM, and for a site without a core."""
COLUMNS, MOST_ROWS = 64, 22
"""Characters of a drawing."""
WIDTH = 80
"""Characters of a line of text."""
PEAK_TYPES = ("bf16", "fp16", "fp32", "int8")
"""The operand type by which a chip is known: the first of these that it has."""


def clock_text(chip: Chip) -> str:
    """The clock, such as ``1.83 GHz``."""
    return f"{float(chip.clock) / 1e9:g} GHz"


def peak_flops(chip: Chip, dtype: str) -> float:
    """Operations a second of all matrix units together: two for each multiply-accumulate."""
    matrix = chip.core.matrix
    assert matrix is not None
    return 2 * float(matrix.peak_macs_per_cycle(dtype) * chip.clock) * chip.core_count


def peak_text(chip: Chip) -> str:
    """Peak of the matrix units in the type by which the chip is known, such as ``989.4 TFLOP/s bf16``."""
    matrix = chip.core.matrix
    if matrix is None:
        return "no matrix unit"
    dtype = next((d for d in PEAK_TYPES if matrix.supports(d)), matrix.dtypes[0])
    return f"{_operations(peak_flops(chip, dtype), dtype)} {dtype}"


def _operations(per_s: float, dtype: str) -> str:
    prefix, scale = ("P", 1e15) if per_s >= 1e16 else ("T", 1e12)
    return f"{per_s / scale:.4g} {prefix}{'OP' if dtype == 'int8' else 'FLOP'}/s"


def bytes_per_s(chip: Chip, rate: Rate) -> float:
    """A bandwidth of the chip in B/s."""
    return float(chip.rate_per_tick(rate) / chip.tick)


def dram_text(chip: Chip) -> str:
    """Peak bandwidth of the DRAM, such as ``3350 GB/s``."""
    return f"{bytes_per_s(chip, chip.dram.bandwidth) / 1e9:.4g} GB/s"


def binary(size: int) -> str:
    """A size with a binary prefix where it is a whole number of them, else with a decimal one."""
    for prefix, unit in (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if size % unit == 0 and size < 10_000 * unit:
            return f"{size // unit} {prefix}iB"
    return si(size, "B")


def sheet(chip: Chip) -> str:
    """All of it: name, parts, drawing, and where the numbers are from."""
    body = [wrapped for name, text in lines(chip) for wrapped in _wrapped(f"{name:8} {text}")]
    return "\n".join(
        [
            chip.name,
            *textwrap.wrap(chip.description, WIDTH),
            "",
            *body,
            "",
            *drawing(chip),
            legend(chip),
            evidence(chip),
        ]
    )


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent=" " * 9)


def lines(chip: Chip) -> list[tuple[str, str]]:
    """(part, what it is) of each part of the chip."""
    return [(name, text) for name, text in _lines(chip) if text]


def _lines(chip: Chip) -> Iterator[tuple[str, str]]:
    core, network = chip.core, chip.network
    columns, rows = core.grid
    yield "clock", clock_text(chip)
    pitch = " x ".join(f"{mm:.3g}" for mm in core.pitch)
    yield "cores", f"{chip.core_count} on {columns} x {rows} sites, {pitch} mm apart"
    yield "matrix", _matrix(chip, core.matrix) if core.matrix else "none"
    yield "vector", f"{core.vector.lanes} lanes, {core.vector.special_lanes} for special functions"
    yield "reg", _memory(chip, "reg")
    if core.l1:
        yield "L1", f"{binary(core.l1.capacity)} a core, {core.l1.latency}"
    yield "sram", _memory(chip, "sram")
    if chip.cache:
        parts = f", {chip.cache.partitions} partitions" if chip.cache.partitions > 1 else ""
        rate = si(bytes_per_s(chip, chip.cache.bandwidth), "B/s", 4)
        yield "cache", f"{binary(chip.cache.capacity)} in {chip.cache.slices} slices{parts}, {rate}"
    if chip.shared:
        rate = si(bytes_per_s(chip, chip.shared.bandwidth), "B/s", 4)
        yield "shared", f"{binary(chip.shared.capacity)} in {chip.shared.banks} banks, {rate}"
    dram = chip.dram
    part = f" ({dram.part})" if dram.part else ""
    rate = si(bytes_per_s(chip, dram.bandwidth), "B/s", 4)
    yield "dram", f"{binary(dram.capacity)} of {dram.kind}{part} in {dram.channels} channels, {rate}"
    rate = si(bytes_per_s(chip, network.link_bandwidth), "B/s", 4)
    yield "network", f"{network.topology}, {rate} a link, {network.hop_latency} a hop"
    yield "area", areas_text(chip)
    limit = f"{si(chip.tdp_w, 'W')} at most, " if chip.tdp_w is not None else ""
    yield "power", f"{limit}{si(chip.static_power_w, 'W')} whatever it does"


def three(number: float) -> str:
    """Three significant figures without an exponent."""
    return f"{float(f'{number:.3g}'):,g}"


def areas_text(chip: Chip) -> str:
    """Area of the die and of its parts, the largest first, such as ``826 mm2: dram 52, matrix 39, …``."""
    parts = sorted(areas_mm2(chip).items(), key=lambda item: (item[0] == OTHER, -item[1]))
    shown = ", ".join(f"{'all else' if part == OTHER else part} {three(area)}" for part, area in parts if area > 0)
    return f"{die_mm2(chip):.5g} mm2: {shown}"


def _matrix(chip: Chip, matrix: MatrixUnit) -> str:
    if matrix.kind == "systolic":
        shape = f"{matrix.rows} x {matrix.cols}, {matrix.dataflow.replace('_', ' ')}"
        shape = f"{matrix.count} arrays of {shape}" if matrix.count > 1 else shape
    else:
        m, n, k, cycles = next(iter(matrix.native.values()))
        shape = f"{m} x {n} x {k} in {cycles} cycles ({next(iter(matrix.native))})"
    by_rate: dict[float, list[str]] = {}
    for dtype in matrix.dtypes:
        by_rate.setdefault(peak_flops(chip, dtype), []).append(dtype)
    return "; ".join([shape, *(f"{_operations(rate, types[0])} {', '.join(types)}" for rate, types in by_rate.items())])


def _memory(chip: Chip, role: str) -> str:
    memory = chip.core.reg if role == "reg" else chip.core.sram
    rate = f", {memory.bandwidth} a port" if memory.bandwidth else ""
    return f"{binary(memory.capacity)} a core{rate}"


def evidence(chip: Chip) -> str:
    """How many of its numbers are from a source, from a memory of one, or assumed."""
    texts = list(chip.sources.values())
    if not texts:
        return "no sources are given"
    assumed = sum(text.startswith("assumed") for text in texts)
    recalled = sum("from memory" in text for text in texts if not text.startswith("assumed"))
    known = len(texts) - assumed - recalled
    return f"numbers: {known} from a source, {recalled} from memory of one, {assumed} assumed"


# Drawing -------------------------------------------------------------------------------------------------------------


def drawing(chip: Chip, columns: int = COLUMNS) -> list[str]:
    """The chip from above in characters, about to scale (a character is twice as high as wide), top row first."""
    width, height = chip.width_mm or 1.0, chip.height_mm or 1.0
    per_mm = min(columns / width, 2 * MOST_ROWS / height)
    size = max(4, round(width * per_mm)), max(2, round(height * per_mm / 2))
    canvas = [[" "] * size[0] for _ in range(size[1])]

    def cell(x: float, y: float) -> tuple[int, int]:
        column, row = int(x / width * size[0]), int(y / height * size[1])
        return min(size[0] - 1, column), size[1] - 1 - min(size[1] - 1, row)

    for site in _shown(chip):
        column, row = cell(*chip.core_position(site))
        if canvas[row][column] != CORE:
            canvas[row][column] = CORE if site < chip.core_count else FREE
    for role, letter in (("shared", SHARED), ("cache", CACHE), ("dram", DRAM)):
        for place in chip.port_positions(role) if chip.capacity_bytes(role) else ():
            column, row = cell(*place)
            canvas[row][column] = letter
    edge = "+" + "-" * size[0] + "+"
    return [edge, *("|" + "".join(row) + "|" for row in canvas), edge]


def _shown(chip: Chip) -> Iterator[int]:
    """Sites to draw: of a large grid, no more than a drawing has characters."""
    columns, rows = chip.core.grid
    across, down = max(1, columns // COLUMNS), max(1, rows // MOST_ROWS)
    for y in range(0, rows, down):
        for x in range(0, columns, across):
            yield y * columns + x


def legend(chip: Chip) -> str:
    """What the letters of a drawing mean."""
    words = [f"{CORE} core"]
    words += [f"{FREE} site without a core"] if chip.core_count < chip.core.sites else []
    words += [f"{CACHE} cache"] if chip.cache else []
    words += [f"{SHARED} shared memory"] if chip.shared else []
    return ", ".join([*words, f"{DRAM} DRAM"]) + f"; {chip.width_mm:.4g} x {chip.height_mm:.4g} mm"
