"""Blocks of a die: their areas are those of the parts, and they cover the die once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.hierarchy import Chip
from memsim.report.figures.areas import area_blocks, draw_areas
from memsim.report.figures.sram_energy import Points, draw_sram_energy


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0.01, 1000), min_size=1, max_size=9))
def test_blocks_have_the_areas_of_their_parts_and_do_not_overlap(areas: dict[str, float]) -> None:
    width = sum(areas.values()) ** 0.5
    blocks = area_blocks(areas, width)
    assert {b.part: b.width * b.height for b in blocks} == pytest.approx(areas)
    assert max(b.x + b.width for b in blocks) == pytest.approx(width)
    assert max(b.y + b.height for b in blocks) == pytest.approx(width)
    tiny = 1e-9 * width
    for i, a in enumerate(blocks):
        for b in blocks[:i]:
            apart = a.x + a.width <= b.x + tiny or b.x + b.width <= a.x + tiny
            assert apart or a.y + a.height <= b.y + tiny or b.y + b.height <= a.y + tiny


def test_the_figure_of_a_die_tells_each_part() -> None:
    chip = Chip.preset("toy")
    figure = draw_areas(chip)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == len(chip.area())
    assert any(label.startswith("sram: 1.61 mm") for label in labels)


def test_the_figure_of_sram_has_both_families_and_all_points() -> None:
    figure = draw_sram_energy({"Horowitz": Points([8, 32], [0.156, 0.3125], "n45")}, nodes=("n45",))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert set(lines) == {"n45, published", "n45, dally", "Horowitz"}
    assert max(lines["n45, published"].get_ydata()) > max(lines["n45, dally"].get_ydata())
