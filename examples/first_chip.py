"""Script a chip of your own, run a matrix product on it with two sizes of SRAM, and plot where the energy goes."""

import memsim as ms
from memsim.hierarchy import Core, Dma, Dram, MatrixUnit, Memory, Network, VectorUnit

chip = ms.Chip(
    name="first",
    technology="n5",
    clock="1.5 GHz",
    launch="1 us",
    static_power="3 W",
    core=Core(
        grid=[2, 2],
        pitch=["1.5 mm", "1.5 mm"],
        sram=Memory(capacity="64 KiB", bandwidth="256 B/cycle"),
        matrix=MatrixUnit(kind="systolic", rows=64, cols=64, dataflow="output_stationary", cycles_scale={"bf16": 1}),
        vector=VectorUnit(lanes=64, special_lanes=16),
        dma=Dma(issue="4 cycles", latency="40 cycles", max_bytes="64 KiB"),
    ),
    dram=Dram(kind="LPDDR5", capacity="8 GiB", channels=4, bandwidth="100 GB/s", latency="100 ns"),
    network=Network(topology="mesh", link_bandwidth="64 B/cycle", hop_latency="2 cycles"),
)
a, b = ms.tensor("a", (1024, 1024), "bf16"), ms.tensor("b", (1024, 1024), "bf16")

results = {}
for capacity in ("64 KiB", "512 KiB"):
    sized = chip.replace({"name": f"{capacity} of SRAM", "core.sram.capacity": capacity})
    results[capacity] = ms.simulate(ms.compile(a @ b, sized), sized)
    results[capacity].plot.energy(f"first_chip_{capacity.replace(' ', '')}.png")

small, large = results.values()
print(large)
print(ms.compare(small, large))
