"""Each rule of `verify` broken once: where the error points, what it says, and how it says to mend it.

Rules on tokens and races have tests of their own (`test_tokens`, `test_races`).
"""

import time
from dataclasses import replace

import pytest
from hypothesis import given

from memsim.errors import ChipError
from memsim.isa import parse
from memsim.isa.analyze import analyze
from memsim.isa.model import (
    Pop,
    Program,
)
from memsim.isa.verify import verify
from tests.isa.refusals import Chip, T, program, refused
from tests.strategies import programs

MATMUL = """program matmul
tensor A dram bf16 [512, 512]
tensor B dram bf16 [512, 512]
tensor C dram fp32 [512, 512]
kernel main blocks (y 4, x 4) cluster (2, 1) {
  ring a sram bf16 [128, 64] depth 2
  ring b sram bf16 [64, 128] depth 2
  ring c reg fp32 [128, 128]
  queue load { loop k 8 { load a <- A[y*128, k*64]  load b <- B[k*64, x*128] } }
  queue compute { fill c 0  loop k 8 { mma c += a b  pop a  pop b }  push c }
  queue store { store C[y*128, x*128] <- c  pop c }
}
"""


def edited(*changes):
    """The matrix product with parts of its text replaced."""
    text = MATMUL
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    return parse(text)


# ---- what is right ----


def test_the_program_that_is_edited_below_is_right():
    assert verify(edited()) is None
    assert verify(edited(), Chip()) is None


@given(programs(max_executions=800))
def test_valid_programs_are_accepted(program):
    verify(program)


@pytest.mark.parametrize(
    "edit",
    [
        ("A[y*128, k*64]", "A[y//2*256 + y%2*128, k*64]"),
        ("A[y*128, k*64]", "A[y*128, min(k, 7)*64]"),
        ("A[y*128, k*64]", "A[y*200, k*70] clip"),
        ("A[y*128, k*64]", "A[y*200 - 150, k*70 - 1] clip"),
        ("load b <-", "load b to (y, x) <-"),
        ("mma c += a b", "mma c += a@0 b"),
        ("fill c 0", "fill c -3.4028234663852886e+38"),
        ("store C[y*128, x*128] <- c", "store C[x*128, y*128] <- c transpose"),
    ],
)
def test_harmless_edits_are_accepted(edit):
    verify(edited(edit))


def test_a_program_without_kernels_does_nothing_wrong():
    verify(Program("empty", (), ()))


def test_a_trillion_iterations_cost_nothing():
    trips = 10**12
    program = edited(("k 8", f"k {trips}"), ("A dram bf16 [512, 512]", f"A dram bf16 [512, {64 * trips}]"),
                     ("B dram bf16 [512, 512]", f"B dram bf16 [{64 * trips}, 512]"))  # fmt: skip
    times = []
    for _ in range(5):
        start = time.perf_counter()
        verify(program)
        analyze(program)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


def test_many_different_blocks_cost_little():
    """512 blocks of a triangle, each with thousands of rounds of its own number."""
    text = """program triangle
    tensor K dram bf16 [2097152, 64]
    tensor O dram bf16 [32768, 64]
    kernel main blocks (q 512) {
      ring k sram bf16 [64, 64] depth 2
      ring s reg fp32 [64, 1]
      ring o sram bf16 [64, 64]
      queue load { loop j q*64 + 1 { load k <- K[j*64, 0] } }
      queue compute { fill s 0  loop j q*64 + 1 { s = sum(k, axis 1)  pop k }  o = cast(s)  push o }
      queue store { store O[q*64, 0] <- o  pop o }
    }"""
    program = parse(text)
    start = time.perf_counter()
    verify(program)
    assert time.perf_counter() - start < 3


# ---- names and sizes ----


PLACE = "(kernel main / queue compute / loop k / mma c)"


