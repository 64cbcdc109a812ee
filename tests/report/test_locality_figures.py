"""Pages on locality: nothing overlaps, and the lines are those of the tables."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from memsim.errors import MemsimError
from memsim.isa import parse as parse_tiles
from memsim.locality.accesses import scalar_accesses
from memsim.locality.constants import variations
from memsim.locality.diagnosis import Diagnosis, diagnose
from memsim.locality.scalar.text import parse
from memsim.locality.sensitivity import rankings
from memsim.locality.tile_accesses import tile_accesses
from memsim.report.figures import style
from memsim.report.figures.locality import draw_diagnosis
from memsim.report.figures.sensitivity import draw_sensitivity
from tests.locality.products import naive, tiled

COPIES = """
program copies
tensor X dram fp32 [4096]
tensor Y dram fp32 [4096]
kernel k blocks (b 16) {
  ring t sram fp32 [256] depth 2
  queue load { loop i 2 { load t <- X[b*256] } }
  queue store { store Y[b*256] <- t  pop t  pop t }
}"""


def scalar(text: str, name: str = "p") -> Diagnosis:
    return diagnose(scalar_accesses(parse(text), name=name))


def check(figure: Figure) -> None:
    assert style.overlaps(figure) == []
    for text in style.all_texts(figure):
        box, page = style.extent(text), figure.bbox
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= page.x1 and box.y1 <= page.y1, text.get_text()


@pytest.mark.parametrize(
    "programs",
    [
        [naive(8)],
        [naive(16), tiled(16, 4)],
        [naive(8), tiled(8, 2), tiled(8, 4), tiled(16, 8)],
        ["1;copy 2,1;2"],
        ["recv 1"],
    ],
)
def test_pages_of_scalar_programs_read_well(programs: list[str]) -> None:
    check(draw_diagnosis([scalar(text, f"program {i}") for i, text in enumerate(programs)]))


@pytest.mark.parametrize("role", ["dram", "sram"])
def test_pages_of_tile_programs_read_well(role: str) -> None:
    found = diagnose(tile_accesses(parse_tiles(COPIES), role=role))
    check(draw_diagnosis([found], {"cache": 4096}))


def test_long_names_stand_below_each_other() -> None:
    check(draw_diagnosis([scalar(naive(8), "a/long/way/to/a/file/with/a/long/name/" + name) for name in "ab"]))


def test_lines_are_those_of_the_tables() -> None:
    found = scalar(naive(4))
    misses, live, reuse, away = draw_diagnosis([found]).axes
    x, y = misses.lines[0].get_data()
    assert np.interp(16, x, y) == pytest.approx(found.miss_ratio(16))
    assert y[-1] == pytest.approx(49 / 384)
    assert live.lines[0].get_ydata().tolist()[:-1] == found.live["live"].tolist()
    heights = [bar.get_height() for bar in reuse.patches]
    assert sum(heights) == pytest.approx(1) and heights[-1] == pytest.approx(49 / 384)
    read, cost = (line.get_ydata() for line in away.lines[:2])
    assert read[0] == pytest.approx(4 / 240) and cost[0] == pytest.approx(4 / 1316)
    assert away.get_xlabel() == "distance of the place"


def test_pages_that_cannot_be_drawn() -> None:
    one, tiles = scalar(naive(2)), diagnose(tile_accesses(parse_tiles(COPIES)))
    with pytest.raises(MemsimError, match="0 programs for one page"):
        draw_diagnosis([])
    with pytest.raises(MemsimError, match="5 programs for one page"):
        draw_diagnosis([one] * 5)
    with pytest.raises(MemsimError, match="one program counts words and another bytes"):
        draw_diagnosis([one, tiles])


PRODUCTS = {"naive": naive(16), **{f"tiles of {t}": tiled(16, t) for t in (2, 4, 8)}}


@pytest.mark.parametrize("count", [2, 4])
def test_pages_of_rankings_read_well(count: int) -> None:
    programs = {name: parse(text) for name, text in list(PRODUCTS.items())[:count]}
    figure = draw_sensitivity(rankings(programs, variations()))
    check(figure)
    assert len(figure.axes[0].patches) == 2  # wires of 100 and of 280 fJ/bit/mm
    check(draw_sensitivity(rankings(programs, variations(full=True)[::5])))


def test_far_energies_are_drawn_by_their_logarithm() -> None:
    programs = {"near": parse("1;copy 2,1;2"), "far": parse("1;copy 90000,1;copy 3,90000;3")}
    figure = draw_sensitivity(rankings(programs, variations()))
    check(figure)
    assert figure.axes[0].get_xscale() == "log"


def test_rankings_that_cannot_be_drawn() -> None:
    programs = {name: parse(text) for name, text in PRODUCTS.items()}
    with pytest.raises(MemsimError, match="180 variations for one page"):
        draw_sensitivity(rankings(programs, variations(full=True)))
    many = {str(i): programs["naive"] for i in range(9)}
    with pytest.raises(MemsimError, match="9 programs for one page"):
        draw_sensitivity(rankings(many, variations()))
