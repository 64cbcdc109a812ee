"""The dialects of ByteDMD: what they do with the same trace."""

from __future__ import annotations

from dataclasses import dataclass

from memsim.errors import MemsimError


@dataclass(frozen=True, slots=True)
class Dialect:
    """One set of ByteDMD's rules; the Sutro Group's public tools of autumn 2026 have five.

    Attributes
    ----------
    name
        What users call it.
    version
        The revision of the definition that is followed.
    reverses
        Arguments are pushed from the last to the first; else from the first to the last. Elements of one argument are
        pushed in their own order either way.
    evicts
        A value is on the stack only as long as a read of it is to come, or until the end if it is returned.
    two_stacks
        Arguments wait on a stack of their own: the first read of an element costs its fixed depth there and brings it
        to the working stack. Whatever is returned is read at exit.
    one_by_one
        The reads of one operation are priced one after another, each on the stack that the one before left; else all on
        the stack as it was before the operation.
    """

    name: str
    version: str
    reverses: bool
    evicts: bool
    two_stacks: bool
    one_by_one: bool


DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect("main", "2cc2a62", reverses=True, evicts=True, two_stacks=False, one_by_one=False),
        Dialect("dev", "5676476", reverses=True, evicts=True, two_stacks=True, one_by_one=False),
        Dialect("classic-14", "43e8471", reverses=False, evicts=False, two_stacks=False, one_by_one=False),
        Dialect("l2-live", "autumn 2026", reverses=True, evicts=True, two_stacks=True, one_by_one=True),
        Dialect("l2-classic", "autumn 2026", reverses=True, evicts=False, two_stacks=True, one_by_one=True),
    )
}
"""Every dialect, by name."""


def dialect_named(name: str) -> Dialect:
    """The dialect of a name.

    Raises
    ------
    MemsimError
        If there is none.
    """
    found = DIALECTS.get(name) if isinstance(name, str) else None
    if found is None:
        raise MemsimError(f"{name!r} is no dialect of ByteDMD", where="dialect", mend=f"use {', '.join(DIALECTS)}")
    return found


__all__ = ["DIALECTS", "Dialect", "dialect_named"]
