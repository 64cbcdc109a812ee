import math
import time
from collections import Counter

import pytest
from hypothesis import given

from memsim.errors import ProgramError
from memsim.isa import parse
from memsim.isa.analyze import analyze, kernel_bytes
from memsim.isa.interpret import interpret
from memsim.isa.model import Loop
from memsim.isa.sites import sites_of
from tests.isa.kernels import matmul
from tests.strategies import inputs_for, least_cores, programs

MATMUL = """
program matmul
tensor A dram bf16 [{m}, {k}]
tensor B dram bf16 [{k}, 512]
tensor C dram fp32 [{m}, 512]
kernel main blocks (y 4, x 4) {{
  ring a sram bf16 [128, 64] depth 2
  ring b sram bf16 [64, 128] depth 2
  ring c reg fp32 [128, 128]
  queue load {{ loop k {trips} {{ load a <- A[y*128, k*64] {flags}  load b <- B[k*64, x*128] {flags} }} }}
  queue compute {{ fill c 0  loop k {trips} {{ mma c += a b  pop a  pop b }}  push c }}
  queue store {{ store C[y*128, x*128] <- c {flags}  pop c }}
}}"""


def program(trips=8, m=512, flags="", k=None):
    return parse(MATMUL.format(trips=trips, m=m, k=trips * 64 if k is None else k, flags=flags))


# ---- against a run ----


@given(programs(max_executions=400))
def test_executions_and_bytes_are_those_of_a_run(drawn):
    """`interpret` reports each instruction that it executes, and the bytes that it moved: an independent count."""
    counts, moved = Counter(), Counter()

    def observe(kernel, group, block, queue, instruction, size):
        key = (kernel, group, queue, instruction)  # equal instructions of a queue are counted together
        counts[key] += 1
        moved[key] += size

    interpret(drawn, inputs_for(drawn), cores=drawn.cores or least_cores(drawn), observer=observe)
    expected_counts, expected_bytes = Counter(), Counter()
    for e in analyze(drawn).executions:
        key = (e.kernel, e.group, e.queue, e.instruction)
        expected_counts[key] += e.count
        expected_bytes[key] += e.bytes
    assert +counts == +expected_counts
    assert +moved == +expected_bytes


@given(programs(max_executions=200, max_kernels=1))
def test_paths_lead_to_their_instructions(drawn):
    group_of = {group.name: group for group in drawn.kernels[0].groups}
    for e in analyze(drawn).executions:
        queue, *path = e.path
        body = group_of[e.group].queues[queue].body
        for index in path[:-1]:
            assert isinstance(body[index], Loop)
            body = body[index].body
        assert body[path[-1]] == e.instruction
        assert group_of[e.group].queues[queue].name == e.queue


@given(programs(max_executions=300))
def test_totals_are_sums_over_executions(drawn):
    analysis = analyze(drawn)
    assert len(analysis.executions) == len(list(sites_of(drawn)))
    assert sum(analysis.macs.values()) * 2 <= analysis.flops
    delivered = Counter()
    for (_, destination), size in analysis.routes.items():
        delivered[destination] += size
    for role, size in delivered.items():
        assert size <= analysis.bytes_written[role]


# ---- by hand ----


def test_a_matrix_product_by_hand():
    analysis = analyze(program())
    blocks, steps = 16, 8
    a = b = 128 * 64 * 2
    c = 128 * 128 * 4
    assert analysis.macs == {"bf16": 512**3}
    assert analysis.vector_elements == {("simple", "fp32"): 512 * 512}  # the fill, which computes nothing
    assert analysis.flops == 2 * 512**3
    assert analysis.routes == {("dram", "sram"): blocks * steps * (a + b), ("reg", "dram"): blocks * c}
    assert analysis.bytes_read == {
        "dram": blocks * steps * (a + b),
        "sram": blocks * steps * (a + b),
        "reg": blocks * (steps * c + c),
    }
    assert analysis.bytes_written == {
        "sram": blocks * steps * (a + b),
        "reg": blocks * (c + steps * c),
        "dram": blocks * c,
    }
    assert analysis.peak_bytes == {"dram": 512 * 512 * (2 + 2 + 4), "sram": 2 * (a + b), "reg": c}
    assert analysis.arithmetic_intensity == 2 * 512**3 / analysis.bytes_at("dram")


