"""The engines are twins: equal ticks for every instruction, equal counts, on random and on nasty programs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from memsim.isa import parse
from tests.engine.features import FEATURES, watched
from tests.engine.nasty import NASTY
from tests.engine.twins import Case, cases, check_twins, numbered_cases

SHARDS, SHARD_SIZE = 20, 500
"""Parts of each half of the long search, which run side by side."""
FIRST_OF_LONG_SEARCH = 1000
LEAST_SHARE = 0.02
"""Share of the random cases in which each feature must occur."""


@given(cases())
@settings(max_examples=200)
def test_engines_agree_on_random_programs(case: Case) -> None:
    check_twins(case)


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_engines_agree_on_numbered_programs(first: int) -> None:
    _check_numbered(range(first, first + 25))


@pytest.mark.parametrize("name", NASTY)
def test_engines_agree_on_nasty_programs(name: str) -> None:
    chip, text = NASTY[name]
    check_twins(Case(parse(f"program nasty\n{text}"), chip))


# ---- twenty thousand: half of them independent, half of them variations by hypothesis ----


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_engines_agree_on_ten_thousand_numbered_programs(shard: int) -> None:
    first = FIRST_OF_LONG_SEARCH + shard * SHARD_SIZE
    _check_numbered(range(first, first + SHARD_SIZE))


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_engines_agree_on_ten_thousand_varied_programs(shard: int) -> None:
    @seed(shard)
    @settings(
        max_examples=SHARD_SIZE,
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


def _check_numbered(numbers: range) -> None:
    for number, case in numbered_cases(numbers):
        try:
            check_twins(case)
        except Exception as error:
            error.add_note(f"random case {number}")
            raise


# ---- what the random cases reach ----


@pytest.mark.slow
def test_random_cases_reach_every_feature() -> None:
    drawn = [watched(case) for _, case in numbered_cases(range(600))]
    counts = Counter({name: sum(map(bool, map(has, drawn))) for name, has in FEATURES.items()})
    shares = {name: count / len(drawn) for name, count in counts.items()}
    print("\n".join(f"{name:45} {share:6.1%}" for name, share in shares.items()))
    assert {name: share for name, share in shares.items() if share < LEAST_SHARE} == {}
