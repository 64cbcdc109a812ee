"""Two spirals learnt by running a compiled training step again and again; what such a step costs on two chips."""

import matplotlib.pyplot as plt
import numpy as np

import memsim as ms
from memsim.workloads import labels, training_step

BATCH, STEPS, CHIPS = 256, 500, ("toy", "h100_sxm")
COLOURS = {"static": "#CCCCCC", "dram": "#0072B2", "cache": "#56B4E9", "sram": "#009E73", "wires": "#CC79A7"}
COLOURS |= {"matrix": "#D55E00", "vector": "#E69F00", "reg": "#F0E442"}


def spirals(points: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of two spirals that wind around each other, and one-hot rows that say of which."""
    kind = generator.integers(0, 2, points)
    radius = np.sqrt(generator.uniform(0.03, 1, points))
    angle = 2.5 * np.pi * radius + np.pi * kind
    position = radius * np.stack([np.cos(angle), np.sin(angle)])
    return (position.T + generator.normal(0, 0.02, (points, 2))).astype(np.float32), np.eye(2, dtype=np.float32)[kind]


x, y = ms.tensor("x", (BATCH, 2)), labels("y", BATCH, 2)
step = training_step(x, y, widths=[64, 64, 2], activation="tanh", lr=0.1)
programs = {name: ms.compile(step.roots, ms.Chip.preset(name)) for name in CHIPS}
if not all(ms.check(program, step.roots).ok for program in programs.values()):
    raise SystemExit("a step computes the wrong numbers")

generator = np.random.default_rng(3)
weights = {name: np.zeros(node.shape, np.float32) for name, node in step.updated.items()}
for name, spread in {"w1": 4.0, "w2": 0.2, "w3": 0.2}.items():
    weights[name] = generator.normal(0, spread, weights[name].shape).astype(np.float32)
losses = []
for _ in range(STEPS):
    points, kinds = spirals(BATCH, generator)
    found = ms.interpret(programs["toy"], {"x": points, "y": kinds, **weights})
    losses.append(float(found["loss"][0]))
    weights = {name: found[f"{name}_next"] for name in weights}

points, kinds = spirals(BATCH, generator)
forward = ms.compile(step.logits, ms.Chip.preset("toy"))
logits = ms.interpret(forward, {"x": points, **weights})["out"]
accuracy = float((logits.argmax(1) == kinds.argmax(1)).mean())
last = np.mean(losses[-10:])
print(f"loss {losses[0]:.2f} at first, {last:.3f} after {STEPS} steps; {accuracy:.0%} of new points right")

results = {name: ms.simulate(program, ms.Chip.preset(name)) for name, program in programs.items()}
energies = {}
for name, result in results.items():
    energies[name] = result.energy.by("part").set_index("part")["energy_j"] * 1e6
    shown = ", ".join(f"{part} {energy:.3g}" for part, energy in energies[name].nlargest(4).items())
    print(f"{name}: a step takes {result.time_s * 1e6:.0f} us and {result.energy_j * 1e6:.0f} uJ ({shown})")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.plot(losses, color="#0072B2", linewidth=0.8)
left.set_title("loss over steps", fontsize=10, loc="left")
left.set_ylim(0)
drawn = np.zeros(len(CHIPS))
for part, colour in COLOURS.items():
    share = np.array([100 * energies[name].get(part, 0.0) / energies[name].sum() for name in CHIPS])
    right.barh(range(len(CHIPS)), share, left=drawn, color=colour, label=part)
    drawn += share
totals = [f"{name}\n{energies[name].sum():.0f} uJ" for name in CHIPS]
right.set_yticks(range(len(CHIPS)), totals)
right.set_title("energy of a step by part, %", fontsize=10, loc="left")
right.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.1), fontsize=8)
right.invert_yaxis()
for axis in (left, right):
    axis.spines[["top", "right"]].set_visible(False)
figure.savefig("mlp_training.png", dpi=150)
