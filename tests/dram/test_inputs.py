"""Parts, maps and traffic: what is read, and what is refused with a word on how to mend it."""

from __future__ import annotations

import numpy as np
import pytest

from memsim.dram import address_map, dram_part, dram_parts, simulate, traffic
from memsim.dram.maps import widths
from memsim.dram.mersenne import random_words
from memsim.errors import MemsimError


def test_the_generator_is_that_of_the_cpp_standard() -> None:
    assert int(random_words(10_000, 5489)[-1]) == 9981545732273789042  # [rand.predef] of C++11


@pytest.mark.parametrize("name", dram_parts())
def test_the_clock_and_the_burst_give_the_data_rate(name: str) -> None:
    part = dram_part(name)
    expected = part.rate * 10**6 * part.bus_bits / 8
    assert float(part.peak_bandwidth) == pytest.approx(expected, rel=0.01 if name == "ddr4_d3" else 1e-9)
    assert set(part.sources) == {"shape", "timing", "energy", "background"}


def test_another_speed_takes_as_long() -> None:
    slow, fast = dram_part("hbm3_5200"), dram_part("hbm3_6400")
    for key in ("cl", "rcd_rd", "ras", "rc", "rfc"):
        ns = [float(getattr(p.timing, key) * p.tck_ps) / 1000 for p in (slow, fast)]
        assert ns[1] <= ns[0] < ns[1] + float(slow.tck_ps) / 1000 + 1e-9
    assert slow.timing.bl == fast.timing.bl
    assert dram_part("hbm3_5234").rate == 5234


@pytest.mark.parametrize("name", ["mop4clxor", "robaracoch", "d3_ddr4_bglow", "row:group^row:column:bank:stack:pc"])
@pytest.mark.parametrize("part_name", ["hbm2_2000", "hbm3_6400", "ddr4_3200", "lpddr4x_4266"])
def test_a_map_sends_each_burst_to_a_place_of_its_own(name: str, part_name: str) -> None:
    part = dram_part(part_name)
    fields = address_map(name, part).fields(np.arange(1 << 14, dtype=np.int64))
    width, places = widths(part), np.zeros(1 << 14, dtype=np.int64)
    for field, values in fields.items():
        assert values.max() < 1 << width[field]
        places = places << width[field] | values
    assert len(np.unique(places)) == len(places)


def test_fields_and_letters_say_the_same() -> None:
    part = dram_part("hbm2_2000")
    letters = "r" * 16 + "bbggp" + "c" * 5
    assert address_map(letters, part).masks == address_map("robaracoch", part).masks
    assert address_map("row:bank:group:pc:column", part).masks == address_map("robaracoch", part).masks
    assert address_map("ro:ba:bg:ra:pc:co", part).masks == address_map("robaracoch", part).masks


def test_the_first_bursts_of_mop4clxor() -> None:
    fields = address_map("mop4clxor", dram_part("hbm2_2000")).fields(np.arange(9, dtype=np.int64))
    assert fields["column"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert fields["pc"].tolist() == [0, 1, 0, 1, 1, 0, 1, 0, 0]
    assert fields["group"].tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 1]


def test_patterns() -> None:
    part = dram_part("hbm2_2000")
    assert traffic(part, "seq", 4).bursts.tolist() == [0, 1, 2, 3]
    assert traffic(part, "stride256", 3).bursts.tolist() == [0, 8, 16]
    half = part.capacity // 2
    assert traffic(part, f"stride{half}", 4).bursts.tolist() == [0, half // 32, 1, half // 32 + 1]
    first, second, third, _ = traffic(part, "streams2", 4).bursts.tolist()
    assert third == first + 1 != second
    mixed = traffic(part, "rand", 4000, 67)
    assert 0.3 < mixed.writes.mean() < 0.36


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"part": "hmb3_6400"}, "hbm3_6400"),
        ({"part": "hbm3_64"}, "4800 to"),
        ({"map": "mopclxor"}, "mop4clxor"),
        ({"map": "row:column"}, "places 0 bits of the pc"),
        ({"pattern": "sequential"}, "seq"),
        ({"pattern": "stride0"}, "stride"),
        ({"reads": 101}, "from 0 to 100"),
        ({"mlp": 0}, "at least 1"),
        ({"rate": -1.0}, "above 0"),
        ({"n": 0}, "at least one"),
    ],
)
def test_a_mistake_is_told(change: dict[str, object], words: str) -> None:
    settings = {"part": "hbm2_2000", "pattern": "seq", **change}
    with pytest.raises(MemsimError, match=words):
        simulate(settings.pop("part"), settings.pop("pattern"), **settings)


def test_a_map_that_puts_two_addresses_in_one_place_is_refused() -> None:
    with pytest.raises(MemsimError, match="two addresses the same place"):
        address_map("row^bank:bank^row:group:pc:column", dram_part("hbm2_2000"))


def test_no_more_requests_than_memory_holds() -> None:
    with pytest.raises(MemsimError, match="at most 100000000"):
        simulate("hbm2_2000", n=10**14)
