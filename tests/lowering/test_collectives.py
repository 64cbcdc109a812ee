"""Collectives: their values against numpy, their time against the textbook, their bytes against trees and rings."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.engine import Result, simulate
from memsim.engine.difference import first_difference
from memsim.errors import MemsimError
from memsim.hierarchy import Chip, Network, System
from memsim.isa import parse
from memsim.isa.format import format as text_of
from memsim.lowering.collectives import COLLECTIVES, TREES, collective, terms

ALPHA, BETA, GAMMA = 40, Fraction(1, 16), Fraction(1, 64)
"""Cycles a message, a byte sent, a byte reduced (16 fp32 lanes) of the ideal system."""

EVERY = [(operation, algorithm) for operation, known in COLLECTIVES.items() for algorithm in known]


@cache
def ideal(chips: int) -> Chip:
    """One switch, and nothing that costs time but messages, bytes and additions."""
    return Chip(
        name="ideal",
        clock="1 GHz",
        core={
            "grid": [chips, 1],
            "pitch": "1 mm",
            "reg": {"capacity": "1 GiB"},
            "sram": {"capacity": "1 GiB"},
            "vector": {"lanes": 16},
            "dma": {"issue": "0 cycles", "max_transfers": 1000, "max_bytes": "1 GiB"},
        },
        dram={"kind": "HBM2", "capacity": "1 GiB", "bandwidth": "8 B/cycle"},
        network={"topology": "crossbar", "link_bandwidth": "16 B/cycle", "hop_latency": f"{ALPHA} cycles"},
    )  # type: ignore[arg-type]


def book(operation: str, algorithm: str, chips: int, size: int) -> Fraction:
    return Fraction(terms(operation, algorithm, chips).time(size, ALPHA, BETA, GAMMA))


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "algorithm"), EVERY)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_values_are_those_of_numpy(operation: str, algorithm: str, data: st.DataObject) -> None:
    two = algorithm == "halving_doubling"
    chips = data.draw(st.sampled_from([2, 4, 8]) if two else st.integers(2, 7))
    elements = data.draw(st.integers(1, 90)) * (chips if operation == "all_to_all" else 1)
    values: dict[str, Any] = {"dtype": data.draw(st.sampled_from(["fp32", "bf16", "int32"]))}
    if two or algorithm == "pairwise":
        values["in_steps"] = data.draw(st.booleans())
    if algorithm == "tree":
        values["tree"] = data.draw(st.sampled_from([*TREES, [-1] + [0] * (chips - 1)]))
    chunk = data.draw(st.none() | st.integers(1, 40))
    work = collective(operation, chips, elements, algorithm=algorithm, chunk=chunk, **values)
    assert work.is_right(seed=elements)
    assert parse(text_of(work.program)) == work.program


def test_wrong_values_are_noticed() -> None:
    work = collective("all_reduce", 3, 9)
    assert not (work.expected(work.inputs(1)) == work.expected(work.inputs(2))).all()


# Time -----------------------------------------------------------------------------------------------------------------

EXACT = [
    ("all_reduce", "ring", {}, (2, 3, 5, 8)),
    ("reduce_scatter", "ring", {}, (2, 3, 5, 8)),
    ("all_gather", "ring", {}, (2, 3, 5, 8)),
    ("all_reduce", "halving_doubling", {"in_steps": True}, (2, 4, 8)),
    ("all_to_all", "pairwise", {"in_steps": True}, (2, 3, 5, 8)),
    ("broadcast", "tree", {"tree": "binomial"}, (2, 4, 8)),
    ("broadcast", "multicast", {}, (2, 3, 5, 8)),
    ("reduce", "tree", {"tree": "binomial"}, (2, 4, 8)),
    ("all_reduce", "tree", {"tree": "binomial"}, (2, 4, 8)),
]


@pytest.mark.parametrize("each", [16, 1024])
@pytest.mark.parametrize(("operation", "algorithm", "values", "sizes"), EXACT)
def test_time_is_exactly_the_textbooks(
    operation: str, algorithm: str, values: dict[str, Any], sizes: tuple[int, ...], each: int
) -> None:
    for chips in sizes:
        work = collective(operation, chips, chips * each, algorithm=algorithm, **values)
        assert simulate(work.program, ideal(chips)).ticks == book(operation, algorithm, chips, work.bytes)


@pytest.mark.parametrize(
    ("operation", "algorithm"),
    [("all_reduce", "halving_doubling"), ("all_to_all", "pairwise"), ("all_reduce", "direct")],
)
@pytest.mark.parametrize("each", [16, 1024])
def test_what_is_pipelined_is_between_the_bound_of_the_links_and_the_textbook(
    operation: str, algorithm: str, each: int
) -> None:
    work = collective(operation, 8, 8 * each, algorithm=algorithm)
    sent = terms(operation, algorithm, 8).sent * work.bytes * BETA
    added = 7 * each * 4 * GAMMA if algorithm == "direct" else 0  # its additions overlap with what arrives, or not
    assert ALPHA + sent <= simulate(work.program, ideal(8)).ticks <= book(operation, algorithm, 8, work.bytes) + added


def test_a_long_vector_takes_the_time_of_its_bytes() -> None:
    for algorithm in ("ring", "halving_doubling", "direct"):
        work = collective("all_reduce", 4, 1 << 18, algorithm=algorithm, chunk=1 << 12)
        least = terms("all_reduce", algorithm, 4).sent * work.bytes * BETA
        assert least <= simulate(work.program, ideal(4)).ticks <= least * Fraction(102, 100)


def test_a_binary_tree_sends_three_vectors_through_each_inner_chip() -> None:
    work = collective("all_reduce", 15, 1 << 16, algorithm="tree", chunk=1 << 9)
    ticks = simulate(work.program, ideal(15)).ticks
    assert 3 * work.bytes * BETA <= ticks <= 3 * work.bytes * BETA * Fraction(110, 100)


@pytest.mark.parametrize(("operation", "algorithm"), EVERY)
def test_both_engines_agree(operation: str, algorithm: str) -> None:
    chip = System(name="four", chip="toy", count=4, link="nvlink3", message="300 ns").as_chip()
    work = collective(operation, 4, 4 * 300, algorithm=algorithm, chunk=64)
    fast, slow = (simulate(work.program, chip, engine=engine, trace=True) for engine in ("fast", "simpy"))
    assert first_difference(fast, slow) is None


# Bytes and energy -----------------------------------------------------------------------------------------------------

TOPOLOGIES = ("switch", "ring", "mesh", "torus", "fully_connected", "fat_tree", "dragonfly")


def links_of(result: Result) -> dict[tuple[str, str], int]:
    return {(link.src, link.dst): link.bytes for link in result.links.itertuples(index=False) if link.bytes}


@pytest.mark.parametrize("topology", TOPOLOGIES)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_bytes_and_energy_are_those_of_the_routes(topology: str, data: st.DataObject) -> None:
    """Each link's bytes are the sum over the routes through it; the ledger's, bits times pJ/bit of each link."""
    operation, algorithm = data.draw(st.sampled_from([("all_gather", "ring"), ("all_to_all", "pairwise")]))
    chips, each = data.draw(st.integers(2, 7)), data.draw(st.integers(1, 50))
    system = System(name="some", chip="toy", count=chips, link="nvlink4", topology=topology)
    chip, work = system.as_chip(), collective(operation, chips, chips * each, algorithm=algorithm)
    result = simulate(work.program, chip)
    size = 4 * each
    expected: dict[tuple[str, str], int] = {}
    for x in range(chips):
        steps = (
            [((x + 1) % chips, chips - 1)] if operation == "all_gather" else [(y, 1) for y in range(chips) if y != x]
        )
        for y, times in steps:
            for edge in pairwise(chip.route(f"core{x}", f"core{y}")):
                expected[edge] = expected.get(edge, 0) + times * size
    assert links_of(result) == expected
    own = {edge: bytes_ for edge, bytes_ in expected.items() if chip.graph.edges[edge]["kind"]}
    energy = result.energy.by("part").set_index("part")["energy_j"]
    assert energy["links"] == pytest.approx(sum(own.values()) * 8 * 5.6e-12)
    assert result.bytes_by_level["link"] == sum(own.values())
    out = sum(bytes_ for (a, _), bytes_ in expected.items() if a.startswith("core"))
    arrived = sum(bytes_ for (_, b), bytes_ in expected.items() if b.startswith("core"))
    if topology != "fully_connected":
        assert out == arrived == chips * (chips - 1) * size


@pytest.mark.parametrize("topology", ["mesh", "torus", "crossbar", "fat_tree", "dragonfly", "fully_connected", "tree"])
def test_wires_are_charged_by_the_lengths_of_the_floorplan(topology: str) -> None:
    chip = Chip.preset("toy").replace({"network.topology": topology})
    work = collective("all_gather", 6, 6 * 32)
    counts = simulate(work.program, chip).energy.counts
    moved = sum(key.mm * bits for key, bits in counts.items() if key.part == "wires")
    lengths = {edge: link["mm"] for *edge_, link in chip.graph.edges(data=True) if (edge := tuple(edge_))}
    routes = [pairwise(chip.route(f"core{x}", f"core{(x + 1) % 6}")) for x in range(6)]
    assert moved == pytest.approx(sum(lengths[edge] for route in routes for edge in route) * 5 * 32 * 4 * 8)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_multicast_passes_each_link_of_its_tree_once(topology: str) -> None:
    chip = System(name="seven", chip="toy", count=7, link="nvlink4", topology=topology).as_chip()
    work = collective("broadcast", 7, 100, algorithm="multicast")
    links = links_of(simulate(work.program, chip))
    ways = {edge for x in range(1, 7) for edge in pairwise(chip.route("core0", f"core{x}"))}
    assert set(links.values()) == {work.bytes}
    assert set(links) <= ways
    assert set(links) == ways or topology == "fat_tree", "ways up a fat tree part and meet again"
    entered = [b for _, b in links]
    assert len(entered) == len(set(entered))
    assert {f"core{x}" for x in range(1, 7)} == {b for b in entered if b not in {a for a, _ in links}}


def test_a_reduction_tree_that_suits_the_network_sends_the_vector_over_each_of_its_edges_once() -> None:
    """Six chips in a row: as a chain each link carries the vector once, as a binomial tree some carry it more often."""
    edges = [[f"core{i}", f"core{i + 1}"] for i in range(5)] + [["core0", "dram0"]]
    row = ideal(6).replace({"network": Network(topology="graph", link_bandwidth="16 B/cycle", edges=edges)})
    moved = {}
    for tree in ("chain", "binomial"):
        work = collective("reduce", 6, 128, algorithm="tree", tree=tree)
        assert work.is_right()
        links = links_of(simulate(work.program, row))
        moved[tree] = sum(links.values())
        if tree == "chain":
            assert links == {(f"core{i + 1}", f"core{i}"): work.bytes for i in range(5)}
    assert moved["binomial"] == (1 + 2 + 1 + 4 + 1) * 128 * 4  # the distance of each chip from its parent
    assert moved["chain"] == 5 * 128 * 4


# Measurements ---------------------------------------------------------------------------------------------------------

MEASURED_US = {
    1 << 16: 22.93, 1 << 20: 60.75, 1 << 22: 84.75, 1 << 24: 195.7, 1 << 26: 532.3, 1 << 28: 1883.7, 1 << 30: 7219.2,
    1 << 32: 27944.0,
}  # fmt: skip
"""All-reduce over 4 A100 of one node with fp16, by bytes: Zhang et al., LLMCompass, ISCA 2024, artifact, figure 5h."""


def test_four_a100_take_the_measured_time_for_long_vectors() -> None:
    system = System.preset("dgx_a100").replace({"count": 4})
    errors = {}
    for size, measured in MEASURED_US.items():
        work = collective("all_reduce", 4, size // 2, dtype="fp16")
        errors[size] = simulate(work.program, system.as_chip()).time_s * 1e6 / measured - 1
    assert all(abs(error) < 0.12 for size, error in errors.items() if size >= 1 << 28)
    assert all(-0.65 < error < 0.05 for error in errors.values())  # what NCCL adds in between is not modelled


def test_eight_h100_reach_the_bus_bandwidth_of_nccls_ring() -> None:
    """370 GB/s of the 450 of the wires, as the maintainers of NCCL state it: github.com/NVIDIA/nccl-tests/issues/212."""
    work = collective("all_reduce", 8, 1 << 29, dtype="bf16")
    result = simulate(work.program, System.preset("dgx_h100").as_chip())
    assert work.bus_bandwidth(result.time_s) == pytest.approx(370e9, rel=0.05)


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "chips", "values", "message"),
    [
        ("allreduce", 4, {}, "unknown collective 'allreduce'\n  mend: did you mean 'all_reduce'?"),
        ("all_reduce", 4, {"algorithm": "rings"}, "no algorithm 'rings'\n  mend: did you mean 'ring'?"),
        ("all_reduce", 6, {"algorithm": "halving_doubling"}, "6 chips are not a power of two\n  mend: use a power of"),
        ("all_reduce", 1, {}, "1 chips\n  mend: use 2 to"),
        ("all_reduce", 4, {"dtype": "fp33"}, "unknown dtype 'fp33'"),
        ("all_reduce", 4, {"chunk": 0}, "nothing to move"),
        ("all_reduce", 4, {"in_steps": True}, "has no form in steps"),
        ("all_to_all", 3, {}, "10 elements are no multiple of 3 chips\n  mend: use 12"),
        ("reduce", 3, {"tree": "star"}, "unknown tree 'star'"),
        ("reduce", 3, {"tree": [-1, 2, 1]}, "chip 1 does not hang on chip 0"),
        ("reduce", 3, {"tree": [0, 1]}, "a tree of 2 parents for 3 chips"),
    ],
)
def test_mistakes_are_told(operation: str, chips: int, values: dict[str, Any], message: str) -> None:
    with pytest.raises(MemsimError) as caught:
        collective(operation, chips, 10, **values)
    assert message in str(caught.value)
