"""How `interpret` moves tiles, on programs made by hand: transfers, rings, loops, blocks and cores."""

import numpy as np
import pytest

from memsim.errors import ProgramError
from memsim.isa.builder import ProgramBuilder
from memsim.isa.expr import maximum, minimum
from memsim.isa.interpret import interpret
from tests.isa.kernels import BF16, mover, normal, run, small_ints


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "int8", "int32"])
@pytest.mark.parametrize("transpose", [False, True])
def test_transfers_move_bits_of_every_type(dtype, transpose):
    p = mover(13, 9, (4, 8), dtype, transpose=transpose)
    program = p.build()
    raw = np.random.default_rng(0).integers(0, 256, (13, 9 * program.tensors[0].type.bytes), dtype=np.uint8)
    X = raw.view(program.tensors[0].type.numpy)
    out = interpret(program, {"X": X})["Y"]
    assert out.dtype == X.dtype
    assert np.ascontiguousarray(out.T if transpose else out).tobytes() == X.tobytes()


def test_pad_fills_what_the_clip_cut_off_even_beyond_the_tensor():
    p = ProgramBuilder("pad")
    X, Y = p.tensor("X", "bf16", (5,)), p.tensor("Y", "bf16", (3, 4))
    with p.kernel("main", grid={"i": 3}) as g:
        (i,) = g.coordinates
        t = g.ring("t", "sram", "bf16", (4,))
        with g.queue("load"):
            t.load(X[i * 4], clip=True, pad=-1.5)
        with g.queue("store"):
            Y[i:1, 0:4].store(t)
            t.pop()
    out = run(p, X=np.arange(5))["Y"].astype(np.float32)
    np.testing.assert_array_equal(out, [[0, 1, 2, 3], [4, -1.5, -1.5, -1.5], [-1.5] * 4])


def test_a_clipped_region_may_begin_before_the_tensor():
    """A window of three that slides over five elements, from the one before the first: what a convolution pads."""
    p = ProgramBuilder("window")
    X, Y = p.tensor("X", "fp32", (5, 5)), p.tensor("Y", "fp32", (6, 3, 3))
    with p.kernel("main", grid={"i": 6}) as g:
        (i,) = g.coordinates
        t = g.ring("t", "sram", "fp32", (3, 3))
        with g.queue("load"):
            t.load(X[i - 1 : 3, 2 * i - 7 : 3 : 2], clip=True, pad=-1)
        with g.queue("store"):
            Y[i:1, 0:3, 0:3].store(t)
            t.pop()
    X = np.arange(25).reshape(5, 5)
    padded = np.full((25, 25), -1)
    padded[10:15, 10:15] = X
    expected = [padded[9 + i : 12 + i, 3 + 2 * i : 8 + 2 * i : 2] for i in range(6)]
    np.testing.assert_array_equal(run(p, X=X)["Y"], expected)


def test_a_clipped_store_may_begin_before_the_tensor():
    p = ProgramBuilder("window")
    X, Y = p.tensor("X", "fp32", (12,)), p.tensor("Y", "fp32", (7,))
    with p.kernel("main", grid={"i": 3}) as g:
        (i,) = g.coordinates
        t = g.ring("t", "sram", "fp32", (4,))
        with g.queue("load"):
            t.load(X[i * 4])
        with g.queue("store"):
            Y[4 * i - 2].store(t, clip=True)
            t.pop()
    np.testing.assert_array_equal(run(p, X=np.arange(12))["Y"], np.arange(2, 9))


def test_strided_regions_with_clip():
    p = ProgramBuilder("stride")
    X, Y = p.tensor("X", "int32", (11, 10)), p.tensor("Y", "int32", (9, 10))
    with p.kernel("main", grid={"i": 2}) as g:
        (i,) = g.coordinates
        t = g.ring("t", "sram", "int32", (3, 5))
        with g.queue("load"):
            t.load(X[i:3:4, 1 - i : 5 : 2], clip=True, pad=-7)
        with g.queue("store"):
            Y[i:3:3, 1 - i : 5 : 2].store(t, clip=True)
            t.pop()
    X = np.arange(110, dtype=np.int32).reshape(11, 10)
    expected = np.zeros((9, 10), np.int32)
    expected[0::3, 1::2] = X[0::4, 1::2]
    expected[1::3, 0::2] = X[1::4, 0::2]
    np.testing.assert_array_equal(run(p, X=X)["Y"], expected)


