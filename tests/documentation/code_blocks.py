"""
The code blocks of README.md and docs/: which there are, and in which environment each is run.

A block that cannot be run where the tests run says so in the line above it, as `<!-- not run: why -->`. Those are
counted in `test_code_blocks.py`, and checked as far as that goes.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

Environment = Literal["core", "airflow", "prefect"]

ROOT = Path(__file__).parents[2]
# Each is written by a program, and compared with what that writes by a test of its own.
WRITTEN = {"docs/reference/commands.md"}
# Their blocks are those of the English pages, which a test compares.
TRANSLATED = "docs/vi"
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    if str(page.relative_to(ROOT)) not in WRITTEN and page.parent != ROOT / TRANSLATED
)
_MARK = re.compile(r"<!--\s*not run:\s*(.+?)\s*-->\s*")


@dataclass(frozen=True, slots=True)
class Block:
    """
    One fenced block.

    Attributes:
        output: what a `text` block right behind it shows, None for none.
        not_run: why it is not, None for those that are.
    """

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None = None
    output: str | None = None

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def environment(self) -> Environment:
        if self.language == "python":
            return _environment_of_imports(self.text)
        if self.language in ("console", "sh"):
            prompt = r"\$ " if self.language == "console" else ""
            words = re.findall(rf"(?m)^{prompt}(\w+)(?: (AIRFLOW|PREFECT)_)?", self.text)
            for word, prefix in words:
                if word in ("airflow", "prefect"):
                    return word
                if prefix:
                    return prefix.lower()
        return "core"


def _environment_of_imports(text: str) -> Environment:
    modules: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
    for framework in ("airflow", "prefect"):
        if any(re.match(rf"(esms_connectors\.)?{framework}(_\w+)?(\.|$)", module) for module in modules):
            return framework
    return "core"


@functools.cache
def blocks_of(page: Path) -> tuple[Block, ...]:
    """In order, without the directives of Sphinx and the outputs, which stand with their blocks."""
    found: list[Block] = []
    tokens = MarkdownIt("commonmark").disable("inline").parse(page.read_text(encoding="utf-8"))
    for number, token in enumerate(tokens):
        if token.type == "code_block":
            raise AssertionError(f"{page}:{(token.map or [0])[0] + 1}: an indented block has no language; fence it")
        if token.type != "fence" or token.info.startswith("{"):
            continue
        block = _block(page, token, tokens[number - 1] if number else None)
        previous = tokens[number - 1] if number else None
        if block.language == "text" and previous is not None and previous.type == "fence" and found:
            before = found.pop()
            block = Block(before.page, before.line, before.language, before.text, before.not_run, block.text)
        found.append(block)
    return tuple(found)


def _block(page: Path, token: Token, previous: Token | None) -> Block:
    mark = _MARK.fullmatch(previous.content) if previous is not None and previous.type == "html_block" else None
    return Block(
        page,
        (token.map or [0])[0] + 1,
        token.info.strip(),
        token.content,
        not_run=mark.group(1) if mark else None,
    )


def runnable(page: Path, environment: Environment) -> list[Block]:
    """The blocks of a page that are run in this environment."""
    return [block for block in blocks_of(page) if block.not_run is None and block.environment == environment]


def pages_for(environment: Environment) -> list[Path]:
    return [page for page in PAGES if runnable(page, environment)]
