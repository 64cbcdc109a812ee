"""Reads a table of measurements: columns are those of ``docs/validation.md``, each bad value is one error."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from memsim.errors import MemsimError
from memsim.validate.calls import BITS, KINDS, Call
from memsim.validate.measured import operators
from memsim.validate.measured.gpus import mend_of, preset_of
from memsim.validate.measured.row import Row, Unknown
from memsim.validate.protocol import PROTOCOLS, default_protocol

REQUIRED = ("gpu", "op", "dtype")
MEASURED = ("lat_ms", "power_w", "energy_j")
"""A table has at least one of these, and each row a value in at least one."""
SIZES = ("batch", "m", "n", "k", "seq", "n_heads", "n_kv_heads", "head_dim", "rows", "cols")
COLUMNS = (*REQUIRED, *SIZES, *MEASURED, "lat_lo", "lat_hi", "n_src", "protocol")
"""What is looked at; any other column is for people."""
LARGEST = 2**40
"""Of a size: what is larger is a mistake."""


@dataclass(frozen=True, slots=True)
class Table:
    """What was read."""

    file: str
    rows: tuple[Row, ...]
    unknown: tuple[Unknown, ...]
    """Rows passed over since their GPU, operator or type is not known."""


class _UnknownName(MemsimError):
    """A GPU, an operator or a type that memsim does not have."""


def read_table(
    text: str, file: str, *, chips: Mapping[str, str] | None = None, skip_unknown: bool = False
) -> Table:  # fmt: skip
    """Read a table of measurements.

    Parameters
    ----------
    text
        CSV with a line of names; lines that begin with ``#`` before it are comments.
    file
        Named in errors.
    chips
        Chip by GPU name, before presets are looked at.
    skip_unknown
        Pass over rows whose GPU, operator or type is not known, and list them.

    Raises
    ------
    MemsimError
        A column or a value is wrong; nothing can be compared.
    """
    lines, header = _lines(text, file)
    rows: list[Row] = []
    unknown: list[Unknown] = []
    for number, values in lines:
        reader = _Reader(file, number, _by_name(file, number, header, values), chips or {})
        try:
            rows.append(reader.row())
        except _UnknownName as error:
            if not skip_unknown:
                raise
            unknown.append(Unknown(number, error.cause))
    if not rows and not unknown:
        raise MemsimError("has no row of measurements", where=file, mend="write one below the line of names")
    if not rows:
        raise MemsimError(
            f"none of its {len(unknown)} rows is known; the first: {unknown[0].reason}",
            where=f"{file}: line {unknown[0].line}",
            mend="leave --skip-unknown out to see how to mend it",
        )
    return Table(file, tuple(rows), tuple(unknown))


def read_file(path: Path, *, chips: Mapping[str, str] | None = None, skip_unknown: bool = False) -> Table:
    """Read a file of measurements, as `read_table`."""
    return read_table(path.read_text(encoding="utf-8-sig"), str(path), chips=chips, skip_unknown=skip_unknown)


def _lines(text: str, file: str) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    """Lines with values and their numbers, and the names of columns."""
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)

    def lines() -> Iterator[tuple[int, list[str]]]:
        try:
            for values in reader:
                if any(value.strip() for value in values) and not values[0].lstrip().startswith("#"):
                    yield reader.line_num, values
        except csv.Error as error:
            raise MemsimError(
                f"is no CSV: {error}", where=f"{file}: line {reader.line_num}", mend="close quotes; one row a line"
            ) from None

    found = lines()
    first = next(found, None)
    if first is None:
        raise MemsimError("is empty", where=file, mend=f"begin with a line of names: {', '.join(COLUMNS)}")
    header = [name.strip() for name in first[1]]
    _check_header(header, f"{file}: line {first[0]}")
    return found, header


def _check_header(header: Sequence[str], where: str) -> None:
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise MemsimError(f"the column {twice!r} stands twice", where=where, mend="keep one")
    missing = next((name for name in REQUIRED if name not in header), None)
    if missing is None and not set(MEASURED) & set(header):
        missing = "lat_ms"
    if missing is not None:
        near = get_close_matches(missing, [name for name in header if name not in COLUMNS], n=1)
        mend = f"did you mean it by {near[0]!r}?" if near else f"columns are {', '.join(COLUMNS)}"
        raise MemsimError(f"there is no column {missing!r}", where=where, mend=mend)


def _by_name(file: str, line: int, header: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    if len(values) > len(header) and any(value.strip() for value in values[len(header) :]):
        raise MemsimError(
            f"has {len(values)} values for {len(header)} columns",
            where=f"{file}: line {line}",
            mend="put a text that has a comma in quotes",
        )
    return {name: value.strip() for name, value in zip(header, values, strict=False)}


class _Reader:
    """Reads a line."""

    def __init__(self, file: str, line: int, values: dict[str, str], chips: Mapping[str, str]) -> None:
        self.file, self.line, self.values, self.chips = file, line, values, chips

    def row(self) -> Row:
        """The row that stands there."""
        chip, call = self._chip(), self._call()
        lat_ms, power_w, energy_j = (self._positive(name) for name in MEASURED)
        if lat_ms is None and power_w is None and energy_j is None:
            raise self._error("lat_ms", "there is no value", "give what was measured: lat_ms, power_w or energy_j")
        lo, hi = self._span(lat_ms)
        return Row(
            self.line, self.values["op"], self.values["gpu"], self.values["dtype"], chip, call, self._protocol(call),
            lat_ms, lo, hi, self._whole("n_src", 1), power_w, energy_j,
        )  # fmt: skip

    def _error(self, column: str, cause: str, mend: str) -> MemsimError:
        return MemsimError(cause, where=f"{self.file}: line {self.line}, column {column}", mend=mend)

    def _unknown(self, column: str, cause: str, mend: str) -> _UnknownName:
        where = f"{self.file}: line {self.line}, column {column}"
        return _UnknownName(cause, where=where, mend=f"{mend}; --skip-unknown passes such rows over")

    # Names ----------------------------------------------------------------------------------------------------------

    def _chip(self) -> str:
        name = self.values.get("gpu", "")
        if not name:
            raise self._error("gpu", "there is no value", "name the GPU, such as h100_sxm")
        chip = self.chips.get(name) or preset_of(name)
        if chip is None:
            raise self._unknown("gpu", f"no chip is known for the GPU {name!r}", mend_of(name))
        return chip

    def _operator(self) -> str:
        text = self.values.get("op", "")
        kind = operators.OPERATORS.get(text.lower())
        if kind is None:
            near = get_close_matches(text.lower(), operators.OPERATORS, n=1)
            known = f"did you mean {near[0]}?" if near else f"operators are {', '.join(operators.OPERATORS)}"
            raise self._unknown("op", f"no operator {text!r} is known", known)
        return kind

    def _dtype(self, kind: str) -> tuple[str, int]:
        text = self.values.get("dtype", "")
        dtype, head_dim = operators.read_dtype(text)
        if dtype is None:
            known = f"types are {', '.join(BITS)}, with hd128 for the width of a head"
            raise self._unknown("dtype", f"no type {text!r} is known", known)
        return dtype, self._whole("head_dim", head_dim or operators.HEAD_DIM)

    def _protocol(self, call: Call) -> str:
        text = self.values.get("protocol", "")
        if text and text not in PROTOCOLS:
            raise self._error("protocol", f"no protocol {text!r}", f"choose one of {', '.join(PROTOCOLS)}")
        if text == "weights" and call.kind != "gemm":
            raise self._error("protocol", f"{call.kind} has no weights to take in turn", "choose same or cold")
        return text or default_protocol(call)

    # Sizes ----------------------------------------------------------------------------------------------------------

    def _call(self) -> Call:
        kind = self._operator()
        assert kind in KINDS
        dtype, head_dim = self._dtype(kind)
        op = self.values["op"].lower()
        for column in operators.NEEDS.get(kind, ("rows", "cols")):
            if not self.values.get(column):
                raise self._error(column, f"there is no value, and {self.values['op']} needs one", "give its size")
        if kind in ("gemm", "linear"):
            m, n, k = (self._whole(name) for name in ("m", "n", "k"))
            if kind == "linear" and dtype != "fp32":
                kind = "gemm"
            return Call(kind, dtype, batch=self._whole("batch", 1), m=m, n=n, k=k)
        if kind in ("attn_decode", "attn_prefill"):
            causal = operators.is_causal(op) if kind == "attn_prefill" else True
            return self._attention(kind, dtype, head_dim, causal)
        rows, cols = self._whole("rows"), self._whole("cols")
        return Call(kind, dtype, function=operators.FUNCTIONS.get(op, ""), rows=rows, cols=cols)

    def _attention(self, kind: str, dtype: str, head_dim: int, causal: bool) -> Call:
        heads = self._whole("n_heads")
        kv_heads = self._whole("n_kv_heads", heads)
        if heads % kv_heads:
            raise self._error(
                "n_kv_heads", f"{heads} heads do not share {kv_heads} evenly", "give a divisor of n_heads"
            )
        return Call(
            kind, dtype, batch=self._whole("batch"), seq=self._whole("seq"), heads=heads, kv_heads=kv_heads,
            head_dim=head_dim, causal=causal,
        )  # fmt: skip

    # Numbers --------------------------------------------------------------------------------------------------------

    def _number(self, column: str) -> float | None:
        text = self.values.get(column, "")
        if not text or text.lower() == "nan":
            return None
        try:
            value = float(text)
        except ValueError:
            raise self._error(column, f"{text!r} is no number", "write such as 4096 or 0.0123") from None
        if not math.isfinite(value):
            raise self._error(column, f"{text!r} is no finite number", "leave it empty where nothing is known")
        return value

    def _positive(self, column: str) -> float | None:
        value = self._number(column)
        if value is not None and value <= 0:
            raise self._error(column, f"{self.values[column]} is not above 0", "give what was measured")
        return value

    def _whole(self, column: str, otherwise: int | None = None) -> int:
        value = self._number(column)
        if value is None and otherwise is not None:
            return otherwise
        if value is None or value != int(value) or not 1 <= value <= LARGEST:
            text = self.values.get(column, "")
            raise self._error(column, f"{text!r} is no whole number from 1 on", "write such as 4096")
        return int(value)

    def _span(self, lat_ms: float | None) -> tuple[float | None, float | None]:
        lo, hi = self._positive("lat_lo"), self._positive("lat_hi")
        if lat_ms is None or (lo is None and hi is None):
            return None, None
        lo, hi = lo or lat_ms, hi or lat_ms
        if lo > hi:
            raise self._error("lat_lo", f"{lo:g} is above lat_hi, {hi:g}", "exchange them")
        return lo, hi
