"""How often the bits of a wire toggle, counted on data: the value of a chip's ``toggle``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


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
