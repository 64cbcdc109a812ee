"""The study behind ``memsim microbench noc``, and how far the engine is from flits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from memsim import cli
from memsim.microbench.noc import NocStudy, show, study, summary
from memsim.microbench.noc_transfers import transfer_difference
from memsim.noc import NetworkError


def test_one_load_as_json(tmp_path: Path) -> None:
    file = tmp_path / "noc.json"
    command = "microbench noc --k 4 --traffic uniform --flits 5 --vcs 4 --buffer 8 --rate 0.2 --json"
    assert cli.run([*command.split(), str(file)]) == 0
    got = json.loads(file.read_text())
    assert got["latency_cycles"] == pytest.approx(22.0, rel=0.05)  # BookSim2: 22.0071
    assert got["zero_load_cycles"] == pytest.approx(20.0)
    assert got["accepted"] == pytest.approx(0.2, rel=0.05)
    assert got["stable"] is True


def test_past_saturation_there_is_no_latency() -> None:
    settings = NocStudy(k=4, rate=0.95)
    result = study(settings)
    got = summary(settings, result)
    assert not got["stable"]
    assert got["latency_cycles"] is None
    assert "past saturation" in show(settings, result)


def test_a_sweep_ends_at_saturation_and_is_drawn(tmp_path: Path) -> None:
    settings = NocStudy(topology="crossbar", k=4, flits=2, vcs=2)
    result = study(settings)
    got = summary(settings, result)
    loads = [point["offered"] for point in got["points"]]
    assert loads == sorted(loads)
    assert got["points"][-1]["stable"] is False
    assert loads[-2] == got["saturation"]
    assert "saturation:" in show(settings, result)
    from memsim.report.figures.microbench_noc import draw

    assert draw(settings, result, tmp_path / "noc.png").stat().st_size > 10_000


@pytest.mark.parametrize("topology", ["mesh", "torus", "ring", "crossbar", "fattree", "dragonfly"])
def test_every_topology_has_sizes_of_its_own(topology: str) -> None:
    assert len(NocStudy(topology=topology).network().nodes) >= 8


def test_settings_that_make_no_network_are_refused() -> None:
    for settings, cause in (
        (NocStudy(topology="star"), "unknown topology"),
        (NocStudy(topology="dragonfly", k=20), "too large"),
        (NocStudy(k=-3), "at least one node"),
    ):
        with pytest.raises(NetworkError, match=cause):
            study(settings)


def test_tiles_end_together_in_both_models_and_share_links_in_one() -> None:
    rows = {row.pattern: row for row in transfer_difference(tiles=[4096])}
    for row in rows.values():
        assert 0 <= row.flit_cycles - row.engine_cycles <= 6
    assert rows["neighbour"].mean_ratio == pytest.approx(1, abs=0.03)
    assert rows["all-to-one"].mean_ratio == pytest.approx(1.3, abs=0.05)
