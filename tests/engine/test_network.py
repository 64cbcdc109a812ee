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


def test_routers_are_charged_for_each_link() -> None:
    chip = mesh(4, **{"network.energy_per_bit_hop": "10 fJ/bit"})
    result = sends(4, [(0, [3])], chip)
    routers = result.energy.by("part").set_index("part").loc["routers", "energy_j"]
    assert routers == pytest.approx(TILE * 8 * 5 * 10e-15)  # in, three links, out
