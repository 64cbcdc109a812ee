"""A chip's time, places, capacities, energies and changes."""

import math
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ChipError
from memsim.hierarchy import (
    Chip,
    Core,
    Dram,
    Duration,
    MatrixUnit,
    Memory,
    Network,
    Rate,
    Technology,
    VectorUnit,
    technologies,
)
from memsim.isa.machine import Machine
from tests.hierarchy.samples import chips, durations, rates, small

MEGAHERTZ = st.integers(1, 5000).map(lambda mhz: Fraction(mhz * 10**6))


@given(MEGAHERTZ, MEGAHERTZ)
def test_the_tick_is_the_greatest_common_divisor_of_all_periods(core: Fraction, dram: Fraction) -> None:
    chip = small(clock=core, **{"dram.clock": dram})
    periods = [1 / core, 1 / dram]
    in_ticks = [period / chip.tick for period in periods]
    assert all(n.denominator == 1 for n in in_ticks)
    assert math.gcd(*(n.numerator for n in in_ticks)) == 1


@given(durations, MEGAHERTZ)
def test_durations_are_rounded_up_once(duration: Duration, clock: Fraction) -> None:
    chip = small(clock=clock)
    exact = duration.value if duration.unit == "cycle" else duration.value * clock
    assert exact <= chip.ticks_of(duration) < exact + 1


@given(rates, MEGAHERTZ)
def test_rates_are_exact(rate: Rate, clock: Fraction) -> None:
    chip = small(clock=clock, **{"dram.clock": 2 * clock})
    seconds = 7 * 1 / clock
    moved = chip.rate_per_tick(rate) * (seconds / chip.tick)
    assert moved == (7 * rate.value if rate.per == "cycle" else seconds * rate.value)


def test_a_chip_of_ones_own_fits_on_a_page() -> None:
    chip = Chip(
        name="mine",
        clock="1.5 GHz",
        technology="n5",
        core=Core(
            grid=(8, 8),
            pitch="1.5 mm",
            sram=Memory(capacity="1 MiB", bandwidth="256 B/cycle"),
            matrix=MatrixUnit(native={"bf16": (16, 16, 16, 4)}),
            vector=VectorUnit(lanes=32, special_lanes=8),
        ),
        dram=Dram(
            kind="HBM3", capacity="48 GB", channels=32, bandwidth="1.6 TB/s", at=[("0 mm", "3 mm"), ("0 mm", "9 mm")]
        ),
        network=Network(link_bandwidth="64 B/cycle", hop_latency="2 cycles"),
    )
    assert chip.core_count == 64
    assert (chip.width_mm, chip.height_mm) == (12.0, 12.0)
    assert chip.rate_per_tick(chip.dram.bandwidth) == Fraction(1600, 1) * 2 / 3
    assert chip.core.vector.reduce_lanes == 32
    assert chip.network.port_bandwidth == Rate(64, "cycle")
    assert chip == Chip.from_text(chip.to_toml())


def test_cores_stand_row_by_row_from_the_origin() -> None:
    chip = small(**{"core.origin": ["1 mm", "0.5 mm"]})
    assert [chip.core_position(i) for i in (0, 2, 3)] == [(2.0, 1.0), (6.0, 1.0), (2.0, 2.0)]
    assert (chip.width_mm, chip.height_mm) == (7.0, 2.5)
    assert small(**{"dram.at": [["9 mm", "1 mm"]]}).width_mm == 9.0


def test_ports_that_are_left_out_have_a_place() -> None:
    chip = small(shared={"capacity": "1 MiB", "bandwidth": "64 B/cycle"})
    assert chip.port_positions("dram") == ((0.0, 1.0),)
    assert chip.port_positions("shared") == ((3.0, 1.0),)
    assert chip.memory_nodes("shared") == ("shared0",)


