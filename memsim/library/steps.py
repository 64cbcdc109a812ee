"""What a step of a model calls: the operators of a prefill or of a decode, with their sizes on one of the chips.

A layer under tensor parallelism (Shoeybi et al., Megatron-LM, arXiv 1909.08053) has its heads and the inner width of
its feed-forward part cut over the chips; two all-reduces join the parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from memsim.errors import MemsimError
from memsim.library.models import Model


@dataclass(frozen=True, slots=True)
class Call:
    """An operator, its sizes on one chip, and how often a step calls it."""

    name: str
    """What it is for: ``"qkv"``."""
    op: str
    """What it is: ``"gemm"``."""
    sizes: tuple[int, ...]
    """By operator: gemm m, n, k, batch; attention batch, seq, heads, kv_heads, head_dim; rope rows, heads, head_dim;
    all others rows and columns, collectives elements."""
    dtype: str
    count: int = 1


SAMPLING = {"top_p": "sample", "greedy": "greatest"}
"""How the next token is chosen, and its operator: among the likeliest, as models' authors advise, or the likeliest."""


def decode_calls(
    model: Model, batch: int, context: int, tp: int = 1, sampling: str = "top_p", mixed: int = 0
) -> tuple[Call, ...]:
    """The calls by which each of ``batch`` sequences gets one token more.

    Parameters
    ----------
    model
        The model.
    batch
        Sequences.
    context
        Tokens that each of them attends to, the new one included.
    tp
        Chips that share the model.
    sampling
        A name from `SAMPLING`.
    mixed
        Tokens of a prompt that are read in the same step, as schedulers do that put new requests beside old ones.
    """
    _check(model, tp, sampling, batch=batch, context=context)
    if mixed < 0 or (mixed and not model.fused):
        raise MemsimError(f"{mixed} tokens of prompts in a step", where=model.name, mend="leave mixed out")
    return _calls(model, _Step(batch, 1, context, sampling, mixed), tp)


def prefill_calls(model: Model, batch: int, prompt: int, tp: int = 1, sampling: str = "top_p") -> tuple[Call, ...]:
    """The calls that read ``batch`` prompts of ``prompt`` tokens each, and give the first token of their answers."""
    _check(model, tp, sampling, batch=batch, prompt=prompt)
    return _calls(model, _Step(batch, prompt, prompt, sampling), tp)


@dataclass(frozen=True, slots=True)
class _Step:
    batch: int
    new: int
    """Tokens of each sequence that are read in this step."""
    context: int
    sampling: str
    mixed: int = 0
    """Tokens of another prompt."""

    @property
    def tokens(self) -> int:
        return self.batch * self.new + self.mixed


def _check(model: Model, tp: int, sampling: str, **sizes: int) -> None:
    if sampling not in SAMPLING:
        raise MemsimError(f"no sampling {sampling!r}", where=model.name, mend="use one of: " + ", ".join(SAMPLING))
    for name, value in sizes.items():
        if value < 1:
            raise MemsimError(f"{name} is {value}", where=model.name, mend="give at least 1")
    if tp < 1 or model.heads % tp or (model.kv_heads % tp and tp % model.kv_heads):
        fits = [n for n in (1, 2, 4, 8, 16) if model.heads % n == 0]
        mend = f"use one of {', '.join(map(str, fits))}"
        raise MemsimError(f"{model.heads} heads are not cut over {tp} chips", where="tp", mend=mend)


def _calls(model: Model, step: _Step, tp: int) -> tuple[Call, ...]:
    layers, dtype = model.layers, model.dtype
    attention = _fused_attention(model, step, tp) if model.fused else _separate_attention(model, step, tp)
    calls = [*attention, *_feed_forward(model, step, tp)]
    if tp > 1:
        calls.append(Call("all-reduce", "all_reduce", (step.tokens * model.width,), dtype, 2))
    every = [Call(c.name, c.op, c.sizes, c.dtype, c.count * layers) for c in calls]
    return (*every, *_ends(model, step, tp))


def _projection(name: str, step: _Step, columns: int, inner: int, dtype: str) -> Call:
    return Call(name, "gemm", (step.tokens, columns, inner, 1), dtype)


def _fused_attention(model: Model, step: _Step, tp: int) -> list[Call]:
    heads, kept, dim, dtype = model.heads // tp, max(1, model.kv_heads // tp), model.head_dim, model.dtype
    calls = [
        _norm("attention norm", model, step),
        _projection("qkv", step, (heads + 2 * kept) * dim, model.width, dtype),
    ]
    if model.head_norm:
        calls.append(Call("head norm", "rms_norm", (step.tokens * (heads + kept), dim), dtype))
    if model.rotary:
        calls.append(Call("rope", "rope", (step.tokens, heads + kept, dim), dtype))
    sizes = (step.batch, step.context, heads, kept, dim)
    calls.append(Call("attention", "attention_decode" if step.new == 1 else "attention_prefill", sizes, dtype))
    if step.mixed:
        calls.append(Call("attention of prompts", "attention_prefill", (1, step.mixed, heads, kept, dim), dtype))
    calls.append(_projection("o", step, model.width, heads * dim, dtype))
    return calls


def _separate_attention(model: Model, step: _Step, tp: int) -> list[Call]:
    heads, dim, dtype = model.heads // tp, model.head_dim, model.dtype
    each = step.batch * heads
    return [
        Call("qkv", "gemm", (step.tokens, heads * dim, model.width, 1), dtype, 3),
        Call("scores", "gemm", (step.new, step.context, dim, each), dtype),
        Call("softmax", "softmax", (each * step.new, step.context), dtype),
        Call("values", "gemm", (step.new, dim, step.context, each), dtype),
        _projection("o", step, model.width, heads * dim, dtype),
        _norm("attention norm", model, step),
    ]


def _norm(name: str, model: Model, step: _Step) -> Call:
    op = "add_norm" if model.fused and model.norm == "rms_norm" else model.norm
    return Call(name, op, (step.tokens, model.width), model.dtype)


def _feed_forward(model: Model, step: _Step, tp: int) -> list[Call]:
    inner, dtype = -(-model.hidden // tp), model.dtype
    up = 2 * inner if model.gated else inner
    op = "silu_mul" if model.gated else model.activation
    return [
        _norm("feed-forward norm", model, step),
        _projection("gate, up" if model.gated else "up", step, up, model.width, dtype),
        Call(op.replace("_mul", " · mul"), op, (step.tokens, inner), dtype),
        _projection("down", step, model.width, inner, dtype),
    ]


def _ends(model: Model, step: _Step, tp: int) -> list[Call]:
    """Embedding, last norm, logits, and the choice of the likeliest token."""
    if not model.vocabulary:
        return []
    part, dtype = -(-model.vocabulary // tp), model.dtype
    last = replace(step, new=1, mixed=0)
    calls = [Call("embedding", "copy", (step.tokens, model.width), dtype)]
    if tp > 1:
        calls.append(Call("all-reduce", "all_reduce", (step.tokens * model.width,), dtype))
    calls += [_norm("last norm", model, last), _projection("logits", last, part, model.width, dtype)]
    if tp > 1:
        calls.append(Call("gather logits", "all_gather", (step.batch * part * tp,), dtype))
    calls.append(Call("sampling", SAMPLING[step.sampling], (step.batch, model.vocabulary), "fp32"))
    return calls
