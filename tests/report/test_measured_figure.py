"""The figure of a table of measurements: what it shows, and that it reads well."""

from __future__ import annotations

import pytest

from memsim.errors import MemsimError
from memsim.report.figures.measured import SHOWN, draw_measured
from memsim.report.figures.style import all_texts, overlaps
from memsim.validate.calls import Call
from tests.validate.made import compared, row

KINDS = {
    "gemm": Call("gemm", "bf16", m=64, n=64, k=64),
    "attn_prefill_causal": Call("attn_prefill", "bf16", batch=1, seq=64, heads=8, kv_heads=8, head_dim=128),
    "softmax": Call("softmax", "fp32", rows=64, cols=1024),
    "add": Call("elementwise", "fp32", function="add", rows=64, cols=1024),
    "ln": Call("layer_norm", "fp32", rows=64, cols=1024),
}


def many(ops: list[str], gpus: list[str]):
    return [
        compared(10.0**e * 1.2, op=op, gpu=gpu, call=KINDS[op], lat_ms=10.0**e)
        for op in ops for gpu in gpus for e in (-2, -1, 0, 1)
    ]  # fmt: skip


@pytest.mark.parametrize("ops", [["gemm"], ["gemm", "softmax"], list(KINDS)], ids=len)
def test_every_operator_has_two_panels_that_read_well(ops: list[str]) -> None:
    gpus = ["h100_sxm", "NVIDIA A100-PCIE-40GB", "Tesla V100-PCIE-32GB", "l4", "t4"]
    figure = draw_measured(many(ops, gpus))
    assert len(figure.axes) == 2 * len(ops)
    assert overlaps(figure) == []
    texts = {text.get_text() for text in all_texts(figure)}
    assert {f"{op}: 20.0 % off on average of 20" for op in ops} <= texts
    assert set(gpus) <= texts
    assert {"10 µs", "1 ms"} <= texts


def test_products_are_by_operations_and_others_by_bytes() -> None:
    figure = draw_measured(many(["gemm", "softmax"], ["l4"]))
    assert [axes.get_xlabel() for axes in figure.axes[1::2]] == ["operations", "bytes of the tensors"]
    assert figure.axes[1].lines[1].get_xdata()[0] == 2 * 64**3
    assert figure.axes[3].lines[1].get_xdata()[0] == 4 * 2 * 64 * 1024


def test_what_is_far_off_is_drawn_at_the_edge() -> None:
    figure = draw_measured([compared(100.0), compared(0.5)])
    assert list(figure.axes[1].lines[1].get_ydata()) == [SHOWN, 0.5]


def test_points_are_predicted_over_measured() -> None:
    figure = draw_measured([compared(0.002, lat_ms=0.001)])
    (x,), (y,) = figure.axes[0].lines[1].get_data()
    assert (x, y) == pytest.approx((1e-6, 2e-6))


def test_without_times_there_is_nothing_to_draw() -> None:
    from memsim.validate.measured import Compared
    from tests.validate.made import prediction

    with pytest.raises(MemsimError, match="no row has a time"):
        draw_measured([Compared(row(lat_ms=None, power_w=3.0), prediction(1.0))])
