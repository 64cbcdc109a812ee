"""Prove that regions do not overlap, from their starts alone.

The elements of a region in one dimension are ``sum(factor * atom) + step * i`` for ``0 <= i < size``: a number in a
mixed radix, if each factor exceeds what all smaller ones can add up to. Then the element decides its digits, so two
accesses can only touch the same element if those atoms have the same values in both. Digits found in one dimension
are constants in the next, and ``e // c`` with ``e % c`` give ``e``, which is again such a number. A store whose
digits give back every counter and coordinate writes no element twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memsim.isa.counting import ranges_of
from memsim.isa.expr import Atom, Expr, FloorDiv, Mod, Range, Var
from memsim.isa.model import Region
from memsim.isa.rewriting import simplify
from memsim.isa.sites import Site


@dataclass(frozen=True, slots=True)
class Access:
    """A region that an instruction reads or writes, in every iteration."""

    site: Site
    region: Region
    writes: bool
    starts: tuple[Expr, ...]
    """Simplified within ``ranges``."""
    ranges: Mapping[str, Range]


def access_of(site: Site, region: Region, writes: bool) -> Access | None:
    """The access, or ``None`` if it never happens."""
    ranges = ranges_of(site.nest)
    if ranges is None:
        return None
    return Access(site, region, writes, tuple(simplify(start, ranges) for start in region.starts), ranges)


def writes_once(access: Access, fixed: Iterable[str] = ()) -> bool:
    """Whether no two iterations of a store are sure to meet no element in common; ``fixed`` variables do not vary."""
    known: set[Atom] = {Var(name) for name in fixed}
    known |= {Var(name) for name, (low, high) in access.ranges.items() if low == high}
    numbers = [
        (start.terms, (step, size - 1))
        for start, size, step in zip(access.starts, access.region.sizes, access.region.steps, strict=True)
    ]
    wanted = {Var(name) for name in access.ranges}
    grown = True
    while grown and not wanted <= known:
        before = len(known), len(numbers)
        for terms, tile in numbers:
            known |= _digits(terms, tile, known, access.ranges)
        numbers += [(e.terms, (1, 0)) for e in _whole(known) if (e.terms, (1, 0)) not in numbers]
        grown = (len(known), len(numbers)) != before
    return wanted <= known


def _digits(
    terms: Sequence[tuple[Atom, int]], tile: tuple[int, int], known: set[Atom], ranges: Mapping[str, Range]
) -> set[Atom]:
    """Atoms that a number decides, given those that are known already."""
    digits: list[tuple[int, int, Atom | None]] = [(*tile, None)] if tile[1] else []
    digits += [(abs(factor), _width(atom, ranges), atom) for atom, factor in terms if not _is_known(atom, known)]
    rest = sum(factor * width for factor, width, _ in digits)
    found: set[Atom] = set()
    for factor, width, atom in sorted(digits, key=lambda digit: -digit[0]):
        rest -= factor * width
        if factor <= rest:
            break
        if atom is not None:
            found.add(atom)
    return found


def _width(atom: Atom, ranges: Mapping[str, Range]) -> int:
    low, high = Expr(0, ((atom, 1),)).bounds(ranges)
    return high - low


def _is_known(atom: Atom, known: set[Atom]) -> bool:
    return atom in known or all(Var(name) in known for name in Expr(0, ((atom, 1),)).variables())


def _whole(known: set[Atom]) -> list[Expr]:
    """Each ``e`` of which both ``e // c`` and ``e % c`` are known."""
    return [atom.of for atom in known if isinstance(atom, FloorDiv) and _is_known(Mod(atom.of, atom.by), known)]


# ---- two accesses ----


def never_meet(a: Access, b: Access, fixed: Iterable[str] = ()) -> bool:
    """Whether two accesses of one tensor are sure to meet no element in common; ``fixed`` are the same in both."""
    equal: set[Atom] = {Var(name) for name in fixed}
    while True:
        before = len(equal)
        if any(_apart(a, b, dimension, equal) for dimension in range(len(a.starts))):
            return True
        if len(equal) == before:
            return False


def _apart(a: Access, b: Access, dimension: int, equal: set[Atom]) -> bool:
    """Whether the accesses are apart in one dimension; else add to ``equal`` the atoms that agree wherever they meet.

    Where they meet, ``factor * (atom in a - atom in b)`` is the gap between what else is in the two elements; if that
    is always less than the factor, the atoms are equal.
    """
    first, second = _open_terms(a, b, dimension, equal)
    shared = sorted((atom for atom in first if first[atom] == second.get(atom)), key=lambda atom: -abs(first[atom]))
    for atom in shared:
        factor = abs(first[atom])
        rest = [{other: f for other, f in terms.items() if other != atom} for terms in (first, second)]
        low, high = _gap(a, b, dimension, rest[0], rest[1])
        if max(abs(low), abs(high)) >= factor:
            break
        equal.add(atom)
        first, second = rest
    low, high = _gap(a, b, dimension, first, second)
    return low > 0 or high < 0


def _open_terms(a: Access, b: Access, dimension: int, equal: set[Atom]) -> tuple[dict[Atom, int], dict[Atom, int]]:
    """Terms of the two starts, without those that are the same in both."""
    first, second = dict(a.starts[dimension].terms), dict(b.starts[dimension].terms)
    same = {atom for atom, factor in first.items() if second.get(atom) == factor and _is_known(atom, equal)}
    return (
        {atom: factor for atom, factor in first.items() if atom not in same},
        {atom: factor for atom, factor in second.items() if atom not in same},
    )


def _gap(a: Access, b: Access, dimension: int, first: Mapping[Atom, int], second: Mapping[Atom, int]) -> Range:
    """Range of ``element of b - element of a`` over what is left of the two, tiles included."""
    (a_low, a_high), (b_low, b_high) = _span(a, dimension, first), _span(b, dimension, second)
    return b_low - a_high, b_high - a_low


def _span(access: Access, dimension: int, terms: Mapping[Atom, int]) -> Range:
    low, high = Expr(access.starts[dimension].const, tuple(terms.items())).bounds(access.ranges)
    return low, high + (access.region.sizes[dimension] - 1) * access.region.steps[dimension]
