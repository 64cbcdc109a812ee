"""Write docs/trust.md and its figure from the validation's own output: ``make trust REFERENCE=DIR``.

``--json FILE`` takes what ``memsim validate --data gpu/kernel_times.csv --json FILE`` wrote, instead of predicting all
anew. What is known to be wrong, and why, is written by hand in tools/trust_failures.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import claims
from validate import kernels

from memsim.library import KNOBS
from memsim.report.figures.measured import draw_measured
from memsim.report.figures.style import save
from memsim.validate.measured import Compared, from_json
from memsim.validate.measured.text import describe

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "trust.md"
FIGURE = ROOT / "docs" / "trust" / "kernels.png"
POWER = ROOT / "docs" / "models" / "power.md"
FAILURES = Path(__file__).parent / "trust_failures.md"
WORST = 20
WIDE = 160
"""Letters of a line of the page."""
OTHERS = {
    "gemm": ("47.0", "20.5", "9.1 on A100 (LLMCompass), 12.1 (KernelSight-LM)"),
    "attn_decode": ("69.0", "36.8", "-"),
    "attn_prefill_causal": ("69.1", "24.8", "-"),
    "linear": ("43.7", "30.4", "13.9 to 20 (NeuSight)"),
    "add": ("19 to 20", "6.7 to 8.7", "14 to 19 (NeuSight)"),
    "gelu": ("19 to 20", "6.7 to 8.7", "5.5 (LLMCompass)"),
    "softmax": ("41", "25.7", "9.2 (LLMCompass, A100)"),
    "ln": ("41", "15.3", "9.1 (LLMCompass, A100)"),
}
"""What others reach, percent: a roofline, three numbers fitted to each GPU, and the best that is published."""

HEAD = """\
# How far to trust memsim

