"""SRAM from its size: closed forms, ports, banks and conflicts."""

import csv
import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.hierarchy import technologies
from memsim.hierarchy.sram import (
    PORT_STRETCH,
    Curve,
    Delay,
    access_pj_per_bit,
    area_mm2,
    between_banks_mm,
    conflict_cycles,
    latency_ns,
    port_cycles,
    service_factor,
    side_mm,
)
from tests.hierarchy.samples import small

CURVE = Curve(e0=0.05, slope=0.022e-3, wire=0.1, area=0.048)
SIZES = st.integers(1, 1 << 30)
BANKS = st.integers(1, 64)


@given(SIZES)
def test_energy_is_a_constant_and_wires_along_the_side(capacity: int) -> None:
    n7 = technologies()["n7"]
    bits = 8 * capacity
    assert n7.sram_pj_per_bit(capacity) == pytest.approx((110 + 0.038 * math.sqrt(bits)) / 1000)
    side = math.sqrt(bits * 0.048) / 1000
    assert n7.sram_pj_per_bit(capacity, family="dally") == pytest.approx(0.036 + 1.0 * 0.1 * side)
    assert side_mm(capacity, 0.048) == pytest.approx(side)


@given(SIZES)
def test_time_is_a_constant_and_the_way_there_and_back(capacity: int) -> None:
    delay = Delay(start_ps=50, trip=3, wire_ps_per_mm=400, area=0.048)
    assert latency_ns(delay, capacity) == pytest.approx(0.05 + 3 * 0.4 * side_mm(capacity, 0.048))


@pytest.mark.parametrize("each_side", [1, 3, 5, 7])
def test_wires_between_banks_are_the_mean_way_from_the_middle(each_side: int) -> None:
    """By adding up the ways to the centres of all banks, which stand in a square."""
    capacity, banks = 1 << 20, each_side**2
    bank = side_mm(capacity, 0.048) / each_side
    places = [(i - (each_side - 1) / 2) * bank for i in range(each_side)]
    mean = sum(abs(x) + abs(y) for x in places for y in places) / banks
    assert between_banks_mm(capacity, 0.048, banks) == pytest.approx(mean, abs=1e-12)


@given(SIZES, BANKS)
def test_banks_save_energy_and_never_less_than_a_bank_costs(capacity: int, banks: int) -> None:
    whole, split = access_pj_per_bit(CURVE, capacity), access_pj_per_bit(CURVE, capacity, banks=banks)
    alone = CURVE.e0 + CURVE.slope * math.sqrt(8 * capacity / banks)
    assert alone <= split * (1 + 1e-12)
    assert split <= whole * 1.0001


@given(SIZES, st.integers(1, 8))
def test_ports_cost_area_and_energy(capacity: int, ports: int) -> None:
    side = 1 + PORT_STRETCH * (ports - 1)
    assert area_mm2(capacity, 0.048, ports) == pytest.approx(area_mm2(capacity, 0.048) * side**2)
    assert access_pj_per_bit(CURVE, capacity, ports) == pytest.approx(access_pj_per_bit(CURVE, capacity) * side)


def test_a_second_port_makes_a_cell_a_third_larger() -> None:
    """Eight transistors against six: Chang et al., Symp. VLSI Technology 2005."""
    assert area_mm2(1024, 0.048, 2) / area_mm2(1024, 0.048) == pytest.approx(1.3, rel=0.01)


def test_a_memory_of_a_chip_chooses_its_family_ports_and_banks() -> None:
    n7 = technologies()["n7"]
    chip = small(**{"core.sram": {"capacity": "1 MiB", "ports": 2, "banks": 4, "sram_family": "dally"}})
    assert chip.read_energy("sram") == n7.sram_pj_per_bit(1 << 20, 2, 4, "dally")
    assert chip.access_latency_ns("sram") == latency_ns(n7.sram_latency("dally"), 1 << 20, 2, 4)
    by_node = small(technology={"base": "n7", "sram_family": "dally"})
    assert by_node.read_energy("sram") == n7.sram_pj_per_bit(by_node.core.sram.capacity, family="dally")
    given_latency = chip.replace({"core.sram.latency": "5 ns"})
    assert given_latency.access_latency_ns("sram") == pytest.approx(5)


