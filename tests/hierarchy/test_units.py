"""Text with units, read exactly; what is no quantity is refused; what is written is read back."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.hierarchy import Duration, Rate
from memsim.hierarchy.units import (
    ACCESS_ENERGY,
    BANDWIDTH,
    FREQUENCY,
    LENGTH,
    MAC_ENERGY,
    OP_ENERGY,
    POWER,
    SIZE,
    TIME,
    WIRE_ENERGY,
    Quantity,
    decimal,
    exact,
    parse,
    scaled,
    size_text,
)
from tests.hierarchy.samples import small


@pytest.mark.parametrize(
    ("text", "quantity", "expected"),
    [
        ("256 KiB", SIZE, (256 * 1024, "B")),
        ("256kB", SIZE, (256_000, "B")),
        ("80 GB", SIZE, (80 * 10**9, "B")),
        ("1 Gibit", SIZE, (2**27, "B")),
        ("900 GB/s", BANDWIDTH, (900 * 10**9, "B/s")),
        ("512 Gbit/s", BANDWIDTH, (64 * 10**9, "B/s")),
        ("64 B/cycle", BANDWIDTH, (64, "B/cycle")),
        ("128 B/clk", BANDWIDTH, (128, "B/cycle")),
        ("1/3 B/cycle", BANDWIDTH, (Fraction(1, 3), "B/cycle")),
        ("30 cycles", TIME, (30, "cycle")),
        ("1 cycle", TIME, (1, "cycle")),
        ("1.3 us", TIME, (Fraction(13, 10**7), "s")),
        ("1.3 µs", TIME, (Fraction(13, 10**7), "s")),
        ("3 GHz", FREQUENCY, (3 * 10**9, "Hz")),
        ("1.755 GHz", FREQUENCY, (1_755_000_000, "Hz")),
        ("2.38 mm", LENGTH, (Fraction(238, 100), "mm")),
        ("250 um", LENGTH, (Fraction(1, 4), "mm")),
        ("70 W", POWER, (70, "W")),
        ("15 fJ/bit", ACCESS_ENERGY, (Fraction(15, 1000), "pJ/bit")),
        ("8 pJ/B", ACCESS_ENERGY, (1, "pJ/bit")),
        ("100 fJ/bit/mm", WIRE_ENERGY, (Fraction(1, 10), "pJ/bit/mm")),
        ("0.52 pJ/flop", MAC_ENERGY, (Fraction(104, 100), "pJ/MAC")),
        ("0.3 pJ/op", OP_ENERGY, (Fraction(3, 10), "pJ/op")),
        ("1e3 pJ/op", OP_ENERGY, (1000, "pJ/op")),
    ],
)
def test_text_is_read_exactly(text: str, quantity: Quantity, expected: tuple[Fraction, str]) -> None:
    assert parse(text, quantity) == expected


def test_three_gigahertz_has_no_decimal_period_and_loses_nothing() -> None:
    chip = small(clock="3 GHz")
    assert chip.clock_period == Fraction(1, 3 * 10**9)
    assert chip.ticks_of(Duration(Fraction(1), "s")) == 3 * 10**9


@pytest.mark.parametrize("number", [0.1, 1.83e9, 3, Fraction(2, 7), np.int64(5), np.float64(0.1), np.float32(0.5)])
def test_plain_numbers_are_read_as_they_are_written(number: object) -> None:
    written = Fraction(str(number)) if not isinstance(number, float) else Fraction(repr(float(number)))
    assert exact(number) == written


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**12).filter(lambda x: x.denominator < 10**12))
def test_what_is_written_is_read_back(value: Fraction) -> None:
    for rate in (Rate(value, "s"), Rate(value, "cycle")):
        assert parse(str(rate), BANDWIDTH) == (value, "B/cycle" if rate.per == "cycle" else "B/s")
    for time in (Duration(value, "s"), Duration(value, "cycle")):
        assert parse(str(time), TIME) == (value, time.unit)
    assert exact(decimal(value)) == value
    assert parse(f"{scaled(value)}Hz", FREQUENCY)[0] == value


@given(st.integers(1, 2**60))
def test_sizes_are_read_back(size: int) -> None:
    assert parse(size_text(size), SIZE) == (size, "B")


@pytest.mark.parametrize(
    ("size", "text"),
    [(2**18, "256 KiB"), (80 * 10**9, "80 GB"), (5 << 30, "5 GiB"), (1000, "1000 B"), (3 << 40, "3 TiB")],
)
def test_sizes_are_written_with_the_largest_prefix(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Duration(Fraction(13, 10**7), "s"), "1.3 us"),
        (Duration(Fraction(0), "s"), "0 s"),
        (Duration(Fraction(30), "cycle"), "30 cycles"),
        (Rate(Fraction(335 * 10**10), "s"), "3.35 TB/s"),
        (Rate(Fraction(1, 3), "cycle"), "1/3 B/cycle"),
        (Rate(Fraction(10**9, 3), "s"), "1000/3 MB/s"),
    ],
)
def test_rates_and_durations_are_written_for_people(value: object, text: str) -> None:
    assert str(value) == text


def test_rates_and_durations_take_whole_numbers() -> None:
    assert Rate(64, "cycle") == Rate(Fraction(64), "cycle")  # type: ignore[arg-type]
    assert isinstance(Duration(2, "s").value, Fraction)  # type: ignore[arg-type]
