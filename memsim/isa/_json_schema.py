"""The JSON Schema of a program, as data: one definition for each class of `memsim.isa.model`."""

from __future__ import annotations

from typing import Any

from memsim.isa.lexical import DISTRIBUTIONS, MAX_INTEGER, MAX_NAME, NAME_PATTERN
from memsim.isa.ops import DTYPES, REDUCE_OPS, VECTOR_OPS

VERSION = 1
"""Version of the JSON form; it changes when a program of an older version would be misread."""

Schema = dict[str, Any]

NAME: Schema = {"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": MAX_NAME}
POSITIVE: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_INTEGER}
COUNTING: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
SHAPE: Schema = {"type": "array", "items": POSITIVE, "minItems": 1}
CLUSTER: Schema = {"type": "array", "items": POSITIVE}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
DTYPE: Schema = {"enum": [*DTYPES]}
EXPRESSION: Schema = {"$ref": "#/$defs/expression"}
TILE: Schema = {"$ref": "#/$defs/tile"}
TARGET: Schema = {"$ref": "#/$defs/target"}
REGION: Schema = {"$ref": "#/$defs/region"}
BODY: Schema = {"$ref": "#/$defs/body"}


def _object(description: str, required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "description": description,
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": [*required],
        "additionalProperties": False,
    }


def _pair(first: Schema, second: Schema) -> Schema:
    return {"type": "array", "prefixItems": [first, second], "minItems": 2, "maxItems": 2}


def _statement(kind: str, description: str, required: Schema, optional: Schema | None = None) -> Schema:
    return _object(description, {"kind": {"const": kind}, **required}, optional)


def _array(name: str) -> Schema:
    return {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}


STATEMENTS: dict[str, Schema] = {
    "loop": _statement("loop", "Run body for var = 0 .. count - 1.", {"var": NAME, "count": EXPRESSION, "body": BODY}),
    "load": _statement(
        "load",
        "Move a region of a tensor into a ring; pad fills what clip cut off.",
        {"dst": TARGET, "src": REGION},
        {"transpose": FLAG, "pad": NUMBER},
    ),
    "store": _statement(
        "store", "Move a tile into a region of a tensor.", {"dst": REGION, "src": TILE}, {"transpose": FLAG}
    ),
    "gather": _statement(
        "gather",
        "Load one row of a region for each entry of an integer tile.",
        {"dst": TARGET, "src": REGION, "index": TILE},
        {"distribution": {"enum": [*DISTRIBUTIONS]}},
    ),
    "copy": _statement(
        "copy", "Move a tile between rings of one core.", {"dst": TARGET, "src": TILE}, {"transpose": FLAG}
    ),
    "send": _statement("send", "Move a tile into a ring of other blocks.", {"dst": TARGET, "src": TILE}),
    "mma": _statement(
        "mma",
        "dst (+)= a @ b on the matrix unit.",
        {"dst": NAME, "a": TILE, "b": TILE},
        {"accumulate": FLAG, "transpose_a": FLAG, "transpose_b": FLAG},
    ),
    "vector": _statement(
        "vector",
        "dst = op(args), elementwise; an argument is a tile or a number.",
        {
            "op": {"enum": [*VECTOR_OPS]},
            "dst": NAME,
            "args": {"type": "array", "items": {"$ref": "#/$defs/argument"}},
        },
    ),
    "reduce": _statement(
        "reduce",
        "dst = op of src along axis.",
        {"op": {"enum": [*REDUCE_OPS]}, "dst": NAME, "src": TILE, "axis": COUNTING},
    ),
    "fill": _statement("fill", "Set every element of dst to value.", {"dst": NAME, "value": NUMBER}),
    "iota": _statement(
        "iota", "dst[i0, i1, ...] = start + i_axis.", {"dst": NAME, "axis": COUNTING}, {"start": EXPRESSION}
    ),
    "push": _statement("push", "Hand the open slot of a ring to its consumers.", {"ring": NAME}),
    "pop": _statement("pop", "Give the front slot of a ring back.", {"ring": NAME}),
}

DEFINITIONS: dict[str, Schema] = {
    "expression": {
        "description": "An integer, the name of a coordinate, or [operator, operands ...]; + and * take two or more.",
        "type": ["integer", "string", "array"],
        "prefixItems": [{"enum": ["+", "*", "//", "%", "min", "max"]}],
        "items": EXPRESSION,
        "minItems": 3,
    },
    "tensor": _object("A named array in a memory role.", {"name": NAME, "role": NAME, "dtype": DTYPE, "shape": SHAPE}),
    "ring": _object(
        "Slots for a tile of fixed shape and dtype in one memory of a core.",
        {"name": NAME, "memory": NAME, "dtype": DTYPE, "shape": SHAPE},
        {"depth": POSITIVE},
    ),
    "tile": _object("The open slot of a ring, else the ahead-th resident one.", {"ring": NAME}, {"ahead": COUNTING}),
    "argument": {**_object("A tile or a number.", {"ring": NAME}, {"ahead": COUNTING}), "type": ["number", "object"]},
    "region": _object(
        "A strided box of a tensor.",
        {"tensor": NAME, "starts": {"type": "array", "items": EXPRESSION}, "sizes": SHAPE},
        {"steps": SHAPE, "clip": FLAG},
    ),
    "target": _object(
        "A ring of this block, or of other blocks: [start, count] for each grid dimension.",
        {"ring": NAME},
        {"blocks": {"type": "array", "items": _pair(EXPRESSION, POSITIVE)}, "group": NAME},
    ),
    "body": {"description": "Statements in order.", "type": "array", "items": {"$ref": "#/$defs/statement"}},
    "statement": {
        "description": "A loop or an instruction.",
        "type": "object",
        "properties": {"kind": {"enum": [*STATEMENTS]}},
        "required": ["kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{kind}"},
            }
            for kind in STATEMENTS
        ],
    },
    **STATEMENTS,
    "queue": _object("An in-order stream of instructions of one block.", {"name": NAME, "body": BODY}),
    "group": _object(
        "Blocks that run the same text; grid is [coordinate, size] for each dimension.",
        {
            "name": NAME,
            "grid": {"type": "array", "items": _pair(NAME, POSITIVE)},
            "rings": _array("ring"),
            "queues": _array("queue"),
        },
        {"cluster": CLUSTER},
    ),
    "kernel": _object(
        "Groups of blocks that run together.",
        {"name": NAME, "groups": _array("group")},
        {"occupancy": POSITIVE, "cooperative": FLAG},
    ),
}

JSON_SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "memsim tile program",
    **_object(
        "Kernels that run one after another over tensors.",
        {"version": {"const": VERSION}, "name": NAME, "tensors": _array("tensor"), "kernels": _array("kernel")},
        {"cores": POSITIVE, "useful_flops": COUNTING},
    ),
    "$defs": DEFINITIONS,
}
"""JSON Schema (draft 2020-12) of what `to_json` writes and `from_json` reads."""
