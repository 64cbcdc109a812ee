"""A chip on one screen and in a figure: nothing overlaps, nothing is lost, everything is to scale."""

from __future__ import annotations

import pytest
from matplotlib.patches import Rectangle

from memsim.hierarchy import Chip
from memsim.hierarchy.area import areas_mm2
from memsim.report import chip_sheet
from memsim.report.figures import style
from memsim.report.figures.chip import draw_chip

NAMES = ("toy", "a100_sxm", "wse_2", "groq_lpu", "m1_ultra", "dally_grid")


@pytest.mark.parametrize("name", Chip.presets())
def test_a_sheet_fits_a_terminal_and_tells_each_part(name: str) -> None:
    chip = Chip.preset(name)
    text = chip_sheet.sheet(chip)
    assert max(map(len, text.splitlines())) <= 80
    assert len(text.splitlines()) < 60
    told = {line.split()[0] for line in text.splitlines() if line and line[0].isalpha()}
    assert {"clock", "cores", "matrix", "vector", "reg", "sram", "dram", "network", "area", "power"} <= told
    assert ("cache" in told, "shared" in told) == (chip.cache is not None, chip.shared is not None)


def test_each_core_and_port_is_drawn_where_there_is_room() -> None:
    chip = Chip.preset("tpu_v4")
    drawn = "".join(chip_sheet.drawing(chip))
    assert drawn.count(chip_sheet.CORE) == 2
    assert drawn.count(chip_sheet.DRAM) == 4
    assert drawn.count(chip_sheet.SHARED) == 1


def test_numbers_are_counted_by_where_they_are_from() -> None:
    chip = Chip.preset("toy").replace(
        {"sources": {"clock": "assumed: one", "launch": "a paper", "core.grid": "x [from memory]"}}
    )
    assert chip_sheet.evidence(chip) == "numbers: 1 from a source, 1 from memory of one, 1 assumed"


@pytest.mark.parametrize(
    ("number", "text"), [(38.76, "38.8"), (1273.4, "1,270"), (0.1012, "0.101"), (46225.0, "46,200")]
)
def test_areas_have_three_figures(number: float, text: str) -> None:
    assert chip_sheet.three(number) == text


@pytest.mark.parametrize("name", NAMES)
def test_no_words_of_a_figure_overlap(name: str) -> None:
    assert style.overlaps(draw_chip(Chip.preset(name))) == []


def test_memories_are_drawn_as_large_as_they_are() -> None:
    chip = Chip.preset("a100_sxm")
    patches = [p for p in draw_chip(chip).axes[0].patches if isinstance(p, Rectangle)]
    die, *memories = patches
    assert die.get_width() * die.get_height() == pytest.approx(826, rel=0.001)
    areas = areas_mm2(chip)
    drawn = sum(p.get_width() * p.get_height() for p in memories)
    assert drawn == pytest.approx(areas["cache"] + areas["dram"])
    for p in memories:
        assert 0 <= p.get_x() <= chip.width_mm - p.get_width() + 1e-9
        assert 0 <= p.get_y() <= chip.height_mm - p.get_height() + 1e-9
