"""Sends and multicasts: routes, contention and wire energy against geometry."""

from __future__ import annotations

import pytest

from memsim.engine.result import Result
from memsim.hierarchy import Chip
from memsim.isa import parse
from tests.engine.machines import DMA, HOP, LAUNCH, plain_chip, run

TILE = 16 * 16 * 4
LINK_TICKS = TILE // 16
READY = LAUNCH + 16 + 2
"""When a tile that a vector unit fills is there."""


def mesh(columns: int, **changes: str) -> Chip:
    return plain_chip(columns, **{"network.topology": "mesh", **changes})


def sends(columns: int, routes: list[tuple[int, list[int]]], chip: Chip | None = None) -> Result:
    """One tile from each source core to its target cores (neighbours in a row), all at once."""
    rings = "\n".join(f"ring in{i} sram fp32 [16, 16]" for i in range(len(routes)))
    text = ["program sends", f"kernel k blocks (x {columns}) cluster ({columns}) {{", rings]
    for i, (source, targets) in enumerate(routes):
        here = f"loop s max(0, 1 - max(x - {source}, {source} - x))"
        got = f"loop g max(0, min(1, min({targets[-1]} - x + 1, x - {targets[0]} + 1)))"
        text += [
            f"ring out{i} sram fp32 [16, 16]",
            f"queue make{i} {{ {here} {{ fill out{i} 1 push out{i} }} }}",
            f"queue send{i} {{ {here} {{ send in{i} to ({targets[0]} : {len(targets)}) <- out{i} pop out{i} }} }}",
            f"queue use{i} {{ {got} {{ pop in{i} }} }}",
        ]
    return run(parse("\n".join([*text, "}"])), chip or mesh(columns))


def arrival(result: Result, sender: int) -> int:
    assert result.trace is not None
    rows = result.trace[(result.trace["op"] == "send") & (result.trace["queue"] == f"send{sender}")]
    return int(rows["end_tick"].max())


@pytest.mark.parametrize("distance", [1, 2, 5])
def test_a_send_takes_a_hop_for_each_router_and_one_service(distance: int) -> None:
    result = sends(6, [(0, [distance])])
    assert arrival(result, 0) == READY + DMA + distance * HOP + LINK_TICKS


def test_two_sends_over_one_link_take_turns_and_disjoint_ones_do_not() -> None:
    shared = sends(4, [(0, [2]), (1, [3])])  # both pass the link from router 1 to router 2
    alone, other = (arrival(sends(4, [route]), 0) for route in ((0, [2]), (1, [3])))
    assert arrival(shared, 1) == other  # the nearer one gets there first
    assert arrival(shared, 0) > alone
    assert arrival(shared, 0) <= alone + LINK_TICKS
    disjoint = sends(4, [(0, [1]), (2, [3])])
    assert arrival(disjoint, 0) == arrival(disjoint, 1) == READY + DMA + HOP + LINK_TICKS


def test_a_multicast_passes_each_link_once() -> None:
    result = sends(4, [(0, [1, 2, 3])])
    links = {(link.src, link.dst): link.bytes for link in result.links.itertuples(index=False) if link.bytes}
    along = [("core0", "r0"), ("r0", "r1"), ("r1", "r2"), ("r2", "r3")]
    ends = [("r1", "core1"), ("r2", "core2"), ("r3", "core3")]
    assert links == dict.fromkeys([*along, *ends], TILE)
    assert arrival(result, 0) == READY + DMA + 3 * HOP + LINK_TICKS


def test_wire_energy_is_bits_times_millimetres() -> None:
    chip = mesh(4, **{"network.wire_energy": "80 fJ/bit/mm"})
    result = sends(4, [(0, [3])], chip)
    wires = result.energy.by("part").set_index("part").loc["wires", "energy_j"]
    assert wires == pytest.approx(TILE * 8 * 3.0 * 80e-15)  # three pitches of 1 mm


def test_routers_are_charged_for_each_hop() -> None:
    chip = mesh(4, **{"network.energy_per_bit_hop": "10 fJ/bit"})
    result = sends(4, [(0, [3])], chip)
    routers = result.energy.by("part").set_index("part").loc["routers", "energy_j"]
    assert routers == pytest.approx(TILE * 8 * 3 * 10e-15)  # as many as the latency counts