def test_leading_dimensions_of_one_and_a_three_dimensional_transpose():
    p = ProgramBuilder("heads")
    X, Y = p.tensor("X", "fp32", (3, 4, 6)), p.tensor("Y", "fp32", (6, 3, 4))
    with p.kernel("main", grid={"h": 3}) as g:
        (h,) = g.coordinates
        t, u = g.ring("t", "sram", "fp32", (4, 6)), g.ring("u", "sram", "fp32", (6, 4))
        with g.queue("load"):
            t.load(X[h:1, 0:4, 0:6])
        with g.queue("turn"):
            u.copy(t.T)
            t.pop()
        with g.queue("store"):
            Y[0:6, h:1, 0:4].store(u)
            u.pop()
    X = normal((3, 4, 6))
    np.testing.assert_array_equal(run(p, X=X)["Y"], X.transpose(2, 0, 1))


def test_store_transposes():
    p = ProgramBuilder("turn")
    X, Y = p.tensor("X", "fp16", (4, 6)), p.tensor("Y", "fp16", (6, 4))
    with p.kernel("main", grid={"i": 1}) as g:
        t = g.ring("t", "sram", "fp16", (4, 6))
        with g.queue("load"):
            t.load(X[0, 0])
        with g.queue("store"):
            Y[0, 0].store(t.T)
            t.pop()
    X = normal((4, 6), np.float16)
    np.testing.assert_array_equal(run(p, X=X)["Y"], X.T)


def test_multicast_feeds_each_block_of_the_cluster():
    """Block (y, 0) loads for its whole row, each block adds its own number."""
    p = ProgramBuilder("multicast")
    X, Y = p.tensor("X", "fp32", (4, 8)), p.tensor("Y", "fp32", (4, 3, 8))
    with p.kernel("main", grid={"y": 4, "x": 3}, cluster={"x": 3}) as g:
        y, x = g.coordinates
        t, u, own = (g.ring(name, "sram", "fp32", (8,)) for name in "tuv")
        with g.queue("load"), g.loop("once", maximum(1 - x, 0)):
            t.load(X[y:1, 0:8], to=(y, (0, 3)))
        with g.queue("compute"):
            own.iota(axis=0, start=x * 100)
            u.set("add", t, own)
            t.pop()
            u.push()
        with g.queue("store"):
            Y[y:1, x:1, 0:8].store(u)
            u.pop()
    X = small_ints((4, 8))
    offsets = 100 * np.arange(3)[:, None] + np.arange(8)
    np.testing.assert_array_equal(run(p, X=X)["Y"], X[:, None, :] + offsets)


def ring_around(blocks, hops):
    """Each block passes its tile to the next around the ring, `hops` times, and adds all that it sees."""
    p = ProgramBuilder("around")
    X, Y = p.tensor("X", "fp32", (blocks, 4)), p.tensor("Y", "fp32", (blocks, 4))
    with p.kernel("main", grid={"i": blocks}, cluster={"i": blocks}) as g:
        (i,) = g.coordinates
        mine, seen, total = (g.ring(n, "sram", "fp32", (4,), depth=2) for n in ("mine", "seen", "total"))
        with g.queue("load"):
            mine.load(X[i:1, 0:4])
        with g.queue("net"):
            seen.send(mine, to=((i + 1) % blocks,))
            mine.pop()
            with g.loop("h", hops - 1):
                seen.send(seen, to=((i + 1) % blocks,))
                seen.pop()
            seen.pop()
        with g.queue("sum"):
            total.fill(0)
            with g.loop("h", hops):
                total.set("add", total, seen)
                seen.pop()
            total.push()
        with g.queue("store"):
            Y[i:1, 0:4].store(total)
            total.pop()
    return p


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_tiles_sent_around_a_ring_visit_every_block(blocks):
    X = small_ints((blocks, 4))
    out = run(ring_around(blocks, blocks), X=X)["Y"]
    np.testing.assert_array_equal(out, np.broadcast_to(X.sum(0), (blocks, 4)))


def test_groups_of_a_cooperative_kernel_send_to_each_other():
    p = ProgramBuilder("pipe")
    X, Y = p.tensor("X", "fp32", (6, 4)), p.tensor("Y", "fp32", (6, 4))
    with p.kernel("pipe", cooperative=True) as k:
        first, second = k.group("first", {"i": 2}), k.group("second", {"j": 1})
        (i,) = first.coordinates
        a = first.ring("a", "sram", "fp32", (4,))
        b, c = second.ring("b", "sram", "fp32", (4,)), second.ring("c", "sram", "fp32", (4,))
        with first.queue("load"), first.loop("n", 3) as n:
            a.load(X[n * 2 + i : 1, 0:4])
        with first.queue("net"), first.loop("n", 3):
            with first.loop("even", maximum(1 - i, 0)):
                b.send(a, to=(0,), to_group="second")
            with first.loop("odd", i):
                c.send(a, to=(0,), to_group="second")
            a.pop()
        with second.queue("store"), second.loop("n", 3) as n:
            Y[n * 2 : 1, 0:4].store(b)
            Y[n * 2 + 1 : 1, 0:4].store(c)
            b.pop()
            c.pop()
    X = normal((6, 4))
    np.testing.assert_array_equal(run(p, X=X)["Y"], X)


