"""What the runs before leave in the cache."""

from __future__ import annotations

import math

import pytest

from memsim.library import overridden
from memsim.validate.calls import Call
from memsim.validate.protocol import (
    CALLS,
    COPIES,
    KEPT,
    POWER_WINDOW_S,
    cached_tensors,
    default_protocol,
    host_s,
    reaches_power_limit,
)

GEMM = Call("gemm", "bf16", m=128, n=1024, k=512)
A, B, C = (2 * count for count in (128 * 512, 512 * 1024, 128 * 1024))
ALL_COPIES = A + COPIES * B + C
ROOM = math.ceil(ALL_COPIES / KEPT)


def test_weights_are_warm_only_if_all_copies_fit() -> None:
    assert cached_tensors(GEMM, ROOM, "weights") == (("A", False), ("B", False), ("C", True))
    assert cached_tensors(GEMM, ROOM - 1, "weights") == (("A", False), ("C", True))


def test_the_same_buffers_are_all_there_and_the_result_is_dirty() -> None:
    assert cached_tensors(GEMM, 1, "same") == (("A", False), ("B", False), ("C", True))
    add = Call("elementwise", "fp32", function="add", rows=8, cols=8)
    assert cached_tensors(add, 1, "same") == (("X", False), ("X2", False), ("Y", True))


def test_nothing_is_there_after_a_rotation() -> None:
    assert cached_tensors(GEMM, 1 << 40, "cold") == ()


@pytest.mark.parametrize(
    ("call", "protocol"),
    [
        (GEMM, "weights"),
        (Call("gemm", "fp32", m=1, n=1, k=1), "eager"),
        (Call("linear", "fp32", m=1, n=1, k=1), "eager"),
        (Call("softmax", "bf16", rows=1, cols=1), "eager"),
        (Call("attn_decode", "bf16", batch=1, seq=1, heads=1, kv_heads=1, head_dim=128), "same"),
    ],
)
def test_a_source_has_its_protocol(call: Call, protocol: str) -> None:
    assert default_protocol(call) == protocol


def test_only_calls_from_python_have_the_host_in_their_time() -> None:
    add = Call("elementwise", "fp32", function="add", rows=8, cols=8)
    linear = Call("linear", "fp32", m=1, n=1, k=1)
    assert host_s(add, "same") == host_s(linear, "cold") == 0
    softmax = Call("softmax", "fp32", rows=8, cols=8)
    with overridden(host=3, host_with_weights=5, host_warning=2):
        assert host_s(softmax, "eager") == pytest.approx(5e-6)
        assert host_s(add, "eager") == pytest.approx(3e-6)
        assert host_s(linear, "eager") == pytest.approx(5e-6)


def test_a_burst_of_calls_may_end_before_the_board_slows_down() -> None:
    assert reaches_power_limit(1e-6, "same") and reaches_power_limit(1e-6, "cold")
    last = POWER_WINDOW_S / CALLS
    assert not reaches_power_limit(0.99 * last, "eager")
    assert reaches_power_limit(1.01 * last, "eager")


def test_sizes_of_calls_by_hand() -> None:
    assert GEMM.tensor_bytes == {"A": A, "B": B, "C": C}
    assert GEMM.flops == 2 * 128 * 1024 * 512
    prefill = Call("attn_prefill", "bf16", batch=2, seq=4, heads=8, kv_heads=2, head_dim=16)
    assert prefill.tensor_bytes == {"Q": 2048, "K": 512, "V": 512, "O": 2048}
    assert prefill.flops == 2 * 8 * (1 + 2 + 3 + 4) * 16 * 4  # pairs of query and key, two products of 16 multiply-adds
    decode = Call("attn_decode", "fp16", batch=2, seq=4, heads=8, kv_heads=2, head_dim=16)
    assert decode.tensor_bytes["Q"] == 2 * 2 * 8 * 16
    assert decode.flops == 2 * 8 * 4 * 16 * 4
    assert Call("reduce", "fp32", rows=3, cols=5).bytes == 4 * (15 + 3)
