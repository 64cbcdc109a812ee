"""What `interpret` takes, tells and refuses: inputs, cores, callbacks and broken programs."""

import ml_dtypes
import numpy as np
import pytest

from memsim.errors import ProgramError
from memsim.isa.builder import ProgramBuilder
from memsim.isa.interpret import interpret
from memsim.isa.model import Load, Store
from memsim.isa.ops import round_to
from tests.isa.kernels import BF16, E4M3, matmul, mover, run


def test_kernels_run_in_order():
    p = ProgramBuilder("chain")
    X, Y, Z = (p.tensor(n, "fp32", (4,)) for n in "XYZ")
    for name, src, dst, factor in (("first", X, Y, 3.0), ("second", Y, Z, 5.0)):
        with p.kernel(name, grid={"i": 2}) as g:
            (i,) = g.coordinates
            t, u = g.ring("t", "sram", "fp32", (2,)), g.ring("u", "sram", "fp32", (2,))
            with g.queue("load"):
                t.load(src[i * 2])
            with g.queue("compute"):
                u.set("mul", t, factor)
                t.pop()
                u.push()
            with g.queue("store"):
                dst[i * 2].store(u)
                u.pop()
    out = run(p, X=np.arange(4))
    np.testing.assert_array_equal(out["Z"], 15 * np.arange(4))
    np.testing.assert_array_equal(out["Y"], 3 * np.arange(4))


def test_inputs_are_rounded_to_nearest_even_and_never_modified():
    X = np.array([1 + 2.0**-8, 1 + 3 * 2.0**-8, 5, 0], np.float64)
    p = mover(1, 4, (1, 4), "bf16").build()
    out = interpret(p, {"X": X[None], "Y": np.ones((1, 4))})
    np.testing.assert_array_equal(out["Y"].astype(np.float64), [[1, 1 + 2.0**-6, 5, 0]])
    assert X[0] == 1 + 2.0**-8
    exact = round_to(X[None], "bf16")
    out = interpret(p, {"X": exact})["X"]
    assert out is not exact
    assert not np.shares_memory(out, exact)


def test_missing_inputs_are_zero():
    out = interpret(mover(4, 4, (2, 2), "int8").build(), {})
    assert (out["Y"] == 0).all()
    assert (out["X"] == 0).all()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"Xs": np.zeros((4, 4))}, "input Xs is not a tensor of the program\n  mend: did you mean X?"),
        ({"bias": np.zeros(4)}, "mend: tensors: X, Y"),
        ({"X": np.zeros((4, 5))}, r"input X: shape \(4, 5\) given, \(4, 4\) expected"),
        ({"X": np.zeros((4, 4))}, "input X: float64 values given for a tensor of type int8"),
        ({"X": np.zeros((4, 4), BF16)}, "input X: bfloat16 values given for a tensor of type int8"),
        ({"X": np.zeros((4, 4), complex)}, "input X: complex128 values given"),
        ({"X": np.full((4, 4), "a")}, "input X: <U1 values given"),
        ({"X": np.full((4, 4), 128)}, "input X: values from 128 to 128 do not fit type int8"),
    ],
)
def test_bad_inputs_are_told(inputs, message):
    with pytest.raises(ProgramError, match=message):
        interpret(mover(4, 4, (2, 2), "int8").build(), inputs)


def test_inputs_of_other_float_types():
    p = mover(2, 2, (2, 2), "fp8_e4m3").build()
    for dtype in (np.float16, np.float64, BF16, ml_dtypes.float8_e5m2, np.int64, bool):
        out = interpret(p, {"X": np.ones((2, 2)).astype(dtype)})["Y"]
        assert out.dtype == E4M3
        assert (out.astype(np.float32) == 1).all()
    assert float(interpret(p, {"X": np.full((2, 2), 1000)})["Y"][0, 0]) == 448


def local_program(cores=None, grid=2, cluster=1, cooperative=False):
    p = ProgramBuilder("local", cores=cores)
    S = p.tensor("S", "int32", (1,), role="sram")
    with p.kernel("main", grid={"i": grid}, cluster={"i": cluster}, cooperative=cooperative) as g:
        t = g.ring("t", "sram", "int32", (1,))
        with g.queue("fill"):
            t.fill(7)
            t.push()
        with g.queue("store"):
            S[0].store(t)
            t.pop()
    return p.build(verify=cores is not None)


def test_core_counts():
    assert interpret(local_program(), {}, cores=2)["S"].tolist() == [[7], [7]]
    assert interpret(local_program(cores=2), {}, cores=8)["S"].shape == (2, 1)
    assert interpret(local_program(), {}, cores=3)["S"].tolist() == [[7], [7], [0]]


@pytest.mark.parametrize(
    ("program", "cores", "message"),
    [
        (local_program(), None, "tensor S is per core, and the number of cores is not known"),
        (local_program(cores=4), 2, "written for 4 cores, and there are 2"),
        (local_program(), 0, "cannot run on 0 cores"),
        (local_program(cluster=2), 1, "cluster of 2 blocks on 1 cores"),
        (local_program(cooperative=True), 1, "cooperative kernel of 2 blocks on 1 cores of occupancy 1"),
    ],
)
def test_too_few_cores_are_told(program, cores, message):
    with pytest.raises(ProgramError, match=message):
        interpret(program, {}, cores=cores)


