"""A page of static files that runs a program through the browser's WebGPU, and checks what it computes.

The files are a fixed page with its script, and ``page.json``: shaders, buffers, dispatches, initial values, expected
values. The JSON is data; the script never runs anything that it reads, except shaders on the GPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import GIVE_A_PROGRAM, MemsimError, check_kind
from memsim.isa.interpret import core_count
from memsim.isa.model import Program
from memsim.isa.verify import verify
from memsim.webgpu.browser.contents import Steps, contents
from memsim.webgpu.browser.replay import Replay, check_steps, fed_back, replay, streamed

Array: TypeAlias = np.ndarray[Any, Any]

FORMAT = "memsim-webgpu-page/1"
DATA = "page.json"
STATIC = ("index.html", "page.css", "page.js", "runner.js")
"""Files that are the same for every page."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a chip is said to need for a step, shown beside what the browser measures."""

    chip: str
    time_s: float
    energy_j: float
    parts: Mapping[str, float] = field(default_factory=dict)
    """Joules by part of the chip."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was written."""

    folder: Path
    data: dict[str, Any]
    """What ``page.json`` holds."""
    expected: Replay
    """What the page is checked against."""


def export_page(
    program: Program,
    inputs: Mapping[str, Array],
    folder: str | Path,
    *,
    steps: int = 100,
    feed: Mapping[str, str] | None = None,
    streams: Mapping[str, Array] | None = None,
    watch: str = "loss",
    cores: int | None = None,
    predicted: Sequence[Prediction] = (),
    title: str | None = None,
) -> Page:
    """Write a page that runs a program step after step in a browser, and checks it against the interpreter.

    Shaders keep to the limits that every WebGPU device has, and need no feature of it. After each step the results in
    ``feed`` become inputs, and ``watch`` is recorded; after the last, both are compared with `replay`. What a step may
    be off by on a GPU (`memsim.webgpu.exactness`) is allowed once for each step.

    Parameters
    ----------
    program
        A step, such as a compiled training step.
    inputs
        Tensors before the first step, by name.
    folder
        Where to write; made if it does not exist.
    steps, feed, streams, watch, cores
        As `replay` takes them.
    predicted
        Time and energy of a step on some chips, shown beside the measured time.
    title
        Of the page; the program's name if None.

    Raises
    ------
    ProgramError
        The program breaks a rule, or cannot be written in WGSL; or tensors do not fit.
    WorkloadError
        There are no steps.
    MemsimError
        The folder cannot be written.
    """
    check_kind(program, Program, "export_page", GIVE_A_PROGRAM)
    check_steps(steps)
    verify(program)
    pairs, dealt, used_cores = fed_back(program, feed), streamed(program, streams), core_count(program, cores)
    run = Steps(program, inputs, steps, pairs, dealt, watch, used_cores)
    run.check()
    expected = replay(program, inputs, steps=steps, feed=pairs, streams=dealt, watch=watch, cores=used_cores)
    data = {
        "format": FORMAT,
        "title": title or program.name,
        **contents(run, expected),
        "predicted": [asdict(prediction) for prediction in predicted],
    }
    written = Path(folder)
    _write(written, data)
    return Page(written, data, expected)


def _write(folder: Path, data: Mapping[str, Any]) -> None:
    static = resources.files("memsim.webgpu.browser") / "static"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in STATIC:
            (folder / name).write_bytes((static / name).read_bytes())
        (folder / DATA).write_text(json.dumps(data), encoding="utf-8")
    except OSError as error:
        raise MemsimError(f"cannot write the page: {error}", where=str(folder), mend="choose another folder") from error
