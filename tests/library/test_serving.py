"""Steps of models: their calls against the models' sizes, their sums, and what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from memsim import cli
from memsim.errors import MemsimError
from memsim.hierarchy import Chip, System
from memsim.library import serving
from memsim.library.knobs import overridden
from memsim.library.models import Model
from memsim.library.serving import decode_step, prefill_step
from memsim.library.steps import Call, decode_calls, prefill_calls
from memsim.validate.anchors import Anchor, anchors, compare

PUBLISHED_BILLIONS = {
    "llama3-8b": 8.03, "llama3-70b": 70.6, "llama2-7b": 6.74, "qwen3-8b": 8.2, "qwen3-14b": 14.8, "qwen3-32b": 32.8,
    "gpt3": 175.0,
}  # fmt: skip
SMALL = Model("small", 2, 512, 8, 4, 64, 1024, 4096)


def macs(calls: tuple[Call, ...]) -> int:
    total = 0
    for call in calls:
        if call.op == "gemm":
            m, n, k, batch = call.sizes
            total += call.count * m * n * k * batch
    return total


@pytest.mark.parametrize("name", PUBLISHED_BILLIONS)
def test_models_have_the_parameters_that_their_authors_state(name: str) -> None:
    assert Model.preset(name).parameters / 1e9 == pytest.approx(PUBLISHED_BILLIONS[name], rel=0.006)


@pytest.mark.parametrize("name", ["llama3-8b", "qwen3-32b"])
def test_a_decode_step_multiplies_each_weight_once_for_each_sequence(name: str) -> None:
    model = Model.preset(name)
    norms = model.width * 2 * model.layers
    weights = model.parameters - norms - model.vocabulary * model.width  # the embedding is looked up
    assert macs(decode_calls(model, 7, 100)) == 7 * weights
    assert macs(prefill_calls(model, 1, 100)) == 100 * weights - 99 * model.vocabulary * model.width


@pytest.mark.parametrize("tp", [2, 4, 8])
def test_chips_share_the_products(tp: int) -> None:
    model = Model.preset("llama3-70b")
    whole, part = macs(decode_calls(model, 3, 10)), macs(decode_calls(model, 3, 10, tp))
    assert part * tp == whole
    ops = {call.op: call for call in decode_calls(model, 3, 10, tp)}
    assert ops["all_reduce"].sizes == (3 * model.width,)
    reduced = sum(c.count for c in decode_calls(model, 3, 10, tp) if c.op == "all_reduce")
    assert reduced == 2 * model.layers + 1


def test_the_gpt3_layer_is_as_llmcompass_measured_it() -> None:
    calls = {call.name: call for call in prefill_calls(Model.preset("gpt3-layer"), 8, 2048, 4)}
    assert (calls["qkv"].count, calls["qkv"].sizes) == (3, (16384, 3072, 12288, 1))
    assert calls["scores"].sizes == (2048, 2048, 128, 8 * 24)
    assert calls["values"].sizes == (2048, 128, 2048, 8 * 24)
    assert calls["all-reduce"].count == 2


def test_a_step_is_the_sum_of_its_calls() -> None:
    step = decode_step(SMALL, "a100_sxm", batch=2, context=64, host="none")
    assert step.time_s == pytest.approx(sum(share.count * share.each_s for share in step.shares))
    assert step.energy_j == pytest.approx(sum(share.count * share.each_j for share in step.shares))
    assert step.power_w > Chip.preset("a100_sxm").static_power_w
    assert step.host_s == 0
    assert {row["kernel"] for row in step.rows()} >= {"qkv", "attention", "logits", "sampling"}
    twice = decode_step(SMALL, "a100_sxm", batch=2, context=64, host="none")
    assert twice == step


def test_chips_together_are_faster_and_draw_more() -> None:
    model = Model.preset("llama3-8b")
    alone, shared = (decode_step(model, "a100_sxm", 4, 256, tp) for tp in (1, 4))
    assert alone.time_s / 4 < shared.time_s < alone.time_s
    assert shared.machine == "hgx_a100_4"
    assert shared.power_w > 2 * alone.power_w


def test_a_limit_of_power_is_kept_by_a_lower_clock() -> None:
    model = Model("wide", 1, 2048, 16, 8, 128, 8192, 0, host="none")
    chip = Chip.preset("h100_sxm")
    free = prefill_step(model, chip.replace({"tdp": "2000 W"}), 2, 512)
    limit = round(free.power_w * 0.8)
    slow = prefill_step(model, chip.replace({"tdp": f"{limit} W"}), 2, 512)
    assert slow.slowed
    assert not free.slowed
    assert slow.power_w <= limit
    assert free.time_s < slow.time_s < free.time_s * 1.4


def test_greedy_sampling_costs_less() -> None:
    greedy, top_p = (decode_step(SMALL, "a100_sxm", 64, 64, sampling=how) for how in ("greedy", "top_p"))
    assert greedy.time_s < top_p.time_s


def test_serving_has_both_steps() -> None:
    found = serving.serve(SMALL, "a100_sxm", batch=2, prompt=96)
    assert found.context == 97
    assert found.time_to_first_token_s == found.prefill.time_s
    assert found.time_per_output_token_s == found.decode.time_s < found.prefill.time_s


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "llama3-8"}, "unknown model 'llama3-8'\n  mend: did you mean 'llama3-8b'?"),
        ({"batch": 0}, "batch is 0"),
        ({"tp": 3, "machine": "dgx_h100"}, "32 heads are not cut over 3 chips"),
        ({"tp": 16, "machine": "dgx_h100"}, "16 chips of 8"),
        ({"model": "llama3-70b"}, "llama3-70b needs 141"),
        ({"host": "slow"}, "unknown host 'slow'"),
        ({"sampling": "best"}, "no sampling 'best'"),
        ({"tp": 2, "machine": "toy"}, "no known system joins 2 toy"),
    ],
)
def test_mistakes_are_told(values: dict[str, object], message: str) -> None:
    with pytest.raises(MemsimError) as caught:
        decode_step(**{"model": "llama3-8b", "machine": "h100_sxm", "batch": 1, "context": 100, **values})  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layers": 0}, "mine: layers is 0"),
        ({"kv_heads": 3}, "8 heads for 3 of keys and values"),
        ({"norm": "batch_norm"}, "unknown norm 'batch_norm'\n  mend: use one of: rms_norm, layer_norm"),
        ({"dtype": "fp64"}, "unknown dtype 'fp64'"),
    ],
)
def test_models_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(MemsimError) as caught:
        replace(SMALL, name="mine", **values)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_step_may_read_a_prompt_too() -> None:
    alone, both = (decode_step(SMALL, "a100_sxm", 4, 64, mixed=mixed) for mixed in (0, 256))
    assert both.time_s > alone.time_s
    assert macs(decode_calls(SMALL, 4, 64, mixed=256)) == macs(decode_calls(SMALL, 260, 64)) - (
        256 * SMALL.width * SMALL.vocabulary
    )


def test_frameworks_take_time_between_steps() -> None:
    with overridden(serving_step=2.0):
        step = decode_step(SMALL, "a100_sxm", 1, 64)
    assert step.host_s == pytest.approx(2e-3)
    assert decode_step(SMALL, "a100_sxm", 1, 64, host="none").time_s == pytest.approx(step.gpu_s)


def test_cards_meet_over_pcie() -> None:
    step = decode_step(SMALL, "l40s", 2, 64, tp=2)
    assert step.machine == "pcie_l40s_2"
    assert any("LL" in share.choice for share in step.shares if share.op == "all_reduce")


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "serve.png"
    sizes = ["--prompt", "128", "--context", "200", "--batch", "2"]
    assert cli.run(["serve", "--model", "llama3-8b", "--chip", "h100_sxm", *sizes, "--plot", str(figure)]) == 0
    text = capsys.readouterr().out
    assert "time to first token" in text
    assert "gate, up" in text
    assert figure.stat().st_size > 10_000
    assert cli.run(["serve", "--model", "llama3-8b", *sizes, "--json", "-"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["time_per_output_token_s"] == pytest.approx(numbers["decode"]["time_s"])
    shares = sum(row["of_time"] for row in numbers["decode"]["kernels"])
    assert shares == pytest.approx(numbers["decode"]["gpu_s"] / numbers["decode"]["time_s"])


def test_every_system_names_known_chips() -> None:
    assert {System.preset(name).chip.name for name in System.presets()} <= set(Chip.presets())


DECODES = tuple(anchor for anchor in anchors() if anchor.what == "decode")
QUICK = tuple(each for each in DECODES if each.batch in (8, 128) and each.tp is None)


@pytest.mark.parametrize("chosen", [QUICK, pytest.param(DECODES, marks=pytest.mark.slow)], ids=["some", "all"])
def test_time_per_output_token_is_what_was_measured(chosen: tuple[Anchor, ...]) -> None:
    found = compare(chosen)
    errors = [each.time_error for each in found]
    assert sum(map(abs, errors)) / len(errors) < 0.08
    assert all(abs(error) < 0.15 for error in errors)
    power = [each.power_error for each in found if each.power_error is not None]
    assert sum(map(abs, power)) / len(power) < 0.09
    assert all(abs(error) < 0.14 for error in power)


@pytest.mark.slow
def test_the_gpt3_layer_takes_the_measured_time() -> None:
    errors = {each.anchor.what: each.time_error for each in compare(anchors()[:2])}
    assert abs(errors["prefill"]) < 0.08
    assert abs(errors["decode"]) < 0.10
