"""What ``memsim validate --data`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memsim.validate.measured.batch import Batch
from memsim.validate.measured.row import Unknown
from memsim.validate.measured.summary import ALL, Compared, Summary, by_gpu, by_op, by_op_and_gpu, total, worst

DISAGREEMENT = 30
"""Percent: published energies of one and the same part differ by as much (AccelWattch reports 9 % on its own board and
14 to 32 % on others; regressions over microbenchmarks of one GPU differ alike)."""
COLUMNS = ("operator", "GPU", "rows", "MAPE", "median", "bias", "within", "outside", "noise", "worst")
EXPLAINED = """\
in percent of the measured time; bias: mean of predicted over measured, less 1; within: rows between the least and the
most of their sources; outside: mean distance from that span; noise: half of it over the median, of rows with several
sources; worst: the largest ratio of predicted and measured, or its inverse"""


def show(batch: Batch, unknown: Sequence[Unknown] = (), worst_rows: int = 20) -> str:
    """Tables of errors, and the worst rows.

    Parameters
    ----------
    batch
        What was predicted.
    unknown
        Rows that were passed over.
    worst_rows
        How many of the worst are listed.
    """
    parts = [_time(batch.compared, worst_rows) if total(batch.compared) else ""]
    for quantity in ("power", "energy"):
        if (whole := total(batch.compared, quantity)) is not None:
            heading = f"{quantity}; published values of the same thing differ by ±{DISAGREEMENT} %"
            groups = by_op_and_gpu(batch.compared, quantity)
            parts.append(_table(heading, groups, [whole]))
    parts += [_listed("not predicted", ((f.row.line, f.reason) for f in batch.failed))]
    parts += [_listed("passed over", ((u.line, u.reason) for u in unknown))]
    if batch.interrupted:
        parts.append(f"interrupted: {batch.missing} rows were not predicted, and are in no table")
    return "\n\n".join(part for part in parts if part)


def _time(compared: Sequence[Compared], worst_rows: int) -> str:
    whole = total(compared)
    assert whole is not None
    sums = [*by_op(compared), *by_gpu(compared), whole]
    tables = _table("time", by_op_and_gpu(compared), sums)
    return f"{tables}\n{EXPLAINED}\n\n{_worst(worst(compared, worst_rows))}"


def _table(heading: str, groups: Sequence[Summary], totals: Sequence[Summary]) -> str:
    rows = [_cells(s) for s in groups]
    sums = [_cells(s) for s in totals]
    widths = [max(len(row[i]) for row in (COLUMNS, *rows, *sums)) for i in range(len(COLUMNS))]
    lines = [heading, _line(COLUMNS, widths), *(_line(row, widths) for row in rows)]
    return "\n".join([*lines, "-" * (sum(widths) + 2 * len(widths) - 2), *(_line(row, widths) for row in sums)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    texts = [f"{c:<{w}}" if i < 2 else f"{c:>{w}}" for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    return "  ".join(texts).rstrip()


def _cells(s: Summary) -> tuple[str, ...]:
    shares = (s.mape, s.median_ape, s.bias, s.inside, s.outside, s.noise_floor)
    texts = [_percent(value, signed=i == 2) for i, value in enumerate(shares)]
    return s.op, s.gpu, str(s.n), *texts, f"{s.worst_factor:.2f} x"


def _percent(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:+.1f} %" if signed else f"{value:.1f} %"


def _worst(compared: Sequence[Compared]) -> str:
    lines = [f"the {len(compared)} worst rows"]
    for c in compared:
        pair = c.pair("time")
        assert pair is not None
        lines.append(
            f"  line {c.row.line}: {c.row.gpu} {describe(c)}: predicted {_ms(pair[0])}, measured {_ms(pair[1])} "
            f"({c.error():+.0f} %)\n      {c.prediction.choice}; {c.prediction.bound}"
        )
    return "\n".join(lines)


def _ms(value: float) -> str:
    return f"{1e3 * value:.4g} µs" if value < 1 else f"{value:.4g} ms"


def describe(compared: Compared) -> str:
    """A call with its sizes, for people.

    Parameters
    ----------
    compared
        A row.
    """
    row, call = compared.row, compared.row.call
    if call.kind in ("gemm", "linear"):
        sizes = f"{call.m} x {call.n} x {call.k}" + (f", {call.batch} of them" if call.batch > 1 else "")
    elif call.kind in ("attn_prefill", "attn_decode"):
        sizes = f"{call.batch} of {call.seq}, {call.heads}/{call.kv_heads} heads of {call.head_dim}"
    else:
        sizes = f"{call.rows} x {call.cols}"
    return f"{row.op} {row.dtype} {sizes}"


def _listed(what: str, entries: Iterable[tuple[int, str]], most: int = 10) -> str:
    """Rows with a reason, equal reasons together."""
    by_reason: dict[str, list[int]] = {}
    for line, reason in entries:
        by_reason.setdefault(reason, []).append(line)
    if not by_reason:
        return ""
    lines = [f"{what}: {sum(map(len, by_reason.values()))} rows"]
    for reason, found in sorted(by_reason.items(), key=lambda item: -len(item[1]))[:most]:
        lines.append(f"  {len(found)} from line {found[0]}: {reason}")
    if len(by_reason) > most:
        lines.append(f"  and {len(by_reason) - most} more reasons")
    return "\n".join(lines)


__all__ = ["ALL", "DISAGREEMENT", "describe", "show"]
