"""Programs for the tests of the WGSL backend, and what they are run with."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np

import memsim as ms
from memsim.isa.model import Program
from memsim.webgpu import Adapter, CrossCheck, crosscheck, find_adapter
from memsim.workloads import random_inputs, workload
from tests.drafts import Rejected
from tests.strategies import draw_program, inputs_for, least_cores

ADAPTERS = ("Vulkan", "OpenGL")
"""Backends of the software adapter that every test machine has; one that is missing fails the tests."""

SIZES: dict[str, dict[str, Any]] = {
    "matmul": {"m": 48, "n": 40, "k": 56},
    "batched_matmul": {"batch": 2, "m": 16, "n": 24, "k": 16},
    "linear": {"m": 32, "n": 48, "k": 32, "residual": True},
    "elementwise": {"rows": 20, "columns": 33},
    "reduce": {"rows": 20, "columns": 33},
    "softmax": {"rows": 16, "columns": 50},
    "layer_norm": {"rows": 16, "columns": 50},
    "rms_norm": {"rows": 16, "columns": 50},
    "attention": {"heads": 2, "kv_heads": 1, "queries": 32, "keys": 32, "dim": 16, "causal": True},
    "flash_attention": {"heads": 2, "kv_heads": 1, "queries": 300, "keys": 300, "dim": 16, "causal": True},
    "rope": {"positions": 16, "heads": 2, "dim": 16},
    "mlp": {"tokens": 16, "width": 32, "ffn": 48},
    "llama_layer": {"tokens": 32, "width": 64, "heads": 4, "kv_heads": 2, "ffn": 96},
    "conv2d": {"batch": 2, "rows": 7, "columns": 9, "channels": 8, "filters": 12},
    "mlp_training": {"batch": 16, "inputs": 12, "hidden": 20, "classes": 5, "dtype": "fp32"},
    "llama_decode": {"model": "tiny", "context": 20, "batch": 2},
}
"""Small parameters for each named workload."""


@cache
def adapter(name: str) -> Adapter:
    return find_adapter(name)


@cache
def compiled(name: str, **other: Any) -> tuple[Program, dict[str, np.ndarray[Any, Any]]]:
    """A named workload on the toy chip, and inputs."""
    graph = workload(name, **{**SIZES[name], **other})
    return ms.compile(graph, ms.Chip.preset("toy"), name=name), random_inputs(graph)


def drawn(seed: int, **options: Any) -> Program | None:
    """A random program; None where the draw came to nothing."""
    try:
        return draw_program(random.Random(seed), **options)
    except Rejected:
        return None


def check_drawn(program: Program, seed: int, where: str, **options: Any) -> CrossCheck:
    cores = program.cores or least_cores(program)
    return crosscheck(program, inputs_for(program, seed), adapter(where), cores=cores, **options)


def equal_bits(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays are equal to the last bit, any NaN being as good as another."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    same = a.reshape(-1).view(np.uint8).reshape(a.size, -1) == b.reshape(-1).view(np.uint8).reshape(a.size, -1)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        both_nan = np.isnan(a.astype(np.float64)) & np.isnan(b.astype(np.float64))
    return bool((same.all(axis=1) | both_nan.reshape(-1)).all())