def test_an_error_names_place_cause_and_mend():
    error = refused(edited(("mma c += a b", "mma c += a b^T")))
    assert error.where == f"line 10, column 40 {PLACE}"
    product = "a of shape (128, 64) times b transposed, of shape (128, 64)"
    assert error.cause == f"{product} does not give c of shape (128, 128)"
    assert error.mend == "mma takes [m, k] and [k, n] and gives [m, n]"
    assert str(error) == f"{error.where}: {error.cause}\n  mend: {error.mend}"


# ---- types and shapes ----


ROWS = """program rows
kernel main blocks (y 1) {
  ring x sram bf16 [2, 6, 8]
  ring w sram bf16 [8, 5]
  ring c reg fp32 [2, 6, 5]
  queue work { fill x 1  fill w 1  mma c = x w }
}
"""


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("fp32 [2, 6, 5]", "fp32 [12, 5]", "mma takes 2-D tiles, ring x has shape (2, 6, 8)"),
        ("bf16 [2, 6, 8]", "bf16 [12, 8]", "mma takes 2-D tiles, ring c has shape (2, 6, 5)"),
        ("bf16 [2, 6, 8]", "bf16 [1, 2, 6, 8]", "mma takes tiles of 2 to 3 dimensions, ring x has shape (1, 2, 6, 8)"),
        ("bf16 [8, 5]", "bf16 [2, 4, 5]", "mma takes 2-D tiles, ring w has shape (2, 4, 5)"),
        ("= x w", "= x^T w", "mma takes 2-D tiles, ring x has shape (2, 6, 8)"),
        ("fp32 [2, 6, 5]", "fp32 [3, 4, 5]", "does not give c of shape (3, 4, 5)"),
        ("bf16 [8, 5]", "bf16 [5, 8]", "x of shape (2, 6, 8) times w of shape (5, 8)"),
    ],
)
def test_rows_of_a_product_in_several_dimensions(old, new, cause):
    verify(parse(ROWS))
    assert cause in refused(parse(ROWS.replace(old, new))).cause


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("mma c += a b", "mma c += a c", "mma of bf16 (a) and fp32 (c)"),
        ("ring c reg fp32", "ring c reg bf16", "mma of bf16 accumulates in fp32, ring c has type bf16"),
        ("[128, 64] depth 2", "[128, 32] depth 2", "a of shape (128, 32) times b of shape (64, 128) does not give c"),
        ("[128, 64] depth 2", "[128, 64, 1] depth 2", "mma takes 2-D tiles, ring a has shape (128, 64, 1)"),
        ("mma c += a b", "mma c += a^T b", "a transposed, of shape (64, 128) times b of shape (64, 128)"),
        ("tensor A dram bf16", "tensor A dram fp16", "the region of A has type fp16, ring a has type bf16: a move"),
        ("tensor C dram fp32", "tensor C dram bf16", "ring c has type fp32, the region of C has type bf16"),
        ("A[y*128, k*64]", "A[y*128 : 64, k*64 : 64]", "the region of A has shape (64, 64), which does not fit ring a"),
        ("C[y*128, x*128]", "C[y*128 : 128, x*128 : 64]", "ring c has shape (128, 128), which does not fit the region"),
        ("mma c += a b", "mma c += a@2 b", "a@2 reads ahead beyond the ring, which has depth 2"),
        ("fill c 0", "fill c 1e+39", "1e+39 is not a finite number of type fp32"),
    ],
)
def test_types_and_shapes_of_a_matrix_product(old, new, cause):
    error = refused(edited((old, new)))
    assert cause in error.cause
    assert "kernel main" in error.where


# ---- regions, trip counts and targets ----


