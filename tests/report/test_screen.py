import pandas as pd
import pytest

from memsim.report import render, show, text
from memsim.report.screen import TOP, WIDTH, compute_queue
from tests.report.fakes import FakeLedger, ledger_rows, make_result


def test_the_headline_has_every_number_with_its_unit(result):
    head = render(result).split("\n\n")[0]
    assert "matmul on toy · simpy" in head
    assert "48.00 µs" in head and "48,000 cycles" in head
    assert "19.52 µJ" in head and "407 mW average" in head  # 19.52 µJ over 48 µs
    assert "5.59 TFLOP/s" in head  # 2 * 512^3 over 48 µs
    assert "MFU 82.0 %" in head and "MBU 31.0 %" in head


def test_bounds_stand_beside_the_time_with_its_ratio(result):
    lines = render(result).splitlines()
    assert "Bound by matrix units, busy 82% of the time" in lines
    (roofline,) = [line for line in lines if "roofline: matrix units" in line]
    assert "≥ 16.40 µs" in roofline and "2.93x this bound" in roofline  # 48 / 16.4


def test_where_the_time_went_is_that_of_the_computing_queue(result):
    screen = render(result)
    assert "working" in screen and "80.0 %" in screen
    assert "waiting for data in a" in screen
    assert "waiting for space in a" not in screen  # that is the load queue


def test_parts_and_tensors_are_ranked_and_the_rest_is_summed(result):
    screen = render(result)
    at = [screen.index(f"  {name} ") for name in ("dram", "matrix", "sram", "static", "wires")]
    assert at == sorted(at)
    assert "38.9 %   7.60 µJ" in screen
    rest = 0.4e6 + 0.02e6 + 0.1e6  # reg, vector and routers, pJ
    assert f"3 others  ▎          2.7 %    {rest * 1e-3:.0f} nJ" in screen


def test_shares_of_tensors_leave_room_for_what_belongs_to_none(result):
    (line,) = [line for line in render(result).splitlines() if line.rstrip().endswith("5.92 µJ")]
    assert "30.3 %" in line  # of all 19.52 µJ, static included


@pytest.mark.parametrize("name", ["x", "a_workload_with_a_very_long_name_" * 4])
def test_no_line_is_wider_than_the_screen(name):
    many = [("p" * 30 + str(i), "t" * 40 + str(i), "", "sram", 0, "read", 0.0, 8, 0, 1.0 + i) for i in range(20)]
    stalls = pd.DataFrame(
        [("compute", "waiting for data in " + "r" * 60, 1.0, 0.7), ("compute", "working", 1.0, 0.3)],
        columns=["queue", "reason", "time_s", "share"],
    )
    kernels = pd.DataFrame([("k" * 70 + str(i), i * 1e-6, (i + 1) * 1e-6) for i in range(48)])
    kernels.columns = ["kernel", "start_s", "end_s"]
    levels = {f"level{i}": 10**i for i in range(16)}
    result = make_result(
        workload=name, energy=FakeLedger(many), stalls=stalls, kernels=kernels, bytes_by_level=levels,
        bottleneck="b" * 200,
    )  # fmt: skip
    lines = render(result).splitlines()
    assert max(len(line) for line in lines) <= WIDTH
    assert sum("level" in line for line in lines) >= 2  # wrapped, not cut
    assert all(f"level{i} " in "\n".join(lines) for i in range(16))
    assert len(lines) <= 40


def test_kernels_are_listed_only_where_there_are_several():
    one, two = make_result(), make_result()
    two.kernels = pd.DataFrame([("scores", 0.0, 12e-6), ("mix", 12e-6, 48e-6)], columns=["kernel", "start_s", "end_s"])
    assert "kernels" not in render(one)
    assert "2 kernels" in render(two)
    (line,) = [line for line in render(two).splitlines() if line.startswith("  mix")]
    assert "75.0 %" in line and "36.0 µs" in line


def test_an_empty_run_is_told_without_dividing_by_zero():
    empty = make_result(ticks=0, flops=0, mfu=0.0, mbu=0.0, bytes_by_level={}, energy=FakeLedger(ledger_rows()[:0]))
    empty.stalls, empty.bounds = empty.stalls.iloc[:0], empty.bounds.iloc[:0]
    screen = render(empty)
    assert "0 s" in screen and "no FLOP" in screen
    assert "no instruction ran" in screen


def test_the_queue_that_works_most_stands_for_the_program(result):
    renamed = result.stalls.replace({"queue": {"compute": "tensor"}})
    assert compute_queue(renamed.to_dict("records")) == "tensor"
    assert compute_queue([]) is None
    assert compute_queue(result.stalls.to_dict("records")) == "compute"


def test_at_most_so_many_reasons():
    reasons = [("compute", f"waiting for data in r{i}", 1.0, 0.1) for i in range(10)]
    result = make_result(stalls=pd.DataFrame(reasons, columns=["queue", "reason", "time_s", "share"]))
    assert sum("waiting" in line for line in render(result).splitlines()) == TOP


def test_styled_text_says_the_same_as_the_plain_one(result, capsys):
    show(result)
    assert capsys.readouterr().out.rstrip("\n") == render(result)
    assert text(result).spans
