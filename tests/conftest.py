"""Hypothesis profiles for the whole suite.

``ci`` (the default) draws the same examples on every run and every machine, so a failure is never a matter of luck,
and shows the first example that fails at once. ``thorough`` draws new ones each time, and shrinks what fails, which
takes minutes where examples are whole programs: ``pytest --hypothesis-profile thorough``.
"""

from hypothesis import HealthCheck, Phase, settings

_SLOW_ON_PURPOSE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)

settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=60,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=_SLOW_ON_PURPOSE,
)
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=_SLOW_ON_PURPOSE)
settings.load_profile("ci")
