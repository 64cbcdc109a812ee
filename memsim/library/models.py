"""Language models as data: their sizes, and which kernels a layer of theirs needs."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from memsim.errors import MemsimError
from memsim.isa import DTYPES

_NAMES = {"norm": ("rms_norm", "layer_norm"), "activation": ("silu", "gelu"), "dtype": ("bf16", "fp16")}


@dataclass(frozen=True, slots=True)
class Model:
    """Sizes of a decoder-only transformer, and how its layer is made."""

    name: str
    layers: int
    width: int
    """Of the residual stream."""
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    """Inner width of the feed-forward part."""
    vocabulary: int
    """0: a layer alone, without the product that gives logits."""
    gated: bool = True
    """Whether the feed-forward part has a gate beside the way up."""
    norm: str = "rms_norm"
    """Or ``"layer_norm"``."""
    activation: str = "silu"
    """Or ``"gelu"``."""
    rotary: bool = True
    """Whether positions turn queries and keys."""
    head_norm: bool = False
    """Whether each head of queries and keys is normalised, as in Qwen3."""
    fused: bool = True
    """False: Q, K and V are three products and attention is two, with a softmax between them, as eager PyTorch ran."""
    dtype: str = "bf16"
    """Of weights, activations and cache."""
    host: str = "vllm"
    """What software adds, unless the caller says otherwise: a name from `memsim.library.hosts.HOSTS`."""
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse sizes and names that no layer has."""
        for name in ("layers", "width", "heads", "kv_heads", "head_dim", "hidden"):
            if getattr(self, name) < 1:
                raise MemsimError(f"{name} is {getattr(self, name)}", where=self.name, mend="give at least 1")
        if self.vocabulary < 0 or self.heads % self.kv_heads:
            cause = f"{self.heads} heads for {self.kv_heads} of keys and values, vocabulary {self.vocabulary}"
            raise MemsimError(cause, where=self.name, mend="each head of keys serves equally many of queries")
        for field, known in _NAMES.items():
            if getattr(self, field) not in known:
                cause = f"unknown {field} {getattr(self, field)!r}"
                raise MemsimError(cause, where=self.name, mend="use one of: " + ", ".join(known))

    @classmethod
    def preset(cls, name: str) -> Model:
        """A model by its name.

        Raises
        ------
        MemsimError
            If there is none of this name.
        """
        if name not in _models():
            close = difflib.get_close_matches(name, _models(), n=1, cutoff=0.4)
            mend = f"did you mean {close[0]!r}?" if close else "use one of: " + ", ".join(_models())
            raise MemsimError(f"unknown model {name!r}", where="model", mend=mend)
        return _models()[name]

    @staticmethod
    def presets() -> tuple[str, ...]:
        """Names of all models."""
        return tuple(_models())

    @property
    def parameters(self) -> int:
        """Weights, embedding and norms included."""
        heads = (2 * self.heads + 2 * self.kv_heads) * self.head_dim
        feed_forward = (3 if self.gated else 2) * self.hidden
        layer = self.width * (heads + feed_forward + 2)
        return self.layers * layer + 2 * self.vocabulary * self.width

    def weight_bytes(self, tp: int = 1) -> int:
        """Bytes of weights that each of ``tp`` chips holds."""
        return -(-self.parameters * DTYPES[self.dtype].bytes // tp)

    def cache_bytes(self, tokens: int, tp: int = 1) -> int:
        """Bytes of keys and values of ``tokens`` tokens on each of ``tp`` chips."""
        kept = max(1, self.kv_heads // tp)
        return 2 * self.layers * kept * self.head_dim * tokens * DTYPES[self.dtype].bytes


@cache
def _models() -> dict[str, Model]:
    text = (resources.files("memsim.library") / "models.toml").read_text(encoding="utf-8")
    return {name: Model(name=name, **values) for name, values in tomllib.loads(text).items()}
