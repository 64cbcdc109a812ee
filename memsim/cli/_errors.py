"""Turns whatever goes wrong into one message on stderr and an exit status; no traceback reaches a user."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import typer

from memsim.errors import MemsimError

BAD_INPUT = 2
DEFECT = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it

_CLICK_EXCEPTION = typer.BadParameter.__mro__[2]
"""Base of every usage error. Some versions of typer bring their own copy of click, so it is found, not imported."""


def guarded(command: Callable[[], object]) -> int:
    """Run ``command`` and return the exit status; say in one message what went wrong, if anything did."""
    try:
        status = command()
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except MemsimError as error:
        return _fail(str(error), BAD_INPUT)
    except OSError as error:
        return _fail(_os_error_text(error), BAD_INPUT)
    except Exception as error:
        if isinstance(error, _CLICK_EXCEPTION):
            return _fail(_usage_text(error), BAD_INPUT)
        return _fail(_defect_text(error), DEFECT)
    if status == INTERRUPTED:
        return _fail("interrupted", INTERRUPTED)
    return status if isinstance(status, int) else 0


def _fail(text: str, status: int) -> int:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text(text, style="red"), soft_wrap=True)
    return status


def _os_error_text(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename is not None else what


def _usage_text(error: BaseException) -> str:
    message: str = getattr(error, "message", "") or str(error)
    format_message = getattr(error, "format_message", None)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "memsim"
    return f"{command}: {format_message() if format_message else message}\n  mend: {command} --help lists what it takes"


def _defect_text(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return (
        f"internal error at {place}: {type(error).__name__}: {error}\n"
        "  mend: this is a defect in memsim, not in your input; please report it with the command you ran"
    )