def test_capacities_go_by_role() -> None:
    chip = small(shared={"capacity": "1 MiB", "bandwidth": "64 B/cycle", "at": [["1 mm", "1 mm"]] * 2})
    roles = {role: chip.capacity_bytes(role) for role in ("reg", "sram", "shared", "dram", "cache", "disk")}
    assert roles == {"reg": 2**18, "sram": 2**16, "shared": 2**20, "dram": 2**30, "cache": None, "disk": None}
    assert chip.shared is not None
    assert chip.shared.banks == 2
    assert chip.memory("sram") is chip.core.sram
    machine: Machine = chip
    assert machine.core_count == 6


def test_vector_units_take_whole_cycles() -> None:
    unit = VectorUnit(lanes=64, special_lanes=16, reduce_lanes=32)
    assert [unit.cycles(c, 65) for c in ("simple", "special", "reduce")] == [2, 5, 3]
    assert VectorUnit(lanes=8).cycles("reduce", 64) == 8


def test_reductions_have_their_own_latency_if_given() -> None:
    assert VectorUnit(latency="4 cycles").reduce_latency == VectorUnit(latency="4 cycles").latency
    own = small().replace({"core.vector.latency": "4 cycles", "core.vector.reduce_latency": "150 cycles"})
    assert own.core.vector.reduce_latency.value == 150


# Energy ------------------------------------------------------------------------------------------------------------


def test_energies_come_from_the_technology_unless_given() -> None:
    chip, n7 = small(), technologies()["n7"]
    assert chip.read_energy("sram") == n7.sram_energy + n7.sram_slope * math.sqrt(8 * 64 * 1024)
    assert chip.read_energy("reg") == chip.write_energy("reg") == n7.reg_energy
    assert chip.read_energy("dram") == n7.dram_energy["HBM2"]
    assert chip.wire_energy_pj_per_bit_mm == n7.wire_energy
    assert chip.mac_energy("bf16") == n7.mac_energy["bf16"]
    assert chip.vector_energy("special") == n7.vector_energy["special"]
    own = small(
        **{
            "core.sram.read_energy": "100 fJ/bit",
            "core.sram.write_energy": "0 fJ/bit",
            "dram.write_energy": "9 pJ/bit",
            "network.wire_energy": "80 fJ/bit/mm",
            "core.matrix": {"native": {"bf16": [4, 4, 4, 1]}, "energy": {"bf16": "0.5 pJ/flop"}},
            "core.vector.energy": {"simple": "2 pJ/op"},
        }
    )
    assert (own.read_energy("sram"), own.write_energy("sram"), own.write_energy("dram")) == (0.1, 0.0, 9.0)
    assert own.wire_energy_pj_per_bit_mm == 0.08
    assert (own.mac_energy("bf16"), own.mac_energy("fp16")) == (1.0, n7.mac_energy["fp16"])
    assert (own.vector_energy("simple"), own.vector_energy("reduce")) == (2.0, n7.vector_energy["reduce"])


def test_large_memories_cost_by_the_capacity_of_a_slice() -> None:
    n7 = technologies()["n7"]
    chip = small(
        cache={"capacity": "4 MiB", "slices": 4, "bandwidth": "64 B/cycle"},
        shared={"capacity": "8 MiB", "banks": 2, "bandwidth": "64 B/cycle"},
    )
    assert chip.read_energy("cache") == n7.sram_pj_per_bit(2**22, banks=4)
    assert chip.write_energy("shared") == n7.sram_pj_per_bit(2**23, banks=2)
    two_ports = chip.replace({"cache.at": [("0 mm", "1 mm"), ("0 mm", "2 mm")]})
    assert two_ports.read_energy("cache") == n7.sram_pj_per_bit(2**21, banks=2)


def test_a_technology_of_ones_own_may_start_from_a_named_one() -> None:
    n7 = technologies()["n7"]
    chip = small(technology={"base": "n7", "wire_energy": "80 fJ/bit/mm", "mac_energy": {"bf16": "1 pJ/MAC"}})
    assert isinstance(chip.technology, Technology)
    assert (chip.technology.name, chip.wire_energy_pj_per_bit_mm) == ("own, from n7", 0.08)
    assert (chip.mac_energy("bf16"), chip.mac_energy("fp16")) == (1.0, n7.mac_energy["fp16"])
    assert chip == Chip.from_text(chip.to_toml())
    free = small(technology=Technology(wire_energy="1 pJ/bit/mm"))
    assert (free.wire_energy_pj_per_bit_mm, free.read_energy("sram"), free.read_energy("dram")) == (1.0, 0.0, 0.0)
    assert n7 == technologies()["n7"]


