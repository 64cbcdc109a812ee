"""A matrix in DRAM, read by rows and by columns: the same bytes, several times the time and the energy."""

import matplotlib.pyplot as plt

import memsim as ms

ROWS, COLUMNS = 1024, 8192  # fp16: a row of the matrix is 16 KiB
PROGRAM = """
program walk
tensor A dram fp16 [{rows}, {columns}]
kernel main blocks (b 4) {{
  ring a sram fp16 [{tall}, {wide}] depth 8
  queue load {{ loop i {tiles} {{ load a <- A[{row}, {column}] }} }}
  queue use {{ loop i {tiles} {{ pop a }} }}
}}
"""
TILES = ROWS * COLUMNS * 2 // 4096 // 4  # of 4 KiB, for each of four cores
WALKS = {
    "by rows": {"tall": 1, "wide": 2048, "row": "b + i // 4 * 4", "column": "i % 4 * 2048"},
    "by columns": {"tall": 128, "wide": 16, "row": "i % 8 * 128", "column": "(b + i // 8 * 4) * 16"},
}
chip = ms.Chip.preset("toy").replace(
    {
        "core.grid": [2, 2],
        "core.dma.max_transfers": 64,
        "dram.part": "hbm2_2000",  # a burst is 32 B, a row of a bank 1 KiB; eight channels have 256 GB/s
        "dram.channels": 8,
        "dram.at": [["0 mm", "1 mm"], ["0 mm", "3 mm"]],
        "network.link_bandwidth": "256 B/cycle",
        "network.memory_port_bandwidth": "256 B/cycle",
    }
)

results, opened = {}, {}
print(f"{'walk':11} {'channels':8} {'us':>6} {'GB/s':>6} {'rows opened':>12} {'uJ of DRAM':>11}")
for name, tile in WALKS.items():
    for channel_map in ("hashed", "linear"):
        here = chip.replace({"dram.channel_map": channel_map})
        program = ms.parse(PROGRAM.format(rows=ROWS, columns=COLUMNS, tiles=TILES, **tile))
        result = results[name, channel_map] = ms.simulate(program, here)
        opened[name, channel_map] = result.energy.amounts("part")["rows",]
        parts = result.energy.by("part").set_index("part")["energy_j"]
        joules = parts["dram"] + parts["rows"]
        rate = result.bytes_by_level["dram"] / result.time_s
        print(
            f"{name:11} {channel_map:8} {result.time_s * 1e6:6.0f} {rate / 1e9:6.0f} {opened[name, channel_map]:12,}"
            f" {joules * 1e6:11.0f}"
        )

figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
labels = [f"{name}\n{channel_map}" for name, channel_map in results]
energies = [result.energy.by("part").set_index("part")["energy_j"] * 1e6 for result in results.values()]
axes[0].barh(labels, [result.time_s * 1e6 for result in results.values()], color="#0072B2")
axes[1].barh(labels, [count / 1000 for count in opened.values()], color="#E69F00")
axes[2].barh(labels, [joules["dram"] for joules in energies], color="#0072B2", label="bursts")
axes[2].barh(labels, [j["rows"] for j in energies], left=[j["dram"] for j in energies], color="#E69F00", label="rows")
axes[2].legend(frameon=False)
for axis, title in zip(axes, ("time, us", "rows opened, thousands", "energy of the DRAM, uJ"), strict=True):
    axis.set_title(title, fontsize=10, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.invert_yaxis()
    if axis is not axes[0]:
        axis.set_yticks([])
figure.savefig("column_walk.png", dpi=150)
