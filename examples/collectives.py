"""All-reduce over eight GPUs: which algorithm is best for which size, and what it costs in time and joules."""

from memsim.engine import simulate
from memsim.hierarchy import System
from memsim.lowering.collectives import collective
from memsim.report.figures.collectives import plot_bus_bandwidth

system = System.preset("dgx_h100")
chip = system.as_chip()  # its cores are whole GPUs
algorithms = ("ring", "halving_doubling", "tree", "direct")
sizes = [1 << n for n in range(12, 31, 2)]

curves = {}
results = {}
for algorithm in algorithms:
    points = []
    for size in sizes:
        work = collective("all_reduce", system.count, size // 2, algorithm=algorithm, dtype="bf16")
        result = results[algorithm, size] = simulate(work.program, chip)
        points.append((size, work.bus_bandwidth(result.time_s)))
    curves[algorithm] = points

print(f"{'vector':>10}  " + "".join(f"{name:>18}" for name in algorithms) + "   (us)")
for size in sizes:
    times = "".join(f"{results[name, size].time_s * 1e6:18.1f}" for name in algorithms)
    print(f"{size:10,}  {times}")

largest = results["ring", sizes[-1]]
for row in largest.energy.records("level"):
    print(f"{row['level']:>8} {row['energy_j']:8.3f} J {row['share']:6.1%}")

plot_bus_bandwidth(curves, "collectives.png", title="All-reduce on 8 H100", peak=float(system.link_bytes_per_s))
