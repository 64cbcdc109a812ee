"""The figure of power: lines and points where the numbers are."""

from __future__ import annotations

import pytest

from memsim.report.figures.power import Intensity, Rate, draw_power


def test_both_panels_show_model_and_measurement() -> None:
    runs = [Intensity(8, 90, 100, 120, 105), Intensity(2, 50, 60, 70, 61)]
    figure = draw_power("Board", runs, {"one": Rate((100, 200), 150, 300), "two": Rate((400, 500), 450, 480)})
    left, right = figure.axes
    model = next(line for line in left.lines if line.get_label() == "memsim")
    assert list(zip(*model.get_data(), strict=True)) == [(2, 61), (8, 105)]
    assert left.get_title(loc="left") == "Board: power over intensity"
    dots = [line.get_xdata() for line in right.lines if line.get_color() == model.get_color()]
    assert [float(x[0]) for x in dots] == pytest.approx([150, 450])
    assert [label.get_text() for label in right.get_yticklabels()] == ["one", "two"]
