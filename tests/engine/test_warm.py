"""Whether compiled code is there: asked of numba's own cache, for a small package that stands for the engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from memsim.engine import warm

INNER = "from numba import njit\n\n@njit(cache=True)\ndef inner(x):\n    return x + {number}\n"
OUTER = """\
from numba import njit
from stand_in.inner import inner

@njit(cache=True)
def outer(x):
    return inner(x)
"""
SCRIPT = """\
from pathlib import Path
from memsim.engine import warm
from stand_in.outer import outer

warm.ENTRY = ("stand_in.outer", "outer")
warm.NEIGHBOUR = ("stand_in.inner", "inner")
warm.digest = lambda: str(hash(Path("stand_in/inner.py").read_text()))
before = warm.is_compiled()
if FORGET:
    warm.forget_stale()
print(before, outer(1), warm.is_compiled(), warm.cache_folder(warm.ENTRY))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "stand_in"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "inner.py").write_text(INNER.format(number=10), encoding="utf-8")
    (folder / "outer.py").write_text(OUTER, encoding="utf-8")
    return folder


def run(package: Path, *, forget: bool = True, **environment: str) -> list[str]:
    """What a fresh interpreter prints: compiled before, the function's value, compiled after, the cache's folder."""
    done = subprocess.run(
        [sys.executable, "-c", f"FORGET = {forget}\n{SCRIPT}"],
        cwd=package.parent,
        env={**os.environ, "PYTHONHASHSEED": "0", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_cold_then_warm_then_changed_elsewhere(package: Path) -> None:
    beside = str(package / "__pycache__")
    assert run(package) == ["False", "11", "True", beside]
    assert run(package) == ["True", "11", "True", beside]
    (package / "inner.py").write_text(INNER.format(number=20), encoding="utf-8")
    assert run(package, forget=False)[1] == "11", "numba has learnt to see this: forget_stale can go"
    assert run(package) == ["False", "21", "True", beside]
    assert run(package) == ["True", "21", "True", beside]


def test_in_a_folder_of_the_users(package: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "cache")
    assert run(package, NUMBA_CACHE_DIR=folder)[:3] == ["False", "11", "True"]
    before, value, after, place = run(package, NUMBA_CACHE_DIR=folder)
    assert (before, value, after) == ("True", "11", "True")
    assert place.startswith(folder)
    assert not list((package / "__pycache__").glob("*.nb?"))


def test_an_index_of_another_numba_is_none(package: Path) -> None:
    run(package)
    (index,) = (package / "__pycache__").glob("outer.outer-*.nbi")
    import numba

    index.write_bytes(index.read_bytes().replace(numba.__version__.encode(), b"0.1".ljust(len(numba.__version__))))
    assert run(package)[0] == "False"


def test_without_compilation_nothing_is_cold(package: Path) -> None:
    assert run(package, NUMBA_DISABLE_JIT="1") == ["True", "11", "True", "None"]


def test_the_digest_is_of_what_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "__file__", str(tmp_path / "engine" / "warm.py"))
    (tmp_path / "engine" / "fast").mkdir(parents=True)
    digests = set()
    for module, text in (
        ("compiled.py", "njit(cache=True)"),
        ("engine/servers.py", "from memsim.compiled import compiled"),
        ("engine/servers.py", "from memsim.compiled import compiled  # changed"),
        ("engine/fast/words.py", "KIND = 1"),
        ("engine/fast/words.py", "KIND = 2"),
        ("compiled.py", "njit(cache=True, fastmath=True)"),
        ("engine/report.py", "nothing is compiled here"),
    ):
        (tmp_path / module).write_text(text, encoding="utf-8")
        warm.digest.cache_clear()
        digests.add(warm.digest())
    warm.digest.cache_clear()
    assert len(digests) == 6


def test_every_module_that_is_compiled_is_in_the_digest() -> None:
    """Whoever compiles, does so through `memsim.compiled`: else a change of it would not be seen."""
    package = Path(warm.__file__).parent.parent
    texts = {m.relative_to(package).as_posix(): m.read_text(encoding="utf-8") for m in package.rglob("*.py")}
    assert [name for name, text in texts.items() if re.search(r"\bnjit\b|\bjit\(", text)] == ["compiled.py"]
    jitted = {f"memsim/{name}"[:-3].replace("/", ".") for name, text in texts.items() if "memsim.compiled" in text}
    for name in jitted:
        if name.startswith("memsim.engine."):  # what it is made of, if compiled, is in the digest too
            text = texts[name.removeprefix("memsim.").replace(".", "/") + ".py"]
            used = set(re.findall(r"^from (memsim\.[\w.]+) import", text, re.MULTILINE)) & jitted
            assert all(module.startswith("memsim.engine.") for module in used), name
