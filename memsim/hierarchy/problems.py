"""Mistakes in a chip description: raised where a value is read, told as one `ChipError`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from memsim.errors import ChipError

Locate = Callable[[str], str]
"""Turns a dotted path of a chip into the place that a message names."""

_PLAIN_WORDS = {
    "string_type": ("{input} is not text", "write it between quotation marks"),
    "dict_type": ("{input} is not a table", "write a table, such as bf16 = ..."),
    "model_type": ("{input} is not a table of values", "write a table with a value for each key"),
    "bool_type": ("{input} is neither true nor false", "write true or false"),
    "bool_parsing": ("{input} is neither true nor false", "write true or false"),
    "tuple_type": ("{input} is not a list", "write a list between brackets"),
}


def problem(cause: str, mend: str = "", key: str = "") -> PydanticCustomError:
    """An error for a validator to raise: what is wrong, how to mend it, and the key below the place, if any."""
    return PydanticCustomError("chip", "{cause}", {"cause": cause, "mend": mend, "key": key})


def nearest(name: str, known: Iterable[str]) -> str:
    """Advice on an unknown name: the nearest known one if there is one, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return "use one of: " + ", ".join(names) if names else ""


def shown(value: object, limit: int = 60) -> str:
    """The value as a message shows it: Python's notation, cut where it is long."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def chip_error(error: ValidationError, locate: Locate) -> ChipError:
    """One `ChipError` for all that validation found: the first in full, the others in a line each."""
    found = [_explain(dict(e)) for e in error.errors(include_url=False)]
    (path, cause, mend), others = found[0], found[1:]
    for other_path, other_cause, _ in others[:5]:
        cause += f"\n  also {locate(other_path)}: {other_cause}"
    if len(others) > 5:
        cause += f"\n  and {len(others) - 5} more"
    return ChipError(cause, where=locate(path), mend=mend)


def _explain(error: dict[str, Any]) -> tuple[str, str, str]:
    """(dotted path, cause, mend) of one of pydantic's errors."""
    context = error.get("ctx", {})
    path = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "chip":
        key = context["key"]
        return (f"{path}.{key}" if path and key else path or key), context["cause"], context["mend"]
    value = shown(error["input"])
    if error["type"] == "literal_error":
        choices = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return path, f"{value} is not a choice here", nearest(str(error["input"]), choices)
    cause, mend = _PLAIN_WORDS.get(error["type"], ("{input}: " + error["msg"], ""))
    return path, cause.format(input=value), mend
