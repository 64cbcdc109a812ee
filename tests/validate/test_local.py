"""Predicted against measured: the arithmetic with times that are known, and the suite's values on real adapters."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import memsim as ms
from memsim.errors import MemsimError
from memsim.isa import Program, interpret
from memsim.report.figures.style import all_texts, overlaps
from memsim.report.figures.validation import draw_validation
from memsim.validate import ALL, SUITE, Case, GpuTimer, Validation, cross_check, named, show, validate
from memsim.validate import programs as made
from memsim.validate.local import MOST_DISPATCHES, time_session
from memsim.validate.rows import Row
from memsim.webgpu.probe.timing import Effort, Measured
from tests.webgpu.samples import ADAPTERS, adapter


@dataclass
class Factor:
    """A device that takes so many times what the simulator says."""

    chip: ms.Chip
    factors: dict[str, float]
    timed_by: str = "timestamps"

    def seconds(self, program: Program) -> Measured:
        time = ms.simulate(program, self.chip).time_s * self.factors[program.name]
        return Measured(time, 0.9 * time, 1.2 * time, 5)


TOY = ms.Chip.preset("toy")
SCRAPS = [replace(case, timed=case.small) for case in SUITE]
"""The suite at its small sizes."""


def scraps(*names: str) -> list[Case]:
    return [case for case in SCRAPS if case.name in names]


def test_errors_are_those_of_the_times() -> None:
    cases = scraps("copy", "softmax", "transpose")
    timer = Factor(TOY, {"copy": 1.25, "softmax": 0.5, "transpose": 1.0})
    found = validate(TOY, "a device", timer, cases)
    errors = {row.case.split()[0]: row.error for row in found.rows}
    assert errors == pytest.approx({"copy": 1 / 1.25 - 1, "softmax": 1.0, "transpose": 0.0})
    assert found.mape() == pytest.approx({"stream": 0.2, "transpose": 0.0, "softmax": 1.0, ALL: (2 * 0.2 + 1.0) / 5})
    assert [row.kind for row in found.rows] == [case.kind for case in cases]


def test_a_validation_is_json_and_a_table() -> None:
    found = validate(TOY, "a device", Factor(TOY, {"copy": 1.25}), scraps("copy"))
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert values["mape"][ALL] == pytest.approx(0.2)
    assert values["rows"][0]["predicted_s"] == found.rows[0].predicted_s
    assert values["rows"][0]["measured_s"]["median"] == pytest.approx(1.25 * found.rows[0].predicted_s)
    text = show(found)
    assert "toy against a device, timed by timestamps" in text
    assert "-20.0%" in text and "20.0%" in text.splitlines()[-1]


def test_a_suite_without_cases_is_refused() -> None:
    with pytest.raises(MemsimError, match="suite: no case to run"):
        validate(TOY, "a device", Factor(TOY, {}), [])


def validation(rows: list[tuple[str, float, float]]) -> Validation:
    made_rows = [Row(k, f"{k} {n}", p, Measured(m, 0.9 * m, 1.1 * m, 9)) for n, (k, p, m) in enumerate(rows)]
    return Validation("chip", "Test GPU 9000", "timestamps", tuple(made_rows))


@pytest.mark.parametrize("scale", [1e-6, 1e-3])
def test_the_figure_reads_well(scale: float) -> None:
    kinds = ["stream", "reduction", "transpose", "matmul", "softmax", "attention", "convolution"]
    found = validation([(kind, scale * (n + 1), scale * (n + 1.5)) for n, kind in enumerate(kinds)])
    figure = draw_validation(found)
    assert overlaps(figure) == []
    texts = [text.get_text() for text in all_texts(figure)]
    assert f"Predicted and measured: {found.mape()[ALL]:.0%} off on average" in texts
    assert any(text.startswith("convolution: ") for text in texts)


# Timing ---------------------------------------------------------------------------------------------------------------


class Session:
    """A session whose commands take ``each`` seconds, and a pass ``pass_s`` beside them."""

    def __init__(self, each: float, timed_by: str, pass_s: float = 0.0) -> None:
        self.each, self.timed_by, self.pass_s = each, timed_by, pass_s
        self.commands, self.longest = ["a", "b"], 0

    def run(self) -> float:
        assert self.commands == ["a", "b"] * (len(self.commands) // 2)
        self.longest = max(self.longest, len(self.commands))
        return self.pass_s + self.each * len(self.commands)


def test_runs_are_repeated_until_they_can_be_timed() -> None:
    session = Session(10e-6, "timestamps")
    found = time_session(session, Effort(2e-3, 5), "x")
    assert found.median == pytest.approx(20e-6)
    assert found.samples == 5
    assert session.longest * 10e-6 >= 1.99e-3
    assert session.commands == ["a", "b"]


def test_the_hosts_clock_does_not_count_submission() -> None:
    session = Session(10e-6, "wall clock", pass_s=5e-3)
    assert time_session(session, Effort(2e-3, 5), "x").median == pytest.approx(20e-6)


def test_what_is_too_short_even_so_is_refused() -> None:
    session = Session(1e-9, "timestamps")
    with pytest.raises(MemsimError, match=r"blink: .* grain of 1e-06 s"):
        time_session(session, Effort(2e-3, 5), "blink")
    assert session.longest <= MOST_DISPATCHES
    assert session.commands == ["a", "b"]


def test_a_real_session_is_timed_and_its_values_stay() -> None:
    """On a software adapter, past the timer that refuses it: the time means nothing, the values do."""
    from memsim.webgpu.execute import DeviceProgram as Real

    program = made.copy(TOY, rows=32, columns=512)
    x = np.random.default_rng(0).standard_normal((32, 512), np.float32)
    session = Real.of(program, {"X": x, "Y": np.zeros_like(x)}, adapter(ADAPTERS[0]))
    assert time_session(session, Effort(1e-4, 3), "copy").median > 0
    assert np.array_equal(session.outputs()["Y"], x)


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_software_adapter_is_not_timed(name: str) -> None:
    with pytest.raises(MemsimError, match="is a software adapter"):
        GpuTimer(adapter(name))


# The suite ------------------------------------------------------------------------------------------------------------


def test_the_suite_has_what_it_should() -> None:
    kinds = [case.kind for case in SUITE]
    assert set(kinds) == {"stream", "reduction", "transpose", "matmul", "softmax", "convolution", "attention"}
    assert len({case.label for case in SUITE}) == len(SUITE)
    assert len({str(case.timed.get("tile")) for case in SUITE if case.kind == "matmul"}) >= 3


@pytest.mark.parametrize("sram", ["16 KiB", "48 KiB"])
def test_every_case_fits_a_gpus_workgroup_memory(sram: str) -> None:
    chip = ms.Chip.preset("rtx_4090").replace({"core.sram.capacity": sram})
    for case in SUITE:
        program = case.program(chip)
        ms.isa.verify(program, chip)
        assert len(program.tensors) >= 2


def test_values_of_the_suite_agree_on_a_software_adapter() -> None:
    chip = ms.Chip.preset("rtx_4090").replace({"core.sram.capacity": "32 KiB"})
    found = cross_check(chip, adapter(ADAPTERS[0]))
    assert [str(check) for _, check in found if not check.ok] == []
    assert len(found) == len(SUITE)


PRODUCTS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "copy": (made.copy, {"rows": 8, "columns": 1024}, lambda t: ("Y", t["X"])),
    "transpose": (made.transpose, {"rows": 64, "columns": 96}, lambda t: ("Y", t["X"].T)),
    "matmul": (made.matmul, {"size": 64, "tile": 32, "depth": 16}, lambda t: ("C", t["A"] @ t["B"])),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_tile_programs_compute_what_numpy_does(name: str) -> None:
    build, parameters, expected = PRODUCTS[name]
    program, rng = build(TOY, **parameters), np.random.default_rng(0)
    inputs = {t.name: rng.integers(-8, 9, t.shape).astype(np.float32) for t in program.tensors}
    tensor, value = expected(inputs)
    assert np.array_equal(interpret(program, inputs)[tensor], value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: made.copy(TOY, rows=3, columns=512),
        lambda: made.transpose(TOY, rows=32, columns=33),
        lambda: made.matmul(TOY, size=40, tile=16, depth=8),
    ],
)
def test_sizes_that_tiles_do_not_divide_are_refused(build: Any) -> None:
    with pytest.raises(MemsimError, match="is no multiple of the tile's"):
        build()


def test_a_workload_is_one_line_to_add() -> None:
    case = named("norm", "rms_norm", {"rows": 64, "columns": 128}, {"rows": 8, "columns": 16})
    found = validate(TOY, "a device", Factor(TOY, {"rms_norm": 2.0}), [case])
    assert found.rows[0].error == pytest.approx(-0.5)
    assert found.rows[0].case == "rms_norm rows=64 columns=128 dtype=fp32"
    ((_, check),) = cross_check(TOY, adapter(ADAPTERS[0]), [case])
    assert check.ok
