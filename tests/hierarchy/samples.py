"""Chips to test with: a small one of one's own, and hypothesis strategies for all sorts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from memsim.hierarchy import Cache, Chip, Core, Dma, Dram, Duration, MatrixUnit, Memory, Network, Rate, VectorUnit

DTYPES = ("fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "int8")


def small(**changes: Any) -> Chip:
    """A chip of 3 x 2 cores, 2 mm x 1 mm apart, with everything left out that can be."""
    chip = Chip(
        name="small",
        clock="1 GHz",
        core=Core(grid=(3, 2), pitch=("2 mm", "1 mm"), sram=Memory(capacity="64 KiB")),
        dram=Dram(capacity="1 GiB", bandwidth="64 GB/s"),
        network=Network(topology="mesh", link_bandwidth="32 B/cycle", hop_latency="3 cycles"),
    )
    return chip.replace(changes) if changes else chip


def fractions(largest: int = 10**6) -> st.SearchStrategy[Fraction]:
    """Positive fractions that a chip may hold."""
    return st.builds(Fraction, st.integers(1, largest), st.integers(1, 1000))


rates = st.builds(Rate, st.integers(1, 10**5).map(lambda n: Fraction(n * 10**7)), st.just("s")) | st.builds(
    Rate, st.builds(Fraction, st.integers(1, 5000), st.integers(1, 16)), st.just("cycle")
)
durations = st.builds(Duration, fractions() | st.just(Fraction(0)), st.sampled_from(["s", "cycle"]))
energies = st.none() | st.floats(0, 1e6).filter(lambda x: x == 0 or x > 1e-9)
lengths = st.floats(0.001, 100)
places = st.lists(st.tuples(lengths, lengths), max_size=3).map(tuple)
sizes = st.integers(1, 2**40)
counts = st.integers(1, 1000)
operand_types = st.sampled_from(DTYPES)

memories = st.builds(
    Memory,
    capacity=sizes,
    bandwidth=st.none() | rates,
    latency=durations,
    read_energy=energies,
    write_energy=energies,
)
dots = st.builds(
    MatrixUnit,
    native=st.dictionaries(operand_types, st.tuples(counts, counts, counts, counts), min_size=1),
    count=st.integers(1, 8),
    latency=fractions().map(lambda value: Duration(value, "cycle")),
    energy=st.none() | st.dictionaries(operand_types, energies.filter(lambda x: x is not None)),
)
systolics = st.builds(
    MatrixUnit,
    kind=st.just("systolic"),
    rows=counts,
    cols=counts,
    count=st.integers(1, 8),
    dataflow=st.sampled_from(["weight_stationary", "output_stationary"]),
    cycles_scale=st.dictionaries(operand_types, fractions(), min_size=1),
)
cores = st.builds(
    Core,
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    pitch=st.tuples(lengths, lengths),
    origin=st.tuples(lengths, lengths),
    sram=memories,
    reg=memories,
    matrix=st.none() | dots | systolics,
    vector=st.builds(VectorUnit, lanes=counts, special_lanes=counts, latency=durations),
    dma=st.builds(Dma, issue=durations, latency=durations, max_transfers=counts, max_bytes=sizes),
)


def _even(cls: type, key: str) -> st.SearchStrategy[Any]:
    """A memory behind ports, whose slices or channels are a multiple of the ports."""
    return st.builds(
        lambda at, each, **values: cls(at=at, **{key: each * max(1, len(at))}, **values),
        at=places,
        each=st.integers(1, 4),
        capacity=sizes,
        bandwidth=rates,
        latency=durations,
        interleave=sizes,
        read_energy=energies,
        write_energy=energies,
    )


networks = st.builds(
    Network,
    topology=st.sampled_from(["mesh", "torus", "ring", "crossbar", "tree"]),
    link_bandwidth=rates,
    hop_latency=durations,
    energy_per_bit_hop=st.floats(0, 100).filter(lambda x: x == 0 or x > 1e-9),
    routing=st.sampled_from(["dimension_order", "shortest"]),
)
clocks = st.sampled_from([10**9, 3 * 10**9, 1_830_000_000, Fraction(10**9, 3)]).map(Fraction)
chips = st.builds(
    Chip,
    name=st.sampled_from(["a", "my chip", 'quoted "name"', "Größe"]),
    description=st.text(max_size=20),
    technology=st.sampled_from(["n45", "n7", "n3", "dally_founding", "wire_only"]),
    clock=clocks,
    launch=durations,
    static_power=st.floats(0, 1000).filter(lambda x: x == 0 or x > 1e-9),
    core=cores,
    cache=st.none() | _even(Cache, "slices"),
    dram=_even(Dram, "channels"),
    network=networks,
)