def test_clips_take_away_what_lies_outside():
    """Edge tiles of a 450 by 500 product move only what exists, although they are computed whole."""
    analysis = analyze(program(m=450, k=500, flags="clip"))
    moved = {e.instruction.dst.tensor if e.queue == "store" else e.instruction.src.tensor: e.bytes
             for e in analysis.executions if e.bytes}  # fmt: skip
    assert moved == {"A": 4 * 450 * 500 * 2, "B": 4 * 500 * 512 * 2, "C": 450 * 512 * 4}
    assert analysis.macs == {"bf16": 512**3}


def test_strides_and_empty_transfers():
    text = """
    program strided
    tensor X dram fp32 [100]
    tensor Y dram fp32 [60]
    kernel main blocks (y 5) {
      ring t sram fp32 [10] depth 2
      queue load { loop k 2 { load t <- X[y*30 + k : 10 : 3] clip } }
      queue store { store Y[y*20 : 10] <- t clip  pop t  store Y[y*20 + 10 : 10] <- t clip  pop t }
    }"""
    load, *_ = analyze(parse(text)).executions
    starts = [y * 30 + k for y in range(5) for k in range(2)]
    assert load.count == 10
    assert load.bytes == 4 * sum(start + 3 * i < 100 for start in starts for i in range(10))


def test_windows_that_begin_before_the_tensor_move_what_lies_inside():
    text = """
    program window
    tensor X dram fp32 [20, 30]
    kernel main blocks (y 7) {
      ring t sram fp32 [4, 10] depth 2
      queue load { loop k 9 { load t <- X[y*4 - 5 : 4, k*5 - 12 : 10 : 2] clip } }
      queue use { loop k 9 { pop t } }
    }"""
    load, *_ = analyze(parse(text)).executions
    rows = [sum(0 <= y * 4 - 5 + i < 20 for i in range(4)) for y in range(7)]
    columns = [sum(0 <= k * 5 - 12 + 2 * i < 30 for i in range(10)) for k in range(9)]
    assert load.bytes == 4 * sum(rows) * sum(columns)


def test_a_product_counts_rows_in_several_dimensions():
    text = """
    program rows
    tensor X dram bf16 [4, 6, 8]
    tensor W dram bf16 [8, 5]
    tensor Y dram fp32 [4, 6, 5]
    kernel main blocks (y 2) {
      ring x sram bf16 [2, 6, 8]
      ring w sram bf16 [8, 5]
      ring c reg fp32 [2, 6, 5]
      queue load { load x <- X[y*2, 0, 0]  load w <- W[0, 0] }
      queue work { mma c = x w  mma c += x w  pop x  pop w  push c }
      queue store { store Y[y*2, 0, 0] <- c  pop c }
    }"""
    assert analyze(parse(text)).macs == {"bf16": 2 * 4 * 6 * 8 * 5}


def test_a_multicast_is_read_once_and_written_to_each_target():
    text = """
    program multicast
    tensor A dram bf16 [64, 64]
    tensor C dram bf16 [256, 64]
    kernel main blocks (y 4) cluster (4) {
      ring a sram bf16 [64, 64]
      queue load { loop g max(1 - y, 0) { load a to (0 : 4) <- A[0, 0] } }
      queue store { store C[y*64, 0] <- a  pop a }
    }"""
    analysis = analyze(parse(text))
    tile = 64 * 64 * 2
    assert analysis.bytes_read["dram"] == tile
    assert analysis.bytes_written["sram"] == 4 * tile
    assert analysis.routes == {("dram", "sram"): 4 * tile, ("sram", "dram"): 4 * tile}


