"""Decoding: the sizes of the models, and that a step is the last token of a prefill."""

import numpy as np
import pytest

from memsim.errors import WorkloadError
from memsim.workloads import (
    append,
    attention,
    decode_attention,
    decoder_layer,
    flops,
    from_heads,
    inputs_of,
    random_inputs,
    reference,
    rope,
    tensor,
    to_heads,
    walk,
    workload,
)
from memsim.workloads.llama import LLAMAS, Llama, decode_step

PARAMETERS = {"8b": 8_030_261_248, "70b": 70_553_706_496}  # of the checkpoints that Meta published


def normal(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_step_reads_every_weight_but_the_embedding_and_every_cache(name):
    model = LLAMAS[name]
    inputs = inputs_of([workload("llama_decode", model=name, batch=3, context=100)])
    weights = sum(node.elements for key, node in inputs.items() if not key.endswith("_cache") and key != "x")
    assert weights + model.vocabulary * model.width == PARAMETERS[name]
    caches = sum(node.elements for key, node in inputs.items() if key.endswith("_cache"))
    assert caches == 3 * 100 * 2 * model.layers * model.kv_heads * 128


def test_layers_can_be_fewer():
    few, all_of_them = (inputs_of([workload("llama_decode", layers=layers)]) for layers in (3, 0))
    assert sum(name.endswith("_w_q") for name in few) == 3
    assert sum(name.endswith("_w_q") for name in all_of_them) == 32


def test_a_decode_step_is_the_last_token_of_a_prefill():
    """The caches of a prefill, but for their last rows, and the last token give its last result."""
    model, tokens = Llama(2, 32, 4, 2, 48, 64), 7
    step = decode_step(model, 1, tokens, "fp32")
    weights = random_inputs(step, 1)
    x = tensor("x", (tokens, model.width))
    for number in range(model.layers):
        x = decoder_layer(x, heads=4, kv_heads=2, ffn=48, prefix=f"l{number}_")
    rows = normal((tokens, model.width))
    given = {name: rows if name == "x" else weights[name] for name in inputs_of([x])}
    found = {node.name: node for node in walk([x]) if node.name}
    for number in range(model.layers):
        for name, made in (("k", "k_rope"), ("v", "v_proj")):
            cache = reference(found[f"l{number}_{made}"], _needed(found[f"l{number}_{made}"], given))
            cache = cache.reshape(tokens, 2, 8).swapaxes(0, 1)[None].copy()
            cache[..., -1, :] = np.nan  # what is not yet written is not read
            weights[f"l{number}_{name}_cache"] = cache
    weights["x"] = rows[-1:]
    last = reference(x, given)[-1].astype(np.float64)
    normed = last / np.sqrt(np.mean(last**2) + 1e-5) * weights["norm"]
    np.testing.assert_allclose(reference(step, weights)[0], normed @ weights["w_vocabulary"], rtol=2e-5, atol=2e-5)


def _needed(node, values):
    return {name: values[name] for name in inputs_of([node])}


def test_sequences_of_a_batch_know_nothing_of_each_other():
    step = workload("llama_decode", model="tiny", batch=3, context=9, dtype="fp32")
    values = random_inputs(step)
    one = workload("llama_decode", model="tiny", batch=1, context=9, dtype="fp32")
    alone = {name: value[1:2] if name == "x" or name.endswith("_cache") else value for name, value in values.items()}
    np.testing.assert_allclose(reference(step, values)[1:2], reference(one, alone), rtol=1e-5, atol=1e-5)


def test_decode_attention_is_attention_of_one_query():
    q, k, v = normal((1, 6, 4), 1), normal((1, 2, 5, 4), 2), normal((1, 2, 5, 3), 3)
    node = decode_attention(tensor("q", q.shape), tensor("k", k.shape), tensor("v", v.shape))
    flat = {"q": q.reshape(1, 24), "k": k[0].swapaxes(0, 1).reshape(5, 8), "v": v[0].swapaxes(0, 1).reshape(5, 6)}
    plain = attention(*(tensor(name, value.shape) for name, value in flat.items()), heads=6, kv_heads=2)
    found = reference(node, {"q": q, "k": k, "v": v})
    np.testing.assert_allclose(found.reshape(1, 18), reference(plain, flat), rtol=1e-6)
    assert flops(node) == flops(plain)


def test_products_that_give_and_take_heads_are_products():
    x, w = normal((3, 5), 1), normal((5, 8), 2)
    split = to_heads(tensor("x", (3, 5)), tensor("w", (5, 8)), 4)
    assert split.shape == (3, 4, 2)
    np.testing.assert_allclose(reference(split, {"x": x, "w": w}).reshape(3, 8), x @ w, rtol=1e-5, atol=1e-6)
    back = from_heads(tensor("y", (3, 4, 2)), tensor("u", (8, 5)))
    y, u = normal((3, 4, 2), 3), normal((8, 5), 4)
    np.testing.assert_allclose(reference(back, {"y": y, "u": u}), y.reshape(3, 8) @ u, rtol=1e-5, atol=1e-6)
    assert flops(split) == flops(tensor("x", (3, 5)) @ tensor("w", (5, 8)))
    assert flops(back) == flops(tensor("y", (3, 8)) @ tensor("u", (8, 5)))


def test_append_writes_the_last_rows():
    cache, rows = normal((2, 4, 3)), normal((2, 3), 1)
    found = reference(append(tensor("c", (2, 4, 3)), tensor("r", (2, 3))), {"c": cache, "r": rows})
    np.testing.assert_array_equal(found[:, -1], rows)
    np.testing.assert_array_equal(found[:, :-1], cache[:, :-1])


def test_rope_with_steps_between_positions():
    x = normal((4, 8))
    every = reference(rope(tensor("x", (10, 8)), offset=2), {"x": np.repeat(x, 3, axis=0)[:10]})
    third = reference(rope(tensor("x", (4, 8)), offset=2, step=3), {"x": x})
    np.testing.assert_allclose(third, every[::3], rtol=1e-6)
    same = reference(rope(tensor("x", (4, 8)), offset=5, step=0), {"x": x})
    np.testing.assert_allclose(same[3:], reference(rope(tensor("y", (1, 8)), offset=5), {"y": x[3:]}), rtol=1e-6)


C, R = tensor("c", (2, 4, 3)), tensor("r", (2, 3))
Q, K = tensor("q", (1, 4, 8)), tensor("k", (1, 2, 5, 8))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: workload("llama_decode", model="8B"), ["unknown model '8B'", "8b, 70b, tiny"]),
        (lambda: workload("llama_decode", batch=0), ["batch is 0", "at least 1"]),
        (lambda: workload("llama_decode", layers=-1), ["layers is -1", "at least 0"]),
        (lambda: append(C + 1.0, R), ["append", "is computed", "tensor(name, shape)"]),
        (lambda: append(C, tensor("r", (4, 3))), ["(4, 3)", "(2, 4, 3)", "last but one"]),
        (lambda: append(C, tensor("r", (2, 3), "bf16")), ["bf16", "fp32"]),
        (lambda: to_heads(tensor("x", (3, 5)), tensor("w", (5, 8)), 3), ["(3, 8)", "3 heads"]),
        (lambda: from_heads(tensor("x", (3, 8)), tensor("w", (8, 5))), ["(3, 8)", "rows x heads x dim"]),
        (lambda: decode_attention(Q, K, tensor("v", (1, 2, 6, 8))), ["(1, 2, 6, 8)", "do not fit"]),
        (lambda: decode_attention(tensor("q", (1, 3, 8)), K, K), ["3 heads", "2 kv_heads", "multiple"]),
        (lambda: decode_attention(tensor("q", (1, 8)), K, K), ["(1, 8)", "batch x heads x dim"]),
        (lambda: decode_attention(Q, K, tensor("v", (1, 2, 5, 8), "bf16")), ["fp32, fp32, bf16"]),
        (lambda: rope(R, step=-1), ["odd size 3"]),
        (lambda: rope(tensor("x", (2, 4)), step=-1), ["step -1", "step >= 0"]),
    ],
)
def test_errors(call, words):
    with pytest.raises(WorkloadError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
