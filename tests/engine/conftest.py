"""Tests that call compiled functions without a simulation must not meet code of other sources."""

from memsim.engine import warm

warm.forget_stale()
