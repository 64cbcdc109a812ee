"""A training step in a browser: learns two spirals through WebGPU, beside the joules that phones are said to need.

Run it, then open http://localhost:8000/ (with --serve), on this machine or on a phone (docs/models/browser.md).
"""

import argparse
from pathlib import Path

import numpy as np

import memsim as ms
from memsim.webgpu.browser import Prediction, export_page, serve
from memsim.workloads import labels, training_step

PHONES = ("a17_pro", "snapdragon_8gen1", "snapdragon_8gen2")
BATCH, BATCHES = 256, 32

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--chip", default=PHONES[0], help="whose program the page runs")
options.add_argument("--steps", type=int, default=300)
options.add_argument("--out", type=Path, default=Path("webgpu_training"))
options.add_argument("--serve", type=int, metavar="PORT", help="serve the page on localhost")
chosen = options.parse_args()


def spirals(points: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of two spirals that wind around each other, and one-hot rows that say of which."""
    kind = generator.integers(0, 2, points)
    radius = np.sqrt(generator.uniform(0.03, 1, points))
    angle = 2.5 * np.pi * radius + np.pi * kind
    position = radius * np.stack([np.cos(angle), np.sin(angle)])
    return (position.T + generator.normal(0, 0.02, (points, 2))).astype(np.float32), np.eye(2, dtype=np.float32)[kind]


x, y = ms.tensor("x", (BATCH, 2)), labels("y", BATCH, 2)
step = training_step(x, y, widths=[64, 64, 2], activation="tanh", lr=0.1)
generator = np.random.default_rng(3)
weights = {name: np.zeros(node.shape, np.float32) for name, node in step.updated.items()}
for name, spread in {"w1": 4.0, "w2": 0.2, "w3": 0.2}.items():
    weights[name] = generator.normal(0, spread, weights[name].shape).astype(np.float32)
points, kinds = zip(*(spirals(BATCH, generator) for _ in range(BATCHES)), strict=True)
data = {"x": np.stack(points), "y": np.stack(kinds)}

programs = {name: ms.compile(step.roots, ms.Chip.preset(name)) for name in dict.fromkeys((*PHONES, chosen.chip))}
predicted = []
for name, program in programs.items():
    result = ms.simulate(program, ms.Chip.preset(name))
    parts = result.energy.by("part").set_index("part")["energy_j"]
    predicted.append(Prediction(name, result.time_s, result.energy_j, parts.to_dict()))
    shown = ", ".join(f"{part} {energy:.0%}" for part, energy in (parts / result.energy_j).nlargest(3).items())
    print(f"{name}: a step takes {result.time_s * 1e6:.0f} us and {result.energy_j * 1e6:.0f} uJ ({shown})")

page = export_page(
    programs[chosen.chip],
    weights,
    chosen.out,
    steps=chosen.steps,
    streams=data,
    predicted=predicted,
    title=f"An MLP learns two spirals, by a program for {chosen.chip}",
)
losses = page.expected.history
print(f"loss {losses[0]:.2f} at first, {losses[-1]:.2f} after {chosen.steps} steps; the page is in {chosen.out}")
if chosen.serve is not None:
    serve(chosen.out, chosen.serve)
