"""Numbers as people read them: engineering prefixes, percentages, ratios and bars of text."""

from __future__ import annotations

import math

PREFIXES = {
    -18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "",
    3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E",
}  # fmt: skip
"""SI prefixes by power of ten: SI brochure, 9th edition, table 7."""

BLOCKS = " ▏▎▍▌▋▊▉█"
"""Horizontal bars of 0 to 8 eighths of a character (Unicode block elements)."""


def exponent_of(value: float, digits: int = 3) -> int:
    """Power of ten (a multiple of 3) whose prefix writes ``value`` with 1 to 3 figures before the point."""
    if value == 0 or not math.isfinite(value):
        return 0
    rounded = float(f"{abs(value):.{digits - 1}e}")  # 999.96 with 4 digits is 1.000 k, not 1000
    exponent = 3 * math.floor(math.floor(math.log10(rounded)) / 3)
    return max(min(PREFIXES), min(max(PREFIXES), exponent))


def si(value: float, unit: str = "", digits: int = 3) -> str:
    """``value`` with ``digits`` significant figures and an SI prefix: ``si(0.0123, "J")`` is ``12.3 mJ``.

    Counts below a thousand keep no needless zeros: ``si(7, "B")`` is ``7 B``.
    """
    if not math.isfinite(value):
        return f"{'∞' if value > 0 else '-∞' if value < 0 else '?'} {unit}".rstrip()
    exponent = exponent_of(value, digits)
    mantissa = float(f"{value / 10.0**exponent:.{digits - 1}e}")
    whole = len(str(int(abs(mantissa))))
    if exponent == 0 and mantissa == int(mantissa):
        text = str(int(mantissa))
    else:
        text = f"{mantissa:.{max(0, digits - whole)}f}"
    suffix = PREFIXES[exponent] + unit
    return f"{text} {suffix}" if suffix else text


def in_prefix(value: float, exponent: int) -> float:
    """``value`` in units of ``10**exponent``, for axes that share one prefix."""
    return value / 10.0**exponent


def percent(share: float, digits: int = 3) -> str:
    """A share of one as a percentage: ``92.1 %``; a small share that is not zero says so: ``<0.1 %``."""
    if not math.isfinite(share):
        return "? %"
    value = 100 * share
    if 0 < abs(value) < 0.1:
        return f"<{'-' if value < 0 else ''}0.1 %"
    whole = len(str(int(abs(float(f"{value:.{digits - 1}e}")))))
    return f"{value:.{max(0, min(1, digits - whole))}f} %"


def times(ratio: float) -> str:
    """A ratio with three figures: ``1.07x``, ``12.9x``, ``1,290x``."""
    if not math.isfinite(ratio):
        return "∞x" if ratio > 0 else "?x"
    magnitude = abs(float(f"{ratio:.2e}"))
    decimals = 2 if magnitude < 10 else 1 if magnitude < 100 else 0
    if 0 < magnitude < 0.1:
        return f"{ratio:.2g}x"
    return f"{ratio:,.{decimals}f}x"


def change(before: float, after: float) -> str:
    """How ``after`` differs from ``before``: ``3.90x less``, ``1.20x more``, ``the same``, ``none before``."""
    if math.isclose(before, after, rel_tol=1e-12):
        return "the same"
    if before == 0:
        return "none before"
    if after == 0:
        return "none left"
    ratio = after / before
    if abs(ratio - 1) < 0.005:
        return "nearly the same"
    return f"{times(ratio)} more" if ratio > 1 else f"{times(1 / ratio)} less"


def bar(share: float, width: int) -> str:
    """A bar of text for a share of one, ``width`` characters when full, to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    if share > 0 and eighths == 0:
        eighths = 1
    full, rest = divmod(eighths, 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(width)


def clip_text(text: str, width: int) -> str:
    """``text`` in at most ``width`` characters, cut in its middle with an ellipsis."""
    if len(text) <= width:
        return text
    if width < 3:
        return text[:width]
    head = (width - 1 + 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"
