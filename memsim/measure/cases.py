"""What ``memsim measure`` runs: calls by suite. Suites are data; anything that has a `Call` can be added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from memsim.errors import MemsimError
from memsim.validate.calls import Call

Shape = tuple[int, int, int]
"""Rows of the activations, columns of the result, and the length of the sums: m, n, k."""

TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
WEIGHTS = (
    (4096, 4096), (6144, 4096), (28672, 4096), (4096, 14336), (1024, 4096),  # Llama-3 8B
    (8192, 8192), (10240, 8192), (57344, 8192), (8192, 28672), (1280, 8192), (7168, 8192),  # 70B, and an eighth of it
    (12288, 12288), (49152, 12288),  # GPT-3
)  # fmt: skip
"""Columns and rows of weights: n, k."""
SQUARES = (256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384)
GRID = ((1, 8, 64, 512, 4096), (256, 1024, 4096, 16384), (256, 1024, 4096, 16384))
"""Powers of two: m, n and k, each with each."""
ODD: tuple[Shape, ...] = (
    (100, 1000, 1000), (333, 777, 1111), (1000, 1000, 1000), (1023, 1025, 1024), (1500, 2500, 3500), (2049, 2049, 2049),
    (3000, 5000, 7000), (4095, 4097, 4096), (5000, 5000, 5000), (7777, 3333, 1000), (10000, 10000, 10000),
)  # fmt: skip
"""No multiples of a tile."""
DEEP: tuple[Shape, ...] = tuple(product((16, 128, 512), (128, 512, 2048), (32768, 65536)))
"""Few results, long sums: where splits along k pay."""
OTHER_TYPES = ("fp16", "fp8_e4m3", "tf32", "fp32")
OF_OTHER_TYPES: tuple[Shape, ...] = (
    *((s, s, s) for s in (512, 1024, 2048, 4096, 8192)),
    *((m, 4096, 4096) for m in (1, 16, 128, 1024)),
    *((m, 8192, 28672) for m in (1, 64, 2048)),
)
SHEETS = tuple((rows, cols) for cols in (1024, 4096, 16384) for rows in (64, 256, 1024, 4096, 16384, 65536))
"""Rows and columns of what is elementwise or along rows."""
LARGEST_SHEET = 2**29
"""Elements."""
STREAMS = ("copy", "scale", "add", "mul", "relu", "gelu", "silu", "exp", "tanh")
HEADS = ((32, 8), (64, 8), (32, 32))
"""Heads of queries and of keys."""


@dataclass(frozen=True, slots=True)
class Case:
    """A call to be measured."""

    suite: str
    op: str
    """As the table writes it."""
    call: Call

    @property
    def dtype(self) -> str:
        """As the table writes it."""
        width = f" hd{self.call.head_dim}" if self.call.head_dim else ""
        return self.call.dtype + width

    @property
    def label(self) -> str:
        """For people."""
        c = self.call
        sizes = [n for n in (c.batch, c.m, c.n, c.k, c.seq, c.heads, c.kv_heads, c.rows, c.cols) if n > 1]
        return f"{self.op} {self.dtype} {' x '.join(map(str, sizes))}"


def _products() -> Iterator[Case]:
    shapes: list[Shape] = [(m, n, k) for n, k in WEIGHTS for m in TOKENS]
    shapes += [(s, s, s) for s in SQUARES]
    shapes += [*product(*GRID), *ODD, *DEEP]
    for m, n, k in dict.fromkeys(shapes):
        yield Case("matmul", "gemm", Call("gemm", "bf16", m=m, n=n, k=k))
    for dtype in OTHER_TYPES:
        for m, n, k in OF_OTHER_TYPES:
            yield Case("matmul", "gemm", Call("gemm", dtype, m=m, n=n, k=k))


def _sheets(suite: str, ops: Sequence[tuple[str, str]], dtypes: Sequence[str]) -> Iterator[Case]:
    for (op, kind), dtype, (rows, cols) in product(ops, dtypes, SHEETS):
        if rows * cols <= LARGEST_SHEET:
            function = op if kind == "elementwise" else ""
            yield Case(suite, op, Call(kind, dtype, function=function, rows=rows, cols=cols))


def _attention() -> Iterator[Case]:
    for (heads, kv_heads), batch, seq in product(HEADS, (1, 4, 16), (128, 512, 2048, 8192, 16384)):
        if batch * seq <= 2**17:
            call = Call(
                "attn_prefill", "bf16", batch=batch, seq=seq, heads=heads, kv_heads=kv_heads, head_dim=128, causal=True
            )
            yield Case("attention", "attn_prefill_causal", call)
    for (heads, kv_heads), batch, seq in product(HEADS, (1, 8, 64, 256), (256, 1024, 4096, 16384, 65536)):
        if batch * seq <= 2**21:
            call = Call("attn_decode", "bf16", batch=batch, seq=seq, heads=heads, kv_heads=kv_heads, head_dim=128)
            yield Case("attention", "attn_decode", call)


def _power() -> Iterator[Case]:
    for m, n, k in ((8192, 8192, 8192), (16384, 16384, 4096), (16, 8192, 28672), (256, 8192, 8192)):
        yield Case("power", "gemm", Call("gemm", "bf16", m=m, n=n, k=k))
    yield Case("power", "gemm", Call("gemm", "fp32", m=8192, n=8192, k=8192))
    for op in ("copy", "add", "gelu"):
        yield Case("power", op, Call("elementwise", "fp32", function=op, rows=65536, cols=4096))
    yield Case("power", "softmax", Call("softmax", "fp32", rows=65536, cols=4096))
    call = Call("attn_prefill", "bf16", batch=4, seq=8192, heads=32, kv_heads=8, head_dim=128)
    yield Case("power", "attn_prefill_causal", call)
    yield Case("power", "attn_decode", replace(call, kind="attn_decode", batch=64, seq=4096))


_BOTH = ("fp32", "bf16")
_SUITES: dict[str, Callable[[], Iterator[Case]]] = {
    "matmul": _products,
    "streams": lambda: _sheets("streams", [(op, "elementwise") for op in STREAMS], _BOTH),
    "softmax": lambda: _sheets("softmax", [("softmax", "softmax")], _BOTH),
    "norms": lambda: _sheets("norms", [("layer_norm", "layer_norm"), ("rms_norm", "rms_norm")], _BOTH),
    "attention": _attention,
    "reductions": lambda: _sheets("reductions", [("reduce", "reduce")], _BOTH),
    "power": _power,
}
CURVES = ("latency",)
"""Suites that measure a curve, in a file of its own."""
SUITES = (*_SUITES, *CURVES)
"""Names of all suites; ``power`` measures energy, and a curve beside."""
QUICK = 8
"""A quick run takes each eighth case."""


def cases_of(suite: str, *, quick: bool = False) -> tuple[Case, ...]:
    """The cases of a suite; none, if it is a curve.

    Parameters
    ----------
    suite
        One of `SUITES`.
    quick
        Only each `QUICK`-th, and at least one.

    Raises
    ------
    MemsimError
        There is no such suite.
    """
    if suite not in SUITES:
        raise MemsimError(f"no suite {suite!r}", where="--suite", mend=f"choose from {', '.join(SUITES)}")
    cases = tuple(_SUITES[suite]()) if suite in _SUITES else ()
    return cases[::QUICK] if quick else cases
