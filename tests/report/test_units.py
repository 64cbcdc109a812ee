import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.report.units import PREFIXES, bar, change, clip_text, exponent_of, percent, si, times


@pytest.mark.parametrize(
    ("value", "unit", "digits", "expected"),
    [
        (0.0123, "J", 3, "12.3 mJ"),
        (1.486e-4, "s", 4, "148.6 µs"),
        (1.61e9, "B", 3, "1.61 GB"),
        (999.96, "B", 4, "1.000 kB"),  # rounds up into the next prefix, not to 1000
        (999.4, "B", 3, "999 B"),
        (1e-3, "s", 3, "1.00 ms"),
        (7, "B", 3, "7 B"),
        (0, "J", 3, "0 J"),
        (-2.5e-9, "J", 2, "-2.5 nJ"),
        (1e6, "", 1, "1 M"),
        (1e30, "B", 3, "1000000000000 EB"),
        (math.inf, "s", 3, "∞ s"),
        (-math.inf, "s", 3, "-∞ s"),
        (math.nan, "s", 3, "? s"),
        (3.0, "", 3, "3"),
    ],
)
def test_si(value, unit, digits, expected):
    assert si(value, unit, digits) == expected


@given(st.floats(1e-17, 1e20), st.integers(3, 6))
def test_si_reads_back_within_its_digits(value, digits):
    mantissa, suffix = si(value, "s", digits).split()
    exponent = {prefix: power for power, prefix in PREFIXES.items()}[suffix[:-1]]
    assert float(mantissa) * 10.0**exponent == pytest.approx(value, rel=0.5 * 10 ** (1 - digits) + 1e-12)
    assert 1 <= float(mantissa) < 1000


@given(st.floats(1e-17, 1e20))
def test_exponent_is_a_multiple_of_three_that_leaves_one_to_three_figures(value):
    exponent = exponent_of(value, 15)
    assert exponent % 3 == 0
    assert 0.999999 <= value / 10.0**exponent < 1000.001


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.921, "92.1 %"), (1.0, "100 %"), (0.0, "0.0 %"), (0.0004, "<0.1 %"), (-0.0004, "<-0.1 %"), (0.0823, "8.2 %"),
     (0.9996, "100 %"), (12.5, "1250 %"), (math.nan, "? %")],
)  # fmt: skip
def test_percent(share, expected):
    assert percent(share) == expected


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.0723, "1.07x"), (12.93, "12.9x"), (1290.4, "1,290x"), (0.0123, "0.012x"), (9.999, "10.0x"), (math.inf, "∞x")],
)
def test_times(ratio, expected):
    assert times(ratio) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(39, 10, "3.90x less"), (10, 12, "1.20x more"), (3, 3, "the same"), (0, 5, "none before"), (5, 0, "none left"),
     (1000, 1001, "nearly the same")],
)  # fmt: skip
def test_change(before, after, expected):
    assert change(before, after) == expected


@given(st.floats(0, 1), st.integers(1, 40))
def test_bar_is_as_wide_as_asked_and_as_long_as_its_share(share, width):
    drawn = bar(share, width)
    eighths = sum(8 if c == "█" else " ▏▎▍▌▋▊▉".index(c) for c in drawn)
    assert len(drawn) == width
    assert abs(eighths - share * width * 8) <= (1 if 0 < share * width * 8 < 0.5 else 0.5)


def test_a_small_share_still_shows():
    assert bar(1e-9, 10).strip() == "▏"
    assert bar(0.0, 10).strip() == ""
    assert bar(3.0, 4) == "████"


@given(st.text(max_size=60), st.integers(1, 30))
def test_clip_text_never_exceeds_its_width_and_keeps_both_ends(text, width):
    short = clip_text(text, width)
    assert len(short) <= width
    if len(text) <= width:
        assert short == text
    elif width >= 3:
        assert short[0] == text[0] and short[-1] == text[-1] and "…" in short
