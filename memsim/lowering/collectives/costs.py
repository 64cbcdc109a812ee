"""What collectives cost in the textbook: a message of n bytes takes alpha + n beta, a reduction gamma for each byte.

Thakur, Rabenseifner and Gropp, Optimization of Collective Communication Operations in MPICH, Int. J. High Performance
Computing Applications 19(1), 2005; trees: Chan et al., Collective Communication, CCPE 19(13), 2007.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple, TypeAlias

Number: TypeAlias = int | float | Fraction


class Terms(NamedTuple):
    """Messages one after another, and the bytes sent and reduced one after another, as shares of the vector."""

    messages: int
    sent: Fraction
    reduced: Fraction

    def time(self, size: Number, alpha: Number, beta: Number, gamma: Number = 0) -> Number:
        """Time for a vector of ``size`` bytes, in the unit of alpha."""
        return self.messages * alpha + self.sent * size * beta + self.reduced * size * gamma


def terms(operation: str, algorithm: str, chips: int) -> Terms:
    """The textbook's cost of an algorithm on chips whose links do not disturb each other."""
    levels = (chips - 1).bit_length()
    share = Fraction(chips - 1, chips)
    none = Fraction(0)
    match operation, algorithm:
        case "all_reduce", "ring":
            return Terms(2 * (chips - 1), 2 * share, share)
        case "all_reduce", "halving_doubling":
            return Terms(2 * levels, 2 * share, share)
        case "all_reduce", "direct":
            return Terms(2, 2 * share, share)
        case "all_reduce", "tree":
            return Terms(2 * levels, Fraction(2 * levels), Fraction(levels))
        case "reduce_scatter", _:
            return Terms(chips - 1, share, share)
        case (("all_gather" | "all_to_all"), _):
            return Terms(chips - 1, share, none)
        case "reduce", _:
            return Terms(levels, Fraction(levels), Fraction(levels))
        case "broadcast", "multicast":
            return Terms(1, Fraction(1), none)
    return Terms(levels, Fraction(levels), none)


def bus_factor(operation: str, chips: int) -> Fraction:
    """Bytes that every link must carry at least, over those of the vector: NCCL's bus bandwidth is this over time."""
    share = Fraction(chips - 1, chips)
    return {"all_reduce": 2 * share, "broadcast": Fraction(1), "reduce": Fraction(1)}.get(operation, share)