def gather_program(rows, distribution="uniform"):
    p = ProgramBuilder("embedding")
    W, ids_of = p.tensor("W", "bf16", (10, 8)), p.tensor("I", "int32", (6,))
    Y = p.tensor("Y", "bf16", (6, 4))
    with p.kernel("main", grid={"i": 2}) as g:
        (i,) = g.coordinates
        ids, e = g.ring("ids", "sram", "int32", (3,)), g.ring("e", "sram", "bf16", (3, 4))
        with g.queue("load"):
            ids.load(ids_of[i * 3])
        with g.queue("rows"):
            e.gather(W[2:rows, 4:4], ids, distribution=distribution)
            ids.pop()
        with g.queue("store"):
            Y[i * 3, 0].store(e)
            e.pop()
    return p


@pytest.mark.parametrize("distribution", ["uniform", "sequential"])
def test_gather_takes_rows_by_index(distribution):
    W, ids = normal((10, 8), BF16), np.array([7, 0, 0, 3, 1, 6])
    out = run(gather_program(8, distribution), W=W, I=ids)["Y"]
    np.testing.assert_array_equal(out, W[2 + ids, 4:])


@pytest.mark.parametrize("bad", [-1, 5])
def test_gather_refuses_an_index_outside_its_region(bad):
    with pytest.raises(ProgramError, match=rf"index {bad} \(entry 2, block 1\) is outside its region of 5 rows"):
        run(gather_program(5), I=np.array([0, 1, 2, 3, 4, bad]))


def test_per_core_tensors_keep_one_copy_a_core():
    """Blocks 0 to 5 on 3 cores: a first kernel leaves sums in the core's own tensor, a second one writes them out."""
    p = ProgramBuilder("local", cores=3)
    X, Y = p.tensor("X", "fp32", (3, 4)), p.tensor("Y", "fp32", (6, 4))
    S = p.tensor("S", "fp32", (4,), role="sram")
    with p.kernel("keep", grid={"i": 3}) as g:
        (i,) = g.coordinates
        t = g.ring("t", "sram", "fp32", (4,))
        with g.queue("load"):
            t.load(X[i:1, 0:4])
        with g.queue("keep"):
            S[0].store(t)
            t.pop()
    with p.kernel("show", grid={"i": 6}) as g:
        (i,) = g.coordinates
        t = g.ring("t", "sram", "fp32", (4,))
        with g.queue("load"):
            t.load(S[0])
        with g.queue("store"):
            Y[i:1, 0:4].store(t)
            t.pop()
    X = normal((3, 4))
    out = run(p, X=X)
    np.testing.assert_array_equal(out["S"], X)
    np.testing.assert_array_equal(out["Y"], np.concatenate([X, X]))


def test_blocks_are_dealt_over_a_multiple_of_the_cluster_size():
    """Clusters of 2 on 5 cores use 4 of them, so block 4 comes back to core 0."""
    p = ProgramBuilder("deal", cores=5)
    S, Y = p.tensor("S", "int32", (1,), role="reg"), p.tensor("Y", "int32", (6,))
    with p.kernel("main", grid={"i": 6}, cluster={"i": 2}) as g:
        (i,) = g.coordinates
        t = g.ring("t", "sram", "int32", (1,))
        with g.queue("load"):
            t.load(S[0])
        with g.queue("store"):
            Y[i].store(t)
            t.pop()
    out = run(p, S=np.arange(5)[:, None])
    np.testing.assert_array_equal(out["Y"], [0, 1, 2, 3, 0, 1])


def test_zero_trip_and_triangular_loops():
    """Row y of Y is the sum of the first min(y, 3) rows of X."""
    p = ProgramBuilder("triangle")
    X, Y = p.tensor("X", "fp32", (4, 5)), p.tensor("Y", "fp32", (6, 5))
    with p.kernel("main", grid={"y": 6}) as g:
        (y,) = g.coordinates
        t, s = g.ring("t", "sram", "fp32", (5,), depth=2), g.ring("s", "sram", "fp32", (5,))
        with g.queue("load"), g.loop("n", minimum(y, 3)) as i:
            t.load(X[i:1, 0:5])
        with g.queue("compute"):
            s.fill(0)
            with g.loop("n", minimum(y, 3)):
                s.set("add", s, t)
                t.pop()
            s.push()
        with g.queue("store"):
            Y[y:1, 0:5].store(s)
            s.pop()
    X = small_ints((4, 5))
    expected = np.stack([X[: min(y, 3)].sum(0) for y in range(6)])
    np.testing.assert_array_equal(run(p, X=X)["Y"], expected)


