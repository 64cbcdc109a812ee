"""The figures: each takes tidy tables and returns a matplotlib figure."""
