"""Mistakes in Python name the part or the chip, with the same messages as those in files."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ChipError
from memsim.hierarchy import Cache, Core, Dram, Duration, MatrixUnit, Memory, Network, Rate, VectorUnit
from tests.hierarchy.samples import small

NATIVE = {"bf16": (1, 1, 1, 1)}


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        (Memory, {"capacity": "5 kg"}, "Memory.capacity: '5 kg' is not a size in bytes: its unit is mass"),
        (Memory, {}, "Memory: capacity is missing"),
        (Memory, {"capacity": "1e35 B"}, "Memory.capacity: '1e35' is out of all proportion"),
        (Memory, {"capacity": None}, "Memory.capacity: None is not a size in bytes"),
        (Memory, {"capacity": 1 << 61}, "2305843009213693952 is not a whole number of bytes below 2^60"),
        (Memory, {"capacity": 1, "latency": Duration(-1, "s")}, "Memory.latency: '-1 s' must be at least 0"),
        (Memory, {"capacity": 1, "bandwidth": Rate(0, "cycle")}, "Memory.bandwidth: '0 B/cycle' must be more than 0"),
        (Memory, {"capacity": 1, "read_energy": float("nan")}, "Memory.read_energy: nan is not a finite number"),
        (Core, {"grid": (1, 1), "pitch": "1 mm", "sram": {"capacity": 0}}, "Core.sram.capacity: 0 must be more than 0"),
        (Core, {"grid": (1, 1), "pitch": "1 mm", "sram": 5}, "Core.sram: 5 is not a table of values"),
        (VectorUnit, {"lanes": 1.5}, "VectorUnit.lanes: 1.5 is not a whole number"),
        (VectorUnit, {"energy": {"spezial": 1}}, "VectorUnit.energy.spezial: unknown class of operation 'spezial'"),
        (VectorUnit, {"energy": 3}, "VectorUnit.energy: 3 is not a table"),
        (MatrixUnit, {}, "MatrixUnit: a dot-product unit needs its native steps"),
        (MatrixUnit, {"native": {"bf17": (1, 1, 1, 1)}}, "MatrixUnit.native.bf17: unknown operand type 'bf17'"),
        (MatrixUnit, {"native": {"bf16": (1, 1, 1)}}, "native.bf16: (1, 1, 1) is not [m, n, k, cycles]"),
        (
            MatrixUnit,
            {"kind": "systolic", "rows": 3, "cols": 3, "cycles_scale": {"bf16": 1}, "native": NATIVE},
            "MatrixUnit.native: native steps belong to a dot-product unit",
        ),
        (MatrixUnit, {"native": NATIVE, "rows": 3}, "rows, cols and cycles_scale belong to a systolic array"),
        (MatrixUnit, {"native": NATIVE, "latency": "3 ns"}, "MatrixUnit.latency: 3 ns is not in cycles"),
        (MatrixUnit, {"kind": "systolic", "rows": 3}, "MatrixUnit: a systolic array needs rows, cols and cycles_scale"),
        (MatrixUnit, {"kind": "sistolic"}, "MatrixUnit.kind: 'sistolic' is not a choice here"),
        (
            MatrixUnit,
            {"kind": "systolic", "rows": 3, "cols": 3, "cycles_scale": {"bf16": 0}},
            "MatrixUnit.cycles_scale.bf16: 0 must be more than 0",
        ),
        (
            MatrixUnit,
            {"kind": "systolic", "rows": 3, "cols": 3, "cycles_scale": {"bf16": "1/0"}},
            "MatrixUnit.cycles_scale.bf16: '1/0' divides by 0",
        ),
        (
            Network,
            {"link_bandwidth": 1, "edges": [["core0", "core1"]]},
            "Network.edges: edges belong to topology graph",
        ),
        (Network, {"link_bandwidth": 1, "edges": [["core0"]]}, "Network.edges: ['core0'] is not a pair of nodes"),
        (Network, {"link_bandwidth": 1, "edges": 3}, "Network.edges: 3 is not a list of links"),
        (Network, {"link_bandwidth": 1, "edges": [["core0", "core0"]]}, "links a node to itself"),
        (Cache, {"capacity": 1, "bandwidth": "1 B/s", "write_back": "maybe"}, "'maybe' is neither true nor false"),
        (Dram, {"capacity": 1, "bandwidth": "1 B/s", "efficiency": "lots"}, "Dram.efficiency: 'lots' is not a number"),
        (
            Dram,
            {"capacity": 1, "bandwidth": "1 B/s", "efficiency": "seven"},
            "Dram.efficiency: 'seven' is not a number",
        ),
        (Dram, {"capacity": 1, "bandwidth": "1 B/s", "efficiency": [1]}, "Dram.efficiency: [1] is not a number"),
        (Dram, {"capacity": 1, "bandwidth": "1 B/s", "at": "left"}, "Dram.at: 'left' is not a list of places"),
        (Dram, {"capacity": 1, "bandwidth": "1 B/s", "at": [1]}, "Dram.at: 1 is not a pair of lengths"),
    ],
)
def test_a_mistake_in_python_names_the_part(part: type[Any], values: dict[str, Any], message: str) -> None:
    with pytest.raises(ChipError) as caught:
        part(**values)
    assert message in str(caught.value)


def test_parts_take_their_values_by_name() -> None:
    with pytest.raises(TypeError, match="Memory takes its values by name"):
        Memory("64 KiB")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"core.srm.capacity": "1 B"},
            "chip small has no key 'core.srm.capacity'\n  mend: did you mean 'core.sram.capacity'?",
        ),
        ({"cache.capacity": "1 B"}, "chip small has no cache\n  mend: replace cache with a whole table"),
        ({"cach.capacity": "1 B"}, "chip small has no key 'cach.capacity'"),
        ({3: "1 B"}, "chip small has no key '3'"),
        ({"core.sram.capacity": "1 kg"}, "small: core.sram.capacity: '1 kg' is not a size"),
        ({"core": None}, "small: core: None is not a table of values"),
        ({"core.vector.energy.smple": 1}, "small: core.vector.energy.smple: unknown class of operation 'smple'"),
        ({"technology.wire_enery": 1}, "chip small has no key 'technology.wire_enery'"),
        ({"launch": "1e20 s"}, "s is too long to reckon with\n  mend: write such as"),
        ({"dram.latency": "100000000 s"}, "small: dram.latency: 100 Ms is too long to reckon with"),
        ({"core.dma.issue": "1e17 cycles"}, "small: core.dma.issue: "),
        ({"technology": 7}, "small: technology: 7 is not a technology"),
        ({"technology": {"base": "n8"}}, "small: technology: unknown technology 'n8'"),
    ],
)
def test_a_mistake_in_a_change_names_the_key(changes: dict[Any, Any], message: str) -> None:
    with pytest.raises(ChipError) as caught:
        small().replace(changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([["core0", "core1"]], "no path leads from core0 to core2"),
        ([["core0", "cor1"]], "unknown node 'cor1'\n  mend: did you mean 'core1'?"),
        ([["core0", "r9"]], "unknown node 'r9'"),
        ([["core0", "core6"]], "unknown node 'core6'"),
    ],
)
def test_networks_must_be_whole(edges: list[list[str]], message: str) -> None:
    with pytest.raises(ChipError) as caught:
        small(**{"network.topology": "graph", "network.edges": edges})
    assert f"network.edges: {message}" in str(caught.value)


def test_questions_about_what_is_not_there_are_answered_with_what_is() -> None:
    chip = small()
    with pytest.raises(ChipError, match="chip small has no memory 'sam'\n  mend: did you mean 'sram'"):
        chip.read_energy("sam")
    with pytest.raises(ChipError, match="chip small has no network node 'core9'"):
        chip.route("core9", "core1")
    with pytest.raises(ChipError, match="sram belongs to each core and has no port of its own"):
        chip.port_positions("sram")


@given(st.text(max_size=60) | st.from_regex(r"[-+]?[0-9./e]{1,12}", fullmatch=True))
def test_any_text_is_a_share_or_a_clear_mistake(text: str) -> None:
    try:
        assert 0 < small(**{"dram.efficiency": text}).dram.efficiency <= 1
    except ChipError as e:
        assert "dram.efficiency: " in str(e) or "dram.bandwidth: " in str(e)
        assert "literal" not in str(e)


@given(st.text(max_size=60) | st.from_regex(r"[-+]?[0-9./e]{1,12} (K?i?B|TB/s|m?m)", fullmatch=True))
def test_any_text_is_a_quantity_or_a_clear_mistake(text: str) -> None:
    try:
        assert small(**{"core.sram.capacity": text}).core.sram.capacity > 0
    except ChipError as e:
        assert str(e).startswith("small: core.sram.capacity: ")
        assert "mend: " in str(e)
