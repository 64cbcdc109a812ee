"""What ``page.json`` holds: shaders, buffers, dispatches, initial values, what is fed back, what is to come out."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import ProgramError
from memsim.isa.interpret import initial_tensors
from memsim.isa.model import PER_CORE_ROLES, Program, Tensor
from memsim.webgpu.browser.replay import Replay, tensor_of
from memsim.webgpu.exactness import doubts
from memsim.webgpu.generate import generate
from memsim.webgpu.layout import Layout
from memsim.webgpu.shader import Limits, Shader

Array: TypeAlias = np.ndarray[Any, Any]

COMPARED = ("fp32", "fp16", "bf16")
"""Types that the page's script can decode."""
MOST_STEPS = 1 << 20
"""Steps of a page: the watched values lie in one buffer."""
_SUBGROUP = re.compile(r"\b(subgroup[A-Z]\w*|quad[A-Z]\w*|subgroup_size|subgroup_invocation_id)\b")


@dataclass(frozen=True, slots=True)
class Steps:
    """A program run step after step: what `replay` and the page agree on."""

    program: Program
    inputs: Mapping[str, Array]
    count: int
    feed: Mapping[str, str]
    """Results and the inputs that they become, checked."""
    streams: Mapping[str, Array]
    """Values dealt one a step, checked."""
    watch: str
    cores: int | None

    @property
    def compared(self) -> list[Tensor]:
        """What is compared at the end: every input that a result becomes, then what is watched."""
        return [tensor_of(self.program, name, "feed") for name in (*self.feed.values(), self.watch)]

    def check(self) -> None:
        """Refuse what a page cannot record or compare: a `ProgramError` says what."""
        where = f"page of program {self.program.name}"
        *_, watched = self.compared
        if self.count > MOST_STEPS or math.prod(watched.shape) != 1 or watched.dtype != "fp32":
            raise ProgramError(
                f"{self.count:,} steps that watch {watched.name}, {watched.dtype} {list(watched.shape)}",
                where=where,
                mend=f"watch a tensor of one fp32 element, for at most {MOST_STEPS:,} steps",
            )
        for tensor in self.compared:
            if tensor.dtype not in COMPARED or tensor.role in PER_CORE_ROLES:
                raise ProgramError(
                    f"{tensor.name} is {tensor.dtype} in {tensor.role}",
                    where=where,
                    mend=f"a page feeds and compares tensors of {', '.join(COMPARED)} that all cores share",
                )


def contents(steps: Steps, expected: Replay) -> dict[str, Any]:
    """Everything that the page's script needs, as JSON.

    Parameters
    ----------
    steps
        What runs.
    expected
        What it is checked against.
    """
    program, limits = steps.program, Limits()
    layout = Layout(program, steps.cores, limits.storage_bytes)

    def span(name: str) -> dict[str, Any]:
        return _span(layout, tensor_of(program, name, "page"))

    return {
        "steps": steps.count,
        **_shaders(generate(program, layout, limits, cores=steps.cores), layout),
        "initial": {
            name: coded(words)
            for name, words in layout.packed(initial_tensors(program, steps.inputs, steps.cores)).items()
        },
        "streams": [
            {**span(name), "count": len(values), "data": _dealt(values)} for name, values in steps.streams.items()
        ],
        "feed": [{"from": span(result), "to": span(target)} for result, target in steps.feed.items()],
        "watch": span(steps.watch),
        "check": _check(steps, layout, expected),
    }


def _shaders(made: Sequence[Shader], layout: Layout) -> dict[str, Any]:
    """Texts (each once), buffers and dispatches."""
    texts = list(dict.fromkeys(for_browser(shader.text) for shader in made))
    scratch = max((shader.scratch_words for shader in made), default=0)
    return {
        "features": sorted({feature for text in texts for feature in features_of(text)}),
        "shaders": texts,
        "buffers": {**layout.words, "problems": 1, "scratch": scratch},
        "dispatches": [
            {
                "kernel": shader.kernel,
                "shader": texts.index(for_browser(shader.text)),
                "groups": shader.groups,
                "parameters": list(shader.parameters),
                "bindings": [
                    {"binding": number, "buffer": name}
                    for number, name in enumerate(shader.buffers, start=1)
                    if shader.uses(name)
                ],
            }
            for shader in made
        ],
    }


def for_browser(text: str) -> str:
    """A shader as browsers want it: they insist on ``enable subgroups;``, which wgpu's parser does not know."""
    if _SUBGROUP.search(text) and "enable subgroups;" not in text:
        return f"enable subgroups;\n{text}"
    return text


def features_of(text: str) -> list[str]:
    """Features of the device that a shader needs, by what it enables."""
    enabled = {"enable f16;": "shader-f16", "enable subgroups;": "subgroups"}
    return [feature for directive, feature in enabled.items() if directive in text]


def _span(layout: Layout, tensor: Tensor) -> dict[str, Any]:
    place = layout.place(tensor.name, "")
    return {
        "tensor": tensor.name,
        "buffer": place.buffer,
        "offset": layout.offset(tensor.name),
        "words": -(-tensor.bytes // 4),
        "elements": math.prod(tensor.shape),
        "dtype": tensor.dtype,
    }


def _check(steps: Steps, layout: Layout, expected: Replay) -> dict[str, Any]:
    """What is to come out, and how far it may be off after so many steps."""
    doubt = doubts(steps.program, software=False)
    source = {target: result for result, target in steps.feed.items()}
    *fed, watched = steps.compared
    return {
        "history": {
            "expected": coded(expected.history),
            "tolerance": doubt[watched.name].tolerance * steps.count,
        },
        "tensors": [
            {
                **_span(layout, tensor),
                "expected": coded(expected.tensors[tensor.name].astype(np.float32)),
                "tolerance": doubt[source[tensor.name]].tolerance * steps.count,
            }
            for tensor in fed
        ],
    }


def _dealt(values: Array) -> str:
    """Entries of a stream, each padded to whole words."""
    rows = values.reshape(len(values), -1).view(np.uint8)
    return coded(np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))))


def coded(values: Array) -> str:
    """The bytes of an array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
