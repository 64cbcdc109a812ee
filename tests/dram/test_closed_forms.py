"""What follows from the timings by hand."""

from __future__ import annotations

import numpy as np
import pytest

from memsim.dram import Requests, Source, dram_part, dram_parts, run, service, simulate, traffic

PLAIN = [name for name in dram_parts() if not name.startswith("lpddr5")]


def latencies(part_name: str, bursts: list[int], apart: int = 4000) -> list[int]:
    """Clocks of single reads, far apart, without refresh."""
    part = dram_part(part_name)
    arrivals = np.arange(len(bursts), dtype=np.int64) * apart
    requests = Requests(np.array(bursts, dtype=np.int64), np.zeros(len(bursts), dtype=np.int64))
    done = run(part, requests, Source(arrivals=arrivals), address="robaracoch", refresh=False)
    return [int(n) for n in (done.done - done.accepted) // done.ticks_a_clock]


@pytest.mark.parametrize("name", PLAIN)
def test_closed_row_hit_and_conflict(name: str) -> None:
    part = dram_part(name)
    t, other_row = part.timing, part.capacity // part.rows // part.burst_bytes
    closed, hit, conflict = latencies(name, [0, 1, other_row])
    activate, column, row = part.act_cycles, part.column_cycles, part.row_cycles  # distances are from last to last
    rounded = 1 if part.half_clocks else 0
    assert hit == t.cl + t.bl
    assert 0 <= closed - hit - (t.rcd_rd + activate - column) <= rounded
    assert -rounded <= conflict - hit - (t.rp + t.rcd_rd + row - column) <= rounded


def test_hits_closed_rows_and_conflicts_of_ddr4_are_exact() -> None:
    t, other_row = dram_part("ddr4_3200").timing, 16 * 16
    assert latencies("ddr4_3200", [0, 1, other_row]) == [
        t.rcd_rd + t.cl + t.bl,
        t.cl + t.bl,
        t.rp + t.rcd_rd + t.cl + t.bl,
    ]


@pytest.mark.parametrize("name", dram_parts())
def test_one_bank_gives_a_burst_each_row_cycle(name: str) -> None:
    part = dram_part(name)
    done = run(part, traffic(part, "rowconf", 300), Source(mlp=16), measured=200, warm=50, refresh=False)
    clocks = (done.end - done.start) / done.ticks_a_clock / done.served
    t = part.timing
    assert clocks == pytest.approx(max(t.rc, t.ras + t.rp, t.rcd_rd + t.rtp + t.rp), abs=1.5)


@pytest.mark.parametrize("name", dram_parts())
def test_random_bursts_stay_below_four_activates_a_window(name: str) -> None:
    part = dram_part(name)
    windows = part.pseudo_channels * (part.stacks if part.ranks_apart else 1)
    limit = 4 * part.burst_bytes * windows / (part.timing.faw * float(part.tck_ps) / 1000)
    assert simulate(part, "rand", mlp=256, n=1500).bandwidth_gbs <= limit * 1.01


@pytest.mark.parametrize("name", dram_parts())
def test_a_stream_comes_near_the_peak_and_never_over_it(name: str) -> None:
    part = dram_part(name)
    at_most = 1 - part.timing.rfc / part.timing.refi
    best = simulate(part, "seq", mlp=256, n=6000)
    assert 0.7 * at_most < best.efficiency <= 1


def test_little_holds() -> None:
    m = simulate("hbm2_2000", "rand", mlp=16, n=5000)
    assert 16 * 32 / m.bandwidth_gbs == pytest.approx(m.latency_ns + 1, rel=0.01)  # a clock from data to next request


def test_a_closed_page_is_better_for_random_reads_and_worse_for_streams() -> None:
    opened, closed = (simulate("ddr4_3200", "rand", mlp=1, n=2000, page=page) for page in ("open", "closed"))
    assert closed.latency_cycles < opened.latency_cycles - 15
    opened, closed = (simulate("ddr4_3200", "seq", mlp=1, n=2000, page=page) for page in ("open", "closed"))
    assert closed.latency_cycles > opened.latency_cycles + 15


def test_a_batch_takes_its_bursts_and_its_rows() -> None:
    part = dram_part("hbm2_2000")
    seq, rows = traffic(part, "seq", 1024), traffic(part, "rowconf", 64)
    peak_ns = 1024 * 32 / 32
    assert peak_ns < service(part, seq, refresh=False)[0] < 1.1 * peak_ns
    ns, pj = service(part, rows, refresh=False)
    assert ns == pytest.approx(64 * 48, rel=0.01)
    assert pj == pytest.approx(64 * (part.energy.act_pj + part.energy.read_pj))
    assert service(part, Requests(np.zeros(0, np.int64), np.zeros(0, np.int64))) == (0.0, 0.0)


def test_a_column_walk_is_slow() -> None:
    part = dram_part("hbm2_2000")
    walked = simulate(part, f"stride{part.capacity // part.rows}", mlp=64, n=2000)
    assert walked.bandwidth_gbs < simulate(part, "seq", mlp=64, n=2000).bandwidth_gbs / 10
