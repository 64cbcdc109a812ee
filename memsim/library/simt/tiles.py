"""The catalogue: blocks of sgemm as cuBLAS compiles them, what an SM holds of them and how fast it runs them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from memsim.hierarchy import Chip

WARP = 32
SCHEDULERS = 4
"""Warp schedulers of an SM, each of which issues one instruction a cycle: NVIDIA Volta to Blackwell."""
MOST_BLOCKS = 32
"""Blocks an SM holds at most, CUDA C++ Programming Guide, compute capability 7.0 to 9.0 (16 on 7.5 and 8.9)."""
MOST_WARPS = 64
"""Warps an SM holds at most, the same (32 on 7.5, 48 on 8.9)."""
OVERHEAD_REGISTERS = 24
"""Registers of a thread for addresses, counters and what is on its way from global to shared memory; 8 x 8 sums with
two sets of fragments then make 120: volta_sgemm_128x128_tn has 118 to 122."""
REGISTER_GRAIN = 8
"""Registers are given to threads in eights, CUDA occupancy calculator."""
BARRIER_CYCLES, BARRIER_CYCLES_WARP = 21, 2
"""__syncthreads takes 21 cycles and 2 a warp: A100, Burtchell and Burtscher, IISWC 2024."""
LINE_WORDS, SECTOR_WORDS = 32, 8
"""Words of a line of L1, which a wavefront of a load takes from one line; of a sector."""
BANKS, VECTOR_WORDS = 32, 4
"""Banks of shared memory, a word wide; words of the widest load (LDS.128), to which rows of a tile are aligned."""
PATCH = 2
"""Threads along each side of the patch whose products are a native step."""
NATIVE_K = 8
"""Elements along k of a native step: every stage is a multiple of it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A thread block of sgemm: its tile, the part of it that a thread keeps in registers, and its stage along k."""

    m: int
    n: int
    thread_m: int
    thread_n: int
    k: int
    """Elements along k of a stage in shared memory."""
    slices: int = 1
    """Groups of warps that share the stage's k between them and add up their sums at the end (cuBLAS: sliced1x4)."""

    @property
    def threads(self) -> int:
        """Threads of the block."""
        return self.m * self.n // (self.thread_m * self.thread_n) * self.slices

    @property
    def registers(self) -> int:
        """Registers of a thread: sums, two sets of fragments of the operands, and the rest."""
        used = self.thread_m * self.thread_n + 2 * (self.thread_m + self.thread_n) + OVERHEAD_REGISTERS
        return -(-used // REGISTER_GRAIN) * REGISTER_GRAIN

    @property
    def barrier_cycles(self) -> int:
        """Cycles of a stage's barrier, in which the block multiplies nothing."""
        return BARRIER_CYCLES + BARRIER_CYCLES_WARP * (self.threads // WARP)

    def shared_bytes(self, stages: int) -> int:
        """Shared memory of a block with so many stages.

        Parameters
        ----------
        stages
            Stages in shared memory at once.
        """
        return 4 * stages * self.k * (self.m + self.n)

    def resident(self, chip: Chip, stages: int) -> int:
        """Blocks that a core holds: by its registers, shared memory, warps.

        Parameters
        ----------
        chip
            A GPU.
        stages
            Stages in shared memory at once.
        """
        by_registers = chip.core.reg.capacity // (4 * self.registers * self.threads)
        by_shared = chip.core.sram.capacity // self.shared_bytes(stages)
        by_warps = MOST_WARPS // max(1, self.threads // WARP)
        return max(1, min(by_registers, by_shared, by_warps, MOST_BLOCKS))

    def fits(self, chip: Chip, stages: int) -> bool:
        """Whether a core can hold one.

        Parameters
        ----------
        chip
            A GPU.
        stages
            Stages in shared memory at once.
        """
        registers = 4 * self.registers * self.threads
        return registers <= chip.core.reg.capacity and self.shared_bytes(stages) <= chip.core.sram.capacity

    # ---- how fast an SM runs it ----

    def slowdown(self, lanes: int, shared_bytes_cycle: Fraction, aligned: bool) -> float:
        """Cycles of a stage over those that its FMA alone take: at least 1, more where another pipe is the limit.

        Parameters
        ----------
        lanes
            FMA a cycle of an SM.
        shared_bytes_cycle
            What shared memory delivers, bytes a cycle.
        aligned
            Whether rows of the operands begin at lines.
        """
        return max(1.0, self.data_pipe(lanes, shared_bytes_cycle, aligned), self.issue(lanes))

    def data_pipe(self, lanes: int, shared_bytes_cycle: Fraction, aligned: bool) -> float:
        """Busy share of the L1's data pipe, while FMA run at full rate.

        Loads from shared memory, stores into it and global loads all pass it, a wavefront of 128 bytes at a time
        (Nsight Compute: l1tex__data_pipe_lsu_wavefronts).

        - LDS: thread_m + thread_n words for thread_m x thread_n FMA, to every thread its own.
        - LDG: a wavefront takes words from one line. Rows of a stage lie apart, so a warp's 32 words are in 32 / k
          lines, or more where a row's run crosses from one line into the next: of all alignments, (k - 1) / 32 do.
        - STS: the tile is stored with k as rows, padded so that they stay aligned to 16 bytes: neighbours along k are
          4 banks apart (mod 32), so those of a warp conflict where it stores more than 8.

        Parameters
        ----------
        lanes
            FMA a cycle of an SM.
        shared_bytes_cycle
            What shared memory delivers, bytes a cycle.
        aligned
            Whether rows of the operands begin at lines.
        """
        words = self.k * (self.m + self.n)
        fma_cycles = self.m * self.n * self.k / lanes
        run = min(self.k, LINE_WORDS)
        lines = WARP // run * (1 if aligned else 1 + (run - 1) / LINE_WORDS)
        conflict = max(1, run // (BANKS // VECTOR_WORDS))
        fragments = self.m * self.n * self.k * (self.thread_m + self.thread_n) / (self.thread_m * self.thread_n)
        wavefronts = (fragments + words * (lines + conflict)) / WARP
        return wavefronts * float(4 * WARP / shared_bytes_cycle) / fma_cycles

    def issue(self, lanes: int) -> float:
        """Issue slots of a stage over the cycles that its FMA take on the lanes.

        Parameters
        ----------
        lanes
            FMA a cycle of an SM.
        """
        fma = self.m * self.n * self.k / WARP
        fragments = fma * (self.thread_m + self.thread_n) / (self.thread_m * self.thread_n * VECTOR_WORDS)
        words = 2 * self.k * (self.m + self.n) / WARP
        return (fma + fragments + words) / SCHEDULERS / (fma * WARP / lanes)

    def native(self, lanes: int, slowdown: float) -> tuple[int, int, int, int]:
        """A native step: what 2 x 2 threads multiply from `NATIVE_K` sets of fragments, as (m, n, k, cycles).

        One thread's would be too few cycles to be told in whole ones.

        Parameters
        ----------
        lanes
            FMA a cycle of an SM.
        slowdown
            What `slowdown` says.
        """
        m, n = PATCH * self.thread_m, PATCH * self.thread_n
        return m, n, NATIVE_K, max(1, round(m * n * NATIVE_K / lanes * slowdown))

    def __str__(self) -> str:
        sliced = f" sliced {self.slices}" if self.slices > 1 else ""
        return f"{self.m} x {self.n} x {self.k}{sliced}"


CATALOGUE = (
    Block(32, 32, 8, 4, 32, slices=4),
    Block(64, 32, 8, 4, 32, slices=4),
    Block(32, 64, 4, 8, 32, slices=4),
    Block(64, 64, 8, 4, 8),
    Block(128, 32, 8, 4, 8),
    Block(32, 128, 4, 8, 8),
    Block(128, 64, 8, 8, 8),
    Block(64, 128, 8, 8, 8),
    Block(128, 128, 8, 8, 8),
    Block(256, 128, 16, 8, 8),
    Block(128, 256, 8, 16, 8),
)
"""Tiles by the names of cuBLAS's kernels: volta_sgemm_128x128_tn, ampere_sgemm_64x32_sliced1x4_tn and the like."""
