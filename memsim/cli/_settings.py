"""``--set key=value``: which settings are parameters of the workload and which change the chip."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from memsim.errors import MemsimError

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Take ``key=value`` texts apart; a key given twice is an error."""
    settings: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not key or not value.strip():
            raise MemsimError(f"{pair!r} is not key=value", where="--set", mend="write for example --set m=4096")
        if key in settings:
            raise MemsimError(
                f"{key} is set twice, to {settings[key]!r} and to {value.strip()!r}", where="--set", mend="keep one"
            )
        settings[key] = value.strip()
    return settings


def split_settings(
    settings: Mapping[str, str], parameters: Mapping[str, Any], chip_keys: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sort settings into workload parameters (converted to their type) and changes of the chip.

    Parameters
    ----------
    settings
        Texts by key.
    parameters
        Default of each workload parameter: its type is the parameter's type.
    chip_keys
        Names of the chip's top-level fields.
    """
    chosen: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    chip_names = set(chip_keys)
    for key, text in settings.items():
        if key in parameters:
            chosen[key] = convert(key, text, parameters[key])
        elif key.split(".")[0] in chip_names:
            changes[key] = toml_value(text)
        else:
            raise _unknown(key, [*parameters, *chip_names])
    return chosen, changes


def toml_value(text: str) -> Any:
    """The value as a chip file would have it: a number, a list, a table; anything else is text, such as ``512 KiB``."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def convert(key: str, text: str, like: Any) -> Any:
    """The value of ``text`` as the type of ``like``: bool, int, float or str."""
    if isinstance(like, bool):
        if text.lower() not in _BOOLEANS:
            raise _bad_value(key, text, "true or false", str(like).lower())
        return _BOOLEANS[text.lower()]
    if isinstance(like, int):
        return _number(int, key, text, "a whole number", like)
    if isinstance(like, float):
        return _number(float, key, text, "a number", like)
    return text


def _number(kind: type[int] | type[float], key: str, text: str, noun: str, like: float) -> int | float:
    try:
        value = kind(text)
    except ValueError:
        raise _bad_value(key, text, noun, str(like)) from None
    if not math.isfinite(value):
        raise _bad_value(key, text, noun, str(like))
    return value


def _bad_value(key: str, text: str, noun: str, example: str) -> MemsimError:
    return MemsimError(
        f"{key} takes {noun}, found {text!r}", where=f"--set {key}", mend=f"give for example --set {key}={example}"
    )


def _unknown(key: str, names: Sequence[str]) -> MemsimError:
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5) or difflib.get_close_matches(
        key.split(".")[0], names, n=1, cutoff=0.5
    )
    listed = ", ".join(sorted(names))
    return MemsimError(
        f"nothing is called {key!r}: it is neither a parameter of the workload nor a key of the chip",
        where=f"--set {key}",
        mend=f"did you mean {near[0]!r}?" if near else f"choose from {listed}",
    )
