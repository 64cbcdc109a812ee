"""Chips to compile for: the presets, and small ones that differ where lowering has a choice."""

from functools import cache

from memsim.hierarchy import Chip
from memsim.isa import Vector, analyze, verify
from memsim.lowering import check, compile

PRESETS = ("toy", "h100_sxm", "dally_grid", "tpu_v4")


@cache
def chip(name):
    """A preset, or one of the variants below."""
    return VARIANTS[name]() if name in VARIANTS else Chip.preset(name)


def toy(**changes):
    """The toy chip with other values; dots in keys are written as two underscores."""
    return Chip.preset("toy").replace({key.replace("__", "."): value for key, value in changes.items()})


def _stationary():
    """Two cores with an output-stationary array, whose sums lie in SRAM."""
    matrix = {
        "kind": "systolic",
        "rows": 16,
        "cols": 8,
        "dataflow": "output_stationary",
        "cycles_scale": dict.fromkeys(("bf16", "fp32", "fp16", "int8", "fp8_e4m3", "fp8_e5m2"), 1),
    }
    return toy(core__grid=[2, 1], core__reg__capacity="64 B", core__matrix=matrix)


VARIANTS = {
    "one_core": lambda: toy(core__grid=[1, 1]),
    "three_cores": lambda: toy(core__grid=[3, 1]),
    "small": lambda: toy(core__sram__capacity="8 KiB", core__reg__capacity="2 KiB"),
    "stationary": _stationary,
}
ALL = (*PRESETS, *VARIANTS)


def checked(node, on, **options):
    """Compile for a chip, prove that it fits, compare its values with numpy; returns the program."""
    machine = chip(on) if isinstance(on, str) else on
    program = compile(node, machine, **options)
    verify(program, machine)
    report = check(program, node, seed=1)
    assert report.ok, report
    return program


def executed(program, *kinds):
    """How often instructions of these kinds run."""
    return sum(e.count for e in analyze(program).executions if isinstance(e.instruction, kinds))


def vector_count(program, op):
    """How often an elementwise primitive runs."""
    vectors = (e for e in analyze(program).executions if isinstance(e.instruction, Vector))
    return sum(e.count for e in vectors if e.instruction.op == op)
