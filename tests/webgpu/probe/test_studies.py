"""What a probe runs, that it looks at values, and that its findings are data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from memsim.errors import MemsimError
from memsim.report.figures.probe import draw_probe
from memsim.report.figures.style import all_texts, overlaps
from memsim.webgpu.probe import QUICKLY, Findings, probe, show
from memsim.webgpu.probe.studies import Study, footprints, set_in_cache
from memsim.webgpu.probe.text import binary, ratio_to_one
from tests.webgpu.probe.fakes import GPU, FakeMachine, found_on

SMALL = replace(QUICKLY, largest=32 << 20, groups=256)


def test_a_software_adapter_is_not_measured() -> None:
    machine = FakeMachine("v100_sxm")
    with pytest.raises(MemsimError, match=r"Test GPU 9000: is a software adapter(.|\n)*only values can be checked"):
        probe(replace(GPU, kind="CPU"), machine, SMALL)
    assert machine.loaded == 0


@pytest.mark.parametrize(
    "kind", ["chase", "read", "copy", "workgroup", "fma", "fma_latency", "special", "matrix", "empty"]
)
def test_a_wrong_value_ends_the_probe(kind: str) -> None:
    machine = FakeMachine("v100_sxm", wrong=kind)
    with pytest.raises(MemsimError, match="the device computes a wrong value: it is 41, not 42"):
        probe(GPU, machine, SMALL)
    assert machine.loaded == 0, "memory of the device is kept"


def test_buffers_are_no_larger_than_the_driver_binds_and_f16_only_where_it_is() -> None:
    machine = FakeMachine("v100_sxm", features=("timestamp-query",), storage_bytes=(16 << 20) + 12)
    found = probe(GPU, machine, SMALL)
    assert max(chase.footprint for chase in found.chases) == 16 << 20
    assert max(stream.footprint for stream in (*found.streams, *found.occupancy)) == 16 << 20
    assert set(found.fma_g) == set(found.matrix_g) == {"f32", "i32"}
    assert machine.loaded == 0


def test_dispatches_do_not_pay_for_the_pass() -> None:
    each, alone = Study(FakeMachine("v100_sxm"), SMALL).dispatches()
    assert each.median == pytest.approx(3.25, rel=1e-6)
    assert alone == 40


def test_the_ladder_is_refined_where_levels_end() -> None:
    coarse = footprints(4 << 10, 32 << 20, SMALL.a_doubling)
    fine = {chase.footprint for chase in Study(FakeMachine("v100_sxm"), SMALL).ladder()} - set(coarse)
    assert len(fine) == 2 * SMALL.refinements  # of its L1 and its L2
    capacities = (120 << 10, 6 << 20)
    assert all(min(abs(size / capacity - 1) for capacity in capacities) < 0.5 for size in fine)


def test_the_set_for_occupancy_fits_the_cache() -> None:
    assert set_in_cache(found_on("rtx_4090", 0.01).chases) == 32 << 20
    assert set_in_cache(()) is None


def test_what_is_shown() -> None:
    text = show(found_on("rtx_4090", 0.01))
    for part in ("timed by timestamps", "GB/s", "a dispatch after another", "products of tiles in f16", "1/12"):
        assert part in text
    assert "WIDE" not in text
    assert "WIDE" in show(found_on("rtx_4090", 0.3, quick=True))
    assert ratio_to_one(found_on("rtx_4090")) == pytest.approx(128)
    assert [binary(size) for size in (100, 4096, 18_350_080, 3 << 30)] == ["100 B", "4 KiB", "17.5 MiB", "3 GiB"]


@pytest.mark.parametrize("preset", ["rtx_4090", "h100_pcie"])
def test_the_figure_reads_well(preset: str) -> None:
    figure = draw_probe(found_on(preset, 0.01))
    assert overlaps(figure) == []
    texts = " ".join(text.get_text() for text in all_texts(figure))
    assert "Test GPU 9000: timed by timestamps" in texts
    assert "dispatch 3.2" in texts


def changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copied = json.loads(json.dumps(values))
    *keys, last = path.split(".")
    inner = copied
    for key in keys:
        inner = inner[int(key)] if key.isdigit() else inner[key]
    inner[last] = value
    return copied


@pytest.mark.parametrize(
    ("path", "value"),
    [("chases.0.latency_ns.median", 0), ("chases.0.latency_ns", {}), ("streams", 3), ("device.unknown", 1),
     ("device", None), ("fma_g", []), ("dispatch_us.low", float("nan")), ("fma_groups", [[1]]),
     ("workgroup_gbs.samples", "x"), ("dispatch_us.high", 0.1)],
)  # fmt: skip
def test_findings_that_are_malformed_are_one_message(path: str, value: Any) -> None:
    values = changed(found_on("v100_sxm", 0.01).to_json(), path, value)
    with pytest.raises(MemsimError, match=r"x\.json: a part of the measurements is missing or malformed(.|\n)*mend: "):
        Findings.from_json(values, "x.json")


@pytest.mark.parametrize("values", [{}, [], {"memsim_probe": 2}, None])
def test_what_is_no_findings(values: Any) -> None:
    with pytest.raises(MemsimError, match="is not what a probe has measured"):
        Findings.from_json(values)
