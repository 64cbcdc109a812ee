"""One program under one model, or under every model that can take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from math import isqrt

from memsim.errors import MemsimError
from memsim.locality import challenges
from memsim.locality.files import AnyProgram
from memsim.locality.loops import scoring as loops
from memsim.locality.loops.model import LoopProgram
from memsim.locality.loops.unrolling import unroll
from memsim.locality.scalar import dally1, dally2
from memsim.locality.scalar.as_trace import trace_of
from memsim.locality.scalar.dally2 import Cells
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.scalar.symbolic import prove_product
from memsim.locality.scalar.text import TAPE
from memsim.locality.scalar.tracking import track
from memsim.locality.scores import Score
from memsim.locality.spatial import SpatialProgram, score_scalar
from memsim.locality.spatial import score as score_spatial
from memsim.locality.tracing import DIALECTS, price

MODELS = ("dally1", "dally2", "dally3", "bytedmd", "dmc", "ard", "dmd")
"""Every model that prices a program, in the order of tables."""

MOST_UNROLLED = 5 * 10**6
"""Instructions of a program with loops up to which it is unrolled to see what it computes: seconds."""


def score(
    program: AnyProgram,
    model: str = "dally1",
    *,
    machine: str | None = None,
    placement: Cells | None = None,
    dialect: str = "main",
    bytes_per_element: int = 1,
) -> Score:
    """Price a program under one model.

    Parameters
    ----------
    program
        A straight line, a program with loops (which ``dally1`` and ``dally2`` price without unrolling it), or a spatial
        one (``dally3`` alone).
    model
        One of `MODELS`.
    machine
        Of ``dally1``: ``matmul`` or ``int8``; the first that has every instruction, unless given.
    placement
        Of ``dally2``: the cell of each address; the half diamond unless given.
    dialect, bytes_per_element
        Of ``bytedmd``.

    Returns
    -------
    Score
        With ``correct`` still open: see `decide`.

    Raises
    ------
    MemsimError
        If there is no such model, or it cannot take the program.
    """
    return _score(program, _straight(program), model, machine, placement, dialect, bytes_per_element)


def _straight(program: AnyProgram) -> Callable[[], ScalarProgram]:
    """Gives the program as a straight line; loops are unrolled at the first call."""

    @cache
    def once() -> ScalarProgram:
        if isinstance(program, ScalarProgram):
            return program
        if isinstance(program, LoopProgram):
            return unroll(program)
        raise MemsimError(
            "the program names cores and cells, which only dally3 has",
            where="model",
            mend="score it under dally3, or write it with addresses",
        )

    return once


def _score(
    program: AnyProgram,
    straight: Callable[[], ScalarProgram],
    model: str,
    machine: str | None,
    placement: Cells | None,
    dialect: str,
    bytes_per_element: int,
) -> Score:
    if model not in MODELS:
        raise MemsimError(f"there is no model {model!r}", where="model", mend=f"choose one of {', '.join(MODELS)}")
    if isinstance(program, SpatialProgram) and model == "dally3":
        return score_spatial(program)
    if isinstance(program, LoopProgram) and model in ("dally1", "dally2") and placement is None:
        return loops.score(program, model, machine if model == "dally1" else None)
    prices: Mapping[str, Callable[[], Score]] = {
        "dally1": lambda: dally1.score(straight(), machine),
        "dally2": lambda: dally2.score(straight(), placement),
        "dally3": lambda: score_scalar(straight()),
        "bytedmd": lambda: price(trace_of(straight()), dialect, bytes_per_element),
        "dmc": lambda: track(straight())[0],
        "ard": lambda: track(straight())[1],
        "dmd": lambda: track(straight())[2],
    }
    return prices[model]()


def native_model(program: AnyProgram) -> str:
    """The model that a program is written for: ``dally2`` with a tape, ``dally3`` with cores, else ``dally1``."""
    if isinstance(program, SpatialProgram):
        return "dally3"
    return "dally2" if program.version == TAPE else "dally1"


def score_all(
    program: AnyProgram,
    *,
    machine: str | None = None,
    placement: Cells | None = None,
    bytes_per_element: int = 1,
) -> tuple[list[Score], dict[str, str]]:
    """The scores of every model that can take a program, and why the others cannot.

    The first score is that of `native_model`. ByteDMD is there in each dialect. For the parameters see `score`.

    Raises
    ------
    MemsimError
        If the native model cannot take the program, or one that an option was given for.
    """
    given = {"dally1": machine is not None, "dally2": placement is not None, "bytedmd": bytes_per_element != 1}
    native, straight = native_model(program), _straight(program)
    scores: list[Score] = []
    refusals: dict[str, str] = {}
    for model in (native, *(model for model in MODELS if model != native)):
        for dialect in DIALECTS if model == "bytedmd" else ("main",):
            try:
                scores.append(_score(program, straight, model, machine, placement, dialect, bytes_per_element))
            except MemsimError as error:
                if model == native or given.get(model):
                    raise
                refusals[model] = error.cause
    return scores, refusals


def decide(program: AnyProgram, machine: str | None = None, challenge: str | None = None) -> tuple[bool | None, str]:
    """Whether a program computes what it should: what a challenge asks, or else a product of two square matrices.

    Parameters
    ----------
    program
        Programs with loops are unrolled for it.
    machine
        Products are proved for machine ``matmul``, or where none is given.
    challenge
        One of `memsim.locality.challenges.CHALLENGES`.

    Returns
    -------
    correct, reason
        ``None`` where nothing says what it should compute, or that was not decided.
    """
    if isinstance(program, SpatialProgram):
        if challenge is not None:
            raise MemsimError("spatial programs have no challenges", where="challenge", mend="leave it out")
        return None, "nothing says what a spatial program should compute"
    if isinstance(program, LoopProgram) and program.instructions > MOST_UNROLLED:
        return None, f"not decided: of its {program.instructions:,} instructions; the most is {MOST_UNROLLED:,}"
    straight = _straight(program)()
    if challenge is not None:
        _check_challenge(challenge, machine)
        return challenges.verify(straight, challenge)
    if straight.version > 0 or machine == "int8" or not _is_square_product(straight):
        return None, "no challenge was named, and it is no product of two square matrices on machine matmul"
    proof = prove_product(straight)
    return proof.holds, proof.reason


def decided(scores: list[Score], correct: bool | None, reason: str) -> list[Score]:
    """The scores with a verdict."""
    return [replace(one, correct=correct, reason=reason) for one in scores]


def _check_challenge(name: str, machine: str | None) -> None:
    """Refuse a challenge that there is not, and one that runs on another machine."""
    task = challenges.CHALLENGES.get(name)
    if task is None:
        raise MemsimError(
            f"there is no challenge {name!r}",
            where="challenge",
            mend=f"choose one of {', '.join(challenges.CHALLENGES)}",
        )
    if machine not in (None, task.machine):
        raise MemsimError(
            f"{name} runs on machine {task.machine}, not {machine}", where="machine", mend="leave the machine out"
        )


def _is_square_product(program: ScalarProgram) -> bool:
    n = isqrt(len(program.outputs))
    return n >= 1 and (len(program.inputs), len(program.outputs)) == (2 * n * n, n * n)