This page is generated from the validation's own output by `make trust REFERENCE=DIR`; only [what is known to be
wrong](#known-failures-and-their-causes) is written by hand. How a table of measurements is compared is told in
[validation](validation.md).
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the first two columns are texts."""
    marks = ["---" if place < 2 else "---:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, marks, *rows))


def items(texts: Iterable[str]) -> str:
    """A list, in lines that can be reviewed."""
    return "\n".join(
        textwrap.fill(text, WIDE, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False) for text in texts
    )


def percent(value: float | None, *, signed: bool = False) -> str:
    """A number of the validation; a dash where it has none."""
    if value is None:
        return "-"
    return f"{value:+.1f}" if signed else f"{value:.1f}"


def kernel_times(record: Mapping[str, Any]) -> Iterator[str]:
    """Errors by operator and GPU, beside the noise of the measurements."""
    whole = record["total"]
    yield "## Times of kernels"
    yield (
        f"{whole['n']} measured kernels, each predicted by the tile program that a library would launch. They are "
        f"{whole['mape']:.1f} % off on average, {whole['median_ape']:.1f} % in the middle, and a factor of "
        f"{whole['worst_factor']:.2f} at worst. Products in bf16 and attention were measured by NVIDIA through three "
        "serving frameworks (ai-dynamo/aiconfigurator), so there is a span from the least to the most of them; all in "
        "fp32 by NeuSight (Lee et al., ASPLOS'25), once."
    )
    head = ("operator", "GPU", "rows", "MAPE", "median", "bias", "within", "outside", "noise floor", "worst factor")
    yield table(head, (cells(group) for group in [*record["by"], *record["by_op"], *record["by_gpu"], whole]))
    yield (
        "In percent of the measured time. *Bias* is the mean of signed errors; *within* counts rows between the least "
        "and the most of several sources; *outside* is the mean distance from that span; the *noise floor* is half of "
        "it over the median."
    )
    yield f"![Predicted over measured time of each operator, and their ratio over its size](trust/{FIGURE.name})"


def cells(group: Mapping[str, Any]) -> list[str]:
    """A row of the table above."""
    numbers = [percent(group[name]) for name in ("mape", "median_ape")]
    rest = [percent(group[name]) for name in ("inside", "outside", "noise_floor")]
    bias = percent(group["bias"], signed=True)
    return [group["op"], group["gpu"], str(group["n"]), *numbers, bias, *rest, f"{group['worst_factor']:.2f}"]


def what_is_claimed(record: Mapping[str, Any]) -> Iterator[str]:
    """Claims, and what others reach."""
    yield "## What is claimed"
    yield "`make validate REFERENCE=DIR` fails if one of these is broken."
    rows = [
        (j.claim.text, j.verdict.lower(), "-" if j.found is None else f"{j.found:.2f}") for j in claims.judged(record)
    ]  # fmt: skip
    yield table(("claim", "verdict", "found"), rows)
    yield "Beside what others reach, mean absolute percentage errors (the last two columns as published):"
    found = {group["op"]: percent(group["mape"]) for group in record["by_op"]}
    head = ("operator", "best published", "roofline", "three fitted numbers a GPU", "memsim")
    yield table(head, ((op, best, roof, fit, found.get(op, "-")) for op, (roof, fit, best) in OTHERS.items()))


def fitted() -> Iterator[str]:
    """All knobs."""
    yield "## What was fitted"
    yield (
        f"All numbers of a chip are from data sheets and microbenchmarks, each with its source. Fitted to kernel times "
        f"are {len(KNOBS)} numbers, the same for every GPU:"
    )
    yield items(f"`{name}` = {k.value:g} {k.unit}: {k.meaning}. Fixed by {k.fixed_by}." for name, k in KNOBS.items())


def worst_rows(record: Mapping[str, Any]) -> Iterator[str]:
    """The rows that are off by the largest factors."""
    compared = sorted(from_json(dict(record)), key=lambda c: -c.factor)[:WORST]
    yield f"## The {len(compared)} worst"
    yield items(map(told, compared))


def told(c: Compared) -> str:
    """A row with its kernel, and what bounds it."""
    pair = c.pair("time")
    assert pair is not None
    times = f"predicted {1e3 * pair[0]:.4g} µs, measured {1e3 * pair[1]:.4g} µs ({c.error():+.0f} %)"
    return f"{c.row.gpu}, {describe(c)}: {times}. {c.prediction.choice}; {c.prediction.bound}."


def energy(record: Mapping[str, Any]) -> Iterator[str]:
    """Power and energy, where the table has them, and how far published ones differ."""
    yield "## Energy and power"
    yield (
        f"Published energies of one and the same part differ by ±{record['published_energies_differ']} %, so no "
        "prediction can be known to be better than that. How each unit energy is found is in the head of each chip's "
        "file."
        + (
            " Boards under their limits of power are on the page of [power](models/power.md)."
            if POWER.is_file()
            else ""
        )
    )
    for quantity in ("power", "energy"):
        if record[quantity]["total"] is not None:
            head = ("operator", "GPU", "rows", f"MAPE of {quantity}", "median", "bias", "worst factor")
            groups = [*record[quantity]["by"], record[quantity]["total"]]
            yield table(head, ([c for i, c in enumerate(cells(g)) if i not in (6, 7, 8)] for g in groups))


def page(record: Mapping[str, Any]) -> str:
    """The whole page."""
    parts = [HEAD.strip(), *kernel_times(record), *what_is_claimed(record), *worst_rows(record)]
    parts += [FAILURES.read_text(encoding="utf-8").strip(), *fitted(), *energy(record)]
    return "\n\n".join(part if part.startswith(("|", "-", "#", "!")) else wrapped(part) for part in parts) + "\n"


def wrapped(part: str) -> str:
    """A paragraph in lines that can be reviewed."""
    return textwrap.fill(part, WIDE, break_on_hyphens=False, break_long_words=False)


def main(arguments: list[str] | None = None) -> int:
    """Write the page and its figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--reference", type=Path, help="folder with the full reference tables")
    given.add_argument("--json", type=Path, help="what memsim validate --data --json has written")
    options = parser.parse_args(arguments)
    if options.json is not None:
        record = json.loads(options.json.read_text(encoding="utf-8"))
    else:
        record = kernels(options.reference)
    if record["failed"] or record["interrupted"]:
        print("some rows were not predicted: the page would not tell of them", file=sys.stderr)
        return 1
    FIGURE.parent.mkdir(exist_ok=True)
    save(draw_measured(from_json(record)), FIGURE)
    PAGE.write_text(page(record), encoding="utf-8")
    print(f"wrote {PAGE} and {FIGURE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