def test_a_gather_moves_one_row_for_each_index():
    text = """
    program embed
    tensor W dram bf16 [1000, 64]
    tensor I dram int32 [4, 16]
    tensor E dram bf16 [64, 64]
    kernel main blocks (y 4) {
      ring i sram int32 [16]
      ring e sram bf16 [16, 64]
      queue load { load i <- I[y : 1, 0 : 16]  gather e <- W[0 : 1000, 0 : 64] by i  pop i }
      queue store { store E[y*16, 0] <- e  pop e }
    }"""
    analysis = analyze(parse(text))
    rows = 4 * 16 * 64 * 2
    assert [e.bytes for e in analysis.executions] == [4 * 16 * 4, rows, 0, rows, 0]
    assert analysis.bytes_read == {"dram": 4 * 16 * 4 + rows, "sram": 4 * 16 * 4 + rows}


def test_classes_of_vector_operations():
    text = """
    program vector
    tensor X dram fp32 [8, 16]
    tensor Y dram fp16 [8, 16]
    kernel main blocks (y 2) {
      ring x sram fp32 [4, 16]
      ring r reg fp32 [4, 1]
      ring e reg fp32 [4, 16]
      ring o sram fp16 [4, 16]
      queue load { load x <- X[y*4, 0] }
      queue compute {
        r = sum(x, axis 1)  e = exp2(x)  e = mul(e, r)  o = cast(e)  pop x  push o
      }
      queue store { store Y[y*4, 0] <- o  pop o }
    }"""
    analysis = analyze(parse(text))
    assert analysis.vector_elements == {
        ("reduce", "fp32"): 2 * 64,
        ("special", "fp32"): 2 * 64,
        ("simple", "fp32"): 2 * 64,
        ("simple", "fp16"): 2 * 64,
    }
    assert analysis.flops == 3 * 2 * 64  # not the cast
    assert analysis.macs == {}


def test_peak_counts_resident_blocks_and_per_core_tensors():
    text = """
    program peak cores 4
    tensor W sram bf16 [64, 64]
    tensor X dram fp32 [100]
    kernel small blocks (y 4) { ring a sram bf16 [64, 64]  queue q { load a <- W[0, 0]  pop a } }
    kernel large occupancy 3 cooperative {
      group one blocks (y 2) { ring a sram fp32 [64] depth 5  queue q { load a <- X[0]  pop a } }
      group two blocks (y 2) { ring a sram fp32 [10]  ring b reg fp32 [7]  queue q { fill b 0  load a <- X[0]  pop a } }
    }"""
    drawn = parse(text)
    assert kernel_bytes(drawn.kernels[1]) == {"sram": 3 * 5 * 64 * 4, "reg": 3 * 7 * 4}
    assert analyze(drawn).peak_bytes == {"sram": 2 * 64 * 64 * 2, "dram": 400, "reg": 84}


def test_waves_of_resident_blocks():
    clustered = matmul(64, 64, 16, (8, 8, 8), cluster={"x": 4}, occupancy=2).build()
    assert analyze(clustered).waves == {}
    assert analyze(clustered, cores=7).waves == {"main": 8}  # 64 blocks over 4 usable cores, two on each
    with pytest.raises(ProgramError, match="cluster does not fit on 3 cores"):
        analyze(clustered, cores=3)


def test_intensity_is_infinite_without_memory_traffic():
    text = "program p\nkernel main blocks (y 1) { ring a reg fp32 [4]  queue q { fill a 0  a = add(a, 1.0) } }"
    assert analyze(parse(text)).arithmetic_intensity == math.inf


def test_the_table_has_a_row_for_each_instruction():
    table = analyze(program()).table()
    assert list(table.columns) == ["kernel", "group", "queue", "instruction", "count", "bytes"]
    assert list(table["instruction"])[:4] == ["load a", "load b", "fill c", "mma c"]
    assert table["count"].sum() == 16 * (8 * 5 + 4)


def test_trip_counts_cost_nothing():
    long = program(trips=10**12)
    start = time.perf_counter()
    analysis = analyze(long)
    assert time.perf_counter() - start < 0.5
    assert analysis.macs == {"bf16": 512 * 512 * 64 * 10**12}
    assert sum(e.count for e in analysis.executions) == 16 * (10**12 * 5 + 4)
