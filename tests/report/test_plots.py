"""`result.plot` on a real simulation: the files exist, are images, and errors say what to do."""

import subprocess
import sys
from functools import cache

import pytest

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import parse
from memsim.report import ResultPlots, compare, facts, render, to_json, write_trace
from memsim.report.figures.roofline import bound_of
from tests.report.fakes import make_result

PROGRAM = """
program matmul
tensor A dram bf16 [256, 256]
tensor B dram bf16 [256, 256]
tensor C dram fp32 [256, 256]
kernel main blocks (y 4, x 4) {
  ring a sram bf16 [64, 64] depth 2
  ring b sram bf16 [64, 64] depth 2
  ring c reg fp32 [64, 64]
  queue load    { loop k 4 { load a <- A[y*64, k*64]  load b <- B[k*64, x*64] } }
  queue compute { fill c 0  loop k 4 { mma c += a b  pop a  pop b }  push c }
  queue store   { store C[y*64, x*64] <- c  pop c }
}
"""


@cache
def simulated(chip="toy"):
    from memsim.engine import simulate

    return simulate(parse(PROGRAM), Chip.preset(chip), trace=True)


@pytest.mark.parametrize("name", ["energy", "roofline", "timeline", "floorplan"])
@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_each_figure_is_written_in_the_format_of_its_name(name, suffix, magic, tmp_path):
    path = getattr(ResultPlots(simulated()), name)(tmp_path / f"figure{suffix}")
    assert path.read_bytes().startswith(magic)


def test_a_name_without_suffix_is_a_png(tmp_path):
    path = ResultPlots(make_result()).energy(str(tmp_path / "figure"))
    assert path == tmp_path / "figure.png" and path.exists()


def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(MemsimError, match=r"'\.gif2' is not an image format") as caught:
        ResultPlots(make_result()).energy(tmp_path / "figure.gif2")
    assert ".png" in caught.value.mend


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(MemsimError, match="cannot write the figure"):
        ResultPlots(make_result()).energy(tmp_path / "none" / "figure.png")


def test_a_timeline_without_a_trace_says_how_to_get_one(tmp_path):
    with pytest.raises(MemsimError, match="needs a trace") as caught:
        ResultPlots(make_result(trace=None)).timeline(tmp_path / "t.png")
    assert "trace=True" in caught.value.mend


@pytest.mark.parametrize("chip", ["toy", "h100_sxm"])
def test_no_run_is_faster_than_its_roofline(chip):
    result = simulated(chip)
    bound, _ = bound_of(facts.roofs(result), facts.peaks(result), result.executed_flops)
    assert result.executed_flops / result.time_s <= bound


def test_every_report_takes_a_real_result(tmp_path):
    one, two = simulated("toy"), simulated("h100_sxm")
    assert "matmul on toy" in render(one)
    assert to_json(one)["energy_j"] == pytest.approx(one.energy_j)
    assert "h100_sxm" in str(compare(one, two))
    assert write_trace(one, tmp_path / "t.json").stat().st_size > 1000


def test_the_facade_loads_nothing_before_it_is_asked():
    heavy = "{'matplotlib', 'pandas', 'rich', 'numpy'}"
    code = f"import sys, memsim.report; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_name_that_is_not_there():
    import memsim.report

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        memsim.report.nothing  # noqa: B018
