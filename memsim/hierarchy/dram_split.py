"""Energy of a DRAM access by its steps: activation of a row, way through the device, input and output."""

from __future__ import annotations

from typing import NamedTuple

from memsim.hierarchy.wires import RANDOM


class DramSplit(NamedTuple):
    """What the steps of an access cost."""

    activation_pj: float
    """Of a row, with its precharge."""
    access_bits: int
    """Bits of one access: a burst."""
    move: float
    """pJ/bit from the sense amplifiers to the pins."""
    io: float
    """pJ/bit of the pins with random data; it goes with the toggle."""
    ecc: float = 0.0
    """pJ/bit of error correction."""

    def activation(self, hit_share: float) -> float:
        """pJ/bit of activations, when a share of accesses hits an open row."""
        return (1 - hit_share) * self.activation_pj / self.access_bits

    def pj_per_bit(self, hit_share: float, toggle: float = RANDOM) -> float:
        """pJ/bit of an access, by the share of accesses that hit an open row and the transitions a bit."""
        return self.activation(hit_share) + self.move + self.io * toggle / RANDOM + self.ecc


HBM2 = DramSplit(activation_pj=909, access_bits=256, move=2.24, io=0.8, ecc=0.17)
"""O'Connor et al., Fine-Grained DRAM, MICRO-50 2017: 909 pJ for a row of 1 KB, 2.24 pJ/bit inside, 0.8 pJ/bit of I/O
with half of the bits toggling. Their 3.92 pJ/bit are 1.21 + 2.24 + 0.30 and the rest of 0.17, which stands for error
correction: over their applications, 66 % of accesses hit a row and 0.19 transitions a bit pass the pins."""
