"""What the choice among kernels knows of a chip, in cycles of its clock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from memsim.hierarchy import Chip, MatrixUnit
from memsim.hierarchy.units import Duration, Rate
from memsim.isa.ops import DTYPES
from memsim.library.gemm.catalogue import is_asynchronous
from memsim.library.gemm.plan import Tiling

WORKSPACE = 32 << 20
"""Bytes that TensorRT-LLM gives cuBLAS, and PyTorch since Hopper [from memory]."""
CACHE_SHARE = 0.6
"""Of the cache's bandwidth, where half of the bytes come from another partition."""
PORT_SHARE, DRAM_SHARE = 0.9, 0.85
"""Of what the ports of shared memories and the pins of the DRAM could take."""
SETTLING = 100
"""Cycles from a load's first byte to its last, about."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Rates and latencies of a chip."""

    cores: int
    lanes: int
    link: float
    """Bytes a cycle into a core."""
    cache: float
    """Bytes a cycle out of the cache (of the DRAM, where there is none)."""
    workspace: int
    """Bytes for the parts of a product that is split along k."""
    capacity: int
    """Bytes of the cache."""
    dram: float
    """Bytes a cycle."""
    port: float
    """Bytes a cycle of a core's shared memory."""
    latency: float
    """Cycles from the issue of a load to its data, from the cache."""
    second: float
    """Cycles that a second kernel takes, small as it is."""
    asynchronous: bool
    unit: MatrixUnit
    chip: Chip

    @staticmethod
    def of(chip: Chip, dtype: str) -> Facts:
        """The facts of a chip."""
        return _facts(_Key(chip), dtype)

    def product(self, tiling: Tiling, dtype: str) -> float:
        """Cycles of the products of a step, or of what their operands take of the shared memory."""
        m, n = (tiling.n, tiling.m) if tiling.turned else (tiling.m, tiling.n)
        interval, _ = self.unit.cycles(m, n, tiling.k, dtype)
        reads = self.unit.operand_elements(m, n, tiling.k, dtype)
        size = 4 if dtype == "fp32" else 2 if dtype in ("bf16", "fp16") else 1
        moved = (reads.a_reads + reads.b_reads + (tiling.m + tiling.n) * tiling.k) * size
        return max(float(interval), moved / self.port)

    def prologue(self, tiling: Tiling, dtype: str, steps: int) -> int:
        """Cycles by which the first products wait longer than for their operands.

        Where the threads that multiply load as well, they issue the loads of all stages but one before anything else,
        at the rate at which a core takes bytes; the first operands may have come long before.
        """
        if self.asynchronous:
            return 0
        stages = min(steps, tiling.stages - 1)
        bytes_issued = stages * (tiling.m + tiling.n) * tiling.k * DTYPES[dtype].bytes
        return max(0, round(bytes_issued / self.link - self.latency))

    def pauses(self, tiling: Tiling, pieces: int) -> bool:
        """Whether a matrix unit stands still between two steps: warps load and multiply in turn, alone on a core."""
        return not self.asynchronous and (tiling.residents == 1 or pieces <= self.cores)


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    chip: Chip

    def __hash__(self) -> int:
        return id(self.chip)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.chip is self.chip


@lru_cache(maxsize=64)
def _facts(key: _Key, dtype: str) -> Facts:
    chip = key.chip
    assert chip.core.matrix is not None
    cycle = float(chip.clock_period)

    def rate(value: Rate) -> float:
        return float(value.value) * (1.0 if value.per == "cycle" else cycle)

    def cycles(duration: Duration) -> float:
        return chip.ticks_of(duration) * float(chip.tick) / cycle

    hop = cycles(chip.network.hop_latency)
    latency = (
        cycles(chip.core.dma.latency)
        + 2 * hop
        + (cycles(chip.cache.latency) if chip.cache else cycles(chip.dram.latency))
    )
    dram = rate(chip.dram.bandwidth) * DRAM_SHARE
    return Facts(
        chip.core_count,
        chip.core.vector.lanes,
        rate(chip.network.link_bandwidth),
        rate(chip.cache.bandwidth) * CACHE_SHARE if chip.cache else dram,
        WORKSPACE,
        chip.cache.capacity if chip.cache else 0,
        dram,
        PORT_SHARE * rate(chip.core.sram.bandwidth) if chip.core.sram.bandwidth else 1e9,
        latency + SETTLING,
        cycles(chip.launch) + 3 * latency,
        is_asynchronous(chip, dtype),
        chip.core.matrix,
        chip,
    )