@pytest.mark.parametrize(
    ("old", "new", "where", "cause"),
    [
        (
            "A[y*128, k*64]",
            "A[y*128, k*65]",
            "loop k / load a",
            "ends at element 518 in dimension 1 of extent 512 (start k*65, size 64, step 1), "
            "in block y=0 x=0, iteration k=7",
        ),
        (
            "A[y*128, k*64]",
            "A[y*129, k*64]",
            "load a",
            "ends at element 514 in dimension 0 of extent 512 (start y*129, size 128, step 1), "
            "in block y=3 x=0, iteration k=0",
        ),
        ("A[y*128, k*64]", "A[y*128, k*64 - 1]", "load a", "starts at -1 (= k*64 - 1) in dimension 1, in block y=0"),
        ("A[y*128, k*64]", "A[y*128 - 128, k*64]", "load a", "starts at -128 (= y*128 - 128) in dimension 0"),
        ("A[y*128, k*64]", "A[y*128 : 128, k*64 : 64 : 2]", "load a", "(start k*64, size 64, step 2)"),
        ("C[y*128, x*128]", "C[y*128, x*128 + max(y - 2, 0)]", "store C", "in block y=3 x=3"),
        ("k 8 { load", "k 8 - 3*y { load", "queue load / loop k", "the trip count -y*3 + 8 is -1 in block y=3 x=0"),
        ("k 8 { load", f"k {2**62 + 1} {{ load", "queue load / loop k", f"may be as large as {2**62 + 1}"),
        ("load a <-", "load a to (y + 1, x) <-", "load a", "target y=2 is outside of the cluster, which has y=0..1"),
        ("load a <-", "load a to (y + 1, x) <-", "load a", "in block y=1 x=0, iteration k=0"),
        ("load a <-", "load a to (y : 2, x) <-", "load a", "target y=1..2 is outside of the cluster"),
        ("load a <-", "load a to (y//2*2 : 2, 0) <-", "load a", "target x=0 is outside of the cluster, which has x=1"),
    ],
)
def test_regions_trip_counts_and_targets(old, new, where, cause):
    error = refused(edited((old, new)))
    assert where in error.where
    assert cause in error.cause


def test_a_counterexample_is_found_among_a_trillion_iterations():
    trips = 10**12
    program = edited(("k 8", f"k {trips}"), ("A dram bf16 [512, 512]", f"A dram bf16 [512, {64 * trips - 1}]"),
                     ("B dram bf16 [512, 512]", f"B dram bf16 [{64 * trips}, 512]"))  # fmt: skip
    assert f"iteration k={trips - 1}" in refused(program).cause


def test_correlated_coordinates_are_told_exactly():
    """Interval arithmetic sees k up to 7 in every block; only block 3 gets there, and there it is within bounds."""
    triangle = ("k 8 {", "k 2*y + 2 {")
    verify(edited(triangle, ("A[y*128, k*64]", "A[y*128, (6 - 2*y + k)*64]")))
    error = refused(edited(triangle, ("A[y*128, k*64]", "A[y*128, (7 - 2*y + k)*64]")))
    assert "in block y=0 x=0, iteration k=1" in error.cause


def test_text_that_never_runs_may_point_anywhere():
    verify(edited(("A[y*128, k*64] ", "A[y*128, k*64]  loop z 0 { load a <- A[4096, 0] } ")))


# ---- who fills and empties a ring ----


@pytest.mark.parametrize(
    ("old", "new", "where", "cause", "mend"),
    [
        ("fill c 0 ", "fill c 0  fill a 0 ", "fill a", "ring a is also filled by `load a` in line 9", "second ring"),
        ("push c", "push c  push a", "push a", "ring a is filled by `load a`, which pushes by itself", "leave the"),
        ("store C", "fill c 1  store C", "fill c", "two producers: queue store here, and queue compute", "one queue"),
        ("load a <- A[y*128, k*64] ", "", "mma c", "nothing ever fills ring a", "load, send, copy or compute into a"),
        ("pop a ", "", "load a", "ring a is filled but no queue of its block ever pops it", "`pop a`"),
        ("pop c", "", "push c", "ring c is filled but no queue of its block ever pops it", "`pop c`"),
        ("queue store", "queue spy { store C[0, 0] <- c }  queue store", "spy", "reads ring c but never pops", "pop c"),
    ],
)
def test_rings(old, new, where, cause, mend):
    error = refused(edited((old, new)))
    assert where in error.where
    assert cause in error.cause
    assert mend in error.mend


