"""Address maps: which bits of a burst's address choose pseudo-channel, stack ID, bank group, bank, row and column.

A map is text, fields from the highest address bit to the lowest, ``row:bank:group:pc:column``. A field takes all bits
that are left of its kind, or as many as a number after it says (``column2``: the lowest two of the column's). Behind
``^`` stands a field whose bits, from the number on, are XORed in: ``bank^column3``. Without colons the text is one
letter a bit (``r`` row, ``b`` bank, ``g`` group, ``s`` stack ID or rank, ``p`` pseudo-channel, ``c`` column).

Fields that a part has only one of take no bits. The lowest bits of the address, within a burst, are not mapped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memsim.errors import MemsimError
from memsim.hierarchy.dram_parts import DramPart
from memsim.hierarchy.problems import nearest

FIELDS = ("pc", "stack", "group", "bank", "column", "row")
"""The fields of an address, the level of the hierarchy that is nearest to the pins first."""

MAPS = {
    "mop4clxor": "row:column:bank^column{bank}:group^column{group}:stack^column{stack}:pc^column{pc}:column2",
    "lines": "row:bank:stack:column:group:pc:column2",
    "robaracoch": "row:bank:group:stack:pc:column",
    "d3_ddr4_bglow": "row:bank:stack:pc:column:group",
}
"""The maps that have a name. ``mop4clxor``: four bursts of a row, then the next bank, each level XORed with the
column's bits (Ramulator 2.1). ``lines``: four bursts of a row, then the next pseudo-channel and bank group.
``robaracoch``: the column lowest. ``d3_ddr4_bglow``: the bank group lowest."""

_NAMES = {
    name: field
    for field, names in {
        "pc": ("pc", "p"),
        "stack": ("stack", "sid", "rank", "ra", "s"),
        "group": ("group", "bg", "g"),
        "bank": ("bank", "ba", "b"),
        "column": ("column", "col", "co", "c"),
        "row": ("row", "ro", "r"),
        "channel": ("channel", "ch"),
    }.items()
    for name in names
}
_TERM = re.compile(r"([a-z]+)(\d*)(?:\^([a-z]+)(\d*))?")
_SYNTAX = "write fields from the highest bit down, such as row:bank:group:pc:column, or a name: " + ", ".join(MAPS)


@dataclass(frozen=True)
class AddressMap:
    """For each field, the address bits that are XORed into each of its bits: masks over the number of a burst."""

    text: str
    masks: dict[str, tuple[int, ...]]

    def fields(self, bursts: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
        """The value of each field, for numbers of bursts (addresses over bytes of a burst)."""
        return {field: _gather(bursts, masks) for field, masks in self.masks.items()}


def widths(part: DramPart) -> dict[str, int]:
    """Address bits of each field of a part."""
    sizes = (part.pseudo_channels, part.stacks, part.bank_groups, part.banks, part.row_bursts, part.rows)
    for field, size in zip(FIELDS, sizes, strict=True):
        if size & (size - 1):
            raise MemsimError(f"{size} is not a power of two", where=f"{part.name}.{field}", mend="change the part")
    return {field: size.bit_length() - 1 for field, size in zip(FIELDS, sizes, strict=True)}


def address_map(text: str, part: DramPart) -> AddressMap:
    """Read a map by its name or its text (see this module) for a part.

    Raises
    ------
    MemsimError
        If the text is no map, or does not place each bit of the part exactly once.
    """
    width = widths(part)
    spelled = MAPS.get(text.lower(), text.lower()).format_map(_offsets(width)) if text.lower() in MAPS else text.lower()
    terms = spelled.split(":") if ":" in spelled else list(spelled)
    places: dict[str, list[int]] = {field: [] for field in FIELDS}
    xors: dict[str, tuple[str, int]] = {}
    position = 0
    parsed = [_term(term, text) for term in terms]
    taken = {field: sum(count or 0 for name, count, _ in parsed if name == field) for field in FIELDS}
    for field, count, xor in reversed(parsed):
        if field == "channel":
            continue
        bits = width[field] - taken[field] if count is None else count
        places[field] += range(position, position + max(bits, 0))
        position += max(bits, 0)
        if xor is not None:
            xors[field] = xor
    _check(places, width, text)
    found = AddressMap(text, {field: _masks(field, places, xors) for field in FIELDS})
    if not _is_one_to_one([mask for masks in found.masks.values() for mask in masks]):
        raise MemsimError(
            f"the map {text!r} gives two addresses the same place",
            where="map",
            mend="let no fields be XORed in a circle",
        )
    return found


def _is_one_to_one(masks: list[int]) -> bool:
    """Whether sets of bits that are XORed tell all addresses apart: whether they are independent (over GF(2))."""
    basis: list[int] = []
    for mask in masks:
        for known in basis:
            mask = min(mask, mask ^ known)
        if mask == 0:
            return False
        basis.append(mask)
    return True


def _offsets(width: dict[str, int]) -> dict[str, int]:
    """From which bit of the column each level takes the bits that it is XORed with: one level after the other."""
    order = ("pc", "stack", "group", "bank")
    return {field: sum(width[other] for other in order[:i]) for i, field in enumerate(order)}


def _term(term: str, text: str) -> tuple[str, int | None, tuple[str, int] | None]:
    match = _TERM.fullmatch(term.strip())
    names = [name for name in (match[1], match[3]) if name] if match else [term]
    unknown = next((name for name in names if name not in _NAMES), None)
    if match is None or unknown is not None:
        known = nearest(text, MAPS) if ":" not in text else nearest(unknown or term, _NAMES)
        raise MemsimError(f"no address map {text!r}", where="map", mend=f"{known}; {_SYNTAX}")
    count = int(match[2]) if match[2] else (None if len(term) > 1 else 1)
    xor = (_NAMES[match[3]], int(match[4] or 0)) if match[3] else None
    return _NAMES[match[1]], count, xor


def _check(places: dict[str, list[int]], width: dict[str, int], text: str) -> None:
    for field in FIELDS:
        if len(places[field]) != width[field]:
            raise MemsimError(
                f"the map {text!r} places {len(places[field])} bits of the {field}, the part has {width[field]}",
                where="map",
                mend=_SYNTAX,
            )


def _masks(field: str, places: dict[str, list[int]], xors: dict[str, tuple[str, int]]) -> tuple[int, ...]:
    other, start = xors.get(field, (field, len(places[field])))
    mixed = places[other][start:]
    return tuple(1 << place | (1 << mixed[bit] if bit < len(mixed) else 0) for bit, place in enumerate(places[field]))


def _gather(bursts: npt.NDArray[np.int64], masks: tuple[int, ...]) -> npt.NDArray[np.int64]:
    value = np.zeros_like(bursts)
    for bit, mask in enumerate(masks):
        low, rest = mask & -mask, mask & (mask - 1)
        found = bursts >> (low.bit_length() - 1) & 1
        if rest:
            found ^= bursts >> (rest.bit_length() - 1) & 1
        value |= found << bit
    return value
