"""Systems of chips: a chip whose cores are chips, with the numbers of both."""

from __future__ import annotations

from typing import Any

import pytest

from memsim.errors import ChipError
from memsim.hierarchy import Chip, System
from memsim.hierarchy.files import write


@pytest.mark.parametrize("name", System.presets())
def test_presets_are_read_back(name: str) -> None:
    system = System.preset(name)
    assert system.name == name
    assert System.from_text(write(system)).as_chip() == system.as_chip()
    assert system.as_chip().core_count == system.count
    assert system.sources


def test_a_core_is_a_chip() -> None:
    system = System.preset("dgx_h100")
    whole, chip = system.as_chip(), system.chip
    assert whole.capacity_bytes("sram") == chip.dram.capacity
    assert whole.core.vector.lanes == chip.core.vector.lanes * chip.core_count
    assert whole.static_power_w == 8 * chip.static_power_w
    assert whole.read_energy("sram") == chip.read_energy("dram")
    assert system.link_bytes_per_s == 18 * 20 * 10**9  # 450 GB/s, of which 128 of 160 bytes are data
    assert whole.core.matrix is not None
    assert chip.core.matrix is not None
    peak = chip.core.matrix.peak_macs_per_cycle("bf16") * chip.core_count
    assert whole.core.matrix.peak_macs_per_cycle("bf16") == peak


@pytest.mark.parametrize(
    ("values", "nodes"),
    [
        ({"topology": "switch"}, 6 + 1),
        ({"topology": "ring"}, 6 + 6),
        ({"topology": "mesh"}, 6 + 6),
        ({"topology": "torus", "shape": [3, 2]}, 6 + 6),
        ({"topology": "fully_connected"}, 6),
        ({"topology": "fat_tree", "network": {"arity": 4}}, 6 + 2 + 4),
        ({"topology": "dragonfly", "network": {"router_cores": 1, "group_routers": 3, "global_links": 1}}, 6 + 6),
    ],
)
def test_each_topology_connects_all_chips(values: dict[str, Any], nodes: int) -> None:
    chip = System(name="six", chip="toy", count=6, link="pcie4_x16", **values).as_chip()
    assert len(chip.graph) == nodes + 1  # the host's memory
    crossed = {len(chip.route("core0", f"core{i}")) - 1 for i in range(1, 6)}
    assert min(crossed) >= 1
    assert {link["kind"] for *_, link in chip.graph.edges(data=True)} - {"", "pcie5_x16"} == {"pcie4_x16"}


def test_a_torus_of_three_dimensions_has_six_links_a_chip() -> None:
    chip = System.preset("tpu_v4_64").as_chip()
    assert len([n for n in chip.graph.successors("r21") if n.startswith("r")]) == 6
    assert max(len(chip.route("core0", f"core{i}")) for i in range(64)) == 2 + 1 + 3 * 2


def test_a_system_may_hold_a_chip_of_ones_own() -> None:
    own = Chip.preset("toy").replace({"dram.bandwidth": "1 TB/s"})
    assert System(name="own", chip=own, count=2, link="ucie_advanced").as_chip().core.sram.bandwidth is not None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"chip": "toi"}, "System.chip: unknown chip 'toi'\n  mend: did you mean 'toy'?"),
        ({"link": "nvlink"}, "unknown kind of link 'nvlink'"),
        ({"topology": "torus", "shape": [2, 2]}, "System.shape: 2 x 2 chips are not 8"),
        ({"shape": [8]}, "a shape belongs to a mesh or torus"),
        ({"network": {"arity": 0}}, "Network.arity: 0 is not from 1"),
    ],
)
def test_mistakes_are_told(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ChipError) as caught:
        System(**{"name": "wrong", "chip": "toy", "count": 8, "link": "nvlink4", **values})
    assert message in str(caught.value)