def test_wires_of_a_tree_are_charged_once_for_each_branch() -> None:
    result = sends(4, [(0, [1, 2, 3])])
    (moved,) = [key for key in result.energy.counts if key.part == "wires"]
    assert moved.mm == pytest.approx(3.0)


@pytest.mark.parametrize("hops", [1, 3])
def test_a_sent_tile_makes_room_when_its_last_byte_has_passed_the_first_link(hops: int) -> None:
    text = f"""
    program twice
    kernel k blocks (x 4) cluster (4) {{
      ring out sram fp32 [16, 16]
      ring in sram fp32 [16, 16] depth 2
      queue make {{ loop h max(0, 1 - x) {{ loop i 2 {{ fill out 1 push out }} }} }}
      queue send {{ loop h max(0, 1 - x) {{ loop i 2 {{ send in to ({hops}) <- out pop out }} }} }}
      queue use {{ loop h max(0, min(1, min(x - {hops} + 1, {hops} - x + 1))) {{ loop i 2 {{ pop in }} }} }}
    }}"""
    passed = READY + DMA + LINK_TICKS
    assert run(parse(text), mesh(4)).ticks == passed + 16 + 2 + DMA + hops * HOP + LINK_TICKS


CHAIN = {"network.topology": "graph", "network.edges": [["core0", "dram0"], ["core0", "core1"], ["core1", "core2"]]}


def test_a_multicast_whose_way_leads_through_a_target_is_delivered_there_too() -> None:
    text = """
    program chain
    tensor A dram fp32 [16, 16]
    kernel k blocks (b 3) cluster (3) {
      ring a sram fp32 [16, 16]
      queue load { loop first max(1 - b, 0) { load a to (0 : 3) <- A[0, 0] } }
      queue use { pop a }
    }"""
    result = run(parse(text), plain_chip(3, **CHAIN))
    written = {key.core: n for key, n in result.energy.counts.items() if key.part == "sram" and key.access == "write"}
    assert written == dict.fromkeys(range(3), TILE * 8)
    links = {(link.src, link.dst): link.bytes for link in result.links.itertuples(index=False) if link.bytes}
    assert links == {("dram0", "core0"): TILE, ("core0", "core1"): TILE, ("core1", "core2"): TILE}


def test_a_tile_sent_two_ways_makes_room_when_it_has_left_by_both() -> None:
    # core 1 stands between 0 and 2, and sends to both when a tile four times as large, from core 3, is on the way to 2
    edges = [["core1", "dram0"], ["core1", "core0"], ["core1", "core2"], ["core3", "core1"]]
    one, three = "loop h max(0, 1 - max(b - 1, 1 - b))", "loop h max(0, b - 2)"
    text = f"""
    program fork
    kernel k blocks (b 4) cluster (4) {{
      ring idle reg fp32 [64, 16]
      ring out reg fp32 [16, 16]
      ring in sram fp32 [16, 16] depth 2
      ring big reg fp32 [64, 16]
      ring far sram fp32 [64, 16]
      queue make {{ {one} {{ fill idle 1 fill idle 1 loop i 2 {{ fill out 1 push out }} }} }}
      queue send {{ {one} {{ loop i 2 {{ send in to (0 : 3) <- out pop out }} }} }}
      queue use {{ loop h max(0, min(1, 3 - b)) {{ loop i 2 {{ pop in }} }} }}
      queue jam {{ {three} {{ fill big 1 push big }} }}
      queue drive {{ {three} {{ send far to (2) <- big pop big }} }}
      queue drop {{ loop h max(0, 1 - max(b - 2, 2 - b)) {{ pop far }} }}
    }}"""
    chip = plain_chip(4, **{"network.topology": "graph", "network.edges": edges})
    jammed = LAUNCH + 64 + 2 + DMA + HOP + 4 * LINK_TICKS  # when the large tile has left core 1
    again = jammed + LINK_TICKS + 16 + 2  # the first tile follows it; then the slot is filled once more
    assert run(parse(text), chip).ticks == again + DMA + HOP + LINK_TICKS