def test_floor_division_and_modulo_address_tiles():
    p = ProgramBuilder("fold")
    X, Y = p.tensor("X", "int32", (12,)), p.tensor("Y", "int32", (12,))
    with p.kernel("main", grid={"i": 2}) as g:
        (i,) = g.coordinates
        t = g.ring("t", "sram", "int32", (1,))
        with g.queue("load"), g.loop("k", 6) as k:
            t.load(X[(i * 6 + k) // 3 + (i * 6 + k) % 3 * 4])
        with g.queue("store"), g.loop("k", 6) as k:
            Y[i * 6 + k].store(t)
            t.pop()
    X = np.arange(12)
    np.testing.assert_array_equal(run(p, X=X)["Y"], X.reshape(3, 4).T.reshape(-1))


def test_counters_of_concurrent_queues_do_not_mix():
    p = ProgramBuilder("counters")
    X, Y = p.tensor("X", "int32", (4, 4)), p.tensor("Y", "int32", (4, 4))
    with p.kernel("main", grid={"i": 1}) as g:
        t = g.ring("t", "sram", "int32", (1, 1), depth=3)
        with g.queue("load"), g.loop("a", 4) as a, g.loop("b", 4) as b:
            t.load(X[a, b])
        with g.queue("store"), g.loop("b", 4) as b, g.loop("a", 4) as a:
            Y[b, a].store(t)
            t.pop()
    X = np.arange(16).reshape(4, 4)
    np.testing.assert_array_equal(run(p, X=X)["Y"], X)


def test_a_window_of_resident_slots():
    """Moving sum of three rows: c, c@1 and c@2 are resident at once, one is popped a step."""
    p = ProgramBuilder("window")
    X, Y = p.tensor("X", "fp32", (8, 4)), p.tensor("Y", "fp32", (6, 4))
    with p.kernel("main", grid={"i": 1}) as g:
        t, s = g.ring("t", "sram", "fp32", (4,), depth=3), g.ring("s", "sram", "fp32", (4,), depth=2)
        with g.queue("load"), g.loop("n", 8) as i:
            t.load(X[i:1, 0:4])
        with g.queue("compute"):
            with g.loop("n", 6):
                s.set("add", t, t.at(1))
                s.set("add", s, t.at(2))
                s.push()
                t.pop()
            t.pop()
            t.pop()
        with g.queue("store"), g.loop("n", 6) as i:
            Y[i:1, 0:4].store(s)
            s.pop()
    X = small_ints((8, 4))
    np.testing.assert_array_equal(run(p, X=X)["Y"], X[:6] + X[1:7] + X[2:])


def test_every_consumer_sees_every_tile():
    p = ProgramBuilder("fork")
    X = p.tensor("X", "fp32", (6, 4))
    Y, Z = p.tensor("Y", "fp32", (6, 4)), p.tensor("Z", "fp32", (6, 4))
    with p.kernel("main", grid={"i": 1}) as g:
        t = g.ring("t", "sram", "fp32", (4,), depth=2)
        with g.queue("load"), g.loop("n", 6) as i:
            t.load(X[i:1, 0:4])
        for name, to in (("first", Y), ("second", Z)):
            with g.queue(name), g.loop("n", 6) as i:
                to[i:1, 0:4].store(t)
                t.pop()
    X = normal((6, 4))
    out = run(p, X=X)
    np.testing.assert_array_equal(out["Y"], X)
    np.testing.assert_array_equal(out["Z"], X)


def test_a_copy_of_an_open_slot_keeps_its_value_when_the_slot_is_rewritten():
    p = ProgramBuilder("snapshot")
    Y, Z = p.tensor("Y", "fp32", (2, 2)), p.tensor("Z", "fp32", (2, 2))
    with p.kernel("main", grid={"i": 1}) as g:
        one, c, d = (g.ring(n, "reg", "fp32", (2, 2)) for n in ("one", "c", "d"))
        with g.queue("compute"):
            one.fill(1)
            c.set("cast", one)
            d.copy(c)
            c.mma(one, one)
            c.push()
        with g.queue("store"):
            Y[0, 0].store(c)
            c.pop()
            Z[0, 0].store(d)
            d.pop()
    out = run(p)
    assert (out["Y"] == 3).all()
    assert (out["Z"] == 1).all()