def test_a_wrong_shape_for_a_per_core_tensor_is_told():
    with pytest.raises(ProgramError, match=r"\(2, 1\) expected \(one copy for each of 2 cores\)"):
        interpret(local_program(cores=2), {"S": np.zeros(1, int)})


def test_progress_is_told_after_each_cluster():
    seen = []
    program = matmul(16, 16, 8, (8, 8, 8), cluster={"y": 2}).build()
    interpret(program, {}, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 4), (4, 4)]


def test_the_observer_sees_each_instruction_with_its_bytes():
    seen = []
    program = matmul(12, 8, 8, (8, 8, 4), "bf16").build()
    interpret(program, {}, observer=lambda *event: seen.append(event))
    loads = [(block, i.src.tensor, size) for _, _, block, _, i, size in seen if isinstance(i, Load)]
    assert sorted(loads) == [(0, "A", 64)] * 2 + [(0, "B", 64)] * 2 + [(1, "A", 32)] * 2 + [(1, "B", 64)] * 2
    assert [size for *_, i, size in seen if isinstance(i, Store)] == [256, 128]
    assert {(kernel, group, queue) for kernel, group, _, queue, _, _ in seen} == {
        ("main", "main", queue) for queue in ("load", "compute", "store")
    }
    assert len(seen) == 2 * (4 + (1 + 2 * 3 + 1) + 2)
    assert all(size == 0 for *_, i, size in seen if not isinstance(i, (Load, Store)))


# ---- programs that verify would reject ----


def test_a_deadlock_names_every_blocked_instruction():
    p = ProgramBuilder("stuck")
    X = p.tensor("X", "fp32", (4,))
    with p.kernel("main", grid={"i": 1}) as g:
        a, b = g.ring("a", "sram", "fp32", (4,)), g.ring("b", "sram", "fp32", (4,))
        with g.queue("load"):
            a.load(X[0])
            a.load(X[0])
            b.load(X[0])
        with g.queue("use"):
            b.pop()
            a.pop()
            a.pop()
    with pytest.raises(ProgramError) as caught:
        interpret(p.build(verify=False), {})
    text = str(caught.value)
    assert "kernel main: deadlock: queue load of block 0 waits at load" in text
    assert "for ring a: 1 pushed, 0 freed, depth 1" in text
    assert "queue use of block 0 waits at pop" in text
    assert "for ring b: 0 pushed, 0 freed, depth 1" in text
    assert __file__ in text


def test_a_rate_mismatch_is_told():
    p = ProgramBuilder("rates")
    X = p.tensor("X", "fp32", (4,))
    with p.kernel("main", grid={"i": 1}) as g:
        a = g.ring("a", "sram", "fp32", (4,), depth=2)
        with g.queue("load"), g.loop("n", 2):
            a.load(X[0])
        with g.queue("use"):
            a.pop()
    with pytest.raises(ProgramError, match=r"ring a of block 0 was pushed 2 times, and queue use popped it 1 times"):
        interpret(p.build(verify=False), {})


def broken(body):
    p = ProgramBuilder("broken")
    X, Y = p.tensor("X", "fp32", (6,)), p.tensor("Y", "fp32", (6,))
    with p.kernel("main", grid={"i": 2}) as g:
        (i,) = g.coordinates
        a, b = g.ring("a", "sram", "fp32", (4,)), g.ring("b", "sram", "fp32", (4,))
        with g.queue("work"):
            body(i, X, Y, a, b)
    return p


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda i, X, Y, a, b: a.load(X[i * 4]), "takes elements 4 to 7 of dimension 0, which has 6\n  mend: .*clip"),
        (lambda i, X, Y, a, b: a.load(X[i - 1]), "takes elements -1 to 2 .*\n  mend: correct the start, or add `clip`"),
        (lambda i, X, Y, a, b: a.push(), "ring a has no slot that this queue holds open"),
        (lambda i, X, Y, a, b: b.set("neg", a), "ring a has no slot that this queue holds open"),
        (lambda i, X, Y, a, b: b.load(X[0], to=(i + 1,)), "not in the cluster of block 0"),
    ],
)
def test_what_verify_would_reject_is_still_told_in_words(body, message):
    with pytest.raises(ProgramError, match=message):
        interpret(broken(body).build(verify=False), {})


def test_a_queue_never_reads_what_another_holds_open():
    p = ProgramBuilder("peek")
    Y = p.tensor("Y", "fp32", (4,))
    with p.kernel("main", grid={"i": 1}) as g:
        a = g.ring("a", "sram", "fp32", (4,))
        with g.queue("write"):
            a.fill(1)
        with g.queue("peek"):
            Y[0].store(a)
    with pytest.raises(ProgramError, match="ring a has no slot that this queue holds open"):
        interpret(p.build(verify=False), {})
