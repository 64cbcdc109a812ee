import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.report.intervals import binned, binned_share, cumulative, gaps, pack

SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=40).map(
    lambda pairs: sorted((start, start + length) for start, length in pairs)
)


def arrays(spans):
    table = np.array(spans, dtype=float)
    return table[:, 0], table[:, 1]


@given(SPANS)
def test_spans_of_one_lane_never_overlap(spans):
    lanes = pack(*arrays(spans))
    for lane in set(lanes):
        mine = [span for span, at in zip(spans, lanes, strict=True) if at == lane]
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(mine))


@given(SPANS)
def test_no_more_lanes_than_spans_open_at_once(spans):
    lasting = [(a, b) for a, b in spans if b > a]
    most = max((sum(a <= t < b for a, b in lasting) for t in range(72)), default=0)
    if lasting:
        assert 1 + pack(*arrays(lasting)).max() == most


def test_what_touches_shares_a_lane():
    assert pack(np.array([0.0, 5.0, 5.0]), np.array([5.0, 9.0, 6.0])).tolist() == [0, 0, 1]


@given(SPANS, st.integers(0, 30), st.integers(1, 40))
def test_gaps_are_what_no_span_covers(spans, low, length):
    window = (low, low + length)
    starts, ends = arrays(spans)
    idle = gaps(starts, ends, window)
    for t in np.arange(low + 0.5, low + length):
        covered = any(a < t < b for a, b in spans)
        between = starts.min() < t < ends.max()
        assert any(a < t < b for a, b in idle) == (between and not covered)


@given(SPANS, st.lists(st.integers(1, 1000), min_size=40, max_size=40), st.integers(1, 17))
def test_bins_hold_every_byte(spans, sizes, bins):
    starts, ends = arrays(spans)
    amounts = np.array(sizes[: len(spans)], dtype=float)
    assert binned(starts, ends, amounts, float(ends.max()) or 1.0, bins).sum() == pytest.approx(amounts.sum())


def test_a_transfer_is_spread_evenly_over_its_span():
    starts, ends, amounts = np.array([0.0, 2.0]), np.array([4.0, 4.0]), np.array([40.0, 10.0])
    assert binned(starts, ends, amounts, 4.0, 4) == pytest.approx([10, 10, 15, 15])


def test_an_instant_counts_at_once():
    starts = ends = np.array([1.0, 2.0])
    at = np.array([0.5, 1.0, 1.5, 2.0])
    assert cumulative(starts, ends, np.array([3.0, 4.0]), at) == pytest.approx([0, 3, 3, 7])


@given(SPANS)
def test_shares_of_bins_are_the_covered_part(spans):
    starts, ends = arrays(spans)
    end = float(max(70, ends.max()))
    shares = binned_share(starts, ends, end, int(end))
    expected = [any(a < t < b for a, b in spans) for t in np.arange(0.5, end)]
    assert shares == pytest.approx(np.array(expected, dtype=float), abs=1e-9)


def test_nothing_is_busy_in_an_empty_run():
    assert not binned_share(np.array([]), np.array([]), 1.0, 5).any()
    assert not binned_share(np.array([0.0]), np.array([0.0]), 0.0, 5).any()
    assert gaps(np.array([]), np.array([]), (0, 1)) == []
