import pytest

from memsim.engine import simulate
from memsim.hierarchy import Chip
from memsim.isa import parse
from memsim.report import facts
from tests.report.fakes import LEDGER, FakeLedger, ledger_rows, make_chip, make_result

COPY = """
program copy
tensor X dram bf16 [16, 16]
kernel k blocks (b 1) {
  ring a sram bf16 [16, 16]
  queue q { load a <- X[0, 0]  pop a }
}"""


def test_roofs_are_the_bandwidths_of_all_cores_together():
    assert facts.bandwidths(make_chip()) == {"dram": 256e9, "sram": 16 * 128e9}  # registers have no limit


def test_a_derated_dram_has_a_lower_roof():
    chip = make_chip().replace({"dram.efficiency": 0.75})
    assert facts.bandwidths(chip)["dram"] == 192e9


def test_bytes_of_a_roof_are_those_that_passed_it_in_time():
    rows = [
        ("cache", "A", "load", "cache", 0, "read", 0.0, 800, 0, 1.0),
        ("cache", "A", "fill", "cache", 0, "write", 0.0, 160, 0, 1.0),
        ("cache", "C", "write_back", "cache", -1, "read", 0.0, 80, 0, 1.0),
        ("dram", "A", "load", "dram", 0, "read", 0.0, 160, 0, 1.0),
        ("dram", "C", "write_back", "dram", -1, "write", 0.0, 80, 0, 1.0),
        ("dram", "C", "final_write_back", "dram", -1, "write", 0.0, 8000, 0, 1.0),
        ("dram", "A", "load", "network", 0, "move", 1.0, 4000, 0, 1.0),
    ]
    result = make_result(energy=FakeLedger(rows), chip=Chip.preset("h100_sxm"))
    moved = {roof.level: roof.bytes_moved for roof in facts.roofs(result)}
    assert (moved["cache"], moved["dram"]) == (100, 30)


def test_peaks_of_equal_speed_share_a_line_and_tell_what_was_used(result):
    peaks = {peak.name: peak for peak in facts.peaks(result)}
    assert peaks["matrix bf16"].flops_per_s == pytest.approx(2 * 256e9 * 16)  # 256 multiply-adds a cycle a core
    assert peaks["matrix bf16"].used and peaks["vector"].used
    assert not peaks["matrix fp8_e4m3"].used
    assert peaks["vector"].flops_per_s == pytest.approx(32e9 * 16)


def test_units_that_did_nothing_are_not_used():
    rows = [row for row in ledger_rows() if row[0] not in ("matrix", "vector")]
    peaks = {peak.name: peak.used for peak in facts.peaks(make_result(energy=FakeLedger(rows)))}
    assert peaks == {"matrix bf16, fp16": False, "matrix fp8_e4m3": False, "vector": False}


def test_cores_lie_where_the_chip_says_with_the_utilisation_of_their_units(result):
    cores = facts.cores(result)
    assert len(cores) == 16
    assert (cores.loc[5, "x_mm"], cores.loc[5, "y_mm"]) == (2.5, 1.5)
    busy = result.parts.set_index("part")["utilisation"]
    assert cores.loc[5, "matrix"] == busy["core5.matrix"]


def test_a_unit_that_is_not_listed_was_idle():
    empty = make_result()
    empty.parts = empty.parts.iloc[:0]
    assert (facts.cores(empty)[list(facts.GAUGES)] == 0).all().all()


def test_memories_are_the_nodes_that_are_no_cores(result):
    nodes = facts.memories(result).set_index("name")
    assert tuple(nodes.loc["dram2", ["x_mm", "y_mm", "kind"]]) == (0.0, 2.5, "dram")
    assert (nodes["kind"] == "router").sum() == 16
    assert not nodes.index.str.startswith("core").any()


def test_dram_behind_a_cache_is_shown_at_its_ports():
    chip = Chip.preset("h100_sxm")
    kinds = facts.memories(make_result(chip=chip))["kind"].value_counts()
    assert kinds["dram"] == len(chip.port_positions("dram"))
    assert kinds["cache"] == len(chip.memory_nodes("dram"))


def test_links_run_from_place_to_place(result):
    links = facts.links(result)
    (row,) = links[(links["src"] == "r1") & (links["dst"] == "r2")].to_dict("records")
    assert (row["x0"], row["y0"], row["x1"], row["y1"]) == (2.5, 0.5, 3.5, 0.5)
    assert row["bytes"] == 200_000


def test_the_fake_ledger_has_the_columns_of_the_real_one():
    real = simulate(parse(COPY), make_chip()).energy
    assert list(real.frame().columns) == LEDGER
    assert list(real.by("part", "level").columns) == list(FakeLedger(ledger_rows()).by("part", "level").columns)
