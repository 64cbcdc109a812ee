"""The Mersenne twister of 64 bits, as C++'s ``std::mt19937_64``, so that a stimulus compares with other simulators'.

Nishimura, Tables of 64-bit Mersenne twisters, ACM TOMACS 10(4), 2000; constants of the C++ standard, rand.predef.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memsim.compiled import compiled

WORDS, MIDDLE = 312, 156
_MATRIX = np.uint64(0xB5026F5AA96619E9)
_UPPER, _LOWER = np.uint64(0xFFFFFFFF80000000), np.uint64(0x7FFFFFFF)
_SEEDING = np.uint64(6364136223846793005)
_MASK_1, _MASK_2, _MASK_3 = np.uint64(0x5555555555555555), np.uint64(0x71D67FFFEDA60000), np.uint64(0xFFF7EEE000000000)
_ONE, _17, _29, _37, _43, _62 = (np.uint64(n) for n in (1, 17, 29, 37, 43, 62))


def random_words(count: int, seed: int = 12345) -> npt.NDArray[np.uint64]:
    """The first ``count`` numbers of the generator with that seed."""
    return _generate(count, np.uint64(seed))


@compiled
def _generate(count: int, seed: np.uint64) -> npt.NDArray[np.uint64]:
    state = np.empty(WORDS, dtype=np.uint64)
    state[0] = seed
    for i in range(1, WORDS):
        state[i] = _SEEDING * (state[i - 1] ^ (state[i - 1] >> _62)) + np.uint64(i)
    out = np.empty(count, dtype=np.uint64)
    at = WORDS
    for n in range(count):
        if at == WORDS:
            at = 0
            for i in range(WORDS):
                x = (state[i] & _UPPER) | (state[(i + 1) % WORDS] & _LOWER)
                mixed = state[(i + MIDDLE) % WORDS] ^ (x >> _ONE)
                state[i] = mixed ^ _MATRIX if x & _ONE else mixed
        y = state[at]
        at += 1
        y ^= (y >> _29) & _MASK_1
        y ^= (y << _17) & _MASK_2
        y ^= (y << _37) & _MASK_3
        out[n] = y ^ (y >> _43)
    return out
