"""a * b + c in one kernel or in two: what the trip of the product through DRAM costs in bytes and joules."""

import memsim as ms

SHAPE = (1024, 1024)
chip = ms.Chip.preset("toy")
a, b, c = (ms.tensor(name, SHAPE, "fp32") for name in "abc")
graph = a * b + c

programs = {
    "one kernel": ms.compile(graph, chip),  # the product stays in the core
    "two kernels": ms.compile(graph, chip, fuse=False),  # the product is stored, then loaded again
}
results = {name: ms.simulate(program, chip, workload=name) for name, program in programs.items()}

tensor_bytes = SHAPE[0] * SHAPE[1] * 4
for name, result in results.items():
    tensors, energy, time = result.bytes_by_level["dram"] / tensor_bytes, result.energy_j * 1e6, result.time_s * 1e6
    print(f"{name:12} {tensors:.0f} tensors of 4.2 MB through DRAM, {energy:.0f} uJ, {time:.0f} us")

one, two = results.values()
print(f"fusion saves {(two.energy_j - one.energy_j) * 1e6:.0f} uJ, {1 - one.energy_j / two.energy_j:.0%}\n")
print(ms.compare(two, one))