# Conflicts -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 256), st.sampled_from([8, 16, 32, 64]))
def test_strides_of_words_follow_the_rule_of_the_greatest_common_divisor(stride: int, banks: int) -> None:
    assert conflict_cycles(4 * stride, lanes=banks, banks=banks) == math.gcd(stride, banks)


def test_lanes_that_read_one_word_do_not_conflict() -> None:
    assert conflict_cycles(0) == 1
    assert conflict_cycles(128) == 32  # a column of a 32 x 32 tile of fp32
    assert conflict_cycles(132) == 1  # padded by a word
    assert service_factor(8) == 2
    assert conflict_cycles(2, element=2) == 1  # two lanes share a word


@given(st.integers(0, 300), st.integers(1, 32), st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([3, 16, 32]))
def test_cycles_are_the_most_words_of_one_bank(stride: int, lanes: int, element: int, banks: int) -> None:
    touched = {byte // 4 for lane in range(lanes) for byte in range(lane * stride, lane * stride + element)}
    expected = max(Counter(word % banks for word in touched).values())
    assert conflict_cycles(stride, lanes=lanes, element=element, banks=banks) == expected


def test_ports_are_shared_or_apart() -> None:
    assert port_cycles(10, 6, 1) == 16
    assert port_cycles(10, 6, 2) == 10
    assert port_cycles(10, 6, 3) == 6  # two read, one writes
    assert port_cycles(10, 6, 4) == 5


# CACTI ---------------------------------------------------------------------------------------------------------------


def cacti(cell: str, node_nm: int) -> list[dict[str, float]]:
    """Runs of CACTI 7 from 8 KiB to 32 MiB: 64 bits wide, one port, 340 K."""
    with (Path(__file__).parent / "data" / "cacti_sram.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["cell"] == cell and int(row["node_nm"]) == node_nm]
    return [{key: float(text) for key, text in row.items() if key != "cell"} for row in rows if float(row["kib"]) >= 8]


def test_at_45_nm_cacti_lies_between_the_two_families() -> None:
    n45 = technologies()["n45"]
    for row in cacti("itrs-hp", 45)[4:]:  # from 128 KiB
        size = int(row["kib"]) * 1024
        low, high = 1000 * n45.sram_pj_per_bit(size, family="dally"), 1000 * n45.sram_pj_per_bit(size)
        assert low < row["read_fj_bit"] < high


def test_energy_per_bit_goes_nearly_with_the_square_root_of_size() -> None:
    for cell, node in (("itrs-hp", 45), ("itrs-hp", 32), ("itrs-hp", 22), ("itrs-lop", 22)):
        rows = cacti(cell, node)[4:]
        slope = math.log(rows[-1]["read_fj_bit"] / rows[0]["read_fj_bit"]) / math.log(rows[-1]["kib"] / rows[0]["kib"])
        assert slope == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("node", "start_ps", "ps_per_mm"), [(45, 158, 300), (32, 113, 315), (22, 52, 335)])
def test_latency_goes_with_the_side_of_the_array(node: int, start_ps: float, ps_per_mm: float) -> None:
    """Three times the side, at the delay of wires between nodes; the side is that of CACTI's own area."""
    for row in cacti("itrs-hp", node):
        capacity = int(row["kib"]) * 1024
        delay = Delay(start_ps, 3.0, ps_per_mm, area=row["area_mm2"] * 1e6 / (8 * capacity))
        assert latency_ns(delay, capacity) == pytest.approx(row["access_ns"], rel=0.22)
