"""The runner of the pages notices what is wrong on a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from documentation.code_blocks import ROOT, Block, blocks_of
from documentation.consoles import Console, assert_shown, commands_of, environment_of
from documentation.pages import run_block


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(tmp_path, environment_of(tmp_path))


def block(language: str, text: str, output: str | None = None) -> Block:
    return Block(ROOT / "README.md", 1, language, text, output=output)


@pytest.mark.in_turn
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (block("python", "import esms_connectors\nesms_connectors.no_such_name"), "no_such_name"),
        (block("python", "print(1)", "2\n"), "but it printed"),
        (block("python", "def test_it(): assert False"), "1 failed"),
        (block("console", "$ esms no-such-command\n"), "No such command"),
        (block("console", "$ esms --version\nesms, version 99\n"), "but it printed"),
        (block("console", "$ make no-such-target\n"), "no-such-target"),
        (block("console", "$ pip install 'esms-connectors[no_such_extra]'\n"), "no_such_extra"),
        (block("yaml", "a: 1\n"), "neither run nor marked"),
        (block("", "a = 1\n"), "neither run nor marked"),
    ],
)
def test_invalid_block_fails(wrong: Block, words: str, console: Console) -> None:
    """Whatever it is."""
    with pytest.raises((AssertionError, AttributeError), match=words):
        run_block(wrong, console)


def test_ellipsis_in_expected_output_matches_anything() -> None:
    """And only that; blanks count as one."""
    assert_shown("60 accepted\n… took …\n", "60   accepted\n  took  0.1 s\n", "here")
    with pytest.raises(AssertionError):
        assert_shown("60 accepted", "6 accepted", "here")


def test_console_commands_are_split_as_a_shell_would() -> None:
    """Continued lines, quotations and here-documents belong to it; what follows is its output."""
    text = "$ one \\\n  --more\nsaid\n$ cat <<'END'\na row\nEND\n$ two 'a\nb'\n"
    assert [(one.text, one.output) for one in commands_of(text)] == [
        ("one \\\n  --more", "said\n"),
        ("cat <<'END'\na row\nEND", ""),
        ("two 'a\nb'", ""),
    ]


def test_mark_applies_to_the_block_below_and_output_to_the_block_above(tmp_path: Path) -> None:
    """And an output to the block right above it."""
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: why -->\n```toml\na = 1\n```\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n", encoding="utf-8"
    )
    marked, plain = blocks_of(page)
    assert (marked.not_run, marked.language) == ("why", "toml")
    assert (plain.not_run, plain.output) == (None, "1\n")