def test_a_ring_that_is_only_popped_is_never_filled():
    assert "nothing ever fills ring r" in refused(program(Pop("r"))).cause


# ---- tokens and races are part of verify ----


def test_rates_deadlock_and_races_are_refused():
    assert "filled 8 times by queue load, and popped 9" in refused(edited(("k 8 { mma", "k 9 { mma"))).cause
    swapped = ("load a <- A[y*128, k*64]  load b", "load a <- A[y*128, k*64] } loop k 8 { load b")
    deadlock = refused(edited(swapped))
    assert "deadlock" in deadlock.cause
    assert "waits at `load a` (line 9, column 27) for a free slot of ring a" in deadlock.cause
    assert deadlock.mend == "give ring a depth 8"
    assert "race on C[64, 0]" in refused(edited(("C[y*128", "C[y*64"))).cause


# ---- what fits ----


def test_capacity_is_that_of_resident_blocks():
    needed = 2 * (128 * 64 + 64 * 128) * 2
    verify(edited(), Chip(sram=needed))
    error = refused(edited(), ChipError, Chip(sram=needed - 1))
    assert error.cause == (
        f"sram of toy holds {needed - 1:,} bytes, the program needs {needed:,} on each core: "
        "ring a of kernel main 32,768, ring b of kernel main 32,768"
    )
    assert "shallower rings" in error.mend
    twice = edited(("kernel main", "kernel main occupancy 2"))
    verify(twice, Chip(sram=2 * needed))
    refused(twice, ChipError, Chip(sram=2 * needed - 1))


def test_tensors_have_to_fit_too():
    needed = 512 * 512 * (2 + 2 + 4)
    verify(edited(), Chip(dram=needed))
    assert "tensor C 1,048,576" in refused(edited(), ChipError, Chip(dram=needed - 1)).cause


def test_a_memory_that_the_chip_lacks():
    error = refused(edited(("tensor A dram", "tensor A darm")), ChipError, Chip())
    assert (error.where, error.cause) == ("tensor A", "toy has no memory 'darm'")
    assert error.mend == "did you mean `dram`?"

    class NoRegisters(Chip):
        def capacity_bytes(self, role):
            return None if role == "reg" else super().capacity_bytes(role)

    assert "has no memory 'reg'" in refused(edited(), ChipError, NoRegisters()).cause


def test_blocks_have_to_fit_on_the_cores():
    verify(edited(), Chip(core_count=2))
    error = refused(edited(), ChipError, Chip(core_count=1))
    assert "a cluster of 2 blocks does not fit on toy with 1 cores" in error.cause
    assert "kernel main" in error.where
    error = refused(edited(("program matmul", "program matmul cores 1")))
    assert "a cluster of 2 blocks does not fit on 1 cores" in error.cause


def test_a_cooperative_kernel_is_resident_at_once():
    cooperative = ("kernel main", "kernel main cooperative")
    verify(edited(cooperative), Chip(core_count=16))
    error = refused(edited(cooperative), ChipError, Chip(core_count=15))
    assert "16 blocks cannot be resident at once on toy with 15 cores, 1 a core" in error.cause
    verify(edited(("kernel main", "kernel main occupancy 2 cooperative")), Chip(core_count=8))
    refused(edited(("program matmul", "program matmul cores 15"), cooperative))


def test_the_chip_has_the_cores_that_the_program_is_written_for():
    sized = ("program matmul", "program matmul cores 9")
    assert "written for 9 cores, toy has 8" in refused(edited(sized), ChipError, Chip()).cause
    verify(edited(sized), Chip(core_count=9))


def test_per_core_tensors_need_a_number_of_cores():
    local = program(tensors=(replace(T, role="sram"),))
    error = refused(local)
    assert "tensor T is per core" in error.cause
    assert error.mend == "state `cores` in the program"
    verify(replace(local, cores=4))
    verify(replace(local, cores=4), Chip(sram=32 + 32))
    refused(replace(local, cores=4), ChipError, Chip(sram=32 + 31))
