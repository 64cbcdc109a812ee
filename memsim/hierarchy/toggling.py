"""How often the bits of a wire toggle, counted on data: the value of a chip's ``toggle``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memsim.hierarchy.wires import RANDOM

if TYPE_CHECKING:
    import numpy as np

NORMAL = {"fp32": 0.426, "fp16": 0.429, "bf16": 0.352, "fp8_e4m3": 0.412, "fp8_e5m2": 0.367}
"""`toggle_of` independent normal numbers, with which benchmarks fill their tensors: exponents are much alike."""


def normal_toggle(dtype: str) -> float:
    """Transitions a bit of normal random numbers of a type; of integers, those of random bits."""
    return NORMAL.get(dtype, RANDOM)


def toggle_of(data: np.ndarray[Any, Any], bus_bytes: int = 32) -> float:
    """Transitions a bit when ``data`` go over a bus of ``bus_bytes`` bytes, in the order in which they lie in memory.

    Parameters
    ----------
    data
        Any array; bytes beyond the last whole word of the bus are left out.
    bus_bytes
        Width of the bus: 32 bytes are a sector of a GPU's cache.

    Returns
    -------
    float
        From 0 (always the same word) to 1 (each bit toggles every time); 0.5 on average for random bits.
    """
    import numpy as np

    words = np.frombuffer(np.ascontiguousarray(data).tobytes(), dtype=np.uint8)
    words = words[: len(words) // bus_bytes * bus_bytes].reshape(-1, bus_bytes)
    if len(words) < 2:
        return 0.0
    return float(np.unpackbits(words[1:] ^ words[:-1]).mean())
