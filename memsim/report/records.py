"""Tables of a result as plain rows: what a screen of text needs, without loading pandas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memsim.report.source import Outcome

Records = list[dict[str, Any]]
"""Rows of a table by column."""


def records(result: Outcome, table: str) -> Records:
    """Rows of ``parts``, ``bounds``, ``stalls`` or ``kernels``; from the data frame of a result that has only that."""
    plain = getattr(result, "records", None)
    return list(plain(table) if plain else getattr(result, table).to_dict("records"))


def energy_records(result: Outcome, *columns: str) -> Records:
    """Rows of the ledger by ``columns``, as `EnergyLedger.by` has them."""
    plain = getattr(result.energy, "records", None)
    return list(plain(*columns) if plain else result.energy.by(*columns).to_dict("records"))


def totals(rows: Iterable[dict[str, Any]], column: str, amount: str) -> list[tuple[str, float]]:
    """Sums of ``amount`` for each value of ``column``, the largest first."""
    found: dict[str, float] = defaultdict(float)
    for row in rows:
        found[str(row[column])] += row[amount]
    return sorted(found.items(), key=lambda item: -item[1])
