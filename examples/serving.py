"""Llama 3 8B on one and several H100: time per output token over the batch, beside what was measured."""

from memsim.library.serving import decode_step
from memsim.report.figures.serving import plot_time_per_token

CONTEXT = 1300
MEASURED_MS = {8: 7.3, 32: 8.9, 128: 16.5}  # ML.ENERGY v3: vLLM on one H100, lm-arena-chat
batches = [1, 8, 32, 128]

steps = {(tp, batch): decode_step("llama3-8b", "h100_sxm", batch, CONTEXT, tp) for tp in (1, 4) for batch in batches}
print(f"{'sequences':>9}" + "".join(f"{f'{tp} GPU':>9}" for tp in (1, 4)) + "   ms a token")
for batch in batches:
    print(f"{batch:9}" + "".join(f"{steps[tp, batch].time_s * 1e3:9.2f}" for tp in (1, 4)))

few = steps[1, 8]
print(f"\n8 sequences on one: {few.power_w:.0f} W, {few.joules_per_token:.2f} J/token")
for row in few.rows()[:5]:
    print(f"  {row['kernel']:12} {row['time_ms']:6.3f} ms {row['of_time']:6.1%}")

curves = {
    f"{tp} H100" if tp > 1 else "one H100": [(batch, steps[tp, batch].time_s) for batch in batches] for tp in (1, 4)
}
measured = {"one H100": [(batch, ms / 1e3) for batch, ms in MEASURED_MS.items()]}
plot_time_per_token(curves, "serving.png", title=f"Llama 3 8B, context of {CONTEXT} tokens", measured=measured)
