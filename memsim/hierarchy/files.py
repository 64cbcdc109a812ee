"""Chip files: TOML in and out, and presets. Reading one runs no code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from memsim.errors import ChipError
from memsim.hierarchy.part import Part, keys_of
from memsim.hierarchy.problems import chip_error, nearest
from memsim.hierarchy.units import Quantity, text_of

_Read = TypeVar("_Read", bound=Part)
_LARGEST_FILE = 1 << 20


def read_file(kind: type[_Read], path: Path, folder: str = "chips") -> _Read:
    """Read a chip from a file (or, from another folder of presets, what is described in the same way)."""
    examples = ", ".join(preset_names(folder)[:4])
    mend = f"give the path of a {folder[:-1]} file, or the name of a preset, such as {examples}"
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ChipError(f"the file is larger than {_LARGEST_FILE} bytes", where=str(path), mend=mend)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ChipError("there is no such file", where=str(path), mend=mend) from None
    except UnicodeDecodeError:
        raise ChipError("the file is not UTF-8 text", where=str(path), mend=mend) from None
    except OSError as e:
        raise ChipError(f"the file cannot be read: {e.strerror or e}", where=str(path), mend=mend) from None
    return read_text(kind, text, str(path))


def read_text(kind: type[_Read], text: str, file: str) -> _Read:
    """Read a chip from the text of a file."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ChipError(
            f"not TOML: {e}", where=file, mend='write key = "value" lines under [table] headings (https://toml.io)'
        ) from None
    except RecursionError:
        raise ChipError("not TOML: nested too deeply", where=file, mend="use [table] headings") from None
    lines = dict(_key_lines(text))
    try:
        return kind.model_validate(data, context={"file": file or "text"})
    except ValidationError as e:
        failed = chip_error(e, lambda path: _place(path, file, lines))
    raise failed


def _place(path: str, file: str, lines: Mapping[str, int]) -> str:
    known = path
    while known and known not in lines:
        known = known.rpartition(".")[0]
    line = f"line {lines[known]}" if known else ""
    return ": ".join(part for part in (file, line, path) if part)


def _key_lines(text: str) -> Iterator[tuple[str, int]]:
    """(dotted key, line number) of the tables and keys of a TOML text, as far as a line tells."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if bare.startswith("["):
            table = bare.strip("[]").replace('"', "").strip()
            yield table, number
        elif "=" in bare and not bare.startswith("#"):
            key = bare.partition("=")[0].strip().replace('"', "").replace(" ", "")
            yield (f"{table}.{key}" if table else key), number


# Presets ---------------------------------------------------------------------------------------------------------


def preset_names(folder: str = "chips") -> tuple[str, ...]:
    """Names of the packaged files in a folder."""
    files = (resources.files("memsim.hierarchy") / folder).iterdir()
    return tuple(sorted(p.name.removesuffix(".toml") for p in files if p.name.endswith(".toml")))


def read_preset(kind: type[_Read], name: str, folder: str = "chips") -> _Read:
    """Read a packaged file."""
    if name not in preset_names(folder):
        raise ChipError(f"unknown preset {name!r}", mend=_nearest_preset(str(name), preset_names(folder)))
    path = resources.files("memsim.hierarchy") / folder / f"{name}.toml"
    return read_text(kind, path.read_text(encoding="utf-8"), f"{name}.toml")


def _nearest_preset(name: str, presets: tuple[str, ...]) -> str:
    """Advice on the presets that share most words with a name as makers write it, such as ``A100-SXM4-40GB``."""
    words = _words(name)
    shared = {preset: len(words & _words(preset)) for preset in presets}
    near = [preset for preset, count in shared.items() if count and count == max(shared.values())]
    if len(near) > 1:
        return "did you mean one of: " + ", ".join(near)
    return f"did you mean {near[0]!r}?" if near else nearest(name, presets)


def _words(name: str) -> set[str]:
    """Words of a name in lower case, without the numbers and units that makers hang on them: SXM4, 40GB."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    return {re.sub(r"^(\d+)gb$", r"\1", re.sub(r"^(sxm|pcie)\d$", r"\1", word)) for word in words}


# Writing --------------------------------------------------------------------------------------------


def write(chip: Part) -> str:
    """The text of a chip file."""
    import tomlkit

    return tomlkit.dumps(_table(chip))


def _table(part: Part) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, name in keys_of(type(part)).items():
        value = getattr(part, name)
        if value is None or name not in part.model_fields_set:
            continue
        quantity = quantity_of(type(part), name)
        if isinstance(value, Part):
            table[key] = _table(value)
        elif name == "links" and isinstance(value, tuple):
            table[key] = [_table(link) for link in value]
        elif isinstance(value, dict):
            table[key] = {k: text_of(v, quantity) for k, v in value.items()}
        else:
            table[key] = text_of(value, quantity)
    return table


def quantity_of(part: type[Part], name: str) -> Quantity | None:
    """The kind of quantity that a field holds, if any."""
    field = part.model_fields[name]
    return next(iter(_quantities([*field.metadata, field.annotation])), None)


def _quantities(items: list[Any]) -> Iterator[Quantity]:
    for item in items:
        if isinstance(item, Quantity):
            yield item
        yield from _quantities([*getattr(item, "__metadata__", ()), *get_args(item)])
