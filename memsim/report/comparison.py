"""Two results side by side: what changed, by how much, and what in the ledger and on the chip accounts for it.

Nothing here guesses. Each sentence restates differences between two sets of tables: the part that the energy left,
the tensor whose bytes did, the bound that moved, the keys of the chip description that differ.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Any

import pandas as pd

from memsim.report.facts import title_of
from memsim.report.records import records, totals
from memsim.report.screen import WIDTH, compute_queue
from memsim.report.units import change, clip_text, percent, si

if TYPE_CHECKING:
    from memsim.report.source import Outcome

COLUMNS = ["group", "name", "before", "after", "difference", "ratio", "share", "unit"]
MATTERS = 0.05
"""A change below this share of its total is left out of the sentences."""
ROUNDING = 1e-12
"""Relative differences of sums of floats below this are no change."""
UNTOLD_KEYS = ("sources.", "description", "name")


@dataclass(frozen=True)
class Comparison:
    """What changed from ``before`` to ``after``: `table` in numbers, `sentences` in words, `str` for both."""

    before: Outcome
    after: Outcome

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a quantity, by group, the largest difference first.

        Columns: group (time, energy, energy by part, bytes by level, operations), name, before, after, difference,
        ratio (after / before), share (of all changes in the group, up and down), unit.
        """
        one, two = self.before, self.after
        groups: list[tuple[str, str, Mapping[str, float], Mapping[str, float]]] = [
            ("time", "s", {"time": one.time_s}, {"time": two.time_s}),
            ("energy", "J", {"energy": one.energy_j}, {"energy": two.energy_j}),
            ("energy by part", "J", _energy_by_part(one), _energy_by_part(two)),
            ("bytes by level", "B", dict(one.bytes_by_level), dict(two.bytes_by_level)),
            ("operations", "FLOP", {"executed": one.executed_flops}, {"executed": two.executed_flops}),
        ]
        rows = [row for group, unit, a, b in groups for row in _rows(group, unit, a, b)]
        return pd.DataFrame(rows, columns=COLUMNS)

    @cached_property
    def chip_changes(self) -> dict[str, tuple[str, str]]:
        """Keys of the chip description that differ: their text before and after."""
        one, two = _flat(tomllib.loads(self.before.chip.to_toml())), _flat(tomllib.loads(self.after.chip.to_toml()))
        keys = [k for k in dict.fromkeys([*one, *two]) if not k.startswith(UNTOLD_KEYS)]
        return {k: (one.get(k, "none"), two.get(k, "none")) for k in keys if one.get(k) != two.get(k)}

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """The changes in plain words, each derived from the tables."""
        makers = (_time_sentence, _bounds_sentence, _waits_sentence, _energy_sentence, _bytes_sentence,
                  _kernels_sentence, _chip_sentence)  # fmt: skip
        return tuple(sentence for make in makers if (sentence := make(self)))

    def __str__(self) -> str:
        head = f"{title_of(self.before)}  →  {title_of(self.after)}"
        told = (fill(sentence, WIDTH, subsequent_indent="  ") for sentence in self.sentences)
        return "\n".join([*wrap(head, WIDTH), "", *_table_lines(self.table), "", *told])


def compare(before: Outcome, after: Outcome) -> Comparison:
    """Compare two results: what changed from ``before`` to ``after``, and what accounts for it."""
    return Comparison(before, after)


def _rows(group: str, unit: str, one: Mapping[str, float], two: Mapping[str, float]) -> list[tuple[Any, ...]]:
    names = dict.fromkeys([*one, *two])
    rows = []
    for name in names:
        a, b = one.get(name, 0), two.get(name, 0)
        ratio = b / a if a else (1.0 if not b else float("inf"))
        step = 0 if math.isclose(a, b, rel_tol=ROUNDING) else b - a
        rows.append((group, name, a, b, step, ratio, unit))
    total = sum(abs(row[4]) for row in rows) or 1
    return sorted(((*row[:6], abs(row[4]) / total, row[6]) for row in rows), key=lambda row: -abs(row[4]))


