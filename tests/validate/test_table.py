"""Tables of measurements: what is read, and one clear error for each thing that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from memsim.errors import MemsimError
from memsim.library import pointwise
from memsim.validate.calls import TWO_INPUTS, Call
from memsim.validate.measured import operators, read_file, read_table

KERNELS = Path(__file__).parents[2] / "examples" / "kernels.csv"
HEAD = "gpu,op,dtype,batch,m,n,k,seq,n_heads,n_kv_heads,rows,cols,lat_ms,lat_lo,lat_hi,n_src\n"
GOOD = "h100_sxm,gemm,bf16,,64,128,256,,,,,,0.004,0.003,0.005,3\n"


def read(text: str, **options):
    return read_table(text, "t.csv", **options)


def test_the_rows_that_are_restated_are_read() -> None:
    table = read_file(KERNELS)
    assert len(table.rows) == 24
    first = table.rows[0]
    assert (first.line, first.gpu, first.chip, first.protocol) == (4, "a100_sxm", "a100_sxm", "weights")
    assert first.call == Call("gemm", "bf16", m=128, n=1024, k=256)
    assert (first.lat_ms, first.lat_lo, first.lat_hi, first.sources) == (0.0052062, 0.0051867, 0.0052224, 3)
    assert {r.chip for r in table.rows} == {"a100_sxm", "h100_sxm", "v100_pcie", "a100_pcie_40"}
    decode = next(r for r in table.rows if r.op == "attn_decode")
    assert decode.call == Call("attn_decode", "bf16", batch=8, seq=64, heads=32, kv_heads=8, head_dim=128)


@pytest.mark.parametrize(
    ("cells", "call"),
    [
        ("bmm,fp16,4,8,16,32,,,,,,", Call("gemm", "fp16", batch=4, m=8, n=16, k=32)),
        ("MatMul,fp8,,8,16,32,,,,,,", Call("gemm", "fp8_e4m3", m=8, n=16, k=32)),
        ("linear,fp32 SIMT,,8,16,32,,,,,,", Call("linear", "fp32", m=8, n=16, k=32)),
        ("linear,bf16,,8,16,32,,,,,,", Call("gemm", "bf16", m=8, n=16, k=32)),
        ("attn_prefill,bf16 hd64,2,,,,32,4,,,,", Call(
            "attn_prefill", "bf16", batch=2, seq=32, heads=4, kv_heads=4, head_dim=64, causal=False)),
        ("attn_prefill_causal,fp16,2,,,,32,4,2,,,", Call(
            "attn_prefill", "fp16", batch=2, seq=32, heads=4, kv_heads=2, head_dim=128)),
        ("gelu,fp32,,,,,,,,12,34,", Call("elementwise", "fp32", function="gelu", rows=12, cols=34)),
        ("ln,fp32,,,,,,,,12.0,34,", Call("layer_norm", "fp32", rows=12, cols=34)),
        ("rmsnorm,bf16,,,,,,,,12,34,", Call("rms_norm", "bf16", rows=12, cols=34)),
        ("reduce,fp32,,,,,,,,1.2e1,34,", Call("reduce", "fp32", rows=12, cols=34)),
    ],
)  # fmt: skip
def test_operators_and_types_by_their_names(cells: str, call: Call) -> None:
    (found,) = read(f"{HEAD}t4,{cells}0.5,,,\n").rows
    assert found.call == call


def test_columns_may_be_missing_or_unknown_and_in_any_order() -> None:
    text = "why,lat_ms,cols,rows,gpu,dtype,op\nfor fun,2,34,12,L4,fp32,softmax\n"
    (found,) = read("# a comment\n\n" + text).rows
    assert (found.line, found.chip, found.lat_ms, found.lat_lo, found.sources) == (4, "l4", 2.0, None, 1)


def test_power_alone_is_a_measurement() -> None:
    (found,) = read("gpu,op,dtype,rows,cols,power_w,energy_j\nl4,copy,fp32,12,34,60,0.5\n").rows
    assert (found.lat_ms, found.power_w, found.energy_j) == (None, 60, 0.5)


def test_a_row_may_name_its_protocol() -> None:
    head, row = "gpu,op,dtype,m,n,k,lat_ms,protocol\n", "l4,gemm,bf16,8,8,8,1,"
    assert [r.protocol for r in read(head + row + "cold\n" + row + "\n").rows] == ["cold", "weights"]


def test_one_end_of_the_span_may_be_missing() -> None:
    (found,) = read("gpu,op,dtype,rows,cols,lat_ms,lat_hi\nl4,copy,fp32,12,34,2,3\n").rows
    assert (found.lat_lo, found.lat_hi) == (2, 3)


WRONG = {
    "h100_sxm,gemn,bf16,,64,128,256,,,,,,1,,,": "line 2, column op: no operator 'gemn' is known",
    "h100_sxm,gemm,bf17,,64,128,256,,,,,,1,,,": "line 2, column dtype: no type 'bf17' is known",
    "gtx_99,gemm,bf16,,64,128,256,,,,,,1,,,": "line 2, column gpu: no chip is known for the GPU 'gtx_99'",
    ",gemm,bf16,,64,128,256,,,,,,1,,,": "line 2, column gpu: there is no value",
    "h100_sxm,gemm,bf16,,64.5,128,256,,,,,,1,,,": "line 2, column m: '64.5' is no whole number from 1 on",
    "h100_sxm,gemm,bf16,,0,128,256,,,,,,1,,,": "line 2, column m: '0' is no whole number from 1 on",
    "h100_sxm,gemm,bf16,,6o,128,256,,,,,,1,,,": "line 2, column m: '6o' is no number",
    "h100_sxm,gemm,bf16,,inf,128,256,,,,,,1,,,": "line 2, column m: 'inf' is no finite number",
    "h100_sxm,gemm,bf16,,64,,256,,,,,,1,,,": "line 2, column n: there is no value, and gemm needs one",
    "h100_sxm,softmax,bf16,,,,,,,,64,,1,,,": "line 2, column cols: there is no value, and softmax needs one",
    "h100_sxm,gemm,bf16,,64,128,256,,,,,,,,,": "line 2, column lat_ms: there is no value",
    "h100_sxm,gemm,bf16,,64,128,256,,,,,,-1,,,": "line 2, column lat_ms: -1 is not above 0",
    "h100_sxm,gemm,bf16,,64,128,256,,,,,,1,3,2,": "line 2, column lat_lo: 3 is above lat_hi, 2",
    "h100_sxm,gemm,bf16,,64,128,256,,,,,,1,,,0": "line 2, column n_src: '0' is no whole number",
    "h100_sxm,attn_decode,bf16,1,,,,64,8,3,,,1,,,": "line 2, column n_kv_heads: 8 heads do not share 3 evenly",
    "h100_sxm,gemm,bf16,,64,128,256,,,,,,1,,,,7": "line 2: has 17 values for 16 columns",
    '"h100_sxm,gemm': "line 2: is no CSV",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told_with_its_place(text: str) -> None:
    with pytest.raises(MemsimError) as caught:
        read(HEAD + text + "\n")
    assert f"t.csv: {WRONG[text]}" in str(caught.value)
    assert "mend: " in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("gpu,op,type,lat_ms\n", "line 1: there is no column 'dtype'\n  mend: did you mean it by 'type'?"),
        ("gpu,op,dtype,m\n", "line 1: there is no column 'lat_ms'"),
        ("gpu,op,dtype,m,m,lat_ms\n", "line 1: the column 'm' stands twice"),
        (HEAD, "has no row of measurements"),
        ("gpu,op,dtype,rows,cols,lat_ms,protocol\nl4,copy,fp32,1,2,3,warm\n", "column protocol: no protocol 'warm'"),
        ("gpu,op,dtype,rows,cols,lat_ms,protocol\nl4,copy,fp32,1,2,3,weights\n", "has no weights to take in turn"),
    ],
)
def test_what_is_wrong_with_the_whole(text: str, said: str) -> None:
    with pytest.raises(MemsimError) as caught:
        read(text)
    assert said in str(caught.value)


def test_unknown_names_are_passed_over_only_if_asked_for_and_listed() -> None:
    text = HEAD + GOOD + GOOD.replace("h100_sxm", "gtx_99") + GOOD.replace("gemm", "moe") + GOOD.replace("bf16", "fp4")
    with pytest.raises(MemsimError, match="--skip-unknown passes such rows over"):
        read(text)
    table = read(text, skip_unknown=True)
    assert [r.line for r in table.rows] == [2]
    assert [u.line for u in table.unknown] == [3, 4, 5]
    assert "gtx_99" in table.unknown[0].reason and "moe" in table.unknown[1].reason


def test_a_bad_number_is_an_error_even_so() -> None:
    with pytest.raises(MemsimError, match="column m"):
        read(HEAD + GOOD + GOOD.replace("64", "x"), skip_unknown=True)


def test_a_table_of_unknown_rows_alone_is_an_error() -> None:
    with pytest.raises(MemsimError, match="none of its 1 rows is known; the first: no chip"):
        read(HEAD + GOOD.replace("h100_sxm", "gtx_99"), skip_unknown=True)


def test_a_chip_that_is_given_goes_before_presets() -> None:
    table = read(HEAD + GOOD + GOOD.replace("h100_sxm", "gtx_99"), chips={"gtx_99": "mine", "h100_sxm": "other"})
    assert [r.chip for r in table.rows] == ["other", "mine"]


def test_every_elementwise_function_has_a_kernel() -> None:
    assert set(operators.FUNCTIONS.values()) == set(pointwise.UNARY) | set(pointwise.BINARY)
    assert set(pointwise.BINARY) == TWO_INPUTS
