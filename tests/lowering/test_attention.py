import numpy as np
import pytest

from memsim.errors import ChipError
from memsim.isa import Expr, Load, Mma, analyze, var
from memsim.lowering import compile
from memsim.lowering.flash_cost import Triangle
from memsim.lowering.recipes import FlashRecipe
from memsim.lowering.spaces import floor_div
from memsim.workloads import attention, flops, rope, tensor, workload
from tests.lowering.chips import ALL, checked, chip, executed, toy, vector_count

SHAPES = [(64, 64), (77, 301), (200, 200), (1, 130), (33, 33), (1, 1), (130, 257)]


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize("kind", ["flash_attention", "attention"])
@pytest.mark.parametrize("causal", [False, True])
def test_grouped_heads(on, kind, causal):
    checked(workload(kind, heads=4, kv_heads=2, queries=77, keys=150, dim=16, causal=causal), on)


@pytest.mark.parametrize("kind", ["flash_attention", "attention"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("queries", "keys"), SHAPES)
def test_lengths_that_divide_nothing(kind, causal, queries, keys):
    sizes = {"heads": 2, "kv_heads": 2, "queries": queries, "keys": keys, "dim": 24}
    checked(workload(kind, causal=causal, **sizes), "toy")


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2"])
@pytest.mark.parametrize("kind", ["flash", "naive"])
def test_types(dtype, kind):
    q, k = tensor("q", (50, 32), dtype), tensor("k", (60, 32), dtype)
    checked(attention(q, k, tensor("v", (60, 32), dtype), heads=2, kind=kind), "toy")


@pytest.mark.parametrize("kind", ["flash", "naive"])
def test_batches_value_sizes_and_scales(kind):
    q, k, v = tensor("q", (3, 40, 48)), tensor("k", (3, 50, 24)), tensor("v", (3, 50, 10))
    for options in ({"scale": 1.0}, {"scale": -0.5}, {"causal": True}):
        checked(attention(q, k, v, heads=4, kv_heads=2, kind=kind, **options), "toy")


def test_large_scores_do_not_overflow():
    q, k, v = (tensor(name, (64, 16), scale=30.0) for name in "qkv")
    checked(attention(q, k, v, scale=10.0), "toy")


def test_flash_stores_no_scores_and_naive_does():
    sizes = {"heads": 2, "kv_heads": 2, "queries": 96, "keys": 96, "dim": 16}
    flash, naive = (checked(workload(kind, **sizes), "toy") for kind in ("flash_attention", "attention"))
    assert {t.name for t in flash.tensors} == {"q", "k", "v", "out"}
    assert len(flash.kernels) == 1
    assert {t.name for t in naive.tensors} - {"q", "k", "v", "out"} == {"attention_scores", "attention_weights"}
    assert analyze(naive).bytes_at("dram") > analyze(flash).bytes_at("dram") + 2 * 2 * 96 * 96 * 2


def test_a_causal_triangle_skips_what_is_masked():
    sizes = {"heads": 1, "kv_heads": 1, "queries": 1024, "keys": 1024, "dim": 64}
    full, causal = (compile(workload("flash_attention", causal=c, **sizes), chip("toy")) for c in (False, True))
    macs = [sum(analyze(p).macs.values()) for p in (full, causal)]
    assert macs[1] < 0.6 * macs[0]


def test_only_tiles_on_the_diagonal_are_masked():
    node = workload("flash_attention", heads=4, kv_heads=1, queries=1024, keys=1024, dim=64, causal=True)
    program = compile(node, chip("toy"))
    (mma, *_) = [e.count for e in analyze(program).executions if isinstance(e.instruction, Mma)]
    assert vector_count(program, "where") < mma / 2


def test_heads_of_a_group_share_keys_and_values_by_multicast():
    sizes = {"queries": 256, "keys": 256, "dim": 32, "causal": True}
    alone = compile(workload("flash_attention", heads=16, kv_heads=16, **sizes), chip("toy"))
    grouped = compile(workload("flash_attention", heads=16, kv_heads=4, **sizes), chip("toy"))
    assert grouped.kernels[0].groups[0].cluster_size > 1
    assert alone.kernels[0].groups[0].cluster_size == 1
    assert executed(grouped, Load) < executed(alone, Load)


def test_a_triangle_weighs_on_all_cores_alike():
    """Query tiles are dealt so that the busiest core has little more than its share of scores."""
    node = workload("flash_attention", heads=32, kv_heads=8, queries=2048, keys=2048, dim=128, causal=True)
    program = compile(node, chip("toy"))
    (group,) = program.kernels[0].groups
    work = np.zeros(group.block_count)
    scores = next(queue for queue in group.queues if queue.name == "scores")
    outer = scores.body[0]
    for block in range(group.block_count):
        env = group.coordinates(block)
        for t in range(outer.count.evaluate(env)):
            work[block] += outer.body[0].count.evaluate(env | {outer.var: t})
    assert work.max() < 1.1 * work.mean()


def test_useful_flops_do_not_count_masked_scores():
    node = workload("flash_attention", causal=True)
    assert compile(node, chip("toy")).useful_flops == flops(node)


@pytest.mark.parametrize(
    ("value", "by"), [(var("q") * 128 + 127, 64), (var("q") * 96 + 5, 64), (var("q") + 3, 1), (Expr(100), 7)]
)
def test_floor_div_is_division(value, by):
    for q in range(50):
        assert floor_div(value, by).evaluate({"q": q}) == value.evaluate({"q": q}) // by


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("queries", "keys", "rows", "columns"), [(100, 130, 32, 16), (64, 64, 64, 64), (7, 99, 4, 25)])
def test_triangle_by_counting(causal, queries, keys, rows, columns):
    recipe = FlashRecipe("f", 1, 1, 1, queries, keys, 8, 8, causal, 1.0, *(None,) * 4)
    triangle = Triangle(recipe, rows, columns)
    seen = np.arange(columns * triangle.key_tiles)[None, :] < keys
    seen = np.broadcast_to(seen, (rows * triangle.query_tiles, columns * triangle.key_tiles))
    if causal:
        seen = seen & (np.arange(seen.shape[1])[None, :] <= np.arange(seen.shape[0])[:, None] + keys - queries)
    tiles = seen.reshape(triangle.query_tiles, rows, triangle.key_tiles, columns)
    for tile in range(triangle.query_tiles):
        assert triangle.total(tile).const == tiles[tile].any(axis=(0, 2)).sum()
        assert triangle.full(tile).const == tiles[tile].all(axis=(0, 2)).sum()


def test_a_chip_that_cannot_hold_the_smallest_tiles():
    with pytest.raises(ChipError, match=r"(?s)kernel attention: sram of a core of toy holds 256 bytes.*raise"):
        compile(workload("flash_attention"), toy(core__sram__capacity="256 B"))


# ---- rotary embedding ----


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize("shape", [(100, 64), (1, 64), (3, 50, 64)])
def test_rope(on, shape):
    for dtype in ("fp32", "bf16"):
        checked(rope(tensor("x", shape, dtype), heads=4, offset=5), on)


def test_rope_computes_its_angles_once_for_all_heads():
    few, many = (compile(workload("rope", heads=heads, positions=64), chip("toy")) for heads in (1, 16))
    assert vector_count(few, "cos") == vector_count(many, "cos")


def test_rope_on_a_chip_that_is_too_small():
    with pytest.raises(ChipError, match="kernel rope"):
        compile(workload("rope"), toy(core__sram__capacity="64 B", core__reg__capacity="64 B"))
