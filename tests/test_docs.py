"""Everything that the documentation shows is run: Python, command lines, tile programs, chips."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from memsim import cli, workloads
from memsim.hierarchy import Cache, Chip, Core, Dma, Dram, MatrixUnit, Memory, Network, SharedMemory, VectorUnit
from memsim.hierarchy.memories import L1Cache
from memsim.hierarchy.part import Part, keys_of
from memsim.isa import DTYPES, REDUCE_OPS, VECTOR_OPS, parse, verify

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
RUN = {"python", "console", "tile", "toml"}
SHOWN = {"text", "sh", "lark", "json", ""}

FENCE = re.compile(r"^```(?P<language>[\w-]*)(?P<attributes>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')
SNIPPET = re.compile(r'^--8<-- "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, the name of the file it shows (if any), text and first line."""

    language: str
    title: str
    text: str
    line: int


def blocks_of(page: str) -> Iterator[Block]:
    for match in FENCE.finditer(page):
        title = TITLE.search(match["attributes"])
        text = SNIPPET.sub(lambda m: (ROOT / m[1]).read_text(encoding="utf-8"), match["text"])
        line = page.count("\n", 0, match.start("text")) + 1
        yield Block(match["language"], title[1] if title else "", text, line)


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> None:
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    exec(code, namespace)


def run_console(block: Block, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
    assert commands, f"{page.name}:{block.line}: a console block without a command"
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "memsim", f"{page.name}:{block.line}: {command}"
        status = cli.run(arguments)
        assert status == 0, f"{page.name}:{block.line}: {command}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_everything_shown_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    namespace: dict[str, Any] = {"__name__": page.stem}
    for block in blocks_of(page.read_text(encoding="utf-8")):
        assert block.language in RUN | SHOWN, f"{page.name}:{block.line}: nobody tests {block.language} blocks"
        if block.title:
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        match block.language:
            case "python":
                run_python(block, page, namespace)
            case "console":
                run_console(block, page, capsys)
            case "tile":
                verify(parse(block.text, file=f"{page.name}:{block.line}"))
            case "toml":
                Chip.from_text(block.text)


def test_blocks_are_found_with_their_lines_and_titles() -> None:
    page = 'one\n```toml title="a.toml"\nx = 1\n```\n\n```\nplain\n```\n'
    assert list(blocks_of(page)) == [Block("toml", "a.toml", "x = 1\n", 3), Block("", "", "plain\n", 7)]


def test_a_failing_block_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as error:
        run_python(Block("python", "", "x = 1\n1 / 0\n", 10), tmp_path / "page.md", {})
    assert error.traceback[-1].lineno == 10  # counted from 0: the second line of a block that begins on line 10


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_line_is_too_long_to_review(page: Path) -> None:
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        assert len(line) <= 220, f"{page.name}:{number} has {len(line)} characters"


# Reference pages name everything ------------------------------------------------------------------------------------


def words_in_code(page: str) -> set[str]:
    """Every word that stands in code, inline or in a block."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return {word for code in re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL) for word in re.findall(r"[\w.]+", code)}


@pytest.mark.parametrize(
    "part", [Chip, Core, Memory, L1Cache, MatrixUnit, VectorUnit, Dma, Cache, SharedMemory, Dram, Network]
)
def test_chip_reference_has_every_key(part: type[Part]) -> None:
    words = {word.rpartition(".")[2] for word in words_in_code("chips.md")}
    assert set(keys_of(part)) <= words


def test_chip_reference_has_every_preset() -> None:
    assert set(Chip.presets()) <= words_in_code("chips.md")


@pytest.mark.parametrize("table", [VECTOR_OPS, REDUCE_OPS, DTYPES], ids=["vector", "reduce", "dtypes"])
def test_isa_reference_has_every_operation_and_type(table: dict[str, object]) -> None:
    assert set(table) <= words_in_code("isa.md")


def test_workloads_page_has_every_function() -> None:
    modules = (workloads.functions, workloads.attending, workloads.layers, workloads.training)
    functions = {
        name
        for module in modules
        for name, value in vars(module).items()
        if name in workloads.__all__ and getattr(value, "__module__", "") == module.__name__
    }
    assert len(functions) > 20
    assert functions <= words_in_code("workloads.md")


def test_command_line_page_has_every_command_and_option() -> None:
    words = words_in_code("cli.md")
    assert {command.name or command.callback.__name__ for command in cli.app.registered_commands} <= words
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for option in re.findall(r'"(--[a-z-]+)', (ROOT / "memsim/cli/_run.py").read_text(encoding="utf-8")):
        assert option in page


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs/decisions/index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        assert f"({page.name})" in listed
