"""Chips that differ from another one at a few dotted keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import ValidationError

from memsim.errors import ChipError
from memsim.hierarchy.part import Part, keys_of, values_of
from memsim.hierarchy.problems import chip_error, nearest, shown
from memsim.hierarchy.technology import Technology

if TYPE_CHECKING:
    from memsim.hierarchy.chip import Chip


def replace(chip: Chip, changes: Mapping[str, object]) -> Chip:
    """An equal chip but for the values at some dotted keys; their sources then say that they were changed."""
    values = values_of(chip)
    if isinstance(chip.technology, str) and any(str(path).startswith("technology.") for path in changes):
        values["technology"] = {"base": chip.technology}
    keys, tables = set(keys_below(chip)), set(_open_tables(chip))
    for path, value in changes.items():
        if path not in keys and str(path).rpartition(".")[0] not in tables:
            raise _unknown(chip, str(path), keys)
        _put(values, path.split("."), value)
    if chip.sources and "sources" not in changes:
        values["sources"] = _sources_after(chip.sources, changes)
    try:
        return type(chip).model_validate(values)
    except ValidationError as e:
        failed = chip_error(e, lambda path: f"{chip.name}: {path}" if path else chip.name)
    raise failed


def _sources_after(sources: Mapping[str, str], changes: Mapping[str, object]) -> dict[str, str]:
    """Sources of what is left as it was, and a note on what is not."""
    kept = dict(sources)
    for path, value in changes.items():
        inside = [key for key in kept if key.startswith(f"{path}.")]
        for key in inside:
            del kept[key]
        if value is not None and (inside or covering(path, kept)):
            kept[path] = "changed by the user"
    return kept


def _put(values: dict[str, Any], path: list[str], value: object) -> None:
    """Set a nested value, with tables copied on the way, so that the chip's own stay as they are."""
    key, *rest = path
    if not rest:
        values[key] = value
        return
    values[key] = dict(values.get(key) or {})
    _put(values[key], rest, value)


def _unknown(chip: Chip, path: str, keys: set[str]) -> ChipError:
    part = path.partition(".")[0]
    if part in keys and getattr(chip, part, "") is None:
        return ChipError(f"chip {chip.name} has no {part}", where=path, mend=f"replace {part} with a whole table")
    return ChipError(f"chip {chip.name} has no key {shown(path)}", where=path, mend=nearest(path, keys))


def covering(path: str, sources: Mapping[str, str]) -> str | None:
    """The key under which the source of a number stands: its own, or that of a table around it."""
    while path and path not in sources:
        path = path.rpartition(".")[0]
    return path or None


def keys_below(part: Part, prefix: str = "") -> Iterator[str]:
    """Dotted keys of a part and all parts in it, with the entries of their dictionaries."""
    for key, name in keys_of(type(part)).items():
        yield prefix + key
        value = getattr(part, name)
        if name == "technology" and isinstance(value, str):
            value = Technology()  # a name stands for one, and any of its numbers may change
        if isinstance(value, Part):
            yield from keys_below(value, f"{prefix}{key}.")
        elif isinstance(value, dict):
            yield from (f"{prefix}{key}.{inner}" for inner in value)


def _open_tables(part: Part, prefix: str = "") -> Iterator[str]:
    """Dotted keys of the dictionaries, which take new entries."""
    for key, name in keys_of(type(part)).items():
        value, kind = getattr(part, name), type(part).model_fields[name].annotation
        if name == "technology" and isinstance(value, str):
            value = Technology()
        if isinstance(value, Part):
            yield from _open_tables(value, f"{prefix}{key}.")
        elif dict in (get_origin(kind), *(get_origin(choice) for choice in get_args(kind))):
            yield prefix + key
