"""The published JSON form of programs with loops, ``sutro-affine-v4``.

From its public documentation (the Sutro Group, autumn 2026). Ours besides, each optional: ``base`` and ``role`` of a
region, for explicit placement and for Model 1; the operations of instruction sets 1 and 3 (``and``, ``or``, ``not``,
``xor``, ``div``, ``abs``); and numbers from -128 on in ``set``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from memsim.errors import Location, ProgramError
from memsim.isa.lexical import nearest, shorten
from memsim.locality.loops.checks import GREATEST_LITERAL, LEAST_LITERAL, MAX_NESTING, NAME, check_bound
from memsim.locality.loops.model import ROLES, Loop, LoopProgram, Operation, Ref, Region, Statement
from memsim.locality.scalar.dally2 import HALF_DIAMOND
from memsim.locality.scalar.instructions import BY_NAME, PREDICATES

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

FORMAT = "sutro-affine-v4/0.1"
"""What a document calls itself."""

NOTES = ("model_spec_commit", "arithmetic")
"""Optional keys that are kept, whatever they say, and change no score."""

Schema = dict[str, Any]

_NAME: Schema = {"type": "string", "pattern": f"^{NAME}$"}
_INTEGER: Schema = {"type": "integer"}


def _object(required: Schema, optional: Schema | None = None) -> Schema:
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


_REF = _object(
    {"region": _NAME}, {"offset": _INTEGER, "coefficients": {"type": "object", "additionalProperties": _INTEGER}}
)
_REGION = _object(
    {"name": _NAME, "words": {"type": "integer", "minimum": 1}},
    {"base": {"type": "integer", "minimum": 1}, "role": {"enum": [*ROLES]}},
)
_OPERATION = _object(
    {"op": {"enum": [*BY_NAME]}},
    {
        "dst": {"anyOf": [{"$ref": "#/$defs/ref"}, {"type": "null"}]},
        "src": {"type": "array", "items": {"$ref": "#/$defs/ref"}},
        "imm": {"type": "integer", "minimum": LEAST_LITERAL, "maximum": GREATEST_LITERAL},
        "predicate": {"enum": [*PREDICATES]},
    },
)
_LOOP = _object(
    {
        "loop": _NAME,
        "count": {"type": "integer", "minimum": 0},
        "body": {"type": "array", "items": {"$ref": "#/$defs/statement"}},
    },
    {"start": _INTEGER},
)

JSON_SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A program with loops, sutro-affine-v4",
    **_object(
        {
            "format": {"const": FORMAT},
            "regions": {"type": "array", "items": {"$ref": "#/$defs/region"}},
            "body": {"type": "array", "items": {"$ref": "#/$defs/statement"}},
        },
        {"placement": {"const": HALF_DIAMOND}, **{key: {} for key in NOTES}},
    ),
    "$defs": {
        "region": _REGION,
        "ref": _REF,
        "operation": _OPERATION,
        "loop": _LOOP,
        "statement": {
            "if": {"required": ["loop"]},
            "then": {"$ref": "#/$defs/loop"},
            "else": {"$ref": "#/$defs/operation"},
        },
    },
}
"""JSON Schema (draft 2020-12) of what `to_json` writes and `from_json` reads."""


def to_json(program: LoopProgram) -> dict[str, Any]:
    """The document of a program; `from_json` reads it back to an equal program."""
    regions = []
    for region in program.regions:
        entry: dict[str, Any] = {"name": region.name, "words": region.words}
        if region.base is not None:
            entry["base"] = region.base
        if region.role != "none":
            entry["role"] = region.role
        regions.append(entry)
    body = [_statement_json(statement) for statement in program.body]
    return {"format": FORMAT, **dict(program.notes), "placement": HALF_DIAMOND, "regions": regions, "body": body}


def from_json(document: str | bytes | Mapping[str, Any], file: str | None = None) -> LoopProgram:
    """Read a program from its JSON form.

    Parameters
    ----------
    document
        The text of the document, or what it says as dictionaries and lists.
    file
        Its name, for messages.

    Raises
    ------
    ProgramError
        Names the path, such as ``body[3].body[0].src[1]``, the cause and the mend.
    """
    data = _loaded(document, file) if isinstance(document, (str, bytes)) else document
    try:
        return _program(data)
    except ProgramError as error:
        if file is None:
            raise
        raise ProgramError(error.cause, where=f"{file}: {error.where}", mend=error.mend) from None


def _program(data: Any) -> LoopProgram:
    _check("program", data, "")
    regions = []
    for i, entry in enumerate(data["regions"]):
        where = f"regions[{i}]"
        _check("region", entry, where)
        regions.append(Region(entry["name"], entry["words"], entry.get("role", "none"), entry.get("base"), where))
    body = tuple(_statement(entry, f"body[{i}]", ()) for i, entry in enumerate(data["body"]))
    return LoopProgram(tuple(regions), body, tuple((key, data[key]) for key in data if key in NOTES))


def _loaded(text: str | bytes, file: str | None) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        place = Location(error.lineno, error.colno, file)
        raise ProgramError(f"the text is no JSON: {error.msg}", where=place, mend="check commas and quotes") from None
    except (RecursionError, UnicodeDecodeError, ValueError) as error:
        cause = f"the text is no JSON that can be read: {error}"
        raise ProgramError(cause, where=file or "", mend="write UTF-8, and each key once") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key `{shorten(twice)}` stands twice in an object")
    return found


def _statement_json(statement: Statement) -> dict[str, Any]:
    if isinstance(statement, Loop):
        body = [_statement_json(inner) for inner in statement.body]
        return {"loop": statement.name, "start": statement.start, "count": statement.count, "body": body}
    entry: dict[str, Any] = {"op": statement.kind.name}
    if statement.dst is not None:
        entry["dst"] = _ref_json(statement.dst)
    if statement.src:
        entry["src"] = [_ref_json(ref) for ref in statement.src]
    if statement.kind.takes == "integer":
        entry["imm"] = statement.immediate
    elif statement.kind.takes == "predicate":
        entry["predicate"] = statement.predicate
    return entry


def _ref_json(ref: Ref) -> dict[str, Any]:
    return {"region": ref.region, "offset": ref.offset, "coefficients": dict(ref.coefficients)}


def _statement(entry: Any, path: str, bound: tuple[str, ...]) -> Statement:
    is_loop = isinstance(entry, dict) and "loop" in entry
    _check("loop" if is_loop else "operation", entry, path)
    if not is_loop:
        return _operation(entry, path, bound)
    if len(bound) >= MAX_NESTING:
        raise ProgramError(f"loops nest more than {MAX_NESTING} deep", where=path, mend="merge loops")
    names = (*bound, entry["loop"])
    body = tuple(_statement(inner, f"{path}.body[{i}]", names) for i, inner in enumerate(entry["body"]))
    return Loop(entry["loop"], entry.get("start", 0), entry["count"], body, path)


def _operation(entry: dict[str, Any], path: str, bound: tuple[str, ...]) -> Operation:
    kind = BY_NAME[entry["op"]]
    for key, takes in (("imm", "integer"), ("predicate", "predicate")):
        if key in entry and kind.takes != takes:
            raise ProgramError(f"`{kind.name}` takes no `{key}`", where=f"{path}.{key}", mend="leave it out")
    if kind.takes == "integer" and "imm" not in entry:
        raise ProgramError("`set` without `imm`", where=path, mend='add the number, such as `"imm": 0`')
    dst = entry.get("dst")
    target = None if dst is None else _ref(dst, f"{path}.dst", bound)
    sources = tuple(_ref(ref, f"{path}.src[{i}]", bound) for i, ref in enumerate(entry.get("src", ())))
    immediate = PREDICATES.index(entry.get("predicate", "lt")) if kind.takes == "predicate" else entry.get("imm", 0)
    return Operation(kind.op, target, sources, immediate, path)


def _ref(entry: dict[str, Any], path: str, bound: tuple[str, ...]) -> Ref:
    _check("ref", entry, path)
    coefficients = entry.get("coefficients", {})
    for name in coefficients:
        check_bound(name, bound, path)
    return Ref(entry["region"], entry.get("offset", 0), tuple(coefficients.items()), path)


@cache
def _validator(name: str) -> Draft202012Validator:
    """The schema of one kind of object, its parts by kind only: they are checked when they are read."""
    from jsonschema import Draft202012Validator

    schema = JSON_SCHEMA if name == "program" else JSON_SCHEMA["$defs"][name]
    return Draft202012Validator(_shallow({key: part for key, part in schema.items() if key != "$defs"}))


def _shallow(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_shallow(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {} if "$ref" in schema else {key: _shallow(part) for key, part in schema.items()}


def _check(name: str, value: Any, path: str) -> None:
    error = next(iter(_validator(name).iter_errors(value)), None)
    if error is not None:
        cause, mend = _explain(error)
        inner = error.json_path.removeprefix("$")
        raise ProgramError(cause, where=(path + inner).removeprefix(".") or "document", mend=mend)


def _explain(error: ValidationError) -> tuple[str, str]:
    """Cause and mend of what differs from the schema."""
    found: Any = error.instance
    rule = error.validator
    wanted: Any = error.validator_value
    shown = "an object" if isinstance(found, dict) else "a list" if isinstance(found, list) else shorten(repr(found))
    if rule == "required":
        missing = next(name for name in wanted if name not in found)
        return f"`{missing}` is missing", f"add `{missing}`"
    if rule == "additionalProperties" and isinstance(wanted, bool):
        schema: Any = error.schema
        extra = next(str(name) for name in found if name not in schema["properties"])
        return f"unknown key `{shorten(extra)}`", nearest(extra, schema["properties"])
    if rule == "enum":
        return f"unknown value {shown}", nearest(str(found), wanted)
    kinds = {"object": "an object", "array": "a list", "integer": "a whole number", "string": "a text"}
    causes = {
        "type": f"{shown} is not {kinds.get(str(wanted), wanted)}",
        "const": f"{shown} stands where {wanted!r} should",
        "minimum": f"{shown} is less than {wanted}",
        "maximum": f"{shown} is more than {wanted}",
        "pattern": f"{shown} is not a name",
    }
    mends = {"pattern": "begin with a letter or `_`, go on with digits too", "const": f"write {wanted!r}"}
    return causes.get(str(rule), error.message), mends.get(str(rule), "")
