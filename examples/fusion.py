"""a * b + c in one kernel or in two: what the trip of the intermediate through DRAM costs in bytes and joules."""

import memsim as ms

SHAPE = (2048, 2048)
chip = ms.Chip.preset("toy")
a, b, c, product = (ms.tensor(name, SHAPE, "fp32") for name in ("a", "b", "c", "product"))

fused = [a * b + c]  # one graph: one kernel, the product stays in the core
apart = [a * b, product + c]  # two graphs: the product is stored, then loaded again

totals = {}
for name, graphs in (("one kernel", fused), ("two kernels", apart)):
    results = [ms.simulate(ms.compile(graph, chip), chip) for graph in graphs]
    totals[name] = {
        "dram_bytes": sum(r.bytes_by_level["dram"] for r in results),
        "energy_j": sum(r.energy_j for r in results),
        "time_s": sum(r.time_s for r in results),
    }

tensor_bytes = SHAPE[0] * SHAPE[1] * 4
for name, total in totals.items():
    tensors, energy, time = total["dram_bytes"] / tensor_bytes, total["energy_j"] * 1e3, total["time_s"] * 1e6
    print(
        f"{name:12} {tensors:.0f} tensors of {tensor_bytes / 1e6:.1f} MB through DRAM, {energy:.2f} mJ, {time:.0f} us"
    )
saved = totals["two kernels"]["energy_j"] - totals["one kernel"]["energy_j"]
print(f"fusion saves {saved * 1e3:.2f} mJ, {saved / totals['two kernels']['energy_j']:.0%}")
