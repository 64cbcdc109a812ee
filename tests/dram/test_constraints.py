"""Whatever is asked of a channel, its commands keep every distance, and each request is served once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.dram import Requests, Source, dram_part, energy_of, run, traffic
from tests.dram.checker import Checker, Command, commands

PARTS = ("hbm2_2000", "hbm2e_3200", "hbm3_6400", "hbm4_8000", "ddr4_3200", "ddr5_4800", "gddr6_14000", "lpddr5_6400")


def requests_of(part_name: str, seed: int, count: int, rows: int, writes: int) -> Requests:
    """Bursts of a few rows of a few banks, each at most once."""
    part, random = dram_part(part_name), np.random.default_rng(seed)
    span = min(part.capacity // part.burst_bytes, part.row_bursts * part.bank_count * rows)
    bursts = random.permutation(span)[:count] if span < 1 << 16 else random.choice(1 << 16, count, replace=False)
    return Requests(np.asarray(bursts, dtype=np.int64), (random.integers(0, 100, count) < writes).astype(np.int64))


@given(
    part_name=st.sampled_from(PARTS),
    seed=st.integers(0, 1000),
    rows=st.integers(1, 4),
    writes=st.sampled_from((0, 0, 30, 50, 100)),
    mlp=st.sampled_from((1, 3, 16, 100)),
    address=st.sampled_from(("mop4clxor", "robaracoch", "d3_ddr4_bglow", "row:column:group:bank:stack:pc")),
    page=st.sampled_from(("open", "closed")),
    scheduler=st.sampled_from(("frfcfs", "frfcfs", "bank_queues")),
)
@settings(max_examples=25, deadline=None)
def test_no_distance_is_broken_and_nothing_is_lost(
    part_name, seed, rows, writes, mlp, address, page, scheduler
) -> None:
    part, requests = dram_part(part_name), requests_of(part_name, seed, 120, rows, writes)
    if scheduler == "bank_queues" and (part.split_buses or part.clock_sync):
        scheduler = "frfcfs"
    arrivals = np.cumsum(np.random.default_rng(seed).integers(0, 1 + 400 // mlp, len(requests)))
    done = run(
        part, requests, Source(arrivals=arrivals), address=address, page=page, scheduler=scheduler, trace=1 << 14
    )
    assert not list(Checker(part).broken(commands(done)))
    assert done.served == len(requests)
    assert (done.accepted >= 0).all()
    assert (done.done >= done.accepted + part.timing.bl).all()
    assert done.counts["read"] == int((requests.writes == 0).sum())
    assert done.counts["write"] == int(requests.writes.sum())
    columns = [c for c in commands(done) if c.name[:2] in {"RD", "WR"}]
    assert len(columns) * part.burst_bytes == len(requests) * part.burst_bytes


@pytest.mark.parametrize("part_name", PARTS)
def test_a_saturated_channel_keeps_its_distances_over_refreshes(part_name: str) -> None:
    part = dram_part(part_name)
    often = part.timing.model_copy(update={"refi": part.timing.rfc + 300})
    part = part.model_copy(update={"timing": often})
    done = run(part, traffic(part, "rand", 600, 67), Source(mlp=64), measured=400, trace=1 << 13)
    assert done.counts["refresh"] > 0
    assert not list(Checker(part).broken(commands(done)))


def test_ranks_of_a_module_are_kept_apart() -> None:
    part = dram_part("ddr4_3200").model_copy(update={"stacks": 2})
    done = run(part, traffic(part, "rand", 500, 67), Source(mlp=32), measured=400, trace=1 << 13)
    assert not list(Checker(part).broken(commands(done)))
    assert len({c.bank // 16 for c in commands(done) if c.name == "ACT"}) == 2


def test_a_read_of_what_waits_to_be_written_needs_no_bank() -> None:
    part = dram_part("hbm2_2000")
    requests = Requests(np.array([7, 7, 7], dtype=np.int64), np.array([1, 0, 1], dtype=np.int64))
    done = run(part, requests, Source(arrivals=np.zeros(3, dtype=np.int64)))
    assert done.counts["read"] == 0
    assert done.counts["write"] == 1
    assert done.done[1] == done.accepted[1]


def test_energy_is_the_sum_of_the_commands_and_the_background() -> None:
    part = dram_part("ddr4_d3")
    done = run(part, traffic(part, "rand", 500), Source(mlp=8), scheduler="bank_queues")
    energy, e = energy_of(done), part.energy
    assert energy["activate"] == pytest.approx(done.counts["activate"] * e.act_pj)
    assert energy["read"] == pytest.approx(500 * e.read_pj)
    time_ns = (done.end - done.start) * 0.63
    assert e.closed_mw * time_ns <= energy["background"] <= e.open_mw * time_ns


@pytest.mark.parametrize(
    ("second", "rule"),
    [
        (Command(3, "ACT", 4, 1), "tRRD_S"),
        (Command(13, "RD", 0, 1), "tRCD"),
        (Command(30, "PRE", 0, 1), "tRAS"),
        (Command(1, "PRE", 8, 1), "bus"),
        (Command(20, "RD", 0, 2), "not open"),
        (Command(50, "ACT", 0, 2), "is open"),
    ],
)
def test_the_checker_sees_what_is_wrong(second: Command, rule: str) -> None:
    trace = [Command(0, "ACT", 0, 1), second]
    assert any(rule in sentence for sentence in Checker(dram_part("hbm2_2000")).broken(trace))