def _energy_by_part(result: Outcome) -> dict[str, float]:
    table = result.energy.by("part")
    return {str(part): float(joules) for part, joules in zip(table["part"], table["energy_j"], strict=True) if joules}


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys of a nested table, with values as text."""
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = str(value)
    return found


def _table_lines(table: pd.DataFrame) -> Iterator[str]:
    """The table in 80 columns, group by group, without what stayed the same in the long groups."""
    for group, rows in table.groupby("group", sort=False):
        single = len(rows) == 1
        if not single:
            yield str(group) if rows["difference"].any() else f"{group}: the same"
        for row in rows.to_dict("records"):
            if not single and row["difference"] == 0:
                continue
            label = str(group) if single else f"  {row['name']}"
            before, after = si(float(row["before"]), str(row["unit"])), si(float(row["after"]), str(row["unit"]))
            share = "" if single or row["unit"] != "J" else f"{percent(float(row['share']))} of all changes"
            words = change(float(row["before"]), float(row["after"]))
            yield f"{clip_text(label, 16):<16} {before:>12} → {after:<12} {words:<14} {share}".rstrip()


def _time_sentence(c: Comparison) -> str:
    one, two = c.before, c.after
    moved = change(one.time_s, two.time_s)
    text = f"Time: {moved} ({si(one.time_s, 's')} → {si(two.time_s, 's')})."
    if _part_of(one.bottleneck) == _part_of(two.bottleneck):
        return f"{text} Still bound by {two.bottleneck}."
    return f"{text} Bound by {one.bottleneck} before; by {two.bottleneck} now."


def _part_of(bottleneck: str) -> str:
    """The part that a bottleneck names, without how busy it is."""
    return bottleneck.split(",")[0].split("(")[0].strip()


def _bounds_sentence(c: Comparison) -> str:
    """The analytic bounds that moved most, of those that come near the longer of the two times."""
    one, two = (dict(zip(r.bounds["bound"], r.bounds["time_s"], strict=True)) for r in (c.before, c.after))
    longest = max(c.before.time_s, c.after.time_s)
    moved = [
        (abs(two[name] - one[name]), f"{name} {si(one[name], 's')} → {si(two[name], 's')}")
        for name in one
        if name in two and abs(two[name] - one[name]) >= MATTERS * longest
    ]
    told = [text for _, text in sorted(moved, reverse=True)[:2]]
    return f"Lower bounds: {'; '.join(told)}." if told else ""


def _waits_sentence(c: Comparison) -> str:
    """How the computing queue's time was shared before and after, where a share changed notably."""
    one, two = _shares(c.before), _shares(c.after)
    changed = [r for r in dict.fromkeys([*one, *two]) if abs(two.get(r, 0.0) - one.get(r, 0.0)) >= MATTERS]
    changed.sort(key=lambda r: -abs(two.get(r, 0.0) - one.get(r, 0.0)))
    told = [f"{r} {percent(one.get(r, 0.0))} → {percent(two.get(r, 0.0))}" for r in changed[:3]]
    return f"Of the computing queue's time: {'; '.join(told)}." if told else ""


def _shares(result: Outcome) -> dict[str, float]:
    stalls = records(result, "stalls")
    queue = compute_queue(stalls)
    return dict(totals((row for row in stalls if row["queue"] == queue), "reason", "share"))


def _energy_sentence(c: Comparison) -> str:
    (total,) = c.table.loc[c.table["group"] == "energy", "difference"]
    if not total:
        return "Energy: the same."
    parts = c.table[c.table["group"] == "energy by part"]
    told = parts[parts["difference"].abs() >= MATTERS * abs(total)].head(3).to_dict("records")
    listed = ", ".join(f"{row['name']} {_signed(float(row['difference']), 'J')}" for row in told)
    text = f"Energy: {change(c.before.energy_j, c.after.energy_j)} ({_signed(total, 'J')})"
    return f"{text}: {listed}." if listed else f"{text}."


def _bytes_sentence(c: Comparison) -> str:
    """The level whose energy changed most, the change of its bytes, and the tensor that accounts for it."""
    memory = c.table[(c.table["group"] == "bytes by level") & (c.table["difference"] != 0)]
    if memory.empty:
        return "Bytes: the same at every level."
    parts = c.table[c.table["group"] == "energy by part"].set_index("name")["difference"].abs()
    level = max(memory["name"], key=lambda name: float(parts.get(name, 0.0)))
    row = memory[memory["name"] == level].iloc[0]
    text = f"Bytes: {level} moves {change(float(row['before']), float(row['after']))}"
    one, two = _tensor_bytes(c.before, level), _tensor_bytes(c.after, level)
    steps = {tensor: two.get(tensor, 0.0) - one.get(tensor, 0.0) for tensor in {**one, **two}}
    same_way = {t: d for t, d in steps.items() if d * float(row["difference"]) > 0}
    if not same_way:
        return f"{text}."
    tensor = max(same_way, key=lambda t: abs(same_way[t]))
    share = same_way[tensor] / float(row["difference"])
    return (
        f"{text}; tensor {tensor} alone {_signed(same_way[tensor], 'B')} "
        f"({si(one.get(tensor, 0.0), 'B')} → {si(two.get(tensor, 0.0), 'B')}), {percent(share)} of that change."
    )


def _tensor_bytes(result: Outcome, level: str) -> dict[str, float]:
    table = result.energy.by("level", "part", "tensor")
    bits = table[(table["level"] == level) & (table["part"] != "routers")].groupby("tensor")["bits"].sum()
    return {str(tensor): float(amount) / 8 for tensor, amount in bits.items() if amount}


def _kernels_sentence(c: Comparison) -> str:
    one, two = len(c.before.kernels), len(c.after.kernels)
    return "" if one == two else f"Kernels: {one} → {two}."


def _chip_sentence(c: Comparison) -> str:
    if not c.chip_changes:
        return ""
    listed = [f"{key} {a} → {b}" for key, (a, b) in c.chip_changes.items()]
    rest = f", and {len(listed) - 4} more keys" if len(listed) > 4 else ""
    return f"Chip: {'; '.join(listed[:4])}{rest}."


def _signed(value: float, unit: str) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{si(abs(value), unit)}"  # noqa: RUF001
