"""Checks a document against the JSON Schema, and says in words where and how it differs.

The statements are walked here and not by the schema's own recursion, which is slow and would exhaust the
stack on deep loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from memsim.errors import ProgramError
from memsim.isa._json_schema import DEFINITIONS, JSON_SCHEMA, STATEMENTS, Schema
from memsim.isa.lexical import MAX_NESTING, nearest, shorten

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

DEEPEST = 8 * MAX_NESTING
"""Containers within containers: loops take two levels each, an expression up to four."""

_SHALLOW: Mapping[str, Schema] = {
    **DEFINITIONS,
    "expression": {},  # checked when it is read
    "body": {"type": "array"},
}
_TYPES = {
    "array": "a list",
    "object": "an object",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
}


def check_schema(document: Any) -> None:
    """Raise a `ProgramError` at the first place where ``document`` differs from the schema."""
    _check_depth(document)
    _check(_validator("program"), document, "$")
    pending = [*_queue_bodies(document)][::-1]
    while pending:
        path, statement = pending.pop()
        kind = statement.get("kind") if isinstance(statement, dict) else None
        known = isinstance(kind, str) and kind in STATEMENTS
        _check(_validator(kind if known else "statement"), statement, path)
        if kind == "loop":
            pending += [(f"{path}.body[{i}]", inner) for i, inner in enumerate(statement["body"])][::-1]


def _queue_bodies(document: Any) -> Iterator[tuple[str, Any]]:
    for k, kernel in enumerate(document["kernels"]):
        for g, group in enumerate(kernel["groups"]):
            for q, queue in enumerate(group["queues"]):
                for i, statement in enumerate(queue["body"]):
                    yield f"$.kernels[{k}].groups[{g}].queues[{q}].body[{i}]", statement


def _check_depth(document: Any) -> None:
    level = [document] if isinstance(document, (dict, list)) else []
    for _ in range(DEEPEST):
        inner = [item for holder in level for item in (holder.values() if isinstance(holder, dict) else holder)]
        level = [*{id(item): item for item in inner if isinstance(item, (dict, list))}.values()]
        if not level:
            return
    mend = f"loops and expressions nest at most {MAX_NESTING} deep"
    raise ProgramError(f"values nest more than {DEEPEST} deep", where="$", mend=mend)


@cache
def _validator(name: str | None) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    schema = JSON_SCHEMA if name == "program" else _SHALLOW[name or "statement"]
    if name == "statement":  # only asked where the kind is wrong
        schema = {key: part for key, part in schema.items() if key != "allOf"}
    return Draft202012Validator(_inline({key: part for key, part in schema.items() if key != "$defs"}))


def _inline(schema: Any) -> Any:
    """``schema`` with each reference replaced by the (shallow) definition."""
    if isinstance(schema, list):
        return [_inline(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(_SHALLOW[schema["$ref"].removeprefix("#/$defs/")])
    return {key: _inline(part) for key, part in schema.items()}


def _check(validator: Draft202012Validator, value: Any, path: str) -> None:
    try:
        error = next(validator.iter_errors(value), None)
    except ValueError:  # from Python, which writes no integer of more than 4300 digits into a message
        raise ProgramError("a number has too many digits", where=path) from None
    if error is not None:
        cause, mend = _explain(error)
        raise ProgramError(cause, where=path + error.json_path.removeprefix("$"), mend=mend)


def _explain(error: ValidationError) -> tuple[str, str]:
    explain = _EXPLANATIONS.get(str(error.validator))
    return explain(error.instance, error.validator_value, error.schema) if explain else (error.message, "")


def _explain_type(value: Any, expected: Any, _: Any) -> tuple[str, str]:
    kinds = [_TYPES[kind] for kind in ([expected] if isinstance(expected, str) else expected)]
    return f"expected {' or '.join(kinds)}, found {describe(value)}", ""


def _explain_enum(value: Any, known: Any, _: Any) -> tuple[str, str]:
    return f"unknown value {describe(value)}", nearest(str(value), known)


def _explain_required(value: Any, names: Any, _: Any) -> tuple[str, str]:
    missing = next(name for name in names if name not in value)
    return f"`{missing}` is missing", f"add `{missing}`"


def _explain_extra(value: Any, _: Any, schema: Any) -> tuple[str, str]:
    extra = next(str(name) for name in value if name not in schema["properties"])
    return f"unknown key `{shorten(extra)}`", nearest(extra, schema["properties"])


def _explain_const(value: Any, expected: Any, _: Any) -> tuple[str, str]:
    return f"expected {expected!r}, found {describe(value)}", ""


_EXPLANATIONS: Mapping[str, Callable[[Any, Any, Any], tuple[str, str]]] = {
    "type": _explain_type,
    "enum": _explain_enum,
    "required": _explain_required,
    "additionalProperties": _explain_extra,
    "const": _explain_const,
    "minimum": lambda value, least, _: (f"must be at least {least}, found {describe(value)}", ""),
    "maximum": lambda value, most, _: (f"must be at most {most}, found {describe(value)}", ""),
    "minItems": lambda value, least, _: (f"needs {least} items, found {len(value)}", ""),
    "maxItems": lambda value, most, _: (f"takes {most} items, found {len(value)}", ""),
    "maxLength": lambda value, most, _: (f"{describe(value)} is longer than {most} characters", ""),
    "pattern": lambda value, _, __: (
        f"{describe(value)} is not a name",
        "begin with a letter or `_`, go on with letters, digits, `_` or `.`",
    ),
}


def describe(value: Any) -> str:
    """``value`` for a message, containers only by their kind."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) > 10**40:
        return "a number of more than 40 digits"
    return shorten(repr(value))
