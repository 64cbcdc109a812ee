"""Causal attention, naive and flash, over the sequence length: what writing the score matrix costs."""

import memsim as ms
from memsim.workloads import attention

HEADS, DIM = 4, 64
chip = ms.Chip.preset("toy")

print(f"{HEADS} heads of {DIM}, causal, on {chip.name}")
print(f"{'tokens':>6} {'kind':>6} {'DRAM MB':>8} {'energy uJ':>9} {'time us':>8}")
for tokens in (128, 256, 512):
    q, k, v = (ms.tensor(name, (tokens, HEADS * DIM), "bf16") for name in "qkv")
    for kind in ("naive", "flash"):
        graph = attention(q, k, v, heads=HEADS, causal=True, kind=kind)
        program = ms.compile(graph, chip)
        result = ms.simulate(program, chip, workload=f"{kind} attention, {tokens} tokens")
        moved, energy, time = result.bytes_by_level["dram"] / 1e6, result.energy_j * 1e6, result.time_s * 1e6
        print(f"{tokens:6} {kind:>6} {moved:8.2f} {energy:9.1f} {time:8.1f}")
        if not ms.check(program, graph).ok:
            raise SystemExit(f"{kind} attention of {tokens} tokens computes the wrong numbers")
    result.plot.roofline(f"flash_{tokens}.png")
