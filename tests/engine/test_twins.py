"""The engines are twins: equal ticks for every instruction, equal counts, on random and on nasty programs."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from memsim.isa import parse
from tests.engine.nasty import NASTY
from tests.engine.twins import Case, cases, check_twins

SHARDS = 40
"""Parts of the long search, which run side by side."""


@given(cases())
@settings(max_examples=300)
def test_engines_agree_on_random_programs(case: Case) -> None:
    check_twins(case)


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_engines_agree_on_twenty_thousand_random_programs(shard: int) -> None:
    @seed(shard)
    @settings(
        max_examples=20_000 // SHARDS,
        derandomize=False,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def check(case: Case) -> None:
        check_twins(case)

    check()


@pytest.mark.parametrize("name", NASTY)
def test_engines_agree_on_nasty_programs(name: str) -> None:
    chip, text = NASTY[name]
    check_twins(Case(parse(f"program nasty\n{text}"), chip))
