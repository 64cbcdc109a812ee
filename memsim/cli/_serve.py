"""``memsim serve``: time to first token, time per output token and energy of a language model on GPUs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memsim.cli._files import check_figure, check_writable, read_chip, write_json
from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.library.serving import Serving, StepResult


def serve(
    model: Annotated[str, typer.Option(metavar="NAME", help="llama3-8b, llama3-70b, qwen3-32b …")] = "llama3-8b",
    chip: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="A chip. Default: h100_sxm, unless --system.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="A system of chips, in place of --chip.")
    ] = None,
    tp: Annotated[
        int | None, typer.Option(metavar="N", help="Chips that share the model. Default: 1, or all of a system.")
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="Sequences that are served together.")] = 1,
    prompt: Annotated[int, typer.Option(metavar="N", help="Tokens of each prompt.")] = 1024,
    context: Annotated[
        int | None, typer.Option(metavar="N", help="Tokens that a new one attends to. Default: the prompt and itself.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="NAME", help="What software adds: none, … Default: as the model says.")
    ] = None,
    sampling: Annotated[str, typer.Option(metavar="top_p|greedy", help="How the next token is chosen.")] = "top_p",
    dtype: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Of weights and activations: bf16 or fp16. Default: the model's.")
    ] = None,
    mixed: Annotated[
        int, typer.Option(metavar="N", help="Tokens of another prompt that each decode step reads too.")
    ] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the numbers (- prints them).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw where the time goes.")] = None,
) -> None:
    """Serve a language model: time to first token, time per output token, tokens a second, joules a token, and why."""
    to_stdout = json_file is not None and str(json_file) == "-"
    check_writable(None if to_stdout else json_file)
    check_figure(plot)
    if chip is not None and system is not None:
        raise MemsimError("--chip and --system exclude each other", where="memsim serve", mend="give one of them")
    from memsim.cli._collective import read_system
    from memsim.cli._console import phase
    from memsim.cli._run import announce_compilation
    from memsim.library.models import Model
    from memsim.library.serving import serve as run

    machine = read_chip(chip or "h100_sxm") if system is None else read_system(system)
    served = Model.preset(model)
    if dtype is not None:
        served = replace(served, dtype=dtype)
    announce_compilation()
    with phase("simulating its kernels"):
        found = run(
            served,
            machine,
            batch=batch,
            prompt=prompt,
            context=context,
            tp=tp,
            host=host,
            sampling=sampling,
            mixed=mixed,
        )
    if not to_stdout:
        _print(found)
    if json_file is not None:
        write_json(summary(found), None if to_stdout else json_file)
    if plot is not None:
        from memsim.cli._files import replacing
        from memsim.report.figures.serving import draw_steps
        from memsim.report.figures.style import save

        title = f"{served.name} on {found.decode.tp} x {found.decode.machine}, {batch} sequences"
        with replacing(plot) as target:
            save(draw_steps(title, {"prefill": _times(found.prefill), "decode": _times(found.decode)}), target)


def summary(found: Serving) -> dict[str, Any]:
    """The numbers as plain JSON."""
    return {
        "model": found.decode.model.name,
        "machine": found.decode.machine,
        "tp": found.decode.tp,
        "batch": found.decode.batch,
        "prompt": found.prompt,
        "context": found.context,
        "time_to_first_token_s": found.time_to_first_token_s,
        "time_per_output_token_s": found.time_per_output_token_s,
        "tokens_per_s": found.decode.tokens_per_s,
        "joules_per_token": found.decode.joules_per_token,
        "power_w": found.decode.power_w,
        "prefill": _step(found.prefill),
        "decode": _step(found.decode),
    }


def _times(step: StepResult) -> list[tuple[str, float]]:
    return [*((share.name, share.time_s) for share in step.shares), ("host", step.host_s)]


def _step(step: StepResult) -> dict[str, Any]:
    return {
        "time_s": step.time_s,
        "gpu_s": step.gpu_s,
        "host_s": step.host_s,
        "energy_j": step.energy_j,
        "power_w": step.power_w,
        "clock_hz": step.clock_hz,
        "kernels": step.rows(),
    }


def _print(found: Serving) -> None:
    decode = found.decode
    chips = f"{decode.tp} of {decode.machine}" if decode.tp > 1 else decode.machine
    typer.echo(
        f"{decode.model.name} in {decode.model.dtype} on {chips}: {decode.batch} sequences, prompts of {found.prompt:,}"
        f" tokens, then context of {found.context:,}"
    )
    typer.echo(f"  time to first token    {found.time_to_first_token_s * 1e3:10.2f} ms")
    typer.echo(f"  time per output token  {found.time_per_output_token_s * 1e3:10.2f} ms")
    typer.echo(f"  output                 {decode.tokens_per_s:10,.0f} tokens/s")
    typer.echo(f"  energy                 {decode.joules_per_token:10.3f} J/token")
    typer.echo(f"  power                  {decode.power_w:10.0f} W")
    for name, step in (("prefill", found.prefill), ("decode", decode)):
        typer.echo("")
        typer.echo(_table(name, step))


def _table(name: str, step: StepResult) -> str:
    clock = f", {step.clock_hz / 1e9:.2f} GHz to keep to its power" if step.slowed else ""
    lines = [f"{name}: {step.time_s * 1e3:.3f} ms, {step.energy_j:.3g} J{clock}"]
    lines.append(f"  {'kernel':<18} {'calls':>5} {'us each':>10} {'ms':>9} {'share':>6} {'J':>9}  how")
    for row in step.rows():
        lines.append(
            f"  {row['kernel']:<18} {row['count']:>5} {row['each_us']:>10.2f} {row['time_ms']:>9.3f}"
            f" {row['of_time']:>6.1%} {row['energy_j']:>9.3g}  {row['choice']}"
        )
    if step.host_s:
        lines.append(f"  {'host: ' + step.host:<35} {step.host_s * 1e3:>9.3f} {step.host_s / step.time_s:>6.1%}")
    return "\n".join(lines)