# Changes -----------------------------------------------------------------------------------------------------------


def test_replace_changes_what_it_names_and_nothing_else() -> None:
    chip = Chip.preset("toy")
    before = chip.to_toml()
    other = chip.replace(
        {"core.sram.capacity": "512 KiB", "core.matrix.native.bf16": [32, 32, 16, 16], "clock": "2 GHz"}
    )
    assert chip.to_toml() == before
    assert other.core.sram.capacity == 2**19
    assert other.core.matrix is not None
    assert other.core.matrix.native["bf16"] == (32, 32, 16, 16)
    changed = [line for line in other.to_toml().splitlines() if line not in before.splitlines()]
    assert sorted(changed) == [
        '"core.matrix.native.bf16" = "changed by the user"',
        '"core.sram.capacity" = "changed by the user"',
        "bf16 = [32, 32, 16, 16]",
        'capacity = "512 KiB"',
        'clock = "2 GHz"',
        'clock = "changed by the user"',
    ]


def test_replace_follows_what_was_left_out() -> None:
    chip = small(**{"core.grid": [4, 4], "network.link_bandwidth": "8 B/cycle", "core.vector.lanes": 4})
    assert chip.core_count == 16
    assert chip.network.memory_port_bandwidth == Rate(8, "cycle")
    assert chip.core.vector.reduce_lanes == 4


def test_replace_takes_whole_parts_and_takes_them_away() -> None:
    chip = small(cache={"capacity": "1 MiB", "bandwidth": "64 B/cycle"})
    assert chip.cache is not None
    assert chip.replace({"cache.capacity": "2 MiB"}).capacity_bytes("cache") == 2**21
    assert chip.replace({"cache": None}) == small()


def test_sources_go_with_what_they_are_the_source_of() -> None:
    h100 = Chip.preset("h100_sxm")
    without = h100.replace({"cache": None})
    assert set(h100.sources) - set(without.sources) == {key for key in h100.sources if key.startswith("cache.")}
    other = h100.replace({"dram": {"capacity": "1 GB", "bandwidth": "1 TB/s"}})
    assert {key: text for key, text in other.sources.items() if key.startswith("dram")} == {
        "dram": "changed by the user"
    }
    told = h100.replace({"clock": "1 GHz", "sources": {"clock": "a guess"}})
    assert told.sources == {"clock": "a guess"}


def test_replace_reaches_into_a_named_technology() -> None:
    chip = small(**{"technology.wire_energy": "1 fJ/bit/mm", "technology.mac_energy.int8": "2 pJ/MAC"})
    assert (chip.wire_energy_pj_per_bit_mm, chip.mac_energy("int8")) == (0.001, 2.0)
    assert chip.mac_energy("bf16") == technologies()["n7"].mac_energy["bf16"]


@given(chips, rates)
def test_replace_validates_and_is_undone_by_replacing_back(chip: Chip, rate: Rate) -> None:
    other = chip.replace({"network.link_bandwidth": rate, "name": "other"})
    assert other.network.link_bandwidth == rate
    assert other.replace({"network.link_bandwidth": chip.network.link_bandwidth, "name": chip.name}) == chip
    with pytest.raises(ChipError, match=r"link_bandwidth"):
        chip.replace({"network.link_bandwidth": "0 B/s"})


def test_chips_are_values() -> None:
    chip = Chip.preset("h100_sxm")
    again = Chip.preset("h100_sxm")
    assert chip == again
    assert hash(chip) == hash(again)
    assert chip.route("core0", "cache0")  # what is computed on the way does not count
    assert chip == again
    assert pickle.loads(pickle.dumps(chip)) == chip
    with pytest.raises(Exception, match="frozen"):
        chip.name = "other"  # type: ignore[misc]
