"""Attention as GPU libraries write it: right values, the published splits, and times beside measured ones."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import memsim as ms
from memsim.engine.power import simulate_capped
from memsim.errors import ChipError, MemsimError
from memsim.isa.model import Load
from memsim.library import Kernel, overridden
from memsim.library import attention_tiles as tiles
from memsim.library.attention import decode, prefill

Array = np.ndarray[Any, Any]
A100, H100, B200 = (ms.Chip.preset(name) for name in ("a100_sxm", "h100_sxm", "b200_sxm"))


def expected(q: Array, k: Array, v: Array, *, causal: bool) -> Array:
    """softmax(q k^T / sqrt(d)) v in double precision, for q [batch, kv heads, group, tokens, d]."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    scores = np.einsum("bhgnd,bhmd->bhgnm", q, k) / np.sqrt(q.shape[-1])
    if causal:
        tokens, keys = scores.shape[-2:]
        scores = np.where(np.arange(keys)[None] <= np.arange(tokens)[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhgnm,bhmd->bhgnd", weights / weights.sum(-1, keepdims=True), v)


def check_values(kernel: Kernel, *, causal: bool = False) -> None:
    """Interpret a kernel on random numbers, and compare its result and the caches."""
    random, inputs = np.random.default_rng(7), dict[str, Array]()
    for tensor in kernel.program.tensors:
        values = random.standard_normal(tensor.shape)
        whole = tensor.type.name == "int32"
        dtype = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16}.get(tensor.type.name, np.float32)
        inputs[tensor.name] = np.zeros(tensor.shape, np.int32) if whole else values.astype(dtype)
    out = ms.interpret(kernel.program, inputs)
    caches = []
    for name in ("K", "V"):
        cache, new = inputs[name].copy(), inputs[f"{name}_new"]
        cache[:, :, cache.shape[2] - new.shape[2] :] = new
        np.testing.assert_array_equal(out[name], cache)
        caches.append(cache)
    wanted = expected(inputs["Q"], *caches, causal=causal)
    np.testing.assert_allclose(out["O"].astype(np.float64), wanted, rtol=0.02, atol=0.012)


@pytest.mark.parametrize("chip", [A100, H100, B200], ids=lambda chip: chip.name)
@pytest.mark.parametrize(
    ("batch", "seq", "heads", "kv_heads", "dim", "causal"),
    [(2, 77, 4, 2, 32, True), (1, 300, 2, 1, 128, True), (1, 150, 2, 2, 64, False), (1, 128, 3, 1, 64, True)],
)
def test_prefill_is_softmax_of_scores_times_values(
    chip: ms.Chip, batch: int, seq: int, heads: int, kv_heads: int, dim: int, causal: bool
) -> None:
    check_values(prefill(chip, batch, seq, heads, kv_heads, dim, causal=causal), causal=causal)


@pytest.mark.parametrize("chip", [A100, H100, B200], ids=lambda chip: chip.name)
@pytest.mark.parametrize("seq", [1, 5, 128, 129, 700])
def test_decode_is_softmax_of_scores_times_values(chip: ms.Chip, seq: int) -> None:
    check_values(decode(chip, 2, seq, 6, 2, 64))


def test_fp16_on_a_gpu_without_bf16() -> None:
    check_values(prefill(ms.Chip.preset("t4"), 1, 70, 2, 1, 64, "fp16"), causal=True)


def test_what_is_drawn_as_one_has_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MOST_TRANSFERS", 1), ("TURNS", 0), ("LEAST_STEPS", 4), ("LEAST_TILES", 1)):
        monkeypatch.setattr(tiles, name, value)
    for chip in (A100, H100):
        kernel = prefill(chip, 1, 700, 4, 2, 32)
        assert "drawn as one" in kernel.choice
        check_values(kernel, causal=True)


@pytest.mark.parametrize(("chip", "batch", "seq"), [(A100, 32, 512), (A100, 1, 4096), (H100, 1, 4096), (H100, 8, 2048)])
def test_what_is_drawn_as_one_takes_as_long(
    monkeypatch: pytest.MonkeyPatch, chip: ms.Chip, batch: int, seq: int
) -> None:
    drawn = prefill(chip, batch, seq, 32, 8)
    monkeypatch.setattr(tiles, "MOST_TRANSFERS", 10**9)
    plain = prefill(chip, batch, seq, 32, 8)
    assert "drawn" in drawn.choice and "drawn" not in plain.choice
    times = [ms.simulate(kernel.program, kernel.chip).time_s for kernel in (drawn, plain)]
    assert times[0] == pytest.approx(times[1], rel=0.06)


SECOND = tiles.decode_tiles(A100, 128, "bf16")
THIRD = tiles.decode_tiles(H100, 128, "bf16")


def test_tiles_are_the_published_ones() -> None:
    assert (SECOND.rows, SECOND.columns, THIRD.rows, THIRD.columns) == (64, 128, 64, 128)
    second, third = tiles.prefill_tiles(A100, 128, "bf16"), tiles.prefill_tiles(H100, 128, "bf16")
    assert (second.name, second.block_rows, second.columns) == ("FlashAttention-2", 128, 64)
    assert (third.name, third.block_rows, third.columns) == ("FlashAttention-3", 128, 128)
    small = tiles.prefill_tiles(ms.Chip.preset("t4"), 256, "fp16")
    assert small.shared_bytes(256, "fp16") <= 64 * 1024


@pytest.mark.parametrize(
    ("blocks", "count", "cores", "kernel", "parts"),
    [
        (8, 1, 108, SECOND, 1),  # nothing to split
        (8, 512, 108, SECOND, 23),  # 23 x 8 fill 184 of 216 slots: within 0.85 of the best, 27 x 8
        (200, 512, 108, SECOND, 1),  # 0.8 of 216 slots are enough
        (8, 4, 132, THIRD, 1),  # few tiles stay whole
        (8, 512, 132, THIRD, 14),  # 14 x 8 fill 112 of 132: within 0.85 of the best, 16 x 8
        (112, 512, 132, THIRD, 1),
    ],
)
def test_splits_are_those_of_the_published_heuristic(
    blocks: int, count: int, cores: int, kernel: tiles.Tiles, parts: int
) -> None:
    assert tiles.splits(blocks, count, cores, kernel) == parts


def test_decode_reads_keys_and_values_once() -> None:
    counted = ms.analyze(decode(A100, 4, 4096, 32, 8).program)
    cache = 2 * 4 * 4096 * 8 * 128 * 2
    loads = [e for e in counted.executions if isinstance(e.instruction, Load) and e.instruction.src.tensor in "KV"]
    assert sum(e.bytes for e in loads) == cache


@pytest.mark.parametrize("build", [prefill, decode])
def test_kernels_start_as_the_knobs_say(build: Any) -> None:
    kernel = build(A100, 1, 8, 8, 8)
    plain = ms.simulate(kernel.program, kernel.chip).time_s
    with overridden(attention_start=12_000.0):
        slow = build(A100, 1, 8, 8, 8)
    later = ms.simulate(slow.program, slow.chip).time_s - plain
    with overridden(attention_start=0.0):
        none = build(A100, 1, 8, 8, 8)
    sooner = ms.simulate(none.program, none.chip).time_s
    assert len(kernel.program.kernels) == 2
    assert later + plain - sooner == pytest.approx(2 * 12_000 / 1.41e9, rel=1e-3)


GPUS = [
    "v100_sxm", "t4", "a100_pcie_40", "h100_pcie", "h200_sxm", "b200_sxm", "l4", "l40s", "rtx_3090", "rtx_4090",
    "rtx_pro_6000_server", "mi100", "mi210", "mi300x",
]  # fmt: skip


@pytest.mark.parametrize("name", GPUS)
def test_every_gpu_with_a_matrix_unit(name: str) -> None:
    chip = ms.Chip.preset(name)
    dtype = "bf16" if chip.core.matrix and chip.core.matrix.supports("bf16") else "fp16"
    for kernel in (prefill(chip, 1, 200, 4, 2, 128, dtype), decode(chip, 2, 300, 4, 2, 128, dtype)):
        result = ms.simulate(kernel.program, kernel.chip)
        assert 2 * float(chip.ticks_of(chip.launch) * chip.tick) < result.time_s < 1e-4


def test_errors_name_the_cause() -> None:
    with pytest.raises(MemsimError, match="seq is 0"):
        prefill(A100, 1, 0, 8, 8)
    with pytest.raises(MemsimError, match="6 heads are not shared evenly by 4"):
        decode(A100, 1, 16, 6, 4)
    with pytest.raises(ChipError, match="does not multiply bf16"):
        prefill(ms.Chip.preset("t4"), 1, 16, 8, 8)
    with pytest.raises(ChipError, match="exceed the 65,536 bytes of shared memory of t4"):
        prefill(ms.Chip.preset("t4"), 1, 64, 1, 1, 1024, "fp16")
    with pytest.raises(MemsimError, match="128 heads share keys and values, a tile has 64 rows"):
        decode(A100, 1, 16, 128, 1)


# NVIDIA's database of operators (ai-dynamo/aiconfigurator): bf16, heads of 128, 8 heads of keys and values. The lowest
# and the highest of three serving frameworks, in microseconds.
MEASURED = [
    (A100, decode, 1, 32, 64, 12.46, 13.97),
    (A100, decode, 1, 4096, 32, 28.84, 38.2),
    (A100, decode, 1, 16384, 64, 52.56, 64.73),
    (A100, decode, 2048, 8, 32, 612.6, 975.4),
    (H100, decode, 1, 32, 64, 9.171, 11.85),
    (H100, decode, 8, 512, 64, 13.78, 19.1),
    (H100, decode, 2, 16384, 64, 55.24, 66.28),
    (H100, decode, 1024, 4, 32, 189.7, 304.3),
    (A100, prefill, 1, 16, 32, 11.72, 14.62),
    (A100, prefill, 1, 256, 32, 22.99, 30.04),
    (A100, prefill, 16, 128, 64, 89.92, 166.4),
    (A100, prefill, 1, 4096, 64, 1516, 2177),
    (H100, prefill, 1, 16, 32, 10.42, 13.64),
    (H100, prefill, 2, 512, 64, 42.27, 67.88),
    (H100, prefill, 2, 3072, 64, 567.7, 728.5),
    (H100, prefill, 1, 8192, 32, 912.2, 1084),
]


@pytest.mark.parametrize(("chip", "build", "batch", "seq", "heads", "low", "high"), MEASURED)
def test_times_lie_among_measured_ones(
    chip: ms.Chip, build: Any, batch: int, seq: int, heads: int, low: float, high: float
) -> None:
    kernel = build(chip, batch, seq, heads, 8)
    left = tuple((name, name == "O") for name in ("Q", "K", "V", "O"))  # the same buffers again and again
    result = simulate_capped(kernel.program, kernel.chip, cached=left)
    assert 0.85 * low < result.time_s * 1e6 < 1.15 * high
